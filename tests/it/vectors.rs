//! Test vectors in `tests/data/`: tokens and password hashes of other programs, with their verdicts.

use gatekey::clock::UnixTime;
use gatekey::json::{self, Object, Value};
use gatekey::password::{self, AnyHash, StoredHash, StoredHashError};
use gatekey::secret::Secret;
use gatekey::signer::{KeyRing, SigningKey};
use gatekey::token::{self, Claims, TokenError};
use gatekey::user_id::{Generation, UserId};
use std::time::Duration;

const TOKENS: &str = include_str!("../data/tokens.json");
const PASSWORDS: &str = include_str!("../data/passwords.json");

const MAX_SESSION: Duration = Duration::from_secs(30 * 86_400);

/// The rows of a file; `member` is once in each, and is counted, so that no row is lost on the way.
fn rows(file: &str, member: &str) -> Vec<Object> {
    let mut file_object = json::parse_object(file.as_bytes()).unwrap();
    let Value::Array(rows) = file_object["vectors"].take() else { panic!("vectors is not an array") };
    assert_ne!(rows.len(), 0);
    assert_eq!(rows.len(), file.matches(&format!("\"{member}\": ")).count());
    let object = |row| if let Value::Object(row) = row { row } else { panic!("{row} is not an object") };
    rows.into_iter().map(object).collect()
}

fn text<'a>(row: &'a Object, member: &str) -> &'a str {
    row[member].as_str().unwrap()
}

fn verdict(row: &Object) -> Result<Claims, TokenError> {
    let ring = KeyRing::from_key(SigningKey::new(text(row, "secret").as_bytes()).unwrap());
    let now = UnixTime::new(row["now"].as_u64().unwrap()).unwrap();
    token::verify(text(row, "token"), &ring, now, MAX_SESSION)
}

#[test]
fn every_token_vector_gets_its_verdict() {
    let mut wrong = Vec::new();
    for row in rows(TOKENS, "token") {
        let verdict = verdict(&row);
        let right = match text(&row, "expect") {
            "ok" => verdict.is_ok_and(|claims| claims.id.number() == row["id"].as_i64().unwrap()),
            "expired" => matches!(verdict, Err(TokenError::Expired(_))),
            "bad_signature" => verdict == Err(TokenError::BadSignature),
            "reject" => verdict.is_err(),
            unknown => panic!("{unknown:?} is no verdict"),
        };
        if !right {
            wrong.push(format!("{}: expected {}, got {verdict:?}", text(&row, "name"), text(&row, "expect")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A file in which one kind of row is missing would pass the test above just as well.
#[test]
fn every_verdict_has_a_token_vector() {
    let rows = rows(TOKENS, "token");
    for verdict in ["ok", "expired", "bad_signature", "reject"] {
        assert!(rows.iter().any(|row| row["expect"] == verdict), "{verdict}");
    }
}

/// The one that the article (2013) prints as the answer to its `curl` of `/api/token`, signed with
/// the article's own secret.
#[test]
fn the_articles_own_printed_token_verifies_until_its_last_second() {
    const ARTICLE: &str = concat!(
        "eyJhbGciOiJIUzI1NiIsImV4cCI6MTM4NTY2OTY1NSwiaWF0IjoxMzg1NjY5MDU1fQ",
        ".eyJpZCI6MX0",
        ".XbOEFJkhjHJ5uRINh2JA1BPzXjSohKYDRT472wGOvjc"
    );
    let ring = KeyRing::from_key(SigningKey::new(b"the quick brown fox jumps over the lazy dog").unwrap());
    let (issued, expires) = (UnixTime::new(1_385_669_055).unwrap(), UnixTime::new(1_385_669_655).unwrap());
    let late = UnixTime::new(1_385_669_656).unwrap();
    let claims = Claims {
        id: UserId::new(1).unwrap(),
        generation: Generation::IMPORTED,
        issued_at: issued,
        expires_at: expires,
        auth_time: issued,
    };
    assert_eq!(token::verify(ARTICLE, &ring, issued, MAX_SESSION), Ok(claims));
    assert_eq!(token::verify(ARTICLE, &ring, expires, MAX_SESSION), Ok(claims));
    assert_eq!(token::verify(ARTICLE, &ring, late, MAX_SESSION), Err(TokenError::Expired(expires)));
    assert!(rows(TOKENS, "token").iter().any(|row| row["token"] == ARTICLE), "it is among the vectors");
}

fn password_rows(is_scrypt: bool) -> Vec<Object> {
    let rows = rows(PASSWORDS, "hash").into_iter();
    let rows: Vec<Object> = rows.filter(|row| (row["scheme"] == "scrypt") == is_scrypt).collect();
    assert_ne!(rows.len(), 0);
    rows
}

#[test]
fn every_scrypt_vector_verifies_with_its_password_and_with_no_other() {
    for row in password_rows(true) {
        let (password, hash) = (text(&row, "password"), text(&row, "hash"));
        let stored: StoredHash = hash.parse().unwrap();
        assert_eq!(stored.to_string(), hash);
        assert!(password::verify(&Secret::new(password.into()), &stored), "{password:?} {hash}");
        let other = format!("{password}x");
        assert!(!password::verify(&Secret::new(other), &stored), "{password:?} and x, {hash}");
    }
}

#[test]
fn every_vector_of_another_scheme_verifies_with_its_password_and_with_no_other() {
    let rows = password_rows(false);
    for scheme in [
        "sha512_crypt",
        "sha256_crypt",
        "werkzeug_scrypt",
        "werkzeug_pbkdf2",
        "werkzeug_pbkdf2_sha1",
        "werkzeug_pbkdf2_sha512",
        "django_pbkdf2_sha256",
        "django_pbkdf2_sha1",
        "django_bcrypt",
        "django_bcrypt_sha256",
        "django_scrypt",
        "django_argon2",
        "passlib_pbkdf2_sha256",
        "passlib_pbkdf2_sha512",
        "argon2id",
        "argon2i",
        "apr1",
        "bcrypt",
    ] {
        assert!(rows.iter().any(|row| row["scheme"] == scheme), "{scheme}");
    }
    for row in rows {
        let (password, hash) = (text(&row, "password"), text(&row, "hash"));
        let stored: AnyHash = hash.parse().unwrap();
        assert!(stored.verify(&Secret::new(password.into())), "{password:?} {hash}");
        assert!(!stored.verify(&Secret::new(format!("{password}x"))), "{password:?} and x, {hash}");
        for cost in ["ln=14,r=8,p=5", "ln=15,r=8,p=1"] {
            assert!(!stored.is_current(cost.parse().unwrap()), "{hash} is replaced at the next login");
        }
    }
}

#[test]
fn hashes_of_other_schemes_are_not_current() {
    for row in password_rows(false) {
        let parsed = text(&row, "hash").parse::<StoredHash>();
        assert_eq!(parsed, Err(StoredHashError::UnknownScheme), "{}", text(&row, "scheme"));
    }
}
