//! Stored hashes: outdated ones are replaced, unusable ones are rejected, and each login costs one hash.

use super::*;

#[test]
fn an_outdated_hash_is_replaced_at_login() {
    let old = TestRealm::new();
    let id = old.add_user("ok", "python");
    let token = old.issue_token(&old.log_in("ok", "python").unwrap());
    let before = old.user(id);
    assert_eq!(cost_of(&before), OLD_COST);

    let new = old.with_new_cost();
    let (principal, hashes) = new.hashes_for(|| new.log_in("ok", "python").unwrap());
    assert_eq!(hashes, 2, "one that verifies, one that replaces");
    let after = new.user(id);
    assert_eq!(cost_of(&after), NEW_COST);
    assert_eq!(after, User { password_hash: after.password_hash.clone(), ..before });
    assert_eq!(principal.generation, after.generation);
    assert_eq!(new.show_token(&token).unwrap().id, id, "a rehash ends no token");

    assert_eq!(new.hashes_for(|| new.log_in("ok", "python").unwrap()).1, 1, "it is made anew once");
    assert_eq!(new.user(id), after);
    assert_eq!(new.log_in("ok", "ruby"), Err(refused(id, RefusalReason::WrongPassword)));
    assert_eq!(new.take_notices(), [""; 0]);
}

#[test]
fn a_wrong_password_leaves_an_outdated_hash() {
    let old = TestRealm::new();
    let id = old.add_user("ok", "python");
    let new = old.with_new_cost();
    let (refusal, hashes) = new.hashes_for(|| new.log_in("ok", "ruby"));
    assert_eq!((refusal, hashes), (Err(refused(id, RefusalReason::WrongPassword)), 1));
    assert_eq!(new.user(id), old.user(id));
    assert_eq!(cost_of(&new.user(id)), OLD_COST);
}

#[test]
fn a_password_is_changed_and_a_user_deleted_by_an_outdated_hash() {
    let old = TestRealm::new();
    let (first, second) = (old.add_user("first", "python"), old.add_user("second", "python"));
    let new = old.with_new_cost();
    assert_eq!(new.change_password(first, &shown("first", "python"), "ruby"), Ok(()));
    assert_eq!(cost_of(&new.user(first)), NEW_COST);
    assert_eq!(new.user(first).generation.number(), 2);
    assert_eq!(new.log_in("first", "ruby").unwrap().id, first);
    new.realm.delete_own_user(second, &shown("second", "python"), Client::Local, new.now).unwrap();
    assert_eq!(new.realm.find_user_by_id(second, Reads::PerCall).unwrap(), None);
}

#[test]
fn a_login_succeeds_if_the_outdated_hash_can_not_be_replaced() {
    let old = TestRealm::new();
    let id = old.add_user("ok", "python");
    let before = old.user(id);
    // The database refuses every change, as a full disk does.
    let refuse =
        "CREATE TRIGGER full BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    old.raw().execute_batch(refuse).unwrap();
    let new = old.with_new_cost();
    assert_eq!(new.log_in("ok", "python").unwrap().id, id);
    assert_eq!(new.user(id), before);
    let notice = format!("the outdated hash of user {id} stays: the database can't be used now");
    assert_eq!(new.take_notices(), [notice]);
}

#[test]
fn an_unusable_hash_accepts_no_password_and_costs_one_hash() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let good = test.user(id).password_hash;
    let salt_and_hash = good.strip_prefix("$scrypt$ln=1,r=1,p=1").unwrap();
    let with_cost = |cost: &str| format!("$scrypt${cost}{salt_and_hash}");
    let megabyte = good.replace("p=1$", &format!("p=1${}", "c2Fs".repeat(1 << 18)));
    let out_of_range = "the stored hash has scrypt parameters out of range";
    let unknown = "the stored hash is of a scheme that is not known here";
    for (hash, what) in [
        (with_cost("ln=63,r=8,p=1"), out_of_range),
        (with_cost("ln=0,r=8,p=1"), out_of_range),
        (with_cost("ln=14,r=0,p=1"), out_of_range),
        (with_cost("ln=14,r=8,p=4294967295"), out_of_range),
        (with_cost("ln=14,r=4294967295,p=4294967295"), out_of_range),
        (
            with_cost("ln=16,r=9,p=1"),
            "a hash of ln=16,r=9,p=1 takes 75497472 bytes, more than the 67108864 allowed",
        ),
        (
            with_cost("ln=20,r=32,p=16"),
            "a hash of ln=20,r=32,p=16 takes 4294967296 bytes, more than the 67108864 allowed",
        ),
        (megabyte, "the stored hash has more than 256 bytes"),
        (
            format!("{good}\0"),
            "the stored hash is not $scrypt$ln=…,r=…,p=…$salt$hash in base64 without padding",
        ),
        (
            "$scrypt$ln=1,r=1,p=1$c2FsdA$aGFzaA".into(),
            "the stored hash has a salt not of 8 to 64 bytes or a hash not of 16 to 64",
        ),
        (String::new(), unknown),
        ("python".into(), unknown),
        ("$7$rounds=5001$salt$hash".into(), unknown),
    ] {
        test.raw().execute("UPDATE users SET password_hash = ?1", [&hash]).unwrap();
        for password in ["python", "ruby", "", "\0"] {
            let (refusal, hashes) = test.hashes_for(|| test.log_in("ok", password));
            if password.is_empty() {
                assert_eq!(refusal, Err(Refused { user: None, reason: RefusalReason::NoPassword }));
                continue;
            }
            assert_eq!(refusal, Err(refused(id, RefusalReason::UnusableHash)), "{what}");
            assert_eq!(hashes, 1, "{what}");
            assert_eq!(test.take_notices(), [format!("user {id} can't log in: {what}")]);
        }
        let changed = test.change_password(id, &shown("ok", "python"), "ruby");
        assert_eq!(changed, Err(refused(id, RefusalReason::UnusableHash)));
        assert_eq!(test.user(id).password_hash, hash, "it is left as it is");
        test.take_notices();
    }

    // The way out: an operator sets a password.
    test.realm.set_password(&test.user(id), &secret("ruby")).unwrap();
    assert_eq!(test.log_in("ok", "ruby").unwrap().id, id);
}

#[test]
fn the_largest_block_allowed_is_verified() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let hash = test.user(id).password_hash.replace("ln=1,r=1,p=1", "ln=16,r=8,p=1"); // 64 MiB
    test.raw().execute("UPDATE users SET password_hash = ?1", [&hash]).unwrap();
    assert_eq!(test.log_in("ok", "python"), Err(refused(id, RefusalReason::WrongPassword)));
    assert_eq!(test.take_notices(), [""; 0]);
}

#[test]
fn every_failed_login_costs_one_hash() {
    let test = TestRealm::new();
    let (id, disabled) = (test.add_user("ok", "python"), test.add_user("disabled", "python"));
    test.realm.set_disabled(disabled, true).unwrap();
    let longest = "p".repeat(1024);
    for (username, password, refusal) in [
        ("ok", "ruby", refused(id, RefusalReason::WrongPassword)),
        ("ok", &longest, refused(id, RefusalReason::WrongPassword)),
        ("disabled", "python", refused(disabled, RefusalReason::Disabled)),
        ("disabled", "ruby", refused(disabled, RefusalReason::Disabled)),
        ("absent", "python", Refused { user: None, reason: RefusalReason::UnknownUser }),
        ("absent", &longest, Refused { user: None, reason: RefusalReason::UnknownUser }),
        ("", "python", Refused { user: None, reason: RefusalReason::UnknownUser }),
        ("OK", "python", Refused { user: None, reason: RefusalReason::UnknownUser }),
    ] {
        let (result, hashes) = test.hashes_for(|| test.log_in(username, password));
        assert_eq!((result, hashes), (Err(refusal), 1), "{username}");
    }
    assert_eq!(test.hashes_for(|| test.log_in("ok", "python").unwrap()).1, 1);
}

#[test]
fn a_password_of_impossible_length_costs_no_hash_for_any_user() {
    let test = TestRealm::new();
    test.add_user("ok", "python");
    for username in ["ok", "absent"] {
        for password in ["", &"p".repeat(1025), &"é".repeat(513)] {
            let (result, hashes) = test.hashes_for(|| test.log_in(username, password));
            assert_eq!((result, hashes), (Err(Refused { user: None, reason: RefusalReason::NoPassword }), 0));
        }
    }
}

#[test]
fn a_token_costs_no_hash() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let token = test.issue_token(&test.log_in("ok", "python").unwrap());
    let (principal, hashes) = test.hashes_for(|| test.show_token(&token).unwrap());
    assert_eq!((principal.id, hashes), (id, 0));
    let (changed, hashes) =
        test.hashes_for(|| test.change_password(id, &Credentials::Token(secret(&token)), "ruby"));
    assert_eq!((changed, hashes), (Err(Refused { user: None, reason: RefusalReason::PasswordRequired }), 0));
}

/// bcrypt at its least cost: "correct horse battery staple".
#[cfg(feature = "legacy-hashes")]
const BCRYPT: &str = "$2b$05$eL6GoUW8rNDhmOdNFJL0O.ykUp58oVFBz/iTVou0NQClgBj22Xbrq";

#[cfg(feature = "legacy-hashes")]
#[test]
fn a_hash_of_another_scheme_is_replaced_at_the_next_login() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    test.raw().execute("UPDATE users SET password_hash = ?1", [BCRYPT]).unwrap();
    assert_eq!(test.log_in("ok", "python"), Err(refused(id, RefusalReason::WrongPassword)));
    assert_eq!(test.user(id).password_hash, BCRYPT, "a wrong password leaves it");
    let password = "correct horse battery staple";
    let (principal, hashes) = test.hashes_for(|| test.log_in("ok", password).unwrap());
    assert_eq!((principal.id, hashes), (id, 2));
    assert_eq!(cost_of(&test.user(id)), OLD_COST);
    assert_eq!(test.hashes_for(|| test.log_in("ok", password).unwrap()).1, 1);
    assert_eq!(test.take_notices(), [""; 0]);
}

#[test]
fn unknown_users_cost_the_decoy_hash_of_a_user_and_are_rejected() {
    let test = TestRealm::new();
    for number in 1..=8 {
        test.add_user(&format!("user {number}"), "python");
    }
    test.realm.store.limiter_key(&[7; 32]).unwrap();
    let (other, ours) = ("$scrypt$other", "$scrypt$ours");
    let set = |hash: &str, which: &str| {
        test.raw().execute(&format!("UPDATE users SET password_hash = ?1 WHERE {which}"), [hash]).unwrap();
    };
    set(ours, "id % 4 > 0");
    set(other, "id % 4 = 0");
    let drawn = |number: u32| test.realm.decoy_hash(&format!("absent {number}")).unwrap();
    let first: Vec<String> = (0..400).map(drawn).collect();
    let others = first.iter().filter(|hash| *hash == other).count();
    assert!((50..=150).contains(&others), "{others} of 400 are like the quarter of the users that is");
    assert_eq!((0..400).map(drawn).collect::<Vec<_>>(), first, "a name costs the same each time");

    let again = TestRealm::in_directory(test.directory.clone(), OLD_COST, test.realm.policy.clone());
    let drawn = |number: u32| again.realm.decoy_hash(&format!("absent {number}")).unwrap();
    assert_eq!((0..400).map(drawn).collect::<Vec<_>>(), first, "after a restart too");
    again.add_user("user 9", "python");
    let moved = (0..400).map(drawn).zip(&first).filter(|(now, then)| now != *then).count();
    assert!(moved <= 60, "{moved} of 400 are like the one new user of nine");

    // The decoy is verified, and its password authenticates no user.
    let one = TestRealm::new();
    one.add_user("ok", "python");
    let unknown = Refused { user: None, reason: RefusalReason::UnknownUser };
    assert_eq!(one.log_in("absent", "python"), Err(unknown));
    let empty = TestRealm::new();
    assert_eq!(empty.realm.decoy_hash("absent"), None);
    assert_eq!(empty.hashes_for(|| empty.log_in("absent", "python")), (Err(unknown), 1));
}
