//! The page at `/learn`: explains password and token authentication with the visitor's own requests.
//!
//! The response inlines `page.css` and `page.js` into `page.html`. A browser can also open the three files from
//! disk. The Content-Security-Policy (CSP Level 3) allows only this script and style, by their hashes, so injected
//! code doesn't run. It allows requests to this server only, and no framing. With Trusted Types no text becomes
//! markup. The page stores nothing.

use crate::encoding;
use crate::http::Response;
use crate::signer;
use std::sync::LazyLock;

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The lines of `page.html` that are replaced by the other two files.
const STYLE_LINE: &str = "<link rel=\"stylesheet\" href=\"page.css\">";
const SCRIPT_LINE: &str = "<script src=\"page.js\"></script>";

// Both are computed at the first request of the page.
static PAGE: LazyLock<String> = LazyLock::new(joined);
static SECURITY_POLICY: LazyLock<String> = LazyLock::new(security_policy);

/// `GET /learn`: the page.
pub(super) fn show() -> Response {
    Response::document("text/html; charset=utf-8", PAGE.as_bytes())
        .with_header("Content-Security-Policy", SECURITY_POLICY.as_str())
        .with_header("Referrer-Policy", "no-referrer")
}

fn joined() -> String {
    HTML.replace(STYLE_LINE, &format!("<style>{STYLE}</style>"))
        .replace(SCRIPT_LINE, &format!("<script>{SCRIPT}</script>"))
}

fn security_policy() -> String {
    let hash = |text: &str| encoding::encode_base64(signer::sha256(text.as_bytes()));
    let (script, style) = (hash(SCRIPT), hash(STYLE));
    format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is in every binary.
    const MAX_BYTES: usize = 40_000;

    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        text.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    #[test]
    fn the_page_is_one_small_file() {
        let page = joined();
        assert!(page.len() < MAX_BYTES, "{} bytes", page.len());
        for outside in [" src=", "@import", "url(", "href=\"page", "href=\"http", "href=\"/"] {
            assert!(!page.contains(outside), "the page has {outside}");
        }
        assert_eq!(between(&page, "<style>", "</style>"), STYLE);
        assert_eq!(between(&page, "<script>", "</script>"), SCRIPT);
    }

    #[test]
    fn the_page_keeps_nothing_and_makes_no_markup_of_texts() {
        for word in ["localStorage", "sessionStorage", "indexedDB", "document.cookie", "innerHTML", "eval("] {
            assert!(!SCRIPT.contains(word), "the script has {word}");
        }
    }

    #[test]
    fn nothing_inline_is_allowed_but_by_its_hash() {
        let policy = security_policy();
        assert!(!policy.contains("unsafe"), "{policy}");
        for quoted in ["script-src 'sha256-", "style-src 'sha256-"] {
            assert_eq!(between(&policy, quoted, "'").len(), 44, "{policy}");
        }
        assert!(!HTML.contains(" style=") && !HTML.contains(" onclick="));
    }
}
