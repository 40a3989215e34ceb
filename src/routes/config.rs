//! Configuration of the routes: what depends on HTTP, while [`realm::Policy`](crate::realm::Policy) has the rules that don't.

use super::public_url::{Origin, PublicUrl};
use crate::proxies::TrustedProxies;

/// Settings of the HTTP interface. The default suits an embedder: no proxy is trusted, no other origin may read
/// responses, and there is no page.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The URL that clients use, if it is known. It makes links in responses, and is same-origin for the CSRF check.
    pub public_url: Option<PublicUrl>,
    /// Proxies whose `X-Forwarded` headers are trusted.
    pub trusted_proxies: TrustedProxies,
    /// Origins whose pages may read responses (CORS).
    pub cors_origins: Vec<Origin>,
    /// Whether `GET /learn` serves the page that demonstrates the API. `gatekey serve` sets it.
    pub learn_page: bool,
}
