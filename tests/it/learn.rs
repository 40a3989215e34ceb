//! The page at `/learn` in a real browser: each step, its errors, and its restrictions.

use crate::browser::{Browser, ENTER, TAB};
use crate::process::{Server, body, header, status, written};
use std::fs;
use std::process::Command;

/// A name and a password that shells, JSON and base64 go wrong on.
const NAME: &str = "o'brien \"bob\" $HOME é";
const PASSWORD: &str = "p:a'ss `id` \\ \"wörd\" ☃";

/// Presses a step's button and waits for this outcome: a status, or a word for none.
#[track_caller]
fn act(browser: &Browser, action: &str, outcome: &str) {
    browser.click(&format!("[data-action={action}]"));
    browser.find(&format!("section:has([data-action={action}])[data-status=\"{outcome}\"]"));
}

/// Registers, and gets a token.
fn begin(browser: &Browser, server: &Server) {
    browser.open(&server.url("/learn"));
    act(browser, "register", "201");
    act(browser, "token", "200");
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn the_learn_page_is_one_response_and_can_be_turned_off() {
    let server = Server::start(&[]);
    let page = server.request("GET /learn", &[], "");
    assert_eq!((status(&page), header(&page, "Content-Type")), (200, Some("text/html; charset=utf-8")));
    let policy = header(&page, "Content-Security-Policy").unwrap();
    let wanted = [
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ];
    assert_contains(policy, &wanted);
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&page, "Referrer-Policy"), Some("no-referrer"));
    assert_eq!(header(&page, "X-Content-Type-Options"), Some("nosniff"));
    let head = server.request("HEAD /learn", &[], "");
    assert_eq!((body(&head), header(&head, "Content-Length")), ("", header(&page, "Content-Length")));

    let without = Server::start(&["--no-page"]);
    let answer = without.request("GET /learn", &[], "");
    let nothing = r#"{"error":"not_found","message":"Nothing is at this path."}"#;
    assert_eq!((status(&answer), body(&answer)), (404, nothing));
}

#[test]
fn the_page_walks_through_registration_password_and_token() {
    let test = "the_page_walks_through_registration_password_and_token";
    let Some(browser) = Browser::start(test) else { return };
    let server = Server::start(&[]);
    browser.open(&server.url("/learn"));
    act(&browser, "use", "missing");
    assert_eq!(browser.text("#use .verdict"), "There is no token yet: get one in step 4.");

    browser.fill("[name=username]", NAME);
    browser.fill("[name=password]", PASSWORD);
    browser.press("[name=password]", ENTER);
    browser.find("#register[data-status=\"201\"]");
    let host = format!("Host: {}", server.address);
    assert_contains(&browser.text("#register .request"), &["POST /api/users HTTP/1.1", &host, "wörd"]);
    assert_contains(&browser.text("#register .answer"), &["201 Created", "Location: http", "/api/users/1"]);

    act(&browser, "stranger", "401");
    let challenge = "WWW-Authenticate: Basic realm=\"Authentication Required\"";
    assert_contains(&browser.text("#stranger .answer"), &["401 Unauthorized", challenge]);

    act(&browser, "password", "200");
    assert_eq!(browser.text("#password .decoded"), format!("{NAME}:{PASSWORD}"));
    assert_eq!(browser.text("#password .verdict"), format!("200 The door opened: “Hello, {NAME}!”"));
    act(&browser, "wrong", "401");

    act(&browser, "token", "200");
    assert_contains(&browser.text("#token .request"), &["GET /api/token?duration=60 HTTP/1.1"]);
    assert_contains(&browser.text("#token-state"), &["token: ", " left"]);
    act(&browser, "use", "200");
    assert_contains(&browser.text("#use .request"), &["Authorization: Bearer eyJ"]);
    act(&browser, "renew", "200");
    act(&browser, "late", "200");

    leave(&browser);
    let done = browser.run("return document.querySelectorAll('nav .done').length");
    assert_eq!(done, 9, "steps are done");
    assert_quiet(&browser, &server);
}

/// The walk's end: signed out, another password, gone.
fn leave(browser: &Browser) {
    act(browser, "signOut", "204");
    assert_eq!(browser.text("#token-state"), "token dead");
    act(browser, "dead", "401");
    act(browser, "break", "missing");

    browser.fill("[name=new-password]", "correct horse");
    act(browser, "change", "204");
    act(browser, "password", "200");
    assert_eq!(browser.text("#password .decoded"), format!("{NAME}:correct horse"));
    act(browser, "remove", "204");
    act(browser, "password", "401");
}

/// The console has nothing but the browser's own line for each answer that is an error, and no other host was asked.
fn assert_quiet(browser: &Browser, server: &Server) {
    let refused = "Failed to load resource: the server responded with a status of 401 (Unauthorized)";
    let expected =
        [("/api/resource"), ("/api/token")].map(|path| format!("{} - {refused}", server.url(path)));
    for [source, level, message] in browser.console() {
        assert!(source == "network" && expected.contains(&message), "{level} {source}: {message}");
    }
    let (requests, own) = (browser.requests(), server.url("/"));
    assert!(requests.len() > 10, "only {} requests were seen", requests.len());
    for url in requests {
        assert!(url.starts_with(&own) || url.starts_with("data:"), "{url} was asked for");
    }
}

#[test]
fn the_pages_curl_lines_do_the_same() {
    let test = "the_pages_curl_lines_do_the_same";
    let Some(browser) = Browser::start(test) else { return };
    let server = Server::start(&[]);
    browser.open(&server.url("/learn"));
    browser.fill("[name=username]", NAME);
    browser.fill("[name=password]", PASSWORD);
    let curl = |step: &str| {
        let line = browser.text(&format!("#{step} .curl pre"));
        let (code, out, _) = written(&Command::new("sh").args(["-c", &line]).output().unwrap());
        assert_eq!(code, Some(0), "{line}");
        out
    };
    act(&browser, "register", "201");
    assert_contains(&curl("register"), &["400 Bad Request", "username_taken"]);
    act(&browser, "password", "200");
    let hello = gatekey::json::json!({"data": format!("Hello, {NAME}!")}).to_string();
    assert_contains(&curl("password"), &["200 OK", &hello]);
    act(&browser, "token", "200");
    assert_contains(&curl("token"), &["200 OK", "\"token\":"]);
    act(&browser, "use", "200");
    assert_contains(&curl("use"), &["200 OK", &hello]);
    act(&browser, "signOut", "204");
    assert_contains(&curl("sign-out"), &["401 Unauthorized"]); // by the token that is dead now
    act(&browser, "change", "204");
    assert_contains(&curl("change"), &["401 Unauthorized"]); // by the password that was changed
    browser.click("[data-action=password]");
    browser.find("#password[data-status=\"200\"]");
    act(&browser, "remove", "204");
    assert_contains(&curl("delete"), &["401 Unauthorized"]);
}

#[test]
fn a_token_is_read_by_the_keyboard_and_broken_by_one_character() {
    let test = "a_token_is_read_by_the_keyboard_and_broken_by_one_character";
    let Some(browser) = Browser::start(test) else { return };
    let server = Server::start(&[]);
    begin(&browser, &server);
    assert_contains(&browser.text("#claims"), &["The payload", "id\n1 whose it is"]);
    browser.press("[data-action=token]", TAB);
    browser.find("#token .copy:focus"); // the exchange is between
    browser.press("#token .copy", TAB);
    assert_contains(&browser.text("#claims"), &["The header", "alg\n\"HS256\""]);
    browser.press("#parts .header", TAB);
    browser.press("#parts .payload", TAB);
    assert_contains(&browser.text("#claims"), &["The signature", "32 bytes"]);

    let token = browser.text("#parts");
    for (part, name) in ["header", "payload", "signature"].iter().enumerate() {
        browser.click(&format!("[data-action=break][value=\"{part}\"]"));
        browser.find("#use[data-status=\"401\"]");
        let said = format!(
            "401 Refused: one character was changed in the {name}, and the signature no longer fits."
        );
        assert_contains(&browser.text("#use .verdict"), &[&said]);
        let request = browser.text("#use .request");
        let broken = request.split_once("Bearer ").unwrap().1;
        let changed = token.chars().zip(broken.chars()).filter(|(good, bad)| good != bad).count();
        assert_eq!((changed, broken.len()), (1, token.len()), "{broken}");
        assert_eq!(browser.text(&format!("#use .request .{name} mark")).len(), 1);
    }
    act(&browser, "use", "200");
}

#[test]
fn a_token_is_watched_until_it_expires() {
    let test = "a_token_is_watched_until_it_expires";
    let Some(browser) = Browser::start(test) else { return };
    let server = Server::start(&["--token-lifetime", "3"]);
    browser.open(&server.url("/learn"));
    act(&browser, "register", "201");
    act(&browser, "token", "200");
    assert_contains(&browser.text("#token .verdict"), &["200 A token, good for 3 seconds."]);
    browser.find("#token-state.dead");
    assert_eq!(browser.text("#token-state"), "token expired");
    assert_eq!(browser.text("#news"), "The token has expired.");
    for action in ["late", "renew"] {
        act(&browser, action, "401");
        assert_contains(&browser.text("#expiry .verdict"), &["401 Refused: it has expired."]);
    }
    act(&browser, "dead", "401"); // expired, and not signed out
    assert!(!is_done(&browser, "sign-out"));
    act(&browser, "signOut", "204"); // by the password, since the token has expired
    assert!(is_done(&browser, "sign-out"));
    act(&browser, "token", "200"); // the password opens it again
}

/// Whether the step is ticked off in the list of steps.
fn is_done(browser: &Browser, step: &str) -> bool {
    browser.run(&format!("return document.querySelector('nav a[href=\"#{step}\"]').className")) == "done"
}

#[test]
fn a_step_that_was_refused_is_not_ticked_off() {
    let test = "a_step_that_was_refused_is_not_ticked_off";
    let Some(browser) = Browser::start(test) else { return };
    let server = Server::start(&[]);
    begin(&browser, &server);
    assert!(is_done(&browser, "register") && is_done(&browser, "token"));
    assert_eq!(status(&server.request("GET /healthz", &[], "")), 200);
    // Elsewhere the account goes: what the page shows then is refused.
    let name = browser.run("return document.querySelector('[name=username]').value");
    let deleted = server.command(&["user", "delete", name.as_str().unwrap()], "");
    assert_eq!(deleted.status.code(), Some(0), "{:?}", written(&deleted));
    for (action, step) in
        [("use", "use"), ("signOut", "sign-out"), ("password", "password"), ("remove", "delete")]
    {
        act(&browser, action, "401");
        assert!(!is_done(&browser, step), "{step}");
    }
    act(&browser, "stranger", "401");
    assert!(is_done(&browser, "stranger"));
}

#[test]
fn the_learn_page_explains_errors() {
    let test = "the_learn_page_explains_errors";
    let Some(browser) = Browser::start(test) else { return };
    let server = Server::start(&["--throttle", "on", "--guesses-per-user-and-address", "2/1m"]);
    begin(&browser, &server);
    act(&browser, "register", "400");
    assert_contains(
        &browser.text("#register .verdict"),
        &["400 A user with this name", "choose another one."],
    );

    act(&browser, "wrong", "401");
    act(&browser, "wrong", "401");
    act(&browser, "wrong", "429");
    assert_contains(&browser.text("#password .verdict"), &["429 Too many tries."]);
    let wait = browser.text("#password .wait");
    let seconds: u64 = wait.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!((1..=60).contains(&seconds) && wait.starts_with("You can try again in "), "{wait}");

    let (database, elsewhere) = (server.data.join("gatekey.sqlite3"), server.data.join("elsewhere"));
    fs::rename(&database, &elsewhere).unwrap();
    act(&browser, "use", "503");
    assert_contains(&browser.text("#use .verdict"), &["503 The server can't use its database just now."]);
    fs::rename(&elsewhere, &database).unwrap();
    act(&browser, "use", "200");

    server.stop();
    act(&browser, "use", "none");
    assert_contains(&browser.text("#use .verdict"), &["No answer came. Is the server running"]);

    let closed = Server::start(&["--registration", "closed"]);
    browser.open(&closed.url("/learn"));
    act(&browser, "register", "403");
    assert_contains(&browser.text("#register .verdict"), &["403 Registration is closed here."]);
}

#[test]
fn nothing_runs_in_the_page_but_its_own_script() {
    let test = "nothing_runs_in_the_page_but_its_own_script";
    let Some(browser) = Browser::start(test) else { return };
    let server = Server::start(&[]);
    browser.open(&server.url("/learn"));
    browser.run(
        "window.violations = [];
         document.addEventListener('securitypolicyviolation', (event) => violations.push(event.effectiveDirective));
         const script = document.createElement('script');
         script.append('window.intruder = 1');
         document.body.append(script);
         document.body.append(document.createElement('style'));
         document.body.lastChild.append('body { display: none }');",
    );
    browser.run("return import('data:text/javascript,window.intruder = 1').catch(() => 0)");
    browser.run("return fetch('http://127.0.0.1:9/').catch(() => 0)");
    browser.run("try { document.body.innerHTML = '<p>'; } catch { }");
    let (ran, violations) = (browser.run("return window.intruder ?? 0"), browser.run("return violations"));
    assert_eq!(ran, 0);
    for directive in ["script-src-elem", "style-src-elem", "connect-src", "require-trusted-types-for"] {
        assert!(
            violations.as_array().unwrap().iter().any(|seen| seen == directive),
            "{directive}: {violations}"
        );
    }
}

/// The ratio between the colours of each text and of what is behind it (WCAG 2.2, 1.4.3), where it is under 4.5.
pub const FAINT: &str = "
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = numbers(colour).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour.startsWith('rgb(') ? colour : behind(element.parentElement);
    };
    const texts = [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility()
        && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    const ratio = (element) => {
        const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
        return (a + 0.05) / (b + 0.05);
    };
    return [texts.length, texts.filter((element) => ratio(element) < 4.5).map((element) => element.outerHTML)];";

/// What the keyboard reaches and a screen reader has no name for, and how much it reaches.
pub const NAMELESS: &str = "
    const reached = [...document.querySelectorAll('a, button, input:not([type=hidden], [hidden]), progress, [tabindex]')];
    const named = (element) => element.ariaLabel || element.labels?.length || element.textContent.trim();
    return [reached.length, reached.filter((element) => !named(element)).map((element) => element.outerHTML)];";

#[test]
fn the_page_can_be_read_and_used_by_anybody_on_any_screen() {
    let test = "the_page_can_be_read_and_used_by_anybody_on_any_screen";
    let Some(browser) = Browser::start(test) else { return };
    let server = Server::start(&[]);
    begin(&browser, &server);
    for (action, outcome) in [("stranger", "401"), ("password", "200"), ("use", "200"), ("break", "401")] {
        act(&browser, action, outcome);
    }
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let faint = browser.run(FAINT);
        assert!(
            faint[0].as_u64().unwrap() > 100 && faint[1].as_array().unwrap().is_empty(),
            "{scheme}: {faint}"
        );
    }
    let nameless = browser.run(NAMELESS);
    assert!(nameless[0].as_u64().unwrap() > 30 && nameless[1].as_array().unwrap().is_empty(), "{nameless}");
    for (width, is_phone) in [(360, true), (768, true), (1000, false)] {
        browser.resize(width, 740, is_phone);
        let wide = browser.run("return document.documentElement.scrollWidth");
        assert_eq!(wide, width, "nothing overflows to the side");
    }
}

/// Not a test: `make screenshots` makes the README's pictures, and some more to be looked at.
#[test]
#[ignore = "make screenshots"]
fn screenshots() {
    let browser = Browser::start("screenshots").expect("chromium and chromedriver");
    let server = Server::start(&[]);
    begin(&browser, &server);
    act(&browser, "wrong", "401");
    act(&browser, "break", "401");
    for (scheme, width, height, step, path) in [
        ("light", 1000, 1340, "#token", "docs/screenshots/page-light.png"),
        ("dark", 1000, 1340, "#token", "docs/screenshots/page-dark.png"),
        ("light", 1000, 1340, "#top", "target/page-top.png"),
        ("dark", 1000, 1340, "#use", "target/page-use.png"),
        ("light", 360, 1340, "#anatomy", "target/page-phone-token.png"),
        ("dark", 360, 1340, "#use", "target/page-phone-use.png"),
    ] {
        browser.prefer(scheme);
        browser.resize(width, height, width < 500);
        browser.run("document.querySelector('#parts .payload').focus()");
        browser.run(&format!("document.querySelector('{step}').scrollIntoView()"));
        fs::write(path, browser.screenshot()).unwrap();
    }
}
