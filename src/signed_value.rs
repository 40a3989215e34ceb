//! Signed values: one-time links, steps of a sign-in, CSRF values. They are no tokens, and no token is one of them.
//!
//! ```text
//! eyJ1c2UiOiJjc3JmIiwi...  .  0mWv3GyyJCJGX...
//! └ claims, base64url         └ HMAC-SHA-256(key of the purpose, claims)
//! ```
//!
//! A value is good for the one purpose in its claim `use`, whose key is derived from the keys that gatekey made itself
//! ([`KeyRing::derive`]). `exp` is the first second at which it is not valid any more.

#![warn(clippy::arithmetic_side_effects)]

use crate::clock::UnixTime;
use crate::encoding;
use crate::json::{self, Object, Value};
use crate::signer::KeyRing;
use crate::token;
use alloc::string::String;
use core::time::Duration;

/// What a value is signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A one-time link that sets a password.
    SetPassword,
    /// A sign-in whose password was right and whose second factor is awaited.
    SignInStep,
    /// A form of a page.
    Csrf,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SetPassword, Self::SignInStep, Self::Csrf];

    /// The claim `use`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SetPassword => "set-password",
            Self::SignInStep => "sign-in-step",
            Self::Csrf => "csrf",
        }
    }
}

/// Signs these claims for this purpose; `None` where the ring has no key that gatekey made.
pub fn sign(
    purpose: Purpose,
    mut claims: Object,
    now: UnixTime,
    lifetime: Duration,
    ring: &KeyRing,
) -> Option<String> {
    let keys = ring.derive(purpose.name())?;
    let times = [("iat", now), ("exp", now.saturating_add(lifetime))];
    claims.extend(times.map(|(name, at)| (name.into(), Value::from(at.seconds()))));
    claims.insert("use".into(), purpose.name().into());
    let mut value = encoding::encode_base64url(json::to_bytes(&Value::Object(claims)));
    let signature = keys.sign(value.as_bytes());
    value.push('.');
    value.push_str(&encoding::encode_base64url(signature));
    Some(value)
}

/// The claims of a value that was signed for this purpose and is valid now.
pub fn verify(purpose: Purpose, value: &str, now: UnixTime, ring: &KeyRing) -> Option<Object> {
    let (encoded, signature) = value.split_once('.').filter(|_| value.len() <= token::MAX_BYTES)?;
    let signature = encoding::decode_base64url(signature).ok()?;
    if !ring.derive(purpose.name())?.verify(encoded.as_bytes(), &signature) {
        return None;
    }
    let claims = json::parse_object(&encoding::decode_base64url(encoded).ok()?).ok()?;
    let time = |name| claims.get(name).and_then(Value::as_u64).and_then(UnixTime::new);
    let is_valid = claims.get("use").and_then(Value::as_str) == Some(purpose.name())
        && time("iat")?.duration_since(now) <= token::MAX_CLOCK_SKEW
        && now < time("exp")?;
    is_valid.then_some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::SigningKey;
    use crate::token::Claims;
    use crate::user_id::{Generation, UserId};

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> UnixTime {
        UnixTime::new(seconds).unwrap()
    }

    fn ring(byte: u8) -> KeyRing {
        KeyRing::from_key(SigningKey::new(&[byte; 32]).unwrap().made_here())
    }

    fn claims() -> Object {
        json::object([("id", Value::from(7))])
    }

    #[test]
    fn a_value_is_valid_for_its_purpose_and_its_time_under_its_key() {
        let value = sign(Purpose::Csrf, claims(), at(1_000), MINUTE, &ring(1)).unwrap();
        let verified = verify(Purpose::Csrf, &value, at(1_059), &ring(1)).unwrap();
        assert_eq!(verified.get("id"), Some(&Value::from(7)));
        assert_eq!(verify(Purpose::Csrf, &value, at(1_060), &ring(1)), None, "expired");
        assert!(verify(Purpose::Csrf, &value, at(998), &ring(1)).is_some());
        assert_eq!(verify(Purpose::Csrf, &value, at(997), &ring(1)), None, "from the future");
        assert_eq!(verify(Purpose::Csrf, &value, at(1_000), &ring(2)), None);
        for changed in [&value[1..], &value[..value.len() - 1], &value.replace('.', ""), ""] {
            assert_eq!(verify(Purpose::Csrf, changed, at(1_000), &ring(1)), None, "{changed}");
        }
    }

    /// Every pair of purposes, and tokens.
    #[test]
    fn nothing_signed_for_one_purpose_is_valid_for_another() {
        let (now, ring) = (at(1_000), ring(1));
        let token = token::issue(
            &Claims {
                id: UserId::new(7).unwrap(),
                generation: Generation::FIRST,
                issued_at: now,
                expires_at: now.saturating_add(MINUTE),
                auth_time: now,
            },
            &ring,
        );
        let (header_and_payload, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = header_and_payload.split_once('.').unwrap();
        for purpose in Purpose::ALL {
            let value = sign(purpose, claims(), now, MINUTE, &ring).unwrap();
            for other in Purpose::ALL {
                assert_eq!(verify(other, &value, now, &ring).is_some(), other == purpose);
            }
            let (encoded, value_signature) = value.split_once('.').unwrap();
            for as_token in [
                value.clone(),
                alloc::format!("{header}.{encoded}.{value_signature}"),
                alloc::format!("{header}.{value}"),
            ] {
                assert!(token::verify_any(&as_token, &ring, now, MINUTE).is_err(), "{as_token}");
            }
            for as_value in [
                token.clone(),
                alloc::format!("{payload}.{signature}"),
                alloc::format!("{header_and_payload}.{signature}"),
            ] {
                assert_eq!(verify(purpose, &as_value, now, &ring), None, "{as_value}");
            }
        }
    }

    #[test]
    fn a_ring_without_an_own_key_signs_and_verifies_no_value() {
        let added = KeyRing::from_key(SigningKey::new(&[1; 32]).unwrap());
        assert_eq!(sign(Purpose::Csrf, claims(), at(1_000), MINUTE, &added), None);
        let forged = sign(Purpose::Csrf, claims(), at(1_000), MINUTE, &ring(1)).unwrap();
        assert_eq!(verify(Purpose::Csrf, &forged, at(1_000), &added), None, "its secret is known elsewhere");
        let file =
            alloc::format!("{}\n{}", "a secret that gatekey made of 32", "base64:c2l4dGVlbiBieXRlcyBvaw==");
        let both = KeyRing::parse(file.as_bytes()).unwrap();
        assert!(
            sign(Purpose::Csrf, claims(), at(1_000), MINUTE, &both).is_some(),
            "an added key signs tokens"
        );
    }
}
