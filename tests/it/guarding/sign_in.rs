//! The sign-in page behind each proxy, with curl and with the real Chromium.

use super::{APP, AUTH, OTHER_APP, Plan, Site, behind_each, behind_each_by};
use crate::browser::Browser;
use crate::process::body;

const NAVIGATION: [&str; 4] = ["-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Dest: document"];

/// The value of a header, whose name may be in any case.
fn value(answer: &str, name: &str) -> Option<String> {
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// A second app, at another host under the cookie's domain.
fn with_other_app(configuration: &str) -> String {
    configuration
        .replace("server_name app.example.org;", "server_name app.example.org other.example.org;")
        .replace("\napp.example.org {", "\napp.example.org, other.example.org {")
        .replace("Host(`app.example.org`)", "Host(`app.example.org`) || Host(`other.example.org`)")
        .replace("\"app.example.org:*\"]", "\"app.example.org:*\", \"other.example.org:*\"]")
}

#[test]
fn behind_each_proxy_the_answer_to_a_visitor_depends_on_what_the_browser_does() {
    behind_each("behind_each_proxy_the_answer_to_a_visitor_depends", &[], |site| {
        let uri = "/page?a=1&b=%2F&c=//x&y=+";
        let sent = site.ask(APP, uri, &NAVIGATION);
        assert!(sent.starts_with("HTTP/1.1 303 "), "{sent}");
        let encode = |text: &str| -> String {
            let encoded = |c: char| match c {
                '-' | '.' | '_' | '~' => c.to_string(),
                c if c.is_ascii_alphanumeric() => c.to_string(),
                c => format!("%{:02X}", u32::from(c)),
            };
            text.chars().map(encoded).collect()
        };
        let origin = format!("https://{APP}:{}", site.port);
        let login = format!("https://{AUTH}:{}/login?rd={}", site.port, encode(&format!("{origin}{uri}")));
        assert_eq!(value(&sent, "Location").as_deref(), Some(login.as_str()), "{sent}");
        assert_eq!(value(&sent, "Cache-Control").as_deref(), Some("no-store"), "{sent}");

        let form = [&NAVIGATION[..], &["-d", "lost=1"]].concat();
        let form = site.ask(APP, "/form", &form);
        assert!(form.starts_with("HTTP/1.1 401 ") && body(&form).contains("send the form again"), "{form}");
        let frame = ["-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Dest: iframe"];
        let frame = site.ask(APP, "/frame", &frame);
        assert!(frame.starts_with("HTTP/1.1 401 ") && body(&frame).contains("target=\"_top\""), "{frame}");
        for (headers, challenge) in [(&["-H", "Sec-Fetch-Mode: cors"][..], "Cookie"), (&[], "Basic")] {
            let refused = site.ask(APP, "/api", headers);
            assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
            assert!(body(&refused).contains("\"error\":\"unauthorized\""), "{refused}");
            assert!(value(&refused, "WWW-Authenticate").unwrap().starts_with(challenge), "{refused}");
            assert_eq!(value(&refused, "Location"), None, "{refused}");
        }
        assert_eq!(site.app.count(), 0);
    });
}

#[test]
fn behind_each_proxy_a_browser_signs_in_once_for_two_apps_and_signs_out() {
    let test = "behind_each_proxy_a_browser_signs_in_once_for_two_apps";
    let Some(browser) = Browser::start(test) else { return };
    behind_each_by(&Plan { edit: with_other_app, ..Plan::default() }, test, |site| {
        site.server.register("ok", "python");
        let url = |host: &str, path: &str| format!("https://{host}:{}{path}", site.port);
        let asked = url(APP, "/page?a=1&b=%2F&c=//x&y=+");
        browser.open(&asked);
        assert!(browser.url().starts_with(&url(AUTH, "/login?rd=")), "{}", browser.url());
        assert_eq!(site.app.count(), 0);
        browser.fill("input[name=username]", "ok");
        browser.fill("input[name=password]", "wrong");
        browser.click("form button");
        browser.find("[role=alert]");
        browser.fill("input[name=password]", "python");
        browser.click("form button");
        browser.assert_lands(&asked);
        assert_app_knows_visitor(site);

        let other = url(OTHER_APP, "/");
        browser.open(&other);
        browser.assert_lands(&other);
        assert_app_knows_visitor(site);
        // By cookie, the app's own pages may change something.
        let status =
            browser.run("return fetch('/x', {method: 'POST', body: 'x'}).then(answer => answer.status)");
        assert_eq!(status, 200);

        browser.open(&url(AUTH, "/logout"));
        browser.click("form button");
        browser.assert_lands(&url(AUTH, "/"));
        let before = site.app.count();
        for host in [APP, OTHER_APP] {
            browser.open(&url(host, "/"));
            assert!(browser.url().starts_with(&url(AUTH, "/login?rd=")), "{}", browser.url());
        }
        assert_eq!(site.app.count(), before);
    });
}

#[track_caller]
fn assert_app_knows_visitor(site: &Site) {
    let head = site.app.last_head();
    assert!(head.contains("\r\nremote-user: ok\r\n"), "{head}");
    assert!(!head.contains("gatekey"), "{head}");
}
