//! Trusted proxies: the client address from `X-Forwarded-For`.
//!
//! ```text
//! X-Forwarded-For: 203.0.113.7, 192.0.2.4, 10.0.0.2      sent by 10.0.0.3
//!                  any client     <-----------------     parsed from the right, while the sender is trusted
//!                  can forge this
//! ```
//!
//! Each proxy appends the address of its client. So an entry is as trustworthy as the proxy that the entry
//! after it names, and the rightmost as its sender. The first address from the right that is no trusted proxy
//! is the client; it can forge the entries to its left.
//!
//! `X-Forwarded-For` has no specification. Left out: `Forwarded` (RFC 7239), which proxies don't send by
//! default, and the PROXY protocol.

mod entry;

use crate::client::Client;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// The peers whose forwarding headers are trusted; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<TrustedProxy>);

/// A trusted proxy: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`, or `unix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// All addresses of a network.
    Network {
        /// The address, with zeros after the prefix.
        address: IpAddr,
        /// Length of the prefix in bits.
        prefix: u32,
    },
    /// All clients of a Unix socket.
    Unix,
}

impl TrustedProxies {
    /// Whether this peer is a trusted proxy.
    pub fn trusts(&self, peer: Client) -> bool {
        self.0.iter().any(|proxy| proxy.contains(peer))
    }

    /// The client address, from a peer and the lines of `X-Forwarded-For` that it sent, in order.
    ///
    /// A malformed entry (`unknown`, `_hidden`, empty) makes the proxy that wrote it the client. If all hops
    /// are trusted, the leftmost is the client.
    ///
    /// ```
    /// # use gatekey::{client::Client, proxies::TrustedProxies};
    /// let proxies: TrustedProxies = ["10.0.0.0/8".parse()?].into_iter().collect();
    /// let address = |text: &str| Client::at(text.parse().unwrap());
    /// let lines = [&b"203.0.113.7, 192.0.2.4, 10.0.0.2"[..]];
    /// assert_eq!(proxies.client_of(address("10.0.0.3"), lines), address("192.0.2.4"));
    /// assert_eq!(proxies.client_of(address("198.51.100.1"), lines), address("198.51.100.1"));
    /// # Ok::<(), gatekey::proxies::TrustedProxyError>(())
    /// ```
    pub fn client_of<'a>(
        &self,
        peer: Client,
        lines: impl IntoIterator<Item = &'a [u8], IntoIter: DoubleEndedIterator>,
    ) -> Client {
        let entries = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        let mut hop = peer;
        for entry in entries {
            match entry::parse(entry) {
                Some(before) if self.trusts(hop) => hop = before,
                _ => break,
            }
        }
        hop
    }

    /// Whether no peer is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks that are wider than any private one (10.0.0.0/8, fc00::/7): any client in them can forge
    /// its address.
    pub fn overly_broad(&self) -> impl Iterator<Item = &TrustedProxy> {
        self.0.iter().filter(|proxy| match proxy {
            TrustedProxy::Network { address, prefix } => *prefix < if address.is_ipv4() { 8 } else { 7 },
            TrustedProxy::Unix => false,
        })
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { address, prefix } => write!(f, "{address}/{prefix}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl FromIterator<TrustedProxy> for TrustedProxies {
    fn from_iter<T: IntoIterator<Item = TrustedProxy>>(proxies: T) -> Self {
        Self(proxies.into_iter().collect())
    }
}

impl TrustedProxy {
    fn contains(self, peer: Client) -> bool {
        match (self, peer) {
            (Self::Unix, Client::Local) => true,
            (Self::Network { address, prefix }, Client::Ip(peer)) => {
                let peer = peer.to_canonical();
                address.is_ipv4() == peer.is_ipv4() && network(peer, prefix) == address
            }
            _ => false,
        }
    }
}

impl FromStr for TrustedProxy {
    type Err = TrustedProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| TrustedProxyError::Malformed)?;
        let width = width(written);
        let is_number = |bits: &&str| bits.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = bits.map_or(Some(width), |bits| Some(bits).filter(is_number)?.parse().ok());
        let prefix = prefix.filter(|prefix| *prefix <= width).ok_or(TrustedProxyError::Malformed)?;
        let network = network(written, prefix);
        if network != written {
            return Err(TrustedProxyError::HostBits { address: written, network, prefix });
        }
        // `::ffff:10.0.0.0/104` is 10.0.0.0/8: addresses are compared in canonical form.
        let address = written.to_canonical();
        Ok(Self::Network { address, prefix: prefix.saturating_sub(width - self::width(address)) })
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { u32::BITS } else { u128::BITS }
}

/// The address with zeros after the prefix.
fn network(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::BITS.saturating_sub(prefix)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u128::BITS.saturating_sub(prefix)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// Error of parsing a [`TrustedProxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedProxyError {
    /// Not `unix`, an address or a network.
    #[error("expected an IP address, a network such as 10.0.0.0/8 or fd00::/8, or unix")]
    Malformed,
    /// Bits after the prefix: an address or a network may be meant.
    #[error("expected {network}/{prefix} for the whole network, or {address} for that address alone")]
    HostBits {
        /// The address as written.
        address: IpAddr,
        /// Its network.
        network: IpAddr,
        /// The prefix.
        prefix: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> TrustedProxies {
        texts.iter().map(|text| text.parse::<TrustedProxy>().unwrap()).collect()
    }

    fn client(address: &str) -> Client {
        if address == "unix" { Client::Local } else { Client::Ip(address.parse().unwrap()) }
    }

    #[test]
    fn a_network_contains_the_addresses_with_its_prefix() {
        for (network, inside, outside) in [
            ("192.0.2.1", &["192.0.2.1", "::ffff:192.0.2.1"][..], &["192.0.2.0", "192.0.2.2", "unix"][..]),
            ("192.0.2.1/32", &["192.0.2.1"], &["192.0.2.0", "::c000:201"]),
            ("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]),
            ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127", "192.0.3.128"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::1", "unix"]),
            ("2001:db8::/33", &["2001:db8::1", "2001:db8:7fff::"], &["2001:db8:8000::", "2001:db9::"]),
            ("::1", &["::1"], &["::2", "127.0.0.1"]),
            ("::1/128", &["::1"], &["::", "::2"]),
            ("::/0", &["::1", "ffff::"], &["192.0.2.1"]),
            ("::ffff:10.0.0.0/104", &["10.1.2.3", "::ffff:10.0.0.1"], &["11.0.0.0", "::10.0.0.1"]),
            ("::ffff:192.0.2.1", &["192.0.2.1"], &["192.0.2.2"]),
            ("unix", &["unix"], &["127.0.0.1", "::1"]),
        ] {
            let proxies = proxies(&[network]);
            for address in inside {
                assert!(proxies.trusts(client(address)), "{network} {address}");
            }
            for address in outside {
                assert!(!proxies.trusts(client(address)), "{network} {address}");
            }
        }
        assert!(!TrustedProxies::default().trusts(Client::Local));
    }

    #[test]
    fn networks_wider_than_private_ones_are_overly_broad() {
        let texts =
            ["0.0.0.0/0", "::/0", "8.0.0.0/7", "2000::/3", "10.0.0.0/8", "fc00::/7", "192.0.2.1", "unix"];
        let wide: Vec<_> = proxies(&texts).overly_broad().map(ToString::to_string).collect();
        assert_eq!(wide, ["0.0.0.0/0", "::/0", "8.0.0.0/7", "2000::/3"]);
    }

    #[test]
    fn a_malformed_proxy_is_rejected() {
        let complaint = |text: &str| text.parse::<TrustedProxy>().unwrap_err().to_string();
        for text in [
            "",
            "localhost",
            "Unix",
            "unix:/run/x",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0",
            "010.0.0.0/8",
            "10.0.0.0:80",
            "[::1]",
            " 10.0.0.1",
            "/8",
            "10.0.0.0/4294967304",
        ] {
            let expected = "expected an IP address, a network such as 10.0.0.0/8 or fd00::/8, or unix";
            assert_eq!(complaint(text), expected, "{text:?}");
        }
        assert_eq!(
            complaint("10.1.2.3/8"),
            "expected 10.0.0.0/8 for the whole network, or 10.1.2.3 for that address alone"
        );
        assert_eq!(
            complaint("2001:db8::1/64"),
            "expected 2001:db8::/64 for the whole network, or 2001:db8::1 for that address alone"
        );
        assert_eq!(
            complaint("10.0.0.1/0"),
            "expected 0.0.0.0/0 for the whole network, or 10.0.0.1 for that address alone"
        );
    }

    /// The client if 10.0.0.1 sends these lines, and 10.0.0.0/8 and fd00::/8 are trusted.
    fn client_by(lines: &[&str]) -> Client {
        let lines = lines.iter().map(|line| line.as_bytes());
        proxies(&["10.0.0.0/8", "fd00::/8"]).client_of(client("10.0.0.1"), lines)
    }

    #[test]
    fn the_client_is_the_rightmost_untrusted_address() {
        for (lines, expected) in [
            (&[][..], "10.0.0.1"),
            (&["192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.7, 192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.7,192.0.2.1,10.0.0.2 , 10.0.0.3"], "192.0.2.1"),
            (&["192.0.2.1, fd00::2"], "192.0.2.1"),
            (&["192.0.2.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            // Lines are one list, in their order.
            (&["203.0.113.7", "192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1", "10.0.0.2", "10.0.0.3"], "192.0.2.1"),
            (&["203.0.113.7, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            // Only proxies: the leftmost is the client.
            (&["10.0.0.4, 10.0.0.3"], "10.0.0.4"),
        ] {
            assert_eq!(client_by(lines), client(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_entry_makes_its_writer_the_client() {
        for entry in ["", "unknown", "192.0.2.1:x", "[::1", "fe80::1%", "é"] {
            assert_eq!(client_by(&[entry]), client("10.0.0.1"), "{entry:?}");
            let behind_one = format!("192.0.2.1, {entry}, 10.0.0.2");
            assert_eq!(client_by(&[&behind_one]), client("10.0.0.2"), "{entry:?}");
            assert_eq!(client_by(&["192.0.2.1", entry, "10.0.0.2"]), client("10.0.0.2"), "{entry:?}");
        }
        let not_text = proxies(&["unix"]).client_of(Client::Local, [&b"192.0.2.1, \xff"[..]]);
        assert_eq!(not_text, Client::Local);
    }

    #[test]
    fn a_trusted_proxy_is_recognized_in_every_spelling() {
        for proxy in ["::ffff:10.0.0.2", "[::ffff:10.0.0.2]:80", "[fd00::1]", "fd00::1%wg0"] {
            assert_eq!(client_by(&[&format!("192.0.2.1, {proxy}")]), client("192.0.2.1"), "{proxy}");
        }
    }

    #[test]
    fn an_untrusted_peer_is_the_client() {
        let lines = [&b"10.0.0.9, 192.0.2.1"[..]];
        let none = TrustedProxies::default();
        for peer in ["127.0.0.1", "::1", "198.51.100.1", "unix"] {
            assert_eq!(none.client_of(client(peer), lines), client(peer));
            assert_eq!(proxies(&["10.0.0.0/8"]).client_of(client(peer), lines), client(peer));
        }
    }

    #[test]
    fn a_client_behind_a_unix_socket_has_an_address() {
        let lines = [&b"192.0.2.1, 127.0.0.1"[..]];
        assert_eq!(proxies(&["unix"]).client_of(Client::Local, lines), client("127.0.0.1"));
        assert_eq!(proxies(&["unix", "127.0.0.1"]).client_of(Client::Local, lines), client("192.0.2.1"));
    }

    #[test]
    fn the_number_of_hops_is_not_limited() {
        let line = "10.0.0.1,".repeat(3_600);
        assert_eq!(client_by(&[&format!("192.0.2.1,{line}10.0.0.2")]), client("192.0.2.1"));
        assert_eq!(client_by(&[&",".repeat(32_000)]), client("10.0.0.1"));
    }
}
