//! The token's tests: published vectors stand in `tests/it/tokens.rs`; here are its rules, one by one.

use super::*;
use crate::signer::SigningKey;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

const DAY: Duration = Duration::from_secs(86_400);

fn at(seconds: u64) -> UnixTime {
    UnixTime::new(seconds).unwrap()
}

fn ring() -> KeyRing {
    KeyRing::from_key(SigningKey::new(b"a secret of thirty-two bytes, ok").unwrap())
}

fn claims() -> Claims {
    Claims {
        id: UserId::new(7).unwrap(),
        generation: Generation::new(3).unwrap(),
        issued_at: at(1_700_000_000),
        expires_at: at(1_700_000_600),
        auth_time: at(1_700_000_000),
    }
}

/// A token of any two texts, with a signature that holds.
fn signed(header: &str, payload: &str) -> String {
    let input = format!("{}.{}", encoding::encode_base64url(header), encoding::encode_base64url(payload));
    let signature = encoding::encode_base64url(ring().sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn verdict(header: &str, payload: &str) -> Result<Claims, TokenError> {
    verify(&signed(header, payload), &ring(), at(1_700_000_100), DAY)
}

#[test]
fn a_token_is_the_three_parts_of_its_definition() {
    let token = issue(&claims(), &ring());
    let parts: Vec<_> = token.split('.').map(|part| encoding::decode_base64url(part).unwrap()).collect();
    assert_eq!(parts[0], br#"{"alg":"HS256","iat":1700000000,"exp":1700000600}"#);
    assert_eq!(parts[1], br#"{"id":7,"gen":3,"iat":1700000000,"exp":1700000600}"#);
    let (input, _) = token.rsplit_once('.').unwrap();
    assert_eq!(parts[2], ring().sign(input.as_bytes()));
}

#[test]
fn what_is_issued_verifies_to_the_same_claims() {
    let renewed = Claims { auth_time: at(1_699_999_000), ..claims() };
    let extreme = Claims {
        id: UserId::new(i64::MAX).unwrap(),
        generation: Generation::new((1 << 53) - 1).unwrap(),
        issued_at: at(1),
        expires_at: UnixTime::MAX,
        auth_time: UnixTime::EPOCH,
    };
    for (claims, max_session) in [(claims(), DAY), (renewed, DAY), (extreme, Duration::MAX)] {
        let token = issue(&claims, &ring());
        assert!(token.len() > 64, "every token is longer than every user name");
        assert_eq!(verify(&token, &ring(), claims.issued_at, max_session), Ok(claims));
    }
}

#[test]
fn a_token_is_valid_until_the_second_before_it_expires() {
    let token = issue(&claims(), &ring());
    assert_eq!(verify(&token, &ring(), at(1_700_000_599), DAY), Ok(claims()));
    let expired = Err(TokenError::Expired(at(1_700_000_600)));
    assert_eq!(verify(&token, &ring(), at(1_700_000_600), DAY), expired);
}

#[test]
fn every_single_character_change_is_rejected() {
    let token = issue(&claims(), &ring());
    let refused = |changed: &str| {
        let verdict = verify(changed, &ring(), at(1_700_000_100), DAY);
        assert!(
            matches!(verdict, Err(TokenError::BadSignature | TokenError::Malformed(_))),
            "{changed} is {verdict:?}"
        );
    };
    for (position, original) in token.char_indices() {
        let (before, after) = (&token[..position], &token[position + 1..]);
        refused(before); // cut off here
        refused(&format!("{before}{after}")); // one character less
        for replacement in (0..=0x7f).map(char::from).chain(['é', '\u{200b}']) {
            refused(&format!("{before}{replacement}{original}{after}"));
            if replacement != original {
                refused(&format!("{before}{replacement}{after}"));
            }
        }
    }
    for appended in (0..=0x7f).map(char::from) {
        refused(&format!("{token}{appended}"));
    }
}

#[test]
fn a_token_over_the_length_limit_is_rejected() {
    let longest = |length: usize| {
        let empty = signed(r#"{"alg":"HS256","iat":1,"exp":1700000600}"#, "").len();
        let payload = format!(r#"{{"id":7,"x":"{}"}}"#, "x".repeat(length));
        let token = signed(r#"{"alg":"HS256","iat":1,"exp":1700000600}"#, &payload);
        assert!(token.len() > empty);
        token
    };
    let (mut length, mut token) = (1_000, longest(1_000));
    while longest(length + 1).len() <= MAX_BYTES {
        length += 1;
        token = longest(length);
    }
    assert!(token.len() > MAX_BYTES - 2);
    assert!(verify(&token, &ring(), at(1_700_000_100), DAY).is_ok());
    let too_long = verify(&longest(length + 1), &ring(), at(1_700_000_100), DAY);
    assert_eq!(too_long, Err(TokenError::Malformed("over 2048 bytes long")));
}

#[test]
fn unsupported_headers_and_claims_are_rejected() {
    let payload = r#"{"id":7,"exp":1700000600}"#;
    for header in [
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":["HS256"]}"#,
        r"{}",
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":true}"#,
        r#"{"alg":"HS256","enc":"A128GCM"}"#,
    ] {
        assert!(matches!(verdict(header, payload), Err(TokenError::Unsupported(_))), "{header}");
    }
    let plain = r#"{"alg":"HS256","typ":"JWT"}"#;
    assert!(verdict(plain, payload).is_ok());
    for payload in [
        r#"{"id":7,"exp":1700000600,"aud":"app"}"#,
        r#"{"id":7,"exp":1700000600,"nbf":1700000101}"#,
        r#"{"id":7,"exp":1700086501}"#, // a day and a second off
    ] {
        assert!(matches!(verdict(plain, payload), Err(TokenError::Unsupported(_))), "{payload}");
    }
    assert!(verdict(plain, r#"{"id":7,"exp":1700000600,"nbf":1700000100}"#).is_ok());
    assert!(verdict(plain, r#"{"id":7,"exp":1700086500}"#).is_ok());
}

#[test]
fn claims_of_another_form_are_malformed() {
    let header = r#"{"alg":"HS256"}"#;
    for payload in [
        r#"{"id":7}"#,
        r#"{"id":"7","exp":1700000600}"#,
        r#"{"id":7.0,"exp":1700000600}"#,
        r#"{"id":0,"exp":1700000600}"#,
        r#"{"exp":1700000600}"#,
        r#"{"id":7,"gen":-1,"exp":1700000600}"#,
        r#"{"id":7,"gen":null,"exp":1700000600}"#,
        r#"{"id":7,"gen":1.0,"exp":1700000600}"#,
        r#"{"id":7,"exp":9007199254740992}"#, // 2^53
        r#"{"id":7,"exp":9007199254740992.0}"#,
        r#"{"id":7,"exp":-0.5}"#,
        r#"{"id":7,"exp":1700000600,"nbf":"now"}"#,
        r#"{"id":7,"exp":1700000600,"auth_time":-1}"#,
        r#"{"id":7,"id":7,"exp":1700000600}"#,
    ] {
        assert!(matches!(verdict(header, payload), Err(TokenError::Malformed(_))), "{payload}");
    }
}

#[test]
fn times_in_header_and_payload_must_be_equal() {
    let header = r#"{"alg":"HS256","iat":1700000000,"exp":1700000600}"#;
    assert!(verdict(header, r#"{"id":7,"iat":1700000000,"exp":1700000600}"#).is_ok());
    let differ = |payload| verdict(header, payload).unwrap_err().to_string();
    assert_eq!(differ(r#"{"id":7,"exp":1700000601}"#), "malformed token: header and payload differ in exp");
    assert_eq!(differ(r#"{"id":7,"iat":1700000001}"#), "malformed token: header and payload differ in iat");
    // A fraction is taken only where the header has no time to compare it with.
    assert_eq!(
        differ(r#"{"id":7,"exp":1700000600.0}"#),
        "malformed token: exp is not a whole number of seconds since 1970"
    );
}

/// RFC 7519 section 2: a NumericDate may have a fraction.
#[test]
fn times_of_the_payload_may_have_a_fraction() {
    let header = r#"{"alg":"HS256"}"#;
    let claims =
        verdict(header, r#"{"id":7,"iat":1700000000.75,"nbf":1700000000.5,"exp":1700000600.25}"#).unwrap();
    assert_eq!((claims.issued_at, claims.auth_time), (at(1_700_000_000), at(1_700_000_000)));
    assert_eq!(claims.expires_at, at(1_700_000_600));
    for payload in [r#"{"id":7,"iat":-0.5,"exp":1700000600}"#, r#"{"id":7,"iat":1e300,"exp":1700000600}"#] {
        assert!(matches!(verdict(header, payload), Err(TokenError::Malformed(_))), "{payload}");
    }
    let later = r#"{"id":7,"nbf":1700000200.5,"exp":1700000600}"#;
    assert!(matches!(verdict(header, later), Err(TokenError::Unsupported(_))));
}

#[test]
fn auth_time_is_never_later_than_iat() {
    let claims =
        verdict(r#"{"alg":"HS256"}"#, r#"{"id":7,"iat":1700000000,"exp":1700000600,"auth_time":1700000001}"#);
    assert_eq!(claims.unwrap().auth_time, at(1_700_000_000));
}

#[test]
fn a_token_issued_more_than_two_seconds_in_the_future_is_rejected() {
    // `verdict` verifies at second 100. In the first spelling `issue` writes tokens, in the others JSON
    // libraries do.
    for (iat, auth_time, expected) in [(102, 102, Ok(())), (103, 50, Err(103)), (102, 103, Err(103))] {
        let times = format!(r#""iat":1700000{iat},"exp":1700000600"#);
        let own = format!(r#"{{"id":7,"gen":3,{times},"auth_time":1700000{auth_time:03}}}"#);
        let other = format!(r#"{{"auth_time":1700000{auth_time:03},"id":7,{times}}}"#);
        for (header, payload) in [
            (format!(r#"{{"alg":"HS256",{times}}}"#), own.as_str()),
            (r#"{"alg":"HS256"}"#.into(), other.as_str()),
        ] {
            let expected =
                expected.map_err(|seconds: u64| TokenError::IssuedInFuture(at(1_700_000_000 + seconds)));
            assert_eq!(verdict(&header, payload).map(drop), expected, "{header} {payload}");
        }
    }
}

#[test]
fn a_flask_token_has_generation_0_and_auth_time_iat() {
    let claims = verdict(r#"{"alg":"HS256","iat":1700000000,"exp":1700000600}"#, r#"{"id":7}"#).unwrap();
    assert_eq!(claims.generation, Generation::IMPORTED);
    assert_eq!(claims.auth_time, at(1_700_000_000));
    let without_iat = verdict(r#"{"alg":"HS256"}"#, r#"{"id":7,"exp":1700000600}"#).unwrap();
    assert_eq!(without_iat.issued_at, UnixTime::EPOCH);
}

/// What the short way reads is what the long one reads, and there is no other spelling that it takes.
#[test]
fn the_canonical_parser_agrees_with_the_json_parser() {
    let own = |header: &str, payload: &str| canonical::parse(header.as_bytes(), payload.as_bytes());
    let (header, payload) =
        (r#"{"alg":"HS256","iat":170,"exp":1700000600}"#, r#"{"id":7,"gen":3,"iat":170,"exp":1700000600}"#);
    assert_eq!(own(header, payload), verdict(header, payload).ok().map(|claims| (claims, None)));
    assert!(own(header, payload).is_some());
    let renewed = payload.replace('}', r#","auth_time":90}"#);
    assert_eq!(own(header, &renewed), verdict(header, &renewed).ok().map(|claims| (claims, None)));
    assert_eq!(own(header, &renewed).unwrap().0.auth_time, at(90));
    let of_session = renewed.replace(r#""gen":3"#, r#""gen":3,"sid":"AAECAwQFBgcICQoLDA0ODw""#);
    assert_eq!(own(header, &of_session).unwrap().1, SessionId::parse("AAECAwQFBgcICQoLDA0ODw"));
    // Each byte of either, replaced by each of these: whatever the short way still takes, the long one takes
    // alike.
    let mut taken = 0;
    for text in [header, &renewed, &of_session] {
        for place in 0..text.len() {
            for byte in "019-.eE\" {},:x".chars() {
                let changed = format!("{}{byte}{}", &text[..place], &text[place + 1..]);
                let (header, payload) =
                    if text == header { (&*changed, &*renewed) } else { (header, &*changed) };
                if let Some(claims) = own(header, payload) {
                    taken += 1;
                    let long = SignedToken::parse(header.as_bytes(), payload.as_bytes()).unwrap();
                    assert_eq!(
                        long.verify(claims.0.issued_at, Duration::MAX),
                        Ok(claims),
                        "{header} {payload}"
                    );
                }
            }
        }
    }
    assert!(taken > 20, "ids and generations have other digits too: {taken}");
    for (written, other) in [
        (r#""id":7"#, r#""id":07"#),
        (r#""id":7"#, r#""id":7.0"#),
        (r#""id":7"#, r#""id":-7"#),
        (r#""id":7"#, r#""id":0"#),
        (r#""id":7"#, r#""id":9223372036854775808"#),
        (r#""gen":3"#, r#""gen":9007199254740992"#),
        (r#""gen":3,"#, r#""gen":3, "#),
        ("}", "} "),
        ("}", r#","auth_time":171}"#),
        ("}", r#","aud":"x"}"#),
        ("}", r#","use":"x"}"#),
        (r#""gen":3"#, r#""gen":3,"sid":"AAECAwQFBgcICQoLDA0ODx""#),
        (r#""gen":3"#, r#""gen":3,"sid":"AAECAwQFBgcICQoLDA0OD""#),
        (r#""gen":3"#, r#""gen":3,"sid":"""#),
    ] {
        let other = payload.replacen(written, other, 1);
        assert_ne!(other, payload);
        assert_eq!(own(header, &other), None, "{other}");
    }
}

#[test]
fn a_token_of_a_session_is_rejected_by_the_stateless_verify() {
    let session = SessionId::from_bytes([7; SessionId::BYTES]);
    let claims = claims();
    let token = issue_any(&claims, Some(session), &ring());
    let now = claims.issued_at;
    assert_eq!(verify_any(&token, &ring(), now, Duration::ZERO), Ok((claims, Some(session))));
    let rejected = Err(TokenError::Unsupported("it belongs to a session, which only gatekey can check"));
    assert_eq!(verify(&token, &ring(), now, Duration::MAX), rejected);
    assert!(matches!(
        verify_any(&token, &ring(), claims.expires_at, Duration::ZERO),
        Err(TokenError::Expired(_))
    ));
    let header = r#"{"alg":"HS256"}"#;
    for (claim, error) in [
        (r#""sid":7"#, TokenError::Malformed("sid is not a session's id")),
        (r#""sid":null"#, TokenError::Malformed("sid is not a session's id")),
        (r#""sid":"AAEC""#, TokenError::Malformed("sid is not a session's id")),
        (r#""use":"csrf""#, TokenError::Unsupported("the payload was signed for another use")),
    ] {
        let payload = format!(r#"{{"id":7,"iat":1700000000,"exp":1700000600,{claim}}}"#);
        assert_eq!(verdict(header, &payload), Err(error));
    }
}
