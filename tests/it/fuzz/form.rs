//! Property of the sign-in form: whatever cookies and fields arrive, the answer is a page without foreign markup, and the
//! only return URLs in it are those of the cookie domain.

use crate::harness::{TestRealm, text};
use gatekey::http::{Body, Request};
use gatekey::routes::{Config, PublicUrl, SignInPages};

const ORIGIN: &str = "https://auth.example.org";

fn realm() -> TestRealm {
    let public_url = PublicUrl::parse(ORIGIN).unwrap();
    let pages = SignInPages::new(&public_url, "Example").unwrap().with_cookie_domain("example.org").unwrap();
    TestRealm::with_config(Config {
        public_url: Some(public_url),
        sign_in_pages: Some(pages),
        ..Config::default()
    })
}

/// The first line is the value of `Cookie`, the rest is the body. A body that is a form gets the form again (403, since
/// no CSRF value is good), any other 400. Tells whether it was a form.
pub fn holds(bytes: &[u8]) -> bool {
    // One realm for all inputs of a thread, since it takes longer to open one than to use it.
    thread_local!(static REALM: TestRealm = realm());
    REALM.with(|realm| holds_in(realm, bytes))
}

fn holds_in(realm: &TestRealm, bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (cookies, body) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let post = |cookies: &[u8], body: &[u8]| {
        let request = Request::new("POST", "/login")
            .with_header("Origin", ORIGIN)
            .with_header("Content-Type", "application/x-www-form-urlencoded")
            .with_header("Cookie", cookies);
        realm.send(&request.with_body(Body::Complete(body.to_vec())))
    };
    let page = post(cookies, body);
    assert!(matches!(page.status, 400 | 403), "{}", page.status);
    if page.status == 400 {
        return false;
    }
    let rd = text(&page).split_once("name=\"rd\" value=\"").unwrap().1.split('"').next().unwrap();
    let host = rd.strip_prefix("https://").map(|rest| rest.split(['/', '?', '#', ':']).next().unwrap());
    let is_ours = |host: &str| host == "example.org" || host.ends_with(".example.org");
    assert!(rd.is_empty() || host.is_some_and(|host| is_ours(&host.to_ascii_lowercase())), "{rd}");
    let plain: &[u8] = if rd.is_empty() { b"" } else { b"rd=https%3A%2F%2Fapp.example.org%2F" };
    let tags = |page: &str| page.matches('<').count();
    assert_eq!(tags(text(&page)), tags(text(&post(b"", plain))), "{}", text(&page));
    true
}
