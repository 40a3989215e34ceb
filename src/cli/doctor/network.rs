//! Checks of the network: cleartext passwords, reverse proxies, rate limits and registration.

use super::super::config::{ListenRefusal, ServeConfig, cleartext_advice, is_loopback};
use super::super::values::{Engine, ListenAddress};
use super::finding::Finding;
use super::installation::Installation;
use crate::client::Client;
use crate::realm::{Policy, Registration};
use crate::routes::{PublicUrl, SignInPages};

/// Minimum length of a password chosen by its user (NIST SP 800-63B section 5.1.1.1).
const ADVISED_PASSWORD_CHARS: usize = 8;

/// Checks that passwords don't cross the network in cleartext.
pub(super) fn exposure(installation: &Installation) -> Vec<Finding> {
    let mut found = vec![listener(&installation.config)];
    if installation.config.routes.public_url.as_ref().is_some_and(|url| !is_https(url)) {
        found.push(Finding::warning(
            "--public-url has no TLS: passwords cross the network in cleartext",
            "terminate TLS at the proxy, and set the https:// URL",
        ));
    }
    if installation.config.engine == Engine::TinyHttp {
        found.push(Finding::warning(
            "--loop tiny-http has neither deadlines nor limits: one client can stop it",
            "leave that option out, unless every client is your own",
        ));
    }
    found
}

fn is_https(url: &PublicUrl) -> bool {
    url.as_str().starts_with("https://")
}

fn listener(config: &ServeConfig) -> Finding {
    if let Err(refusal) = config.check_listener(&config.listen) {
        return refused(&refusal, &config.listen);
    }
    match &config.listen {
        ListenAddress::Tcp(address) if !is_loopback(*address) => Finding::warning(
            format!("on {address} passwords cross the network in cleartext (--allow-cleartext)"),
            cleartext_advice(*address),
        ),
        ListenAddress::Tcp(address) => Finding::ok(format!("{address} is reachable from this machine only")),
        ListenAddress::Unix(path) => {
            Finding::ok(format!("{} is reachable from this machine only", path.display()))
        }
        ListenAddress::Stdin => Finding::ok("on an inherited socket, whose address is not known here"),
    }
}

fn refused(refusal: &ListenRefusal, address: &ListenAddress) -> Finding {
    match (refusal, address) {
        (ListenRefusal::Cleartext(address), _) => Finding::failure(
            format!("serve refuses {address}: passwords would cross the network in cleartext"),
            cleartext_advice(*address),
        ),
        (ListenRefusal::NeedsTrustedProxy, ListenAddress::Unix(path)) => Finding::failure(
            format!("serve refuses {}: all clients of a Unix socket would count as one", path.display()),
            "set --trusted-proxy unix, and use a proxy that sets X-Forwarded-For",
        ),
        _ => Finding::failure(
            "serve refuses: --loop tiny-http listens on an address and a port only",
            "leave out --loop",
        ),
    }
}

pub(super) fn proxy(installation: &Installation) -> Vec<Finding> {
    let (proxies, url) =
        (&installation.config.routes.trusted_proxies, installation.config.routes.public_url.as_ref());
    let wide: Vec<_> = proxies.overly_broad().map(ToString::to_string).collect();
    if !wide.is_empty() {
        return vec![Finding::warning(
            format!(
                "--trusted-proxy {}: any client in these networks can forge its address",
                wide.join(", ")
            ),
            "name the proxy's own address, or the private network that only proxies are on",
        )];
    }
    if let Some(seen) = undeclared(installation) {
        return vec![seen];
    }
    vec![match url.filter(|url| is_https(url) && proxies.is_empty()) {
        Some(url) => Finding::warning(
            format!(
                "clients use {}, so a proxy is in front, but no trusted proxy is declared: all clients count as one",
                url.as_str()
            ),
            "set --trusted-proxy to the proxy's address, 127.0.0.1 if it is on this machine, and let the proxy set \
             X-Forwarded-For: neither Forwarded nor the PROXY protocol is read",
        ),
        None if proxies.is_empty() => Finding::ok(
            "no trusted proxy is declared, and no option implies one; an app on this machine that forwards its users' \
             passwords must be one (--trusted-proxy, X-Forwarded-For), or all its users share one rate limit",
        ),
        None => Finding::ok(
            "declared; it must set X-Forwarded-For, or all its clients count as one: neither Forwarded nor the PROXY \
             protocol is read",
        ),
    }]
}

/// A peer that sent `X-Forwarded` headers and is no trusted proxy.
fn undeclared(installation: &Installation) -> Option<Finding> {
    let (peer, at) = installation.report().as_ref().ok()?.undeclared_proxy.as_ref()?;
    let client = if peer == "unix" { Client::Local } else { Client::at(peer.parse().ok()?) };
    (!installation.config.routes.trusted_proxies.trusts(client)).then(|| {
        Finding::warning(
            format!("{peer} sent X-Forwarded-* headers, last on {at}, and is no trusted proxy: they were ignored"),
            format!(
                "if that is your proxy, set --trusted-proxy {peer}, or all its clients count as one; if not, a client \
                 tried to forge its address"
            ),
        )
    })
}

/// Whether there are sign-in pages, and if not, why.
pub(super) fn sign_in(installation: &Installation) -> Vec<Finding> {
    let routes = &installation.config.routes;
    let refusal = routes.public_url.as_ref().map(|url| SignInPages::new(url, SignInPages::DEFAULT_TITLE));
    vec![Finding::ok(match (&routes.sign_in_pages, refusal) {
        (Some(pages), _) => match pages.cookie_domain() {
            Some(domain) => format!(
                "there are pages, for all hosts under {domain}; a browser keeps no cookie for a public suffix such as \
                 co.uk, and then each visitor is sent back to them"
            ),
            None => "there are pages; without --cookie-domain they guard apps on the public URL's host alone"
                .into(),
        },
        (None, Some(Err(error))) => format!("there are no pages: {error}"),
        (None, _) => "there are no pages: sign-in pages need --public-url".into(),
    })]
}

/// Checks rate limits, registration and password length.
pub(super) fn passwords(installation: &Installation) -> Vec<Finding> {
    let policy = &installation.config.policy;
    let mut found = weak_rules(policy);
    if found.is_empty() {
        let registration = match policy.registration {
            Registration::Open => "open",
            Registration::Closed => "closed",
        };
        let says = format!("password attempts are rate limited; registration is {registration}");
        found.push(Finding::ok(says));
    }
    found
}

/// The rules that make passwords easy to guess.
pub(super) fn weak_rules(policy: &Policy) -> Vec<Finding> {
    let (chars, mut found) = (policy.min_password_chars, Vec::new());
    if policy.rate_limits.is_none() {
        found.push(Finding::warning(
            "password attempts are not rate limited (--throttle off)",
            "leave that option out",
        ));
    }
    if policy.registration == Registration::Open && chars < ADVISED_PASSWORD_CHARS {
        found.push(Finding::warning(
            format!("anyone may register, with a password of {chars} or more characters"),
            format!("--min-password-length {ADVISED_PASSWORD_CHARS}, or --registration closed"),
        ));
    }
    found
}
