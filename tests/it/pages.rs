//! The sign-in pages: forms, cookies, what other sites and hosts can't do, and the pages in the real browser.

mod account;
mod attacks;
mod browsers;
mod forgotten;
mod guarded;
mod links;
mod restarts;
mod signing_in;

use crate::harness::{TestRealm, header, text};
use crate::process::{self, Server, gatekey, written};
use gatekey::clock::Now;
use gatekey::http::{Body, Request, Response};
use gatekey::realm::{Policy, Registration};
use gatekey::routes::{Config, PublicUrl, SignInPages};
use gatekey::store::Reads;
use std::cell::RefCell;
use std::collections::BTreeMap;

const ORIGIN: &str = "https://auth.example.org";
const APP: &str = "https://app.example.org:8443/a?b=c&d=%2F";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

fn config(title: &str) -> Config {
    let public_url = PublicUrl::parse(ORIGIN).unwrap();
    let pages = SignInPages::new(&public_url, title).unwrap().with_cookie_domain("example.org").unwrap();
    Config { public_url: Some(public_url), sign_in_pages: Some(pages), ..Config::default() }
}

/// A realm with the user `ok`, whose password is `python`, behind sign-in pages.
fn realm() -> TestRealm {
    let realm = TestRealm::with_config(config("Example"));
    realm.add_user("ok", "python");
    realm
}

/// A browser that keeps cookies, without regard to their attributes.
struct Visitor<'a> {
    realm: &'a TestRealm,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Visitor<'a> {
    fn new(realm: &'a TestRealm) -> Self {
        Self { realm, cookies: RefCell::default() }
    }

    /// One that has signed in.
    fn signed_in(realm: &'a TestRealm) -> Self {
        let visitor = Self::new(realm);
        let answer = visitor.sign_in("/login", "ok", "python");
        assert_eq!(answer.status, 303, "{}", text(&answer));
        visitor
    }

    fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    /// As a browser sends it from a page of ours.
    fn request(&self, method: &str, target: &str) -> Request {
        let cookies = self.cookies.borrow();
        let cookies: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::new(method, target)
            .with_header("Host", "auth.example.org")
            .with_header("User-Agent", FIREFOX)
            .with_header("Cookie", cookies.join("; "));
        if method != "POST" {
            return request;
        }
        request
            .with_header("Origin", ORIGIN)
            .with_header("Sec-Fetch-Site", "same-origin")
            .with_header("Content-Type", "application/x-www-form-urlencoded")
    }

    fn send(&self, request: &Request) -> Response {
        let response = self.realm.send(request);
        for cookie in set_cookies(&response) {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.borrow_mut();
            let is_deleted = attributes.ends_with("Max-Age=0");
            if is_deleted {
                cookies.remove(name)
            } else {
                cookies.insert(name.into(), value.into())
            };
        }
        response
    }

    fn get(&self, target: &str) -> Response {
        self.send(&self.request("GET", target))
    }

    fn post(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.send(&with_form(self.request("POST", target), fields))
    }

    /// Opens a page and posts its form, with these fields besides the hidden ones.
    fn fill(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        let page = self.get(target);
        let (csrf, rd) = (hidden(&page, "csrf"), hidden(&page, "rd"));
        let hidden = [("csrf", csrf.as_str()), ("rd", rd.as_str())];
        self.post(target.split('?').next().unwrap(), &[&hidden, fields].concat())
    }

    fn sign_in(&self, target: &str, username: &str, password: &str) -> Response {
        self.fill(target, &[("username", username), ("password", password)])
    }

    /// Whether a page of ours knows who this is.
    fn is_signed_in(&self) -> bool {
        self.get("/account").status == 200
    }
}

fn with_form(request: Request, fields: &[(&str, &str)]) -> Request {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    let body = pairs.collect::<Vec<_>>().join("&").into_bytes();
    request.with_body(Body::Complete(body))
}

/// Posts a form to a running server whose public URL has this origin, as a browser does that opened the page.
fn post_form(server: &Server, origin: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let page = server.request(&format!("GET {path}"), &[], "");
    let cookie = process::header(&page, "Set-Cookie").unwrap().split(';').next().unwrap();
    let csrf = page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap();
    let fields = [&[("csrf", csrf)], fields].concat();
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let (form, host) = (fields.join("&"), origin.trim_start_matches("http://"));
    let length = form.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nCookie: {cookie}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    );
    server.exchange(request.as_bytes())
}

/// Percent-encodes every byte.
fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

fn login_for(rd: &str) -> String {
    format!("/login?rd={}", encode(rd))
}

/// The value of a page's last hidden field of this name; empty if there is none.
fn hidden(page: &Response, name: &str) -> String {
    let input = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let value = text(page).rsplit_once(&input).map_or("", |(_, rest)| rest.split('"').next().unwrap());
    value.replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", "\"").replace("&lt;", "<")
}

fn set_cookies(response: &Response) -> Vec<&str> {
    let cookies = response.headers.iter().filter(|(name, _)| *name == "Set-Cookie");
    cookies.map(|(_, value)| value.as_ref()).collect()
}

#[track_caller]
fn assert_shows(response: &Response, parts: &[&str]) {
    for part in parts {
        assert!(text(response).contains(part), "no {part:?} in {}", text(response));
    }
}

#[test]
fn every_page_has_the_headers_that_protect_it() {
    let realm = realm();
    let (stranger, visitor) = (Visitor::new(&realm), Visitor::signed_in(&realm));
    let pages = ["/", "/login", "/logout", "/register", "/account"].map(|path| visitor.get(path));
    let refused =
        [stranger.post("/login", &[]), stranger.get("/login?rd=a&rd=b"), stranger.post("/account", &[])];
    let statuses: Vec<_> = pages.iter().chain(&refused).map(|page| page.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 403, 400, 401]);
    for page in pages.iter().chain(&refused) {
        assert_eq!(header(page, "Content-Type"), Some("text/html; charset=utf-8"));
        assert_eq!(header(page, "Referrer-Policy"), Some("same-origin"));
        let policy = header(page, "Content-Security-Policy").unwrap();
        for part in [
            "default-src 'none';",
            "frame-ancestors 'none'",
            "base-uri 'none';",
            "form-action 'self' https:;",
        ] {
            assert!(policy.contains(part), "no {part} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
        assert!(!text(page).contains("<script") && !text(page).contains(" style="), "{}", text(page));
        assert_eq!(header(page, "WWW-Authenticate").is_some(), page.status == 401);
        assert_eq!(header(page, "Access-Control-Allow-Origin"), None);
    }
}

#[test]
fn without_an_https_url_of_a_whole_host_there_are_no_pages() {
    let realm = TestRealm::new();
    for path in ["/", "/login", "/logout", "/register", "/forgot-password", "/set-password", "/account"] {
        assert_eq!(realm.send(&Request::new("GET", path)).status, 404, "{path}");
        assert_eq!(realm.send(&Request::new("POST", path)).status, 404, "{path}");
    }
    let with_learn = TestRealm::with_config(Config { learn_page: true, ..Config::default() });
    let home = with_learn.send(&Request::new("GET", "/"));
    assert_eq!(home.status, 200);
    assert_shows(&home, &["href=\"/learn\""]);
    assert!(!text(&home).contains("/login"));
}

#[test]
fn event_loops_answer_pages_by_the_cookie_and_leave_posts_to_workers() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let dispatch = |request: &Request, now: Now| {
        let (mut reader, config) = (realm.realm.reader(), config("Example"));
        let session = reader.session();
        let reads = Reads::Batch(&session);
        gatekey::routes::dispatch_from(&realm.realm, &config, request, reads, now)
    };
    for path in ["/", "/login", "/logout", "/register"] {
        let response = dispatch(&visitor.request("GET", path), realm.now()).unwrap();
        assert_eq!((response.status, response.record.user.is_some()), (200, true), "{path}");
    }
    let form = [("csrf", &*hidden(&visitor.get("/logout"), "csrf"))];
    for path in ["/login", "/logout", "/register", "/forgot-password", "/set-password", "/account"] {
        assert!(dispatch(&with_form(visitor.request("POST", path), &form), realm.now()).is_err(), "{path}");
    }
    assert!(visitor.is_signed_in(), "nothing has changed");
}

#[test]
fn home_shows_who_is_signed_in_and_what_there_is() {
    let realm = realm();
    let stranger = Visitor::new(&realm).get("/");
    assert_shows(&stranger, &["href=\"/login\"", "href=\"/register\"", "<title>Accounts · Example</title>"]);
    assert_shows(
        &Visitor::signed_in(&realm).get("/"),
        &["<strong>ok</strong>", "href=\"/account\"", "/logout"],
    );
}

#[test]
fn registration_signs_in_and_is_closed_where_the_policy_closes_it() {
    let realm = realm();
    let visitor = Visitor::new(&realm);
    let form = format!("/register?rd={}", encode(APP));
    let taken = visitor.sign_in(&form, "OK", "another");
    assert_eq!(taken.status, 400);
    assert_shows(&taken, &["role=\"alert\"", "is taken", "value=\"OK\"", "aria-describedby=\"alert\""]);
    let registered = visitor.sign_in(&form, "new", "a password");
    assert_eq!((registered.status, header(&registered, "Location")), (303, Some(APP)));
    assert!(visitor.is_signed_in());

    let closed = Policy { registration: Registration::Closed, ..Policy::default() };
    let closed = TestRealm::with_policy(closed).behind(config("Example"));
    let visitor = Visitor::new(&closed);
    let page = visitor.get("/register");
    assert_eq!(page.status, 403);
    let csrf = hidden(&visitor.get("/login"), "csrf");
    let fields = [("csrf", csrf.as_str()), ("username", "new"), ("password", "a password")];
    assert_eq!(visitor.post("/register", &fields).status, 403);
    assert!(!text(&visitor.get("/login")).contains("/register"));
}

#[test]
fn signing_out_waits_for_no_hash() {
    const PATHS: [&str; 5] = ["/login", "/register", "/account", "/set-password", "/logout"];
    let may_hash = |path| gatekey::routes::may_hash(&Request::new("POST", path));
    assert_eq!(PATHS.map(may_hash), [true, true, true, true, false]);
    let needs_body = |path| gatekey::routes::needs_body(&Request::new("POST", path));
    assert_eq!(PATHS.map(needs_body), [true; 5]);
}

#[test]
fn serve_refuses_a_cookie_domain_that_browsers_drop_and_a_title_that_can_not_be_shown() {
    let directory = tempfile::tempdir().unwrap();
    let serve = |options: &[&str]| {
        let mut command = gatekey();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path()).args(options);
        written(&command.output().unwrap())
    };
    for domain in
        ["localhost", "192.0.2.1", "*.example.org", "example.org:443", "https://example.org", "example.com"]
    {
        let (code, _, error) = serve(&["--public-url", ORIGIN, "--cookie-domain", domain]);
        assert!(code == Some(2) && error.contains("--cookie-domain: "), "{domain}: {error}");
    }
    for url in [&["--public-url", "http://auth.example.org"][..], &[]] {
        let (code, _, error) = serve(&[url, &["--cookie-domain", "example.org"]].concat());
        assert!(code == Some(2) && error.contains("--cookie-domain"), "{error}");
    }
    let (code, _, error) = serve(&["--public-url", ORIGIN, "--title", "a\nb"]);
    assert!(code == Some(2) && error.contains("--title: "), "{error}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "nothing was made");
}

#[test]
fn doctor_says_why_there_are_no_pages() {
    let directory = tempfile::tempdir().unwrap();
    let sign_in = |options: &[&str]| {
        let mut command = gatekey();
        command.args(["doctor", "--data"]).arg(directory.path()).args(options);
        let (_, out, _) = written(&command.output().unwrap());
        out.lines().find(|line| line.contains("sign-in")).unwrap().to_owned()
    };
    assert!(
        sign_in(&["--public-url", "https://example.org/auth"]).contains("need a public URL without a path")
    );
    assert!(sign_in(&["--public-url", "http://example.org"]).contains("need an https public URL"));
    assert!(sign_in(&[]).contains("need --public-url"));
    assert!(
        sign_in(&["--public-url", ORIGIN, "--cookie-domain", "example.org"]).contains("under example.org")
    );
}
