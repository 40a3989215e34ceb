//! Property of tokens: only signed ones verify, in one spelling, and have the signed claims.

use gatekey::clock::UnixTime;
use gatekey::encoding::encode_base64url;
use gatekey::json::Value;
use gatekey::signer::{KeyRing, SigningKey};
use gatekey::token::{self, Claims, TokenError};
use gatekey::user_id::{Generation, UserId};
use std::time::Duration;

const NOW: UnixTime = UnixTime::new(1_700_000_100).unwrap();
const SESSION: Duration = Duration::from_secs(30 * 86_400);

/// The bytes are taken for three things. Tells whether the second was accepted.
///
/// 1. For a token, as a stranger sends it: it opens only if it is what the key signs, to the character.
/// 2. For header and payload, divided by a line feed, that a holder of the key signed: if they are accepted, the
///    claims are those that stand in them, in their ranges, at their time; and with any one character changed, the
///    token is refused.
/// 3. For five numbers: a token that claims these verifies to the same claims until the second it expires.
pub fn holds(bytes: &[u8]) -> bool {
    let ring = KeyRing::from_key(SigningKey::new(b"the quick brown fox jumps over the lazy dog").unwrap());
    if let Ok(sent) = std::str::from_utf8(bytes) {
        only_what_was_signed_opens(sent, &ring);
    }
    what_is_issued_verifies(bytes, &ring);

    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (header, payload) = (&bytes[..line], bytes.get(line + 1..).unwrap_or_default());
    let input = format!("{}.{}", encode_base64url(header), encode_base64url(payload));
    let token = format!("{input}.{}", encode_base64url(ring.sign(input.as_bytes())));
    only_what_was_signed_opens(&token, &ring);
    match token::verify(&token, &ring, NOW, SESSION) {
        Ok(claims) => {
            the_claims_are_those_signed(&token, &claims, &ring);
            no_character_can_be_another(&token, bytes, &ring);
            true
        }
        Err(error) => {
            assert_ne!(error, TokenError::BadSignature);
            false
        }
    }
}

fn only_what_was_signed_opens(token: &str, ring: &KeyRing) {
    let Ok(_) = token::verify_signature(token, ring) else {
        let verified = token::verify(token, ring, NOW, SESSION);
        assert!(matches!(verified, Err(TokenError::Malformed(_) | TokenError::BadSignature)), "{verified:?}");
        return;
    };
    let (input, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(signature, encode_base64url(ring.sign(input.as_bytes())));
    assert_eq!(input.matches('.').count(), 1);
    assert!(token.len() <= token::MAX_BYTES);
}

fn the_claims_are_those_signed(token: &str, claims: &Claims, ring: &KeyRing) {
    let token::SignedToken { header, payload } = token::verify_signature(token, ring).unwrap();
    let in_both = |name| [header.get(name), payload.get(name)].into_iter().flatten();
    let number = |value: &Value| value.as_u64().unwrap();
    // A time may have a fraction, which is cut off.
    let is_within = |value: &Value, second: UnixTime| {
        let second = f64::from(u32::try_from(second.seconds()).unwrap());
        (second..second + 1.0).contains(&value.as_f64().unwrap())
    };

    assert_eq!(header["alg"], "HS256");
    assert!(["crit", "b64", "enc"].iter().all(|name| !header.contains_key(*name)));
    assert!(!payload.contains_key("aud"));
    let end_of_now = f64::from(u32::try_from(NOW.seconds()).unwrap()) + 1.0;
    assert!(in_both("nbf").all(|nbf| nbf.as_f64().unwrap() < end_of_now));

    assert_eq!(payload["id"], claims.id.number());
    assert_eq!(payload.get("gen").map_or(0, number), claims.generation.number());
    assert!(in_both("iat").all(|iat| is_within(iat, claims.issued_at)));
    let auth_time = payload.get("auth_time").map_or(claims.issued_at.seconds(), number);
    let latest = NOW.saturating_add(token::MAX_CLOCK_SKEW).seconds();
    assert!(claims.issued_at.seconds().max(auth_time) <= latest, "issued in the future");
    assert_eq!(auth_time.min(claims.issued_at.seconds()), claims.auth_time.seconds());

    assert!(in_both("exp").count() > 0, "a token that never expires");
    assert!(in_both("exp").all(|exp| is_within(exp, claims.expires_at)));
    assert!((NOW..=NOW.saturating_add(SESSION)).contains(&claims.expires_at));
}

/// The bytes choose by which character each is replaced in turn.
fn no_character_can_be_another(token: &str, bytes: &[u8], ring: &KeyRing) {
    const ALPHABET: &[u8; 65] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    let other = ALPHABET[usize::from(bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))) % 65];
    for at in 0..token.len() {
        let mut changed = token.as_bytes().to_vec();
        changed[at] = other;
        let changed = String::from_utf8(changed).unwrap();
        assert!(changed == token || token::verify(&changed, ring, NOW, SESSION).is_err(), "{changed}");
    }
}

fn what_is_issued_verifies(bytes: &[u8], ring: &KeyRing) {
    let mut numbers = bytes.chunks(8).map(|chunk| chunk.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)));
    let mut below = |end: u64| numbers.next().unwrap_or_default() % end;
    let id = i64::try_from(below(i64::MAX.unsigned_abs())).unwrap() + 1;
    let generation = below(1 << 53);
    let last_second = below(UnixTime::MAX.seconds());
    // As far in the future as a token may be issued.
    let issued_at = below((last_second + 3).min(UnixTime::MAX.seconds() + 1));
    let auth_time = below(issued_at + 1);
    let at = |seconds| UnixTime::new(seconds).unwrap();
    let claims = Claims {
        id: UserId::new(id).unwrap(),
        generation: Generation::new(generation).unwrap(),
        issued_at: at(issued_at),
        expires_at: at(last_second + 1),
        auth_time: at(auth_time),
    };
    let token = token::issue(&claims, ring);
    assert_eq!(token::verify(&token, ring, at(last_second), Duration::MAX), Ok(claims));
    let too_late = token::verify(&token, ring, claims.expires_at, Duration::MAX);
    assert_eq!(too_late, Err(TokenError::Expired(claims.expires_at)));
}
