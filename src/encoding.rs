//! Base64 (RFC 4648), in three variants.
//!
//! | where | alphabet | padding | source |
//! |---|---|---|---|
//! | token parts, new signing keys, fingerprints | URL-safe | none | RFC 7515 section 2 |
//! | the `Basic` scheme, `base64:` lines of the key file | standard | required | RFC 7617 section 2 |
//! | salt and hash of a stored password | standard | none | PHC string format |
//!
//! Decoding is strict: another alphabet, missing or extra padding, white space and stray bits in the last
//! character are errors. Otherwise a token could be changed and still verify.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))] // the tests make up texts by counting

use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use core::fmt;

/// The text is not strict base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError;

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not strict base64")
    }
}

impl core::error::Error for DecodeError {}

/// Encodes base64url without padding.
///
/// ```
/// use gatekey::encoding::{decode_base64url, encode_base64url};
/// assert_eq!(encode_base64url(b"A"), "QQ");
/// assert!(decode_base64url("QR").is_err()); // stray bits
/// ```
pub fn encode_base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url without padding.
///
/// # Errors
/// [`DecodeError`] for any text that [`encode_base64url`] doesn't return.
pub fn decode_base64url(text: impl AsRef<[u8]>) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| DecodeError)
}

/// Encodes base64 with padding.
pub fn encode_base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Decodes base64 with padding.
///
/// # Errors
/// [`DecodeError`] for any text that [`encode_base64`] doesn't return.
pub fn decode_base64(text: impl AsRef<[u8]>) -> Result<Vec<u8>, DecodeError> {
    STANDARD.decode(text).map_err(|_| DecodeError)
}

/// Encodes base64 without padding, for PHC strings.
pub fn encode_base64_unpadded(bytes: impl AsRef<[u8]>) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Decodes base64 without padding.
///
/// # Errors
/// [`DecodeError`] for any text that [`encode_base64_unpadded`] doesn't return.
pub fn decode_base64_unpadded(text: impl AsRef<[u8]>) -> Result<Vec<u8>, DecodeError> {
    STANDARD_NO_PAD.decode(text).map_err(|_| DecodeError)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of up to four characters from a nasty vocabulary.
    fn short_texts() -> impl Iterator<Item = String> {
        const VOCABULARY: &[char] = &['A', 'B', 'Q', '-', '_', '+', '/', '=', '\n', ' ', 'é'];
        (0..=4).flat_map(|length| {
            (0..VOCABULARY.len().pow(length)).map(move |mut n| {
                (0..length)
                    .map(|_| {
                        let c = VOCABULARY[n % VOCABULARY.len()];
                        n /= VOCABULARY.len();
                        c
                    })
                    .collect()
            })
        })
    }

    #[test]
    fn decoding_accepts_one_spelling_only() {
        let mut decoded = 0;
        for text in short_texts() {
            for (result, encode) in [
                (decode_base64url(&text), (|bytes| encode_base64url(bytes)) as fn(Vec<u8>) -> String),
                (decode_base64(&text), |bytes| encode_base64(bytes)),
                (decode_base64_unpadded(&text), |bytes| encode_base64_unpadded(bytes)),
            ] {
                if let Ok(bytes) = result {
                    assert_eq!(encode(bytes), text);
                    decoded += 1;
                }
            }
        }
        assert!(decoded > 1_000, "the vocabulary must hold valid texts too, not only {decoded}");
    }

    #[test]
    fn every_length_makes_the_round_trip() {
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|n| n.wrapping_mul(37) ^ 0xA5).collect();
            assert_eq!(decode_base64url(encode_base64url(&bytes)).as_ref(), Ok(&bytes));
            assert_eq!(decode_base64(encode_base64(&bytes)).as_ref(), Ok(&bytes));
            assert_eq!(decode_base64_unpadded(encode_base64_unpadded(&bytes)).as_ref(), Ok(&bytes));
        }
    }

    #[test]
    fn stray_bits_in_the_last_character_are_rejected() {
        assert_eq!(decode_base64url("QQ"), Ok(b"A".to_vec()));
        assert_eq!(decode_base64url("QR"), Err(DecodeError)); // the same eight bits, two others behind them
    }
}
