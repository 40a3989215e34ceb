//! Access token: a compact JWS (RFC 7515) with HMAC-SHA-256, three base64url parts joined by dots.
//!
//! ```text
//! eyJhbGciOiJIUzI1NiIsImlhdCI6MTc5...  .  eyJpZCI6MSwiZ2VuIjoxLCJpYXQiOjE3OTU0...  .  0mWv3GyyJCJGX...
//! └ header                                └ payload                                   └ signature
//!   {"alg":"HS256",                         {"id":1,"gen":1,                            HMAC-SHA-256(key,
//!    "iat":1795413227,"exp":1795413827}      "iat":1795413227,"exp":1795413827}           header "." payload)
//! ```
//!
//! Compatible with itsdangerous 0.24's `TimedJSONWebSignatureSerializer`, which the article uses and which
//! has the times in the header. The payload has them too, for JWT libraries (RFC 7519 section 4.1).
//!
//! | claim | meaning |
//! |---|---|
//! | `id` | the user's id, a positive integer |
//! | `gen` | the user's token generation; absent (in old Flask tokens) it is 0 |
//! | `iat` | issued at; absent it is 0 |
//! | `exp` | expires at; required |
//! | `auth_time` | when the password was last shown; absent it is `iat` |
//! | `sid` | the session that it belongs to; absent in tokens without one |
//!
//! A token with `sid` is valid only while its session is in gatekey's database, so [`verify`] rejects it, and
//! [`verify_any`] is for the realm, which reads the row. A payload with `use` is no token but a value that
//! was signed for one purpose.
//!
//! **Verify, then decode.** [`verify_signature`] checks form and signature; nothing in a token is parsed
//! before. `alg` must be `HS256` and selects nothing (algorithm confusion, RFC 8725 section 3.1).
//! [`SignedToken::verify`] then checks the claims and the time. The realm checks that the user exists, is
//! enabled and has this generation.
//!
//! Left out: encryption, other algorithms, key ids (each key of the short ring is tried), audiences and
//! issuers (one realm, one key file).

#![warn(clippy::arithmetic_side_effects)]

mod canonical;
mod error;

pub use canonical::Claims;
pub use error::TokenError;

use crate::clock::UnixTime;
use crate::encoding;
use crate::json::{self, Object, Value};
use crate::session_id::SessionId;
use crate::signer::KeyRing;
use crate::user_id::{Generation, UserId};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Maximum length of a token, checked before any computation.
pub const MAX_BYTES: usize = 2048;
/// Tolerated clock skew. A token from further in the future would survive a revocation of all tokens.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(2);

/// Issues a token, signed by the newest key.
///
/// ```
/// use core::time::Duration;
/// use gatekey::{clock::UnixTime, signer::{KeyRing, SigningKey}, token, user_id::{Generation, UserId}};
///
/// let ring = KeyRing::from_key(SigningKey::new(b"the quick brown fox jumps over the lazy dog")?);
/// let now = UnixTime::new(1_795_413_227).unwrap();
/// let claims = token::Claims {
///     id: UserId::new(1).unwrap(),
///     generation: Generation::FIRST,
///     issued_at: now,
///     expires_at: now.saturating_add(Duration::from_secs(600)),
///     auth_time: now,
/// };
/// let token = token::issue(&claims, &ring);
/// assert_eq!(token::verify(&token, &ring, now, Duration::from_secs(86_400)), Ok(claims));
/// # Ok::<(), gatekey::signer::KeyLengthError>(())
/// ```
pub fn issue(claims: &Claims, ring: &KeyRing) -> String {
    issue_any(claims, None, ring)
}

/// Issues a token, of a session if one is given; [`verify`] rejects that.
pub fn issue_any(claims: &Claims, session: Option<SessionId>, ring: &KeyRing) -> String {
    let (header, payload) = canonical::encode(claims, session);
    let mut token = encoding::encode_base64url(header);
    token.push('.');
    token.push_str(&encoding::encode_base64url(payload));
    let signature = ring.sign(token.as_bytes());
    token.push('.');
    token.push_str(&encoding::encode_base64url(signature));
    token
}

/// Verifies a token: form, signature, claims, time. `max_session` bounds the time until `exp`. Rejects a
/// token of a session, which only a realm can verify.
///
/// # Errors
/// [`TokenError`]. All variants must look the same to a client.
pub fn verify(
    token: &str,
    ring: &KeyRing,
    now: UnixTime,
    max_session: Duration,
) -> Result<Claims, TokenError> {
    verify_any(token, ring, now, max_session).and_then(reject_session)
}

fn reject_session((claims, session): (Claims, Option<SessionId>)) -> Result<Claims, TokenError> {
    match session {
        None => Ok(claims),
        Some(_) => Err(TokenError::Unsupported("it belongs to a session, which only gatekey can check")),
    }
}

/// Verifies any token, and returns its session, if it has one. The caller checks that the session exists; its
/// row has the lifetime, so `max_session` doesn't apply.
pub fn verify_any(
    token: &str,
    ring: &KeyRing,
    now: UnixTime,
    max_session: Duration,
) -> Result<(Claims, Option<SessionId>), TokenError> {
    let (header, payload) = verified_parts(token, ring)?;
    match canonical::parse(&header, &payload) {
        Some((claims, session)) => {
            check_not_in_future(claims.issued_at, now)?; // canonical::parse rejects a later auth_time
            let expiry = Expiry { at: claims.expires_at, is_inclusive: false };
            expiry.check(now, limit(session, max_session)).map(|()| (claims, session))
        }
        None => SignedToken::parse(&header, &payload)?.verify(now, max_session),
    }
}

/// Maximum time until `exp`.
fn limit(session: Option<SessionId>, max_session: Duration) -> Duration {
    if session.is_some() { Duration::MAX } else { max_session }
}

/// A token with a verified signature. The claims are not verified yet.
#[derive(Clone, Debug)]
pub struct SignedToken {
    /// First part.
    pub header: Object,
    /// Second part.
    pub payload: Object,
}

/// Verifies a token's form and signature, under any key of the ring.
///
/// # Errors
/// [`TokenError::Malformed`] and [`TokenError::BadSignature`].
pub fn verify_signature(token: &str, ring: &KeyRing) -> Result<SignedToken, TokenError> {
    let (header, payload) = verified_parts(token, ring)?;
    SignedToken::parse(&header, &payload)
}

/// The bytes of header and payload, after the signature is verified.
fn verified_parts(token: &str, ring: &KeyRing) -> Result<(Vec<u8>, Vec<u8>), TokenError> {
    const MALFORMED: fn(&'static str) -> TokenError = TokenError::Malformed;
    if token.len() > MAX_BYTES {
        return Err(MALFORMED("over 2048 bytes long"));
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(MALFORMED("expected three parts"))?;
    let (header, payload) = signing_input.split_once('.').ok_or(MALFORMED("expected three parts"))?;
    if payload.contains('.') {
        return Err(MALFORMED("expected three parts"));
    }
    let decode = |part: &str| encoding::decode_base64url(part);
    let header = decode(header).map_err(|_| MALFORMED("the header is not base64url"))?;
    let payload = decode(payload).map_err(|_| MALFORMED("the payload is not base64url"))?;
    let signature = decode(signature).map_err(|_| MALFORMED("the signature is not base64url"))?;
    if !ring.verify(signing_input.as_bytes(), &signature) {
        return Err(TokenError::BadSignature);
    }
    Ok((header, payload))
}

impl SignedToken {
    fn parse(header: &[u8], payload: &[u8]) -> Result<Self, TokenError> {
        let object = |bytes, why| json::parse_object(bytes).map_err(|_| TokenError::Malformed(why));
        Ok(Self {
            header: object(header, "the header is not a JSON object")?,
            payload: object(payload, "the payload is not a JSON object")?,
        })
    }

    /// Verifies the claims at this time, as [`verify_any`].
    ///
    /// # Errors
    /// [`TokenError`], but never [`TokenError::BadSignature`].
    pub fn verify(
        &self,
        now: UnixTime,
        max_session: Duration,
    ) -> Result<(Claims, Option<SessionId>), TokenError> {
        const NBF: &str = "nbf is not a number of seconds since 1970";
        self.reject_unsupported()?;
        let expiry = self.expiry()?;
        let issued_at = self.issued_at()?;
        let claims = Claims {
            id: self.user_id()?,
            generation: self.generation()?,
            issued_at,
            expires_at: expiry.at,
            auth_time: self.auth_time()?,
        };
        let in_header = timestamp(&self.header, "nbf", NBF)?;
        for not_before in [in_header, self.numeric_date("nbf", in_header, NBF)?] {
            if not_before.is_some_and(|at| at > now) {
                return Err(TokenError::Unsupported("nbf lies in the future"));
            }
        }
        check_not_in_future(issued_at, now)?;
        check_not_in_future(self.auth_time_as_claimed()?.unwrap_or(issued_at), now)?;
        let session = self.session()?;
        expiry.check(now, limit(session, max_session))?;
        Ok((claims, session))
    }

    /// Fixed `alg` and `typ` (RFC 8725 section 3.1); no unknown `crit` (RFC 7515 section 4.1.11), no `b64`,
    /// which changes what is signed (RFC 7797), no `enc` (RFC 7516), and no audience, which must be the
    /// recipient (RFC 7519 section 4.1.3).
    fn reject_unsupported(&self) -> Result<(), TokenError> {
        if self.header.get("alg").and_then(Value::as_str) != Some("HS256") {
            return Err(TokenError::Unsupported("alg is not HS256"));
        }
        if self.header.get("typ").is_some_and(|typ| typ != "JWT") {
            return Err(TokenError::Unsupported("typ is not JWT"));
        }
        if ["crit", "b64", "enc"].iter().any(|name| self.header.contains_key(*name)) {
            return Err(TokenError::Unsupported("the header has crit, b64 or enc"));
        }
        if self.payload.contains_key("aud") {
            return Err(TokenError::Unsupported("the payload has an audience"));
        }
        if self.payload.contains_key("use") {
            return Err(TokenError::Unsupported("the payload was signed for another use"));
        }
        Ok(())
    }

    /// `sid` of the payload.
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub fn session(&self) -> Result<Option<SessionId>, TokenError> {
        let Some(sid) = self.payload.get("sid") else { return Ok(None) };
        let session = sid.as_str().and_then(SessionId::parse);
        session.map(Some).ok_or(TokenError::Malformed("sid is not a session's id"))
    }

    /// `exp` of payload or header.
    fn expiry(&self) -> Result<Expiry, TokenError> {
        const WHY: &str = "exp is not a whole number of seconds since 1970";
        match self.in_both("exp", WHY, "header and payload differ in exp")? {
            (_, Some(at)) => Ok(Expiry { at, is_inclusive: false }),
            (Some(at), None) => Ok(Expiry { at, is_inclusive: true }),
            (None, None) => Err(TokenError::Malformed("exp is missing")),
        }
    }

    /// `iat` of header or payload, or 0.
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub fn issued_at(&self) -> Result<UnixTime, TokenError> {
        const WHY: &str = "iat is not a whole number of seconds since 1970";
        let (header, payload) = self.in_both("iat", WHY, "header and payload differ in iat")?;
        Ok(header.or(payload).unwrap_or(UnixTime::EPOCH))
    }

    /// A time of header and payload, equal if both have it (RFC 7519 section 5.3).
    fn in_both(
        &self,
        name: &str,
        why: &'static str,
        differs: &'static str,
    ) -> Result<(Option<UnixTime>, Option<UnixTime>), TokenError> {
        let header = timestamp(&self.header, name, why)?;
        let payload = self.numeric_date(name, header, why)?;
        let is_equal = header.is_none() || payload.is_none() || header == payload;
        if is_equal { Ok((header, payload)) } else { Err(TokenError::Malformed(differs)) }
    }

    /// `auth_time` of the payload, or `iat`; never later than `iat`.
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub fn auth_time(&self) -> Result<UnixTime, TokenError> {
        let issued_at = self.issued_at()?;
        let auth_time = self.auth_time_as_claimed()?;
        Ok(auth_time.map_or(issued_at, |auth_time| auth_time.min(issued_at)))
    }

    /// A time of the payload in whole seconds. It may have a fraction (RFC 7519 section 2, NumericDate),
    /// unless the header has the time too, to which it is compared.
    fn numeric_date(
        &self,
        name: &str,
        in_header: Option<UnixTime>,
        why: &'static str,
    ) -> Result<Option<UnixTime>, TokenError> {
        match self.payload.get(name) {
            Some(Value::Number(number)) if in_header.is_none() && number.is_f64() => {
                floor(number.as_f64()).map(Some).ok_or(TokenError::Malformed(why))
            }
            _ => timestamp(&self.payload, name, why),
        }
    }

    fn auth_time_as_claimed(&self) -> Result<Option<UnixTime>, TokenError> {
        timestamp(&self.payload, "auth_time", "auth_time is not a whole number of seconds since 1970")
    }

    /// `id` of the payload: an integer. The original also accepted a string, a float and `true`.
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub fn user_id(&self) -> Result<UserId, TokenError> {
        self.payload
            .get("id")
            .and_then(Value::as_i64)
            .and_then(UserId::new)
            .ok_or(TokenError::Malformed("id is not a positive integer"))
    }

    /// `gen` of the payload, or 0.
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub fn generation(&self) -> Result<Generation, TokenError> {
        let Some(value) = self.payload.get("gen") else { return Ok(Generation::IMPORTED) };
        let number = value.as_u64().and_then(Generation::new);
        number.ok_or(TokenError::Malformed("gen is not a non-negative integer"))
    }
}

/// Expiry, by the rule of the issuer.
#[derive(Clone, Copy)]
struct Expiry {
    at: UnixTime,
    /// Whether the token is valid during the second `exp`: for itsdangerous, which reads the header. A JWT is
    /// rejected "on or after" it (RFC 7519 section 4.1.4).
    is_inclusive: bool,
}

impl Expiry {
    /// Checks that it is in the future, and no further than `max_session`.
    fn check(self, now: UnixTime, max_session: Duration) -> Result<(), TokenError> {
        let has_passed = if self.is_inclusive { now > self.at } else { now >= self.at };
        if has_passed {
            Err(TokenError::Expired(self.at))
        } else if self.at.duration_since(now) > max_session {
            Err(TokenError::Unsupported("exp is further off than any session may last"))
        } else {
            Ok(())
        }
    }
}

fn check_not_in_future(at: UnixTime, now: UnixTime) -> Result<(), TokenError> {
    if at.duration_since(now) > MAX_CLOCK_SKEW { Err(TokenError::IssuedInFuture(at)) } else { Ok(()) }
}

/// An integer member from 0 to 2^53 - 1, if present.
fn timestamp(part: &Object, name: &str, why: &'static str) -> Result<Option<UnixTime>, TokenError> {
    let Some(value) = part.get(name) else { return Ok(None) };
    let moment = value.as_u64().and_then(UnixTime::new);
    moment.map(Some).ok_or(TokenError::Malformed(why))
}

/// Whole seconds of a time with a fraction.
fn floor(moment: Option<f64>) -> Option<UnixTime> {
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact")]
    let range = 0.0..=UnixTime::MAX.seconds() as f64;
    let moment = moment.filter(|moment| range.contains(moment))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked above")]
    UnixTime::new(moment as u64)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
