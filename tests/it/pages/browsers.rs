//! The sign-in pages in the real browser: forms, redirects, cookies and tabs as Chromium handles them.

use super::*;
use crate::browser::{Browser, ENTER, TAB};
use crate::learn::{FAINT, NAMELESS};
use crate::process::{Server, gatekey};
use gatekey::json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;

/// A server whose public URL is the one that it listens on, with the user `ok`.
pub(super) fn server(directory: &tempfile::TempDir, options: &[&str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut command = gatekey();
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    let own = ["--listen", "stdin", "--public-url", &url, "--scrypt", crate::harness::CHEAP];
    let server = Server::start_as(command, directory.path().join("data"), &[&own[..], options].concat());
    server.register("ok", "python");
    server
}

/// An app that leads on to another site, as one does that has a sign-in of its own. Returns where it listens.
fn app() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut connection in listener.incoming().map(Result::unwrap) {
            let mut head = [0; 4096];
            let count = connection.read(&mut head).unwrap_or_default();
            let answer = if head[..count].starts_with(b"GET /app") {
                format!("303 See Other\r\nLocation: http://localhost:{port}/landed")
            } else {
                "200 OK".into()
            };
            let _ = write!(connection, "HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    format!("127.0.0.1:{port}")
}

/// By the keyboard alone: the page has put the focus where one begins.
fn sign_in(browser: &Browser) {
    browser.press("#username", &format!("ok{TAB}python{ENTER}"));
}

#[test]
fn a_visitor_signs_in_lands_and_signs_out_and_back_shows_nothing() {
    let test = "a_visitor_signs_in_lands_and_signs_out_and_back_shows_nothing";
    let Some(browser) = Browser::start(test) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (server, app) = (server(&directory, &[]), app());
    // Another port, and the app leads on to another site: form-action holds for every hop.
    browser.open(&server.url(&login_for(&format!("http://{app}/app"))));
    assert_eq!(browser.run("return document.activeElement.id"), "username");
    browser.press("#username", &format!("ok{TAB}wrong{ENTER}"));
    browser.find("#alert");
    assert_eq!(browser.run("return document.activeElement.id"), "password");
    browser.press("#password", &format!("python{ENTER}"));
    browser.run("return document.readyState");
    let port = app.split(':').nth(1).unwrap();
    browser.assert_lands(&format!("http://localhost:{port}/landed"));

    // The fragment outlives the form's post and the redirect.
    let learn = server.url("/learn");
    browser.open(&format!("{}#token", server.url(&login_for(&learn))));
    browser.click("button[autofocus]");
    browser.find("#token");
    browser.assert_lands(&format!("{learn}#token"));

    browser.open(&server.url("/account"));
    assert_eq!(browser.text(".title strong"), "ok");
    browser.click(".title button");
    browser.find("a[href='/login']");
    browser.assert_lands(&server.url("/"));
    browser.back();
    browser.find("#username"); // the account redirects to the form
    assert!(!browser.text("body").contains("Signed in as"));
    let violations = browser.console().into_iter().filter(|[source, ..]| source == "security").count();
    assert_eq!(violations, 0);
}

#[test]
fn eight_tabs_each_sign_in_and_reach_their_own_url() {
    let test = "eight_tabs_each_sign_in_and_reach_their_own_url";
    let Some(browser) = Browser::start(test) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (server, app) = (server(&directory, &[]), app());
    let tabs: Vec<_> = (0..8)
        .map(|number| {
            let tab = browser.open_tab();
            browser.open(&server.url(&login_for(&format!("http://{app}/{number}"))));
            tab
        })
        .collect();
    for (number, tab) in tabs.iter().enumerate() {
        browser.switch_to(tab);
        sign_in(&browser);
        browser.assert_lands(&format!("http://{app}/{number}"));
    }
}

#[test]
fn every_page_can_be_read_and_used_by_anybody_on_any_screen() {
    let test = "every_page_can_be_read_and_used_by_anybody_on_any_screen";
    let Some(browser) = Browser::start(test) else { return };
    let directory = tempfile::tempdir().unwrap();
    let server = server(&directory, &[]);
    let check = |path: &str| {
        browser.open(&server.url(path));
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            let faint = browser.run(FAINT);
            assert!(faint[1].as_array().unwrap().is_empty(), "{path} {scheme}: {faint}");
        }
        let nameless = browser.run(NAMELESS);
        assert!(nameless[1].as_array().unwrap().is_empty(), "{path}: {nameless}");
        for width in [320, 768] {
            browser.resize(width, 740, true);
            assert_eq!(browser.run("return document.documentElement.scrollWidth"), width, "{path}");
        }
    };
    ["/", "/login", "/register", "/logout", "/login?rd=a&rd=b"].into_iter().for_each(check);
    browser.open(&server.url("/login"));
    sign_in(&browser);
    browser.find(".title");
    ["/", "/login", "/logout", "/account?done=password"].into_iter().for_each(check);
}

/// What tells one URL from another for a parser that forgives.
const PIECES: [&str; 34] = [
    "https:",
    "http:",
    "HTTPS:",
    "//",
    "/",
    "\\",
    ":",
    "@",
    "?",
    "#",
    ".",
    "%2e",
    "%2F",
    "\t",
    "\n",
    "\r",
    "\0",
    " ",
    "\u{3002}",
    "\u{ff0e}",
    "\u{ad}",
    "\u{200b}",
    "[",
    "]",
    "443",
    "65536",
    "0x7f",
    "evil.example",
    "example.org",
    "app.example.org",
    "auth.example.org",
    "evil-example.org",
    "xn--",
    "u:p",
];
const SEEDS: [&str; 9] = [
    "https://app.example.org/a",
    "https://auth.example.org",
    "https://app.example.org:8443?x",
    "//evil.example",
    "/\\evil.example",
    "https://evil.example/\tapp.example.org",
    "https://evil-example.org/",
    "https://app.example.org@evil.example/",
    "https:/\\evil.example",
];

/// Seeds with pieces put in at random places, the same each time.
fn candidates() -> Vec<String> {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mutated = |number: usize| {
        let mut url: Vec<char> = SEEDS[number % SEEDS.len()].chars().collect();
        for _ in 0..=random(2) {
            let at = random(url.len() + 1);
            let end = (at + random(3)).min(url.len());
            url.splice(at..end, PIECES[random(PIECES.len())].chars());
        }
        url.into_iter().collect()
    };
    (0..20_000).map(mutated).collect()
}

#[test]
fn an_accepted_return_url_has_the_host_that_chromium_reads_in_it() {
    let test = "an_accepted_return_url_has_the_host_that_chromium_reads_in_it";
    let Some(browser) = Browser::start(test) else { return };
    let realm = realm();
    let visitor = Visitor::new(&realm);
    let accepted: Vec<_> = candidates()
        .into_iter()
        .filter_map(|url| {
            let page = visitor.get(&login_for(&url));
            let rd = hidden(&page, "rd");
            let host = text(&page).split("to continue to <strong>").nth(1)?.split('<').next()?.to_owned();
            Some((rd, host))
        })
        .collect();
    assert!(accepted.len() > 200, "only {} were accepted", accepted.len());
    for (rd, host) in &accepted {
        let is_ours = |host: &str| host == "example.org" || host.ends_with(".example.org");
        assert!(is_ours(&host.to_ascii_lowercase()), "{rd}");
    }
    let urls = Value::from(accepted.iter().map(|(rd, _)| rd.as_str()).collect::<Vec<_>>());
    let read = browser.run(&format!(
        "return {urls}.map((text) => {{
            try {{
                const url = new URL(text, 'https://auth.example.org/login');
                return url.protocol + url.username + url.password + url.hostname;
            }} catch {{ return ''; }}
        }})"
    ));
    for ((rd, host), read) in accepted.iter().zip(read.as_array().unwrap()) {
        let is_same = *read == format!("https:{}", host.to_ascii_lowercase());
        assert!(is_same || read == "", "{rd:?} leads to {read}"); // what can't be read leads nowhere
    }
}

/// Not a test: `make screenshots` makes the pictures.
#[test]
#[ignore = "make screenshots"]
fn screenshots() {
    let browser = Browser::start("screenshots").expect("chromium and chromedriver");
    let directory = tempfile::tempdir().unwrap();
    let server = server(&directory, &["--title", "Example"]);
    let shot = |scheme: &str, width, height, name: &str| {
        browser.prefer(scheme);
        browser.resize(width, height, width < 500);
        fs::write(format!("docs/screenshots/{name}.png"), browser.screenshot()).unwrap();
    };
    let rd = server.url("/learn");
    browser.open(&server.url(&login_for(&rd)));
    shot("light", 1000, 700, "sign-in-light");
    browser.press("#username", &format!("ok{TAB}wrong{ENTER}"));
    browser.find("#alert");
    shot("dark", 390, 760, "sign-in-dark-phone");
    browser.open(&server.url("/login"));
    sign_in(&browser);
    browser.find(".title");
    shot("light", 1000, 1230, "account-light");
}
