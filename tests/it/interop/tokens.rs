//! Tokens: what we issue verifies with itsdangerous and PyJWT, what they issue verifies here, and what is expired or
//! changed is refused on both sides.

use super::ask;
use crate::python::Venv;
use gatekey::clock::{self, UnixTime};
use gatekey::encoding;
use gatekey::json::{Value, json};
use gatekey::random;
use gatekey::signer::{KeyRing, SigningKey};
use gatekey::token::{self, Claims, TokenError};
use gatekey::user_id::{Generation, UserId};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const MAX_SESSION: Duration = Duration::from_secs(30 * 86_400);

/// Another library that issues and verifies.
struct Library {
    name: &'static str,
    venv: Venv,
    /// Python that defines `issue(secret, payload, expires_in)` and `verify(secret, token)`.
    script: &'static str,
    /// What it raises for a token that has expired.
    expired: &'static str,
    /// What it raises for a signature that is not right.
    bad_signature: &'static str,
    /// Whether it takes a token of its own during the second `exp`.
    is_inclusive: bool,
}

const LIBRARIES: [Library; 3] = [
    Library {
        name: "itsdangerous 0.24",
        venv: Venv::Original,
        // As the article calls it: HS256 is this edition's default.
        script: concat!("OPTIONS = {}\n", include_str!("itsdangerous_tokens.py")),
        expired: "SignatureExpired",
        bad_signature: "BadSignature",
        is_inclusive: true,
    },
    Library {
        name: "itsdangerous 1.1.0",
        venv: Venv::Current,
        // This edition's default is HS512.
        script: concat!("OPTIONS = {'algorithm_name': 'HS256'}\n", include_str!("itsdangerous_tokens.py")),
        expired: "SignatureExpired",
        bad_signature: "BadSignature",
        is_inclusive: true,
    },
    Library {
        name: "PyJWT",
        venv: Venv::Current,
        script: include_str!("pyjwt_tokens.py"),
        expired: "ExpiredSignatureError",
        bad_signature: "InvalidSignatureError",
        is_inclusive: false,
    },
];

impl Library {
    fn issue(&self, test: &str, jobs: &[(&Secret, Value, i64)]) -> Option<Vec<String>> {
        let job = |(secret, payload, expires_in): &(&Secret, Value, i64)| json!({"secret": secret.json, "payload": payload, "expires_in": expires_in});
        let answers = self.ask(test, &jobs.iter().map(job).collect::<Vec<_>>())?;
        Some(answers.iter().map(|answer| answer["token"].as_str().unwrap().to_owned()).collect())
    }

    /// For each token its header and payload, or what was raised.
    fn verify(&self, test: &str, jobs: &[(&Secret, String)]) -> Option<Vec<Value>> {
        let job = |(secret, token): &(&Secret, String)| json!({"secret": secret.json, "token": token});
        self.ask(test, &jobs.iter().map(job).collect::<Vec<_>>())
    }

    fn ask(&self, test: &str, jobs: &[Value]) -> Option<Vec<Value>> {
        const ANSWER: &str = include_str!("answer_tokens.py");
        ask(self.venv, &format!("{test} ({})", self.name), &format!("{}{ANSWER}", self.script), jobs)
    }
}

/// A secret as both sides get it.
struct Secret {
    /// `{"text": …}` or `{"base64": …}`, which becomes a `str` or a `bytes`.
    json: Value,
    ring: KeyRing,
}

impl Secret {
    fn text(text: &str) -> Self {
        Self { json: json!({"text": text}), ring: ring(text.as_bytes()) }
    }

    fn bytes(bytes: &[u8]) -> Self {
        Self { json: json!({"base64": encoding::encode_base64(bytes)}), ring: ring(bytes) }
    }

    /// Texts and bytes, new ones each time, and of the lengths at which HMAC does something else: up to a block of
    /// 64 bytes a key is padded, above it is hashed.
    fn several() -> Vec<Self> {
        let random = encoding::encode_base64url(random::bytes::<24>().unwrap());
        vec![
            Self::text("the quick brown fox jumps over the lazy dog"),
            Self::text(&format!("schlüssel ключ 鍵 🔑 {random}")),
            Self::bytes(&random::bytes::<32>().unwrap()),
            Self::bytes(&random::bytes::<64>().unwrap()),
            Self::bytes(&random::bytes::<65>().unwrap()),
            Self::bytes(&random::bytes::<1024>().unwrap()),
        ]
    }
}

fn ring(secret: &[u8]) -> KeyRing {
    KeyRing::from_key(SigningKey::new(secret).unwrap())
}

/// The moment that long before. The libraries look at the real clock, so these tests do too.
fn ago(now: UnixTime, before: Duration) -> UnixTime {
    UnixTime::new(now.seconds() - before.as_secs()).unwrap()
}

/// Claims of several users, issued now or a little earlier, for a password shown then or before.
fn several_claims(now: UnixTime) -> Vec<Claims> {
    let claims = |id, generation, issued_at, lifetime, auth_time| Claims {
        id: UserId::new(id).unwrap(),
        generation: Generation::new(generation).unwrap(),
        issued_at,
        expires_at: issued_at.saturating_add(lifetime),
        auth_time,
    };
    let earlier = ago(now, DAY);
    vec![
        claims(1, 1, now, Duration::from_secs(600), now),
        claims(1_000_000, 0, now, DAY, earlier),
        claims(i64::MAX, (1 << 53) - 1, earlier, 2 * DAY, ago(earlier, DAY)),
    ]
}

#[test]
fn our_tokens_verify_with_itsdangerous_and_pyjwt() {
    let secrets = Secret::several();
    let claims = several_claims(clock::now().unix);
    let pairs = || secrets.iter().flat_map(|secret| claims.iter().map(move |claims| (secret, claims)));
    let jobs: Vec<_> = pairs().map(|(secret, claims)| (secret, token::issue(claims, &secret.ring))).collect();
    for library in &LIBRARIES {
        let Some(answers) = library.verify("our_tokens_verify_with_itsdangerous_and_pyjwt", &jobs) else {
            continue;
        };
        for (answer, (secret, claims)) in answers.iter().zip(pairs()) {
            let (iat, exp) = (claims.issued_at.seconds(), claims.expires_at.seconds());
            let (id, generation) = (claims.id.number(), claims.generation.number());
            let mut payload = json!({"id": id, "gen": generation, "iat": iat, "exp": exp});
            if claims.auth_time != claims.issued_at {
                payload["auth_time"] = json!(claims.auth_time.seconds());
            }
            let expected = json!({"header": {"alg": "HS256", "iat": iat, "exp": exp}, "payload": payload});
            assert_eq!(*answer, expected, "{}, {}", library.name, secret.json);
        }
    }
}

#[test]
fn tokens_of_itsdangerous_and_pyjwt_verify_here_until_their_last_second() {
    const SECOND: Duration = Duration::from_secs(1);
    let secrets = Secret::several();
    let jobs: Vec<_> = secrets
        .iter()
        .flat_map(|secret| {
            [(json!({"id": 1}), 600), (json!({"id": i64::MAX, "gen": 7}), 30 * 86_400)]
                .map(|(payload, expires_in)| (secret, payload, expires_in))
        })
        .collect();
    for library in &LIBRARIES {
        let before = clock::now().unix;
        let test = "tokens_of_itsdangerous_and_pyjwt_verify_here_until_their_last_second";
        let Some(tokens) = library.issue(test, &jobs) else { continue };
        let after = clock::now().unix;
        for (token, (secret, payload, expires_in)) in tokens.iter().zip(&jobs) {
            let verify = |now| token::verify(token, &secret.ring, now, MAX_SESSION);
            let claims = verify(after).unwrap_or_else(|error| panic!("{}: {error}: {token}", library.name));
            assert!((before..=after).contains(&claims.issued_at));
            let lifetime = Duration::from_secs(u64::try_from(*expires_in).unwrap());
            let expected = Claims {
                id: UserId::new(payload["id"].as_i64().unwrap()).unwrap(),
                generation: Generation::new(payload["gen"].as_u64().unwrap_or(0)).unwrap(),
                issued_at: claims.issued_at,
                expires_at: claims.issued_at.saturating_add(lifetime),
                auth_time: claims.issued_at,
            };
            assert_eq!(claims, expected);
            let at = expected.expires_at;
            let last = if library.is_inclusive { at } else { ago(at, SECOND) };
            assert_eq!(verify(last), Ok(expected), "{}", library.name);
            assert_eq!(verify(last.saturating_add(SECOND)), Err(TokenError::Expired(at)), "{}", library.name);
        }
    }
}

#[test]
fn an_expired_token_is_rejected_by_all_implementations() {
    let test = "an_expired_token_is_rejected_by_all_implementations";
    let secret = &Secret::bytes(&random::bytes::<32>().unwrap());
    for library in &LIBRARIES {
        let now = clock::now().unix;
        let Some(mut tokens) = library.issue(test, &[(secret, json!({"id": 1}), -1)]) else { continue };
        let expired =
            Claims { expires_at: ago(now, Duration::from_secs(1)), ..several_claims(ago(now, DAY))[0] };
        tokens.push(token::issue(&expired, &secret.ring));
        // Without this the refusals below would prove nothing.
        tokens.push(token::issue(&several_claims(now)[0], &secret.ring));

        let after = clock::now().unix;
        let ours: Vec<_> =
            tokens.iter().map(|token| token::verify(token, &secret.ring, after, MAX_SESSION)).collect();
        assert!(matches!(ours[0], Err(TokenError::Expired(at)) if at < after), "{}: {ours:?}", library.name);
        assert_eq!(ours[1], Err(TokenError::Expired(expired.expires_at)));
        assert_eq!(ours[2], Ok(several_claims(now)[0]));

        let jobs: Vec<_> = tokens.into_iter().map(|token| (secret, token)).collect();
        let theirs = library.verify(test, &jobs).unwrap();
        let error = json!({"error": library.expired});
        assert_eq!(theirs[..2], [error.clone(), error], "{}", library.name);
        assert_eq!(theirs[2]["payload"]["id"], 1, "{}: {}", library.name, theirs[2]);
    }
}

/// Each with one character of the signature changed, at every place but the last, whose low bits say nothing and
/// which some readers therefore let pass; then with another's payload.
fn changed(token: &str, other: &str) -> Vec<String> {
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let mut changed: Vec<String> = (0..signature.len() - 1)
        .map(|i| {
            let replacement = if &signature[i..=i] == "A" { "B" } else { "A" };
            format!("{signing_input}.{}{replacement}{}", &signature[..i], &signature[i + 1..])
        })
        .collect();
    let (header, _) = signing_input.split_once('.').unwrap();
    let payload = other.split('.').nth(1).unwrap();
    changed.push(format!("{header}.{payload}.{signature}"));
    changed
}

#[test]
fn a_changed_token_or_another_secret_is_rejected_by_all_implementations() {
    let test = "a_changed_token_or_another_secret_is_rejected_by_all_implementations";
    let secret = &Secret::bytes(&random::bytes::<32>().unwrap());
    let stranger = &Secret::bytes(&random::bytes::<32>().unwrap());
    let claims = several_claims(clock::now().unix);
    for library in &LIBRARIES {
        let theirs = [(secret, json!({"id": 1}), 600), (secret, json!({"id": 2}), 600)];
        let Some(theirs) = library.issue(test, &theirs) else { continue };
        let ours = [&claims[0], &claims[1]].map(|claims| token::issue(claims, &secret.ring));

        let mut jobs = Vec::new();
        for [token, other] in [[&theirs[0], &theirs[1]], [&ours[0], &ours[1]]] {
            jobs.extend(changed(token, other).into_iter().map(|token| (secret, token)));
            jobs.push((stranger, token.clone()));
        }
        let now = clock::now().unix;
        for (secret, token) in &jobs {
            let verdict = token::verify(token, &secret.ring, now, MAX_SESSION);
            assert_eq!(verdict, Err(TokenError::BadSignature), "{}: {token}", library.name);
        }
        for (answer, (_, token)) in library.verify(test, &jobs).unwrap().iter().zip(&jobs) {
            assert_eq!(*answer, json!({"error": library.bad_signature}), "{}: {token}", library.name);
        }
    }
}
