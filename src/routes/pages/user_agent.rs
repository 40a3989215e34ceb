//! Names a browser by its `User-Agent`, for the list of sessions: "Firefox on Linux".

use crate::http::Request;

const BROWSERS: [(&str, &str); 6] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// The browser's name; else the beginning of what it sent, without invisible characters; empty if it sent nothing.
pub(super) fn name(request: &Request) -> String {
    let sent = String::from_utf8_lossy(request.header("User-Agent").unwrap_or_default());
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(sign, _)| sent.contains(sign)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.into(),
        (None, _) => sent.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(60).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_by_what_it_sends() {
        for (sent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("Mozilla/5.0 (Windows NT 10.0) Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14) Version/17 Safari/605.1", "Safari on macOS"),
            ("curl/8.5.0", "curl/8.5.0"),
            ("<script>\u{202e}\u{7}x", "<script>x"),
            ("", ""),
        ] {
            assert_eq!(name(&Request::new("GET", "/").with_header("User-Agent", sent)), expected);
        }
        let long = Request::new("GET", "/").with_header("User-Agent", "x".repeat(1_000));
        assert_eq!(name(&long).len(), 60);
    }
}
