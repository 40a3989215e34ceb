//! Unicode normalization of user names and passwords: what a user types on one device logs in on another.

use crate::harness::{TestRealm, basic, error, object};
use gatekey::http::Request;
use gatekey::realm::Policy;

const NFC: &str = "jos\u{e9}";
const NFD: &str = "jose\u{301}";

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
fn verify_admits_a_user_named_in_any_normalization_form() {
    let realm = TestRealm::new();
    realm.register(NFC, "python");
    for query in ["?user=jos%C3%A9", "?user=jose%CC%81"] {
        let request = Request::new("GET", &format!("/api/verify{query}"));
        let response = realm.send(&request.with_field("Authorization", basic(NFD, "python")));
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
fn names_that_other_software_folds_together_are_taken() {
    let realm = TestRealm::new();
    realm.add_user("admin", "python");
    realm.add_user("straße", "python");
    for name in
        ["admın", "ADMIN", "ad\u{34f}min", "admin\u{3164}", "adm\u{fe0f}in", "strasse", "STRAẞE", "ſtraße"]
    {
        assert_eq!(error(&realm.register(name, "python")), (400, "username_taken".into()), "{name:?}");
    }
}
