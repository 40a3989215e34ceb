//! Validation of host and port, as in `Host` (RFC 9110 section 7.2).

/// Whether the text is a name or IP address with an optional port, which may be empty (RFC 3986 section 3.2).
///
/// Links in responses are built from it, so characters that could change the meaning of a URL are rejected.
/// Accepted: `example.org`, `under_score:5000`, `127.0.0.1`, `[::1]:5000`, `example.org:`.
pub fn is_valid_host(host: &str) -> bool {
    let (name, port) = split_port(host);
    let is_name = match name.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(address)) => {
            !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
        }
        Some(None) => false,
        None => is_reg_name(name),
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    is_name && name.len() <= 255 && is_port
}

/// Splits the host from the port, which keeps its colon: `[::1]:5000` is `[::1]`, `:5000`. Without a port it
/// is empty.
pub fn split_port(host: &str) -> (&str, &str) {
    let end_of_name = match host.find(']') {
        Some(bracket) if host.starts_with('[') => bracket.saturating_add(1),
        _ => host.find(':').unwrap_or(host.len()),
    };
    host.split_at_checked(end_of_name).unwrap_or((host, ""))
}

/// `localhost` and the names below it, also as fully qualified names (RFC 6761 section 6.3).
pub fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let top = name.rsplit('.').next().unwrap_or_default();
    top.eq_ignore_ascii_case("localhost")
}

/// `reg-name` of RFC 3986 section 3.2.2, but not empty.
fn is_reg_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let mut is_hex = || bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit());
        let is_allowed = match byte {
            b'%' => is_hex() && is_hex(),
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
        if !is_allowed {
            return false;
        }
    }
    !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for yes in [
            "a",
            "localhost:5000",
            "auth.example.org",
            "under_score",
            "127.0.0.1:5000",
            "[::1]",
            "[::1]:5000",
            "xn--bcher-kva.example",
            "name:",
            "[::1]:",
            "a!$&'()*+,;=~b",
            "b%C3%BCcher.example",
        ] {
            assert!(is_valid_host(yes), "{yes}");
        }
        for no in [
            "",
            ":5000",
            ":",
            "a:b",
            "a%",
            "a%4",
            "a%4g",
            "%",
            "a\"b",
            "a:123456",
            "a b",
            "a/b",
            "a@b",
            "a\r\nb",
            "[::1",
            "[]",
            "[x]",
            "[::1]5000",
            "a?b",
            "é",
            "a:1:2",
        ] {
            assert!(!is_valid_host(no), "{no:?}");
        }
    }
}
