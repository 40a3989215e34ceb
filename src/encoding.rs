//! Bytes as text: base64 in the three spellings that the formats around us use (RFC 4648).
//!
//! | where | alphabet | padding | source |
//! |---|---|---|---|
//! | token parts, new signing keys, fingerprints | URL-safe | none | RFC 7515 section 2 |
//! | the `Basic` scheme, `base64:` lines of the key file | standard | required | RFC 7617 section 2 |
//! | salt and hash of a stored password | standard | none | PHC string format |
//!
//! Decoding is strict: another alphabet, missing or extra padding, white space and stray bits in the last
//! character are errors. What is signed must have one spelling, or a token could be changed and still verify.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))] // the tests make up texts by counting

use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use core::fmt;

/// The text is not the one spelling of any bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError;

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not strict base64")
    }
}

impl core::error::Error for DecodeError {}

/// Bytes as base64url without padding.
pub fn encode_base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes of base64url without padding.
///
/// # Errors
/// [`DecodeError`] for anything that [`encode_base64url`] would not have written.
pub fn decode_base64url(text: impl AsRef<[u8]>) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| DecodeError)
}

/// Bytes as base64 with padding.
pub fn encode_base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Bytes of base64 with padding.
///
/// # Errors
/// [`DecodeError`] for anything that [`encode_base64`] would not have written.
pub fn decode_base64(text: impl AsRef<[u8]>) -> Result<Vec<u8>, DecodeError> {
    STANDARD.decode(text).map_err(|_| DecodeError)
}

/// Bytes as base64 without padding, as PHC strings have it.
pub fn encode_base64_unpadded(bytes: impl AsRef<[u8]>) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Bytes of base64 without padding.
///
/// # Errors
/// [`DecodeError`] for anything that [`encode_base64_unpadded`] would not have written.
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
