//! Origin check: a form post must come from a page of the public URL.
//!
//! Stricter than [`crate::routes::csrf`]: neither `--cors-origin` nor `Host` is asked, and a browser must say where the
//! post comes from. `Origin: null` or none is what a proxy's `Referrer-Policy: no-referrer` makes of it; `Sec-Fetch-Site`,
//! which no page can set, then decides.

use super::html::Html;
use super::texts;
use super::view::View;

/// What was sent, if it isn't from the public URL's origin.
pub(super) fn foreign(view: &View<'_>) -> Option<Html> {
    let request = view.context.request;
    let sites: Vec<_> = request.headers("Sec-Fetch-Site").collect();
    if let Some(site) = sites.iter().find(|site| **site == b"cross-site" || **site == b"same-site") {
        return Some(sent("sent_site", site));
    }
    let origins: Vec<_> = request.headers("Origin").collect();
    let own = view.pages.public_url.origin().as_bytes();
    match origins.as_slice() {
        [origin] if origin.eq_ignore_ascii_case(own) => None,
        [] | [b"null"] if sites == [b"same-origin"] => None,
        [] => Some(sent("sent_nothing", b"")),
        [origin, ..] => Some(sent("sent_origin", origin)),
    }
}

fn sent(name: &'static str, value: &[u8]) -> Html {
    let value: String = String::from_utf8_lossy(value).chars().take(100).collect();
    Html::fill(texts::find(name).expect("a text of this name"), &[("value", Html::text(&value))])
}
