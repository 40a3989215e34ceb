//! `GET /`: the page that shows, with the reader's own requests, how passwords and tokens work.
//!
//! One document with everything in it, from three files that are each of their own language. It needs no other host, and its
//! policy (Content Security Policy Level 3) allows it nothing else: its own script and style by their hashes, requests to
//! this server, no frame around it. `require-trusted-types-for` forbids making markup of texts.

use crate::http::Response;

const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>gatekey: passwords and tokens, live</title>\n",
    "<link rel=\"icon\" href=\"data:,\">\n<style>",
    include_str!("page.css"),
    "</style>\n</head>\n<body>\n",
    include_str!("page.html"),
    "<script>",
    include_str!("page.js"),
    "</script>\n</body>\n</html>\n",
);

/// The hashes are those of the files: a test computes them, and says what to put here.
const POLICY: &str = "default-src 'none'; script-src 'sha256-SgBYw+I5uYCI4EydXJs/Gfovq0C/6e9D0bp1S0+KBr0='; \
                      style-src 'sha256-tkt+Zr+3CCS2K2vMxhK3rCooP5G9UDN4TpybKbTNe18='; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

pub(super) fn show() -> Response {
    Response::document("text/html; charset=utf-8", PAGE.as_bytes())
        .with_field("Content-Security-Policy", POLICY)
        .with_field("Referrer-Policy", "no-referrer")
}
