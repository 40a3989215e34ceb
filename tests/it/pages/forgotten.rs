//! `/forgot-password` and `--link-command`.

use super::*;
use crate::browser::{Browser, ENTER};
use crate::hazards::watch::await_that;
use crate::pages::browsers;
use crate::process::{Server, body, status};
use gatekey::http::AuditEvent;
use gatekey::routes::LinkRequests;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;

/// A realm with the page, and the receiving end of its queue.
fn realm_with_queue() -> (TestRealm, Receiver<String>) {
    let (requests, queue) = LinkRequests::queue();
    let config = Config { link_requests: Some(requests), ..config("Example") };
    let realm = TestRealm::throttled(Policy::default()).behind(config);
    realm.add_user("ok", "python");
    (realm, queue)
}

fn ask(visitor: &Visitor<'_>, name: &str) -> Response {
    visitor.fill("/forgot-password", &[("username", name)])
}

#[test]
fn without_a_link_command_there_is_no_such_page() {
    let realm = realm();
    let visitor = Visitor::new(&realm);
    assert_eq!(visitor.get("/forgot-password").status, 404);
    assert_eq!(ask(&visitor, "ok").status, 404);
    assert!(!text(&visitor.get("/login")).contains("forgot-password"));
    let (realm, _queue) = realm_with_queue();
    assert_shows(&Visitor::new(&realm).get("/login"), &["href=\"/forgot-password\""]);
}

#[test]
fn names_of_every_kind_get_the_same_bytes_and_the_same_slot() {
    let (realm, queue) = realm_with_queue();
    realm.add_user("off", "python");
    let off = realm.realm.find_user_by_name("off").unwrap().unwrap().id;
    realm.realm.set_disabled(off, true).unwrap();
    let visitor = Visitor::new(&realm);
    let answers = ["ok", "off", "unknown", "<b>not a name\n"].map(|name| {
        let answer = ask(&visitor, name);
        assert_eq!(answer.record.audit, Some(AuditEvent::LinkRequested));
        assert_eq!(queue.try_recv().as_deref(), Ok(name));
        (answer.status, answer.headers, answer.body)
    });
    assert_eq!(answers[0].0, 200);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[test]
fn requests_for_links_are_rate_limited_by_name_by_address_and_in_all() {
    let (realm, queue) = realm_with_queue();
    let visitor = Visitor::new(&realm);
    let statuses = |names: &[&str]| names.iter().map(|name| ask(&visitor, name).status).collect::<Vec<_>>();
    // Of one name three, in any normalization form, known or not.
    assert_eq!(statuses(&["jose\u{301}", "jos\u{e9}", "jose\u{301}", "jos\u{e9}"]), [200, 200, 200, 429]);
    assert_eq!(statuses(&["ok", "ok", "ok", "ok"]), [200, 200, 200, 429]);
    assert_shows(&ask(&visitor, "ok"), &["Wait 20 minutes", "value=\"ok\""]);
    // Of one address twelve.
    assert_eq!(statuses(&["a", "b", "c", "d", "e", "f", "g"]), [200, 200, 200, 200, 200, 200, 429]);
    assert_eq!(queue.try_iter().count(), 12, "what is rejected takes no slot");
    // Passwords have buckets of their own.
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200);
}

#[test]
fn a_full_queue_is_an_error_that_says_so() {
    let (requests, queue) = LinkRequests::queue();
    let realm = TestRealm::with_config(Config { link_requests: Some(requests), ..config("Example") });
    let visitor = Visitor::new(&realm);
    let full = loop {
        let answer = ask(&visitor, "ok");
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(full.status, 503);
    assert_shows(&full, &["The server is busy", "value=\"ok\""]);
    assert_eq!(queue.try_iter().count(), 32);
}

#[test]
fn forms_of_other_sites_ask_for_no_link() {
    let (realm, queue) = realm_with_queue();
    let visitor = Visitor::new(&realm);
    let csrf = hidden(&visitor.get("/forgot-password"), "csrf");
    let fields = [("csrf", csrf.as_str()), ("username", "ok")];
    let foreign = visitor.request("GET", "/").header("Cookie").unwrap().to_vec();
    let foreign = Request::new("POST", "/forgot-password")
        .with_header("Origin", "https://evil.example")
        .with_header("Content-Type", "application/x-www-form-urlencoded")
        .with_header("Cookie", foreign);
    assert_eq!(realm.send(&with_form(foreign, &fields)).status, 403);
    let stale = visitor.post("/forgot-password", &fields[1..]);
    assert_eq!(stale.status, 403);
    assert_shows(&stale, &["out of date", "value=\"ok\""]);
    assert_eq!(queue.try_iter().count(), 0);
}

/// An executable script in this directory.
fn script(directory: &Path, lines: &str) -> String {
    let path = directory.join("send");
    fs::write(&path, format!("#!/bin/sh\ncd {}\n{lines}\n", directory.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().into()
}

fn ask_server(server: &Server, name: &str) -> String {
    post_form(server, &server.url(""), "/forgot-password", &[("username", name)])
}

#[test]
fn the_program_gets_the_link_a_name_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    // The shell adds variables of its own, so the environment is read from /proc.
    let command = script(
        directory.path(),
        "tr '\\0' '\\n' </proc/$$/environ >env; ls -l /proc/$$/fd >descriptors\nprintf '%s\\n' \"$@\" >words; cat >part\n\
         mv part link",
    );
    let command = format!("{command} --to 'two words' $HOME");
    let server = browsers::server(&directory, &["--link-command", &command]);
    assert_eq!(status(&ask_server(&server, "unknown")), 200);
    let sent = ask_server(&server, "ok");
    assert!(status(&sent) == 200 && body(&sent).contains("a link is on its way"), "{sent}");
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert!(await_that(|| directory.path().join("link").exists()), "{}", server.log());

    let link = read("link");
    let url = format!("{}/set-password?token=", server.url(""));
    assert!(link.starts_with(&url) && link.lines().count() == 1, "{link}");
    assert_eq!(read("words"), "--to\n'two\nwords'\n$HOME\n");
    let environment = read("env");
    let names: Vec<_> = environment.lines().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!((names.len(), names.contains(&"PATH")), (2, true), "{environment}");
    assert!(environment.contains("GATEKEY_USERNAME=ok"), "{environment}");
    // Input, output, error, the script, and the descriptor of `ls` on the directory.
    for held in ["sqlite", "socket:", "signing-keys", "eventpoll"] {
        assert!(!read("descriptors").contains(held), "{}", read("descriptors"));
    }
    let token = link.trim().strip_prefix(&url).unwrap();
    assert_eq!(status(&server.request(&format!("GET /set-password?token={token}"), &[], "")), 303);
    let (code, log) = server.stop();
    assert!(code == Some(0) && log.contains("link requested") && !log.contains(token), "{log}");
}

#[test]
fn a_program_that_fails_is_reported_without_the_link() {
    let directory = tempfile::tempdir().unwrap();
    let command = script(
        directory.path(),
        "read link; printf 'can\\047t send %s\\033[2J to %s %s\\n' \"$link\" $GATEKEY_USERNAME ${link#*=} >&2\n\
         printf '%490s%s' '' \"$link\" >&2; exit 75",
    );
    let server = browsers::server(&directory, &["--link-command", &command]);
    ask_server(&server, "ok");
    let expected = "no link was sent to user 1: the link command ended with exit status: 75: can't send LINK";
    assert!(await_that(|| server.log().contains(expected)), "{}", server.log());
    let (_, log) = server.stop();
    assert!(log.contains(" to ok TOKEN") && !log.contains('\u{1b}'), "{log}");
    assert!(!log.contains("token=") && !log.contains("eyJ"), "{log}");
}

#[test]
fn a_program_that_hangs_is_killed_with_its_children_and_others_wait_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let command = script(
        directory.path(),
        "[ $GATEKEY_USERNAME = ok ] || { [ -e /proc/$(cat child)/exe ] && touch overlap; cat >other; exit; }\n\
         sleep 600 & echo $! >child\nwait",
    );
    let server = browsers::server(&directory, &["--link-command", &command]);
    server.register("other", "python");
    ask_server(&server, "ok");
    let child = directory.path().join("child");
    assert!(await_that(|| fs::read_to_string(&child).is_ok_and(|pid| pid.ends_with('\n'))));
    ask_server(&server, "other");
    let has_ended = "the link command ran for over 10 s and was killed";
    assert!(await_that(|| server.log().contains(has_ended)));
    let pid = fs::read_to_string(&child).unwrap();
    assert!(await_that(|| !Path::new("/proc").join(pid.trim()).join("exe").exists()), "the child lives");
    assert!(await_that(|| directory.path().join("other").exists()));
    assert!(!directory.path().join("overlap").exists(), "one at a time");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_command_that_can_not_work_is_refused_at_the_start() {
    for (options, expected) in [
        (&["--link-command", "/no/such/program"][..], "there is no executable program"),
        (&["--link-command", "true"], "--link-command needs --public-url"),
        (
            &["--link-command", "true", "--public-url", "https://auth.example.org/path"],
            "--link-command needs",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = gatekey();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path()).args(options);
        let (code, _, error) = written(&command.output().unwrap());
        assert!(code == Some(2) && error.contains(expected), "{error}");
    }
}

#[test]
fn a_user_who_forgot_the_password_is_helped() {
    let Some(browser) = Browser::start("a_user_who_forgot_the_password_is_helped") else { return };
    let directory = tempfile::tempdir().unwrap();
    let command = script(directory.path(), "cat >part; mv part link");
    let server = browsers::server(&directory, &["--link-command", &command]);
    browser.open(&server.url("/login"));
    browser.click("a[href='/forgot-password']");
    browser.press("#username", &format!("ok{ENTER}"));
    browser.find(".good");
    let link = directory.path().join("link");
    assert!(await_that(|| link.exists()));
    browser.open(fs::read_to_string(link).unwrap().trim());
    browser.press("#password", &format!("a new password{ENTER}"));
    browser.find(".title strong");
    browser.assert_lands(&server.url("/account"));
    assert_eq!((server.login("ok", "a new password"), server.login("ok", "python")), (200, 401));
}

/// Accepts one message by SMTP (RFC 5321), and returns the recipient's line and the message.
fn receive_mail(listener: &TcpListener) -> String {
    let (connection, _) = listener.accept().unwrap();
    let (mut output, mut input) = (connection.try_clone().unwrap(), BufReader::new(connection));
    let mut received = String::new();
    output.write_all(b"220 test\r\n").unwrap();
    while !received.ends_with("\r\n.\r\n") {
        let at = received.len();
        assert!(input.read_line(&mut received).unwrap() > 0, "{received}");
        let command = received[at..].to_uppercase();
        let is_body = received[..at].contains("DATA\r\n");
        let answer = match () {
            () if is_body => continue,
            () if command.starts_with("DATA") => "354 go on",
            () => "250 ok",
        };
        output.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
    }
    let _ = output.write_all(b"250 ok\r\n");
    received
}

#[test]
fn the_documented_script_mails_the_link_to_the_address_in_the_file() {
    if !process::run(Command::new("sh").args(["-c", "command -v msmtp"]), "").status.success() {
        return crate::skip::skip("the_documented_script_mails_the_link", "msmtp is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().to_str().unwrap();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sign-in.md")).unwrap();
    let example = page.split_once("```sh\n#!/bin/sh\n").unwrap().1.split_once("```").unwrap().0;
    let command = script(directory.path(), &example.replace("/etc/gatekey", own));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    fs::write(directory.path().join("addresses"), "o\tother@example.org\nok\tok@example.org\n").unwrap();
    let account = format!("account default\nhost 127.0.0.1\nport {port}\nfrom auth@example.org\ntls off\n");
    fs::write(directory.path().join("msmtprc"), account).unwrap();
    let server = browsers::server(&directory, &["--link-command", &command]);
    server.register("nameless", "python");
    ask_server(&server, "nameless");
    let missing = "addresses has no such user";
    assert!(await_that(|| server.log().contains(missing)), "{}", server.log());
    ask_server(&server, "ok");
    let mail = receive_mail(&listener);
    let link = format!("{}/set-password?token=", server.url(""));
    assert!(mail.contains("RCPT TO:<ok@example.org>") && mail.contains(&link), "{mail}");
}
