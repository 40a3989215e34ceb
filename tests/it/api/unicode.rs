//! Unicode normalization of user names and passwords: what a user types on one device logs in on another.

use crate::harness::{CHEAP, TestRealm, basic, error, json_request, object};
use gatekey::data_dir::DATABASE;
use gatekey::http::Request;
use gatekey::json::json;
use gatekey::password;
use gatekey::realm::Policy;
use gatekey::secret::Secret;

const NFC: &str = "jos\u{e9}";
const NFD: &str = "jose\u{301}";

const PASSWORD_NFC: &str = "p\u{e4}ssw\u{f6}rd";
const PASSWORD_NFD: &str = "pa\u{308}sswo\u{308}rd";

/// What the guarded resource answers to this name and password.
fn login(realm: &TestRealm, username: &str, password: &str) -> u16 {
    realm.basic("GET", "/api/resource", username, password).status
}

#[test]
fn a_name_logs_in_and_is_looked_up_in_every_normalization_form() {
    for (registered, other) in [(NFC, NFD), (NFD, NFC), ("\u{212b}", "A\u{30a}"), ("가", "\u{1100}\u{1161}")]
    {
        let realm = TestRealm::new();
        assert_eq!(realm.register(registered, "python").status, 201);
        for typed in [registered, other] {
            assert_eq!(login(&realm, typed, "python"), 200, "{registered} {typed}");
            assert!(realm.realm.find_user_by_name(typed).unwrap().is_some(), "{registered} {typed}");
            assert_eq!(error(&realm.register(typed, "python")), (400, "username_taken".into()));
        }
        assert_eq!(login(&realm, other, "ruby"), 401);
    }
}

#[test]
fn a_name_of_64_characters_logs_in_decomposed() {
    let realm = TestRealm::new();
    let composed = "\u{e9}".repeat(64);
    assert_eq!(realm.register(&composed, "python").status, 201);
    assert_eq!(login(&realm, &"e\u{301}".repeat(64), "python"), 200);
    assert_eq!(login(&realm, &"e\u{301}".repeat(65), "python"), 401);
}

#[test]
fn a_registration_answers_with_the_name_in_nfc() {
    let realm = TestRealm::new();
    assert_eq!(object(&realm.register(NFD, "python"))["username"], NFC);
}

#[test]
fn verify_accepts_a_user_condition_in_any_normalization_form() {
    let realm = TestRealm::new();
    realm.register(NFC, "python");
    for query in ["?user=jos%C3%A9", "?user=jose%CC%81"] {
        let request = Request::new("GET", &format!("/api/verify{query}"));
        let response = realm.send(&request.with_header("Authorization", basic(NFD, "python")));
        assert_eq!(response.status, 200, "{query}");
    }
}

/// Ten wrong passwords for a name, however it is spelled, use up what that name has.
#[test]
fn the_rate_limit_of_a_name_holds_in_every_normalization_form() {
    let realm = TestRealm::throttled(Policy::default());
    realm.add_user("a\u{301}\u{323}b", "python");
    let spellings = ["a\u{301}\u{323}b", "\u{e1}\u{323}b", "\u{1ea1}\u{301}b", "a\u{323}\u{301}b"];
    let statuses: Vec<_> =
        (0..12).map(|n| login(&realm, spellings[n % spellings.len()], &format!("wrong {n}"))).collect();
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 2]].concat());
}

#[test]
fn usernames_that_other_software_folds_together_are_taken() {
    let realm = TestRealm::new();
    realm.add_user("admin", "python");
    realm.add_user("straße", "python");
    for name in
        ["admın", "ADMIN", "ad\u{34f}min", "admin\u{3164}", "adm\u{fe0f}in", "strasse", "STRAẞE", "ſtraße"]
    {
        assert_eq!(error(&realm.register(name, "python")), (400, "username_taken".into()), "{name:?}");
    }
}

/// How many hashes this login costs, and what it is answered.
fn hashes_for(realm: &TestRealm, username: &str, password: &str) -> (u64, u16) {
    let before = realm.realm.hashes();
    let status = login(realm, username, password);
    (realm.realm.hashes() - before, status)
}

/// The cheapest hash of exactly these bytes, as versions before made it.
fn hash_as_sent(password: &str) -> String {
    password::hash(&Secret::new(password.into()), CHEAP.parse().unwrap()).unwrap().to_string()
}

/// Puts this in the place of a user's stored hash.
fn set_hash(realm: &TestRealm, username: &str, hash: &str) {
    let database = rusqlite::Connection::open(realm.directory.path().join(DATABASE)).unwrap();
    let sql = "UPDATE users SET password_hash = ?2 WHERE username = ?1";
    assert_eq!(database.execute(sql, [username, hash]).unwrap(), 1);
}

#[test]
fn a_password_logs_in_in_every_normalization_form_and_with_every_space() {
    for (registered, other) in [
        (PASSWORD_NFC, PASSWORD_NFD),
        (PASSWORD_NFD, PASSWORD_NFC),
        ("\u{212b}ngstr\u{f6}m", "A\u{30a}ngstro\u{308}m"),
        ("correct horse", "correct\u{a0}horse"),
        ("correct\u{3000}horse", "correct\u{2003}horse"),
    ] {
        let realm = TestRealm::new();
        realm.add_user("ok", registered);
        for typed in [registered, other] {
            assert_eq!(login(&realm, "ok", typed), 200, "{registered:?} {typed:?}");
        }
    }
    let realm = TestRealm::new();
    realm.add_user("ok", PASSWORD_NFC);
    for other in ["passw\u{f6}rd", "P\u{c4}SSW\u{d6}RD", "p\u{e4}ssw\u{f6}rd ", "\u{ff50}\u{e4}ssw\u{f6}rd"] {
        assert_eq!(login(&realm, "ok", other), 401, "{other:?}");
    }
}

#[test]
fn an_older_hash_of_a_decomposed_password_verifies_and_is_replaced() {
    // Python: hashlib.pbkdf2_hmac('sha256', unicodedata.normalize('NFD', 'pässwörd').encode(), b'saltysalt0', 1).hex()
    let of_another_program =
        "pbkdf2:sha256:1$saltysalt0$24fe01802725b4df61a628a83c62b1eea0f72b09b36eff869d2cd88b99b5cc36";
    for hash in [hash_as_sent(PASSWORD_NFD), of_another_program.into()] {
        let realm = TestRealm::new();
        realm.add_user("ok", "python");
        set_hash(&realm, "ok", &hash);
        assert_eq!(login(&realm, "ok", PASSWORD_NFC), 401, "{hash}");
        assert_eq!(hashes_for(&realm, "ok", PASSWORD_NFD), (3, 200), "two to verify, one to replace");
        assert_eq!(hashes_for(&realm, "ok", PASSWORD_NFD), (1, 200), "{hash}");
        assert_eq!(hashes_for(&realm, "ok", PASSWORD_NFC), (1, 200), "{hash}");
    }
}

#[test]
fn the_work_of_a_wrong_password_depends_on_the_input_and_not_on_the_user() {
    let realm = TestRealm::new();
    for name in ["ok", "disabled", "unusable", "old"] {
        realm.add_user(name, "python");
    }
    let disabled = realm.realm.find_user_by_name("disabled").unwrap().unwrap();
    realm.realm.set_disabled(disabled.id, true).unwrap();
    set_hash(&realm, "unusable", "no hash");
    set_hash(&realm, "old", &hash_as_sent("jose\u{301}"));
    for name in ["ok", "disabled", "unusable", "old", "unknown"] {
        assert_eq!(hashes_for(&realm, name, "ruby"), (1, 401), "{name}");
        assert_eq!(hashes_for(&realm, name, PASSWORD_NFC), (1, 401), "{name}");
        assert_eq!(hashes_for(&realm, name, PASSWORD_NFD), (2, 401), "{name}");
        assert_eq!(hashes_for(&realm, name, "ruby\u{a0}"), (2, 401), "{name}");
    }
}

/// The only user's hash is the decoy of every unknown name, and that user's password is known to the client.
#[test]
fn a_decoy_hash_of_the_sent_password_does_not_reveal_an_unknown_user() {
    let realm = TestRealm::new();
    realm.add_user("mallory", PASSWORD_NFC);
    for name in ["unknown", "absent"] {
        assert_eq!(hashes_for(&realm, name, PASSWORD_NFD), (2, 401));
        assert_eq!(hashes_for(&realm, name, PASSWORD_NFC), (1, 401));
    }
}

#[test]
fn a_new_password_is_checked_in_the_form_that_is_hashed() {
    let realm = TestRealm::with_policy(Policy { min_password_chars: 8, ..Policy::default() });
    let invalid = (400, "invalid_password".to_owned());
    let seven = "e\u{301}".repeat(7);
    assert_eq!(error(&realm.register("ok", &seven)), invalid, "seven characters, however they are sent");
    let expands = "\u{1d160}".repeat(256);
    assert_eq!(expands.len(), 1024);
    assert_eq!(error(&realm.register("ok", &expands)), invalid, "3072 bytes in NFC");
    assert_eq!(
        error(&realm.register("ok", &format!("e\u{301}{}", "x".repeat(1022)))),
        invalid,
        "1025 as sent"
    );
    assert_eq!(realm.register("ok", &format!("e\u{301}{}", "x".repeat(1021))).status, 201);
    assert_eq!(error(&realm.register("jos\u{e9} long", "jose\u{301}\u{a0}long")), invalid, "the name");
}

#[test]
fn a_password_that_is_too_long_normalized_still_logs_in_where_its_hash_is_older() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let long = "\u{1d160}".repeat(256);
    set_hash(&realm, "ok", &hash_as_sent(&long));
    assert_eq!(hashes_for(&realm, "ok", &long), (1, 200));
    let request = json_request("PUT", &user, &json!({"password": PASSWORD_NFD}).to_string());
    assert_eq!(realm.send(&request.with_header("Authorization", basic("ok", &long))).status, 204);
    assert_eq!(login(&realm, "ok", PASSWORD_NFC), 200);
}
