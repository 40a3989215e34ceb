//! Which keys are noted, and when.

use super::*;
use crate::data_dir::SIGNING_KEYS;
use std::fs;

#[test]
fn a_key_is_retired_by_the_realms_time_so_that_it_is_not_pruned_before_its_tokens_expire() {
    let test = TestRealm::new();
    let ahead = test.now.unix.saturating_add(Duration::from_secs(3_600));
    test.realm.store.raise_newest_time(ahead).unwrap();
    let test = TestRealm::in_directory(test.directory.clone(), OLD_COST, test.realm.policy.clone());
    assert!(test.take_notices().iter().any(|notice| notice.starts_with("the clock is ")));
    test.realm.note_keys(test.now);
    let old = test.realm.ring().newest().fingerprint();

    let file = test.directory.path().join(SIGNING_KEYS);
    let keys = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{}\na key that comes after the other ones\n", keys.trim_end())).unwrap();
    test.realm.reload_keys(test.now);
    let uses = test.realm.store.signing_keys().unwrap();
    assert!(uses[&old].retired_at.unwrap() >= ahead);
    assert!(uses.values().all(|key| key.first_seen_at >= ahead));
}
