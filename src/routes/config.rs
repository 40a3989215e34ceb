//! Configuration of the routes: what depends on HTTP. [`realm::Policy`](crate::realm::Policy) has the rules
//! that don't.

use super::link_requests::LinkRequests;
use super::sign_in_pages::SignInPages;
use super::url::{Origin, PublicUrl};
use crate::proxies::TrustedProxies;

/// Settings of the HTTP interface. The default suits an embedder: no trusted proxy, no CORS, no page.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The URL that clients use, for links in responses and as the origin for the CSRF check.
    pub public_url: Option<PublicUrl>,
    /// Proxies whose `X-Forwarded` headers are trusted.
    pub trusted_proxies: TrustedProxies,
    /// Origins whose pages may read responses (CORS).
    pub cors_origins: Vec<Origin>,
    /// Whether `GET /learn` serves the page that demonstrates the API. `gatekey serve` sets it.
    pub learn_page: bool,
    /// The sign-in pages, if there are any. `gatekey serve` sets them wherever the public URL allows them.
    pub sign_in_pages: Option<SignInPages>,
    /// The queue of `/forgot-password`; without it there is no such page.
    pub link_requests: Option<LinkRequests>,
}
