//! Parser of `X-Forwarded-For` entries.
//!
//! ```text
//! 192.0.2.1    192.0.2.1:5678    2001:db8::1    [2001:db8::1]    [2001:db8::1]:443
//! fe80::1%eth0    [fe80::1%25eth0]:443
//! ```
//!
//! A zone id (RFC 4007 section 11.2; after `%25` in URLs, RFC 6874) names an interface of the proxy, so it is
//! dropped. Left out: entries that are no address (`unknown`, `_hidden`, host names).

use crate::client::Client;
use core::net::{IpAddr, Ipv6Addr};
use core::str;

/// The address in an entry, without port and zone id.
pub(super) fn parse(entry: &[u8]) -> Option<Client> {
    let text = str::from_utf8(entry.trim_ascii()).ok()?;
    if let Some(address) = parse_ipv6(text) {
        return Some(Client::at(IpAddr::V6(address)));
    }
    let (address, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        (IpAddr::V6(parse_ipv6(address)?), port)
    } else {
        let (address, port) = text.split_at_checked(text.find(':').unwrap_or(text.len()))?;
        (IpAddr::V4(address.parse().ok()?), port)
    };
    is_port_or_empty(port).then(|| Client::at(address))
}

/// An IPv6 address with or without a zone id.
fn parse_ipv6(text: &str) -> Option<Ipv6Addr> {
    match text.split_once('%') {
        None => text.parse().ok(),
        Some((address, zone)) => is_zone(zone).then(|| address.parse().ok())?,
    }
}

/// RFC 6874: unreserved characters, which include the `25` of an encoded percent sign.
fn is_zone(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn is_port_or_empty(text: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    text.is_empty() || text.strip_prefix(':').is_some_and(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_ports_brackets_and_zone_ids() {
        for (entry, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:5678", "192.0.2.1"),
            ("\t192.0.2.1 ", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
            ("fe80::1%25eth0", "fe80::1"),
            ("fe80::1%2", "fe80::1"),
            ("[fe80::1%eth0]", "fe80::1"),
            ("[fe80::1%25eth0.1]:443", "fe80::1"),
            ("fd00::1%wg-0_a~", "fd00::1"),
        ] {
            assert_eq!(parse(entry.as_bytes()), Some(Client::at(address.parse().unwrap())), "{entry}");
        }
    }

    #[test]
    fn other_entries_are_rejected() {
        for entry in [
            "",
            "unknown",
            "_hidden",
            "unix:",
            "example.org",
            "\"192.0.2.1\"",
            "192.0.2.1:",
            "192.0.2.1:70000",
            "192.0.2.1:+80",
            "192.0.2.1:x",
            "192.0.2",
            "192.0.2.01",
            "192.0.2.1 192.0.2.2",
            "192.0.2.1%eth0",
            "[192.0.2.1]",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:",
            "[::1]:65536",
            "[::1]:+80",
            "[]",
            "%eth0",
            "fe80::1%",
            "fe80::1%eth0%eth1",
            "fe80::1%et h0",
            "[fe80::1%eth0",
            "[fe80::1]%eth0",
            "[fe80::1%eth0]443",
            "é",
            "-",
        ] {
            assert_eq!(parse(entry.as_bytes()), None, "{entry:?}");
        }
        assert_eq!(parse(b"\xff"), None);
    }
}
