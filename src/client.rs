//! Client addresses, and the prefixes that rate limits count.
//!
//! One client may have many IPv6 addresses: a host has a /64, and a provider's customer often a /48 (RFC
//! 6177).

use core::fmt;
use core::net::IpAddr;

/// The client of a request.
///
/// ```
/// use gatekey::client::Client;
/// let client = |text: &str| Client::at(text.parse().unwrap());
/// assert_eq!(client("2001:db8::1").prefix(), client("2001:db8::2").prefix());
/// assert_ne!(client("192.0.2.1").prefix(), client("192.0.2.2").prefix());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// A client with this address.
    Ip(IpAddr),
    /// A process on this machine, by a Unix socket for instance.
    Local,
}

/// Address prefix of a client: an IPv4 address, an IPv6 prefix, or this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// 4 for IPv4; 64 or 48 for IPv6; 0 for this machine.
    kind: u8,
    /// The address with zeros after the prefix.
    bits: u128,
}

/// A user and an address from which that user has logged in, by a keyed hash of both (see
/// [`crate::limiter`]).
pub type AddressMark = [u8; 8];

impl Client {
    /// The client with this address.
    pub fn at(address: IpAddr) -> Self {
        Self::Ip(address.to_canonical())
    }

    /// The IPv4 address, or the IPv6 /64.
    pub fn prefix(self) -> Prefix {
        match self.canonical() {
            Self::Local => Prefix { kind: 0, bits: 0 },
            Self::Ip(IpAddr::V4(address)) => Prefix { kind: 4, bits: address.to_bits().into() },
            Self::Ip(IpAddr::V6(address)) => Prefix { kind: 64, bits: address.to_bits() >> 64 << 64 },
        }
    }

    /// The IPv6 /48: the network of one customer, in which /64s cost nothing.
    pub fn network(self) -> Option<Prefix> {
        match self.canonical() {
            Self::Ip(IpAddr::V6(address)) => Some(Prefix { kind: 48, bits: address.to_bits() >> 80 << 80 }),
            Self::Ip(IpAddr::V4(_)) | Self::Local => None,
        }
    }

    /// Whether it is on this machine, as an undeclared proxy is.
    pub fn is_local(self) -> bool {
        match self.canonical() {
            Self::Ip(address) => address.is_loopback(),
            Self::Local => true,
        }
    }

    /// `::ffff:192.0.2.1` is 192.0.2.1 (RFC 4291 section 2.5.5.2).
    fn canonical(self) -> Self {
        match self {
            Self::Ip(address) => Self::Ip(address.to_canonical()),
            Self::Local => Self::Local,
        }
    }
}

impl Prefix {
    /// Injective encoding.
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [self.kind; 17];
        if let Some(rest) = bytes.first_chunk_mut() {
            *rest = self.bits.to_be_bytes();
        }
        bytes
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        Client::Ip(address.parse().unwrap())
    }

    #[test]
    fn one_client_is_an_ipv4_address_or_an_ipv6_64() {
        for (a, b, is_same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::c000:201", "192.0.2.1", false),
        ] {
            assert_eq!(client(a).prefix() == client(b).prefix(), is_same, "{a} {b}");
            assert_eq!(client(a).prefix().to_bytes() == client(b).prefix().to_bytes(), is_same, "{a} {b}");
        }
    }

    #[test]
    fn one_network_is_an_ipv6_48() {
        let network = |address: &str| client(address).network();
        assert_eq!(network("192.0.2.1"), None);
        assert_eq!(Client::Local.network(), None);
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:ffff::1"));
        assert_ne!(network("2001:db8:1::"), network("2001:db8:2::"));
        assert_ne!(
            network("2001:db8:1::").map(Prefix::to_bytes),
            Some(client("2001:db8:1::").prefix().to_bytes())
        );
    }

    #[test]
    fn loopback_is_local_in_every_spelling() {
        for yes in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(client(yes).is_local(), "{yes}");
        }
        assert!(Client::Local.is_local());
        assert!(!client("192.0.2.1").is_local());
    }
}
