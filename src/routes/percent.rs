//! Percent-encoding (RFC 3986 section 2.1).

/// Encodes every byte but these.
pub(super) fn encode(text: &str, is_kept: impl Fn(u8) -> bool) -> String {
    let encode = |byte: u8| if is_kept(byte) { char::from(byte).into() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect::<Vec<_>>().concat()
}

/// The characters that never need encoding (RFC 3986 section 2.3).
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Decodes a text; `None` for a `%` without two hexadecimal digits, or if the result isn't UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_percent_encoded() {
        for (name, encoded) in [
            ("alice", "alice"),
            ("a-b.c_d~1", "a-b.c_d~1"),
            ("josé", "jos%C3%A9"),
            ("a b,c;d=\"e\"", "a%20b%2Cc%3Bd%3D%22e%22"),
            ("100%", "100%25"),
        ] {
            assert_eq!(encode(name, is_unreserved), encoded);
            assert_eq!(decode(encoded).as_deref(), Some(name));
        }
    }
}
