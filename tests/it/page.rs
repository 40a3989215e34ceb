//! The page at `/`, as a person walks through it: in the real Chromium, by mouse and by keyboard.

mod browser;

use crate::harness::{TestRealm, field, text};
use crate::process::{Server, status};
use browser::Browser;
use gatekey::http::Request;
use gatekey::json::{Value, json};
use gatekey::realm::Policy;
use std::fs;
use std::path::Path;

/// The WebDriver standard's names of two keys.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

#[test]
fn the_page_may_do_nothing_but_ask_this_server() {
    let response = TestRealm::new().send(&Request::new("GET", "/"));
    assert_eq!((response.status, field(&response, "Content-Type")), (200, Some("text/html; charset=utf-8")));
    let page = text(&response);
    let policy = field(&response, "Content-Security-Policy").unwrap();
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        let inside =
            page.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next().unwrap();
        let expected = format!("{directive} 'sha256-{}';", sha256(inside));
        assert!(policy.contains(&expected), "the page has changed, and the policy needs {expected}");
    }
    for rule in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for outside in
        ["http://", "https://", "src=", "localStorage", "sessionStorage", "indexedDB", "cookie", "innerHTML"]
    {
        assert!(!page.contains(outside), "{outside}");
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    gatekey::encoding::encode_base64(sha2::Sha256::digest(text))
}

#[test]
fn without_the_page_nothing_is_at_the_root() {
    let realm = TestRealm::with_policy(Policy { page: false, ..Policy::default() });
    let response = realm.send(&Request::new("GET", "/"));
    assert_eq!((response.status, response.about.route), (404, None));
    let server = Server::start(&["--no-page"]);
    assert_eq!(status(&server.request("GET /", &[], "")), 404);
}

/// A browser with the page open.
struct Visit {
    browser: Browser,
    server: Server,
}

impl Visit {
    fn start(test: &str, options: &[&str]) -> Option<Self> {
        let browser = Browser::start(test)?;
        let server = Server::start(options);
        browser.open(&server.url("/"));
        Some(Self { browser, server })
    }

    /// Presses a button of a step, and waits for its answer: the status, and what the person is told.
    #[track_caller]
    fn press(&self, step: &str, button: &str) -> (String, String) {
        self.browser.run(&format!("document.querySelector('#{step} .exchange')?.remove()"));
        self.browser.click(&format!("#{step} button{button}"));
        self.browser
            .await_that(&format!("return Boolean(document.querySelector('#{step} .verdict')?.textContent)"));
        let status =
            self.browser.run(&format!("return document.querySelector('#{step} .verdict').dataset.status"));
        (status.as_str().unwrap_or_default().into(), self.browser.text(&format!("#{step} .verdict")))
    }

    #[track_caller]
    fn assert_answer(&self, step: &str, button: &str, expected: &str) {
        let (status, said) = self.press(step, button);
        assert_eq!(status, expected, "{step} {button}: {said}");
    }

    fn shown(&self, step: &str) -> String {
        self.browser.text(&format!("#{step} .exchange"))
    }

    /// Nothing went wrong in the page, and it asked nobody else. What the network says of each 4xx and 5xx by itself
    /// is no error of the page's.
    #[track_caller]
    fn assert_clean(&self) {
        let is_status = |entry: &Value| {
            entry["message"]
                .as_str()
                .unwrap()
                .contains("Failed to load resource: the server responded with a status of")
        };
        let errors: Vec<_> =
            self.browser.log("browser").into_iter().filter(|entry| !is_status(entry)).collect();
        assert_eq!(errors, Vec::<Value>::new());
        let own = self.server.url("/");
        let mut asked = 0;
        for entry in self.browser.log("performance") {
            let event = gatekey::json::parse_object(entry["message"].as_str().unwrap().as_bytes()).unwrap();
            let message = &event["message"];
            if message["method"] == "Network.requestWillBeSent" {
                let url = message["params"]["request"]["url"].as_str().unwrap();
                assert!(url.starts_with(&own) || url.starts_with("data:"), "{url}");
                asked += 1;
            }
        }
        assert!(asked > 0, "the log of requests is empty");
    }
}

#[test]
fn the_whole_walk_works_and_shows_what_was_sent() {
    let Some(visit) = Visit::start("the_whole_walk_works_and_shows_what_was_sent", &[]) else { return };
    let browser = &visit.browser;
    browser.fill("#name", "josé");
    browser.fill("#secret", "it's a pass:word");
    visit.assert_answer("register", "", "201");
    assert!(visit.shown("register").contains("POST /api/users HTTP/1.1\n"), "{}", visit.shown("register"));
    assert!(visit.shown("register").contains(r#"-d '{"username":"josé","password":"it'\''s a pass:word"}'"#));
    visit.assert_answer("register", "", "400");
    assert!(browser.text("#register .verdict").contains("A user with this name"));

    visit.assert_answer("knock", "", "401");
    assert!(visit.shown("knock").contains("www-authenticate: Basic realm="), "{}", visit.shown("knock"));
    visit.assert_answer("password", "", "200");
    let shown = visit.shown("password");
    assert!(shown.contains("Authorization: Basic am9zw6k6aXQncyBhIHBhc3M6d29yZA=="), "{shown}");
    assert!(shown.contains("Basic is base64 of: josé:it's a pass:word"), "{shown}");
    assert!(shown.contains(r#"{"data":"Hello, josé!"}"#), "{shown}");
    visit.assert_answer("password", "[value=wrong]", "401");

    visit.assert_answer("token", "", "200");
    assert!(browser.text("#countdown").starts_with("Expires in "), "{}", browser.text("#countdown"));
    for (part, expected) in [("part-0", "alg: HS256"), ("part-1", "id: 1"), ("part-2", "HMAC-SHA-256")] {
        browser.run(&format!("document.querySelector('.{part}').focus()"));
        assert!(browser.text("#decoded").contains(expected), "{}", browser.text("#decoded"));
    }
    visit.assert_answer("use", "", "200");
    visit.assert_answer("tamper", "", "401");
    let token = browser.text("#parts");
    assert!(!visit.shown("tamper").contains(&token) && visit.shown("use").contains(&token));
    browser.run("document.getElementById('scheme').value = 'basic'");
    visit.assert_answer("use", "[value=renew]", "200");
    assert_eq!(browser.text("#parts").split('.').count(), 3);

    take_pictures(browser);
    visit.assert_answer("leave", "[value=sign-out]", "204");
    visit.assert_answer("use", "", "401");
    visit.assert_answer("leave", "[value=change]", "204");
    visit.assert_answer("password", "", "200");
    visit.assert_answer("leave", "[value=delete]", "204");
    visit.assert_answer("password", "", "401");
    assert_eq!(visit.server.login("josé", "battery staple"), 401);
    visit.assert_clean();
}

/// For the README, and to be looked at: `make screenshots`.
fn take_pictures(browser: &Browser) {
    let Some(directory) = std::env::var_os("SCREENSHOTS") else { return };
    browser.run("document.querySelector('.part-1').focus(); document.activeElement.blur()");
    for scheme in ["light", "dark"] {
        let path = Path::new(&directory).join(format!("page-{scheme}.png"));
        fs::write(path, browser.picture(scheme, 900, "#token")).unwrap();
    }
}

#[test]
fn a_token_expires_before_ones_eyes() {
    let Some(visit) = Visit::start("a_token_expires_before_ones_eyes", &["--token-lifetime", "2"]) else {
        return;
    };
    visit.assert_answer("register", "", "201");
    visit.assert_answer("token", "", "200");
    visit.browser.await_that("return document.getElementById('countdown').textContent.startsWith('Expired')");
    visit.assert_answer("use", "", "401");
    visit.assert_answer("use", "[value=renew]", "401");
    visit.assert_clean();
}

#[test]
fn who_guesses_is_told_how_long_to_wait() {
    let options = ["--throttle", "on", "--guesses-per-user-and-address", "1/1h"];
    let Some(visit) = Visit::start("who_guesses_is_told_how_long_to_wait", &options) else { return };
    visit.assert_answer("register", "", "201");
    visit.assert_answer("password", "[value=wrong]", "401");
    let (status, said) = visit.press("password", "[value=wrong]");
    assert_eq!(status, "429");
    assert!(said.starts_with("429: too many tries.") && said.contains("Try again in 1 h "), "{said}");
    visit.assert_clean();
}

#[test]
fn the_page_says_that_the_server_is_not_there_or_has_no_database() {
    let Some(mut visit) = Visit::start("the_page_says_that_the_server_is_not_there", &[]) else { return };
    visit.assert_answer("register", "", "201");
    fs::rename(visit.server.data.join("gatekey.sqlite3"), visit.server.data.join("away")).unwrap();
    let (status, said) = visit.press("password", "");
    assert_eq!(
        (status.as_str(), said.as_str()),
        ("503", "503: not now. The server can't use its database now; try again later.")
    );
    drop(std::mem::replace(&mut visit.server, Server::start(&[])));
    let (status, said) = visit.press("knock", "");
    assert_eq!((status.as_str(), said.starts_with("No answer.")), ("none", true), "{said}");
}

#[test]
fn the_page_is_walked_by_keyboard_and_fits_a_phone() {
    let Some(visit) = Visit::start("the_page_is_walked_by_keyboard_and_fits_a_phone", &[]) else { return };
    let browser = &visit.browser;
    browser.set_width(360);
    browser.run("document.getElementById('secret').focus()");
    browser.press(ENTER);
    browser.await_that("return document.querySelector('#register .verdict')?.dataset.status === '201'");
    visit.assert_answer("token", "", "200");
    browser.run("document.querySelector('#token form button').focus()");
    for part in ["header", "payload", "signature"] {
        browser.press(TAB);
        let focused = browser.run("return document.activeElement.getAttribute('aria-label')");
        assert_eq!(focused, json!(format!("The {part}")));
        assert!(browser.text("#decoded").starts_with(&format!("The {part}")), "{}", browser.text("#decoded"));
    }
    visit.assert_answer("tamper", "", "401");
    let is_wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(browser.run(is_wider), json!(false));
    let nameless = "return [...document.querySelectorAll('input, select, button, a')]
        .filter((each) => !(each.labels?.length || each.textContent.trim() || each.ariaLabel)).length";
    assert_eq!(browser.run(nameless), json!(0));
    let injected = "const script = document.createElement('script');
        try { script.textContent = 'window.injected = true'; document.body.append(script); } catch {}
        return Boolean(window.injected)";
    assert_eq!(browser.run(injected), json!(false), "the policy lets a stranger's script run");
}
