//! One-time links: invitations, single use, and what ends a link.

use super::*;
use crate::signed_value::Purpose;
use crate::store::{Reads, SessionKind};
use std::thread;

const DAY: Duration = Duration::from_secs(86_400);

impl TestRealm {
    fn link(&self, user: UserId) -> String {
        self.realm.make_link(user, DAY, self.now).unwrap().token.expose().into()
    }

    fn follow(&self, link: &str, new: &str) -> Result<NewSession, LinkError> {
        self.realm.set_password_by_link(link, &secret(new), Client::Local, FIREFOX, self.now)
    }

    fn is_dead(&self, link: &str) -> bool {
        matches!(self.realm.check_link(link, Reads::PerCall, self.now), Err(LinkError::Dead))
    }
}

#[test]
fn an_invited_user_sets_a_password_once_and_is_signed_in() {
    let test = TestRealm::new();
    let id = test.realm.invite_user("ok", test.now.unix).unwrap().id;
    assert_eq!(test.log_in("ok", "python"), Err(refused(id, RefusalReason::WrongPassword)));
    let link = test.link(id);
    assert_eq!(test.realm.check_link(&link, Reads::PerCall, test.now).unwrap(), "ok");
    let opened = test.follow(&link, "python").unwrap();
    assert_eq!(test.log_in("ok", "python").unwrap().id, id);
    let token = opened.token.expose();
    let shown = test.realm.authenticate_cookie(token, SessionKind::Browser, Reads::PerCall, test.now);
    assert_eq!(shown.unwrap(), opened.principal);
    assert!(test.is_dead(&link));
    assert!(matches!(test.follow(&link, "another"), Err(LinkError::Dead)));
    assert_eq!(test.log_in("ok", "python").unwrap().id, id);
}

#[test]
fn a_taken_name_is_not_invited() {
    let test = TestRealm::new();
    test.add_user("ok", "python");
    assert!(matches!(test.realm.invite_user("OK", test.now.unix), Err(RegisterError::Taken)));
}

#[test]
fn a_link_ends_with_its_time_a_newer_link_and_any_change_of_its_user() {
    type Change = fn(&TestRealm, UserId);
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let link = test.link(id);
    let at = |seconds| Now { unix: test.now.unix.saturating_add(Duration::from_secs(seconds)), ..test.now };
    let check = |now| test.realm.check_link(&link, Reads::PerCall, now);
    assert!(check(at(86_399)).is_ok());
    assert!(matches!(check(at(86_400)), Err(LinkError::Dead)));

    let changes: [(&str, Change); 5] = [
        ("a newer link", |test, id| drop(test.link(id))),
        ("a changed password", |test, id| {
            test.change_password(id, &shown("ok", "python"), "cobra").unwrap();
            test.change_password(id, &shown("ok", "cobra"), "python").unwrap();
        }),
        ("a password set by an administrator", |test, id| {
            test.realm.set_password(&test.user(id), &secret("python")).unwrap();
        }),
        ("revoked tokens", |test, id| test.realm.revoke_tokens(id).unwrap()),
        ("a disabled user", |test, id| {
            test.realm.set_disabled(id, true).unwrap();
            test.realm.set_disabled(id, false).unwrap();
        }),
    ];
    for (name, change) in changes {
        // The realm's time has advanced; a link of now is alive.
        let now = at(86_400);
        let link = test.realm.make_link(id, DAY, now).unwrap().token;
        assert!(test.realm.check_link(link.expose(), Reads::PerCall, now).is_ok(), "{name}");
        change(&test, id);
        assert!(test.is_dead(link.expose()), "{name}");
    }
    let link = test.link(id);
    test.realm.delete_user(id).unwrap();
    assert!(test.is_dead(&link));
}

#[test]
fn asking_for_a_link_ends_no_other_and_using_one_ends_all() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let made = test.link(id);
    let session = test.realm.sign_in("ok", &secret("python"), Client::Local, FIREFOX, test.now).unwrap();
    let requested = test.realm.make_requested_link(id, test.now).unwrap();
    assert_eq!(requested.expires_at, test.now.unix.saturating_add(Realm::REQUESTED_LINK_LIFETIME));
    assert!(!test.is_dead(&made) && !test.is_dead(requested.token.expose()));
    test.follow(requested.token.expose(), "cobra").unwrap();
    assert!(test.is_dead(&made));
    let token = session.token.expose();
    let shown = test.realm.authenticate_cookie(token, SessionKind::Browser, Reads::PerCall, test.now);
    assert!(matches!(shown, Err(AuthenticateError::Refused(_))), "other sessions end");
}

#[test]
fn a_disabled_user_gets_no_link() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    test.realm.set_disabled(id, true).unwrap();
    assert!(matches!(test.realm.make_link(id, DAY, test.now), Err(LinkError::Dead)));
    assert!(matches!(test.realm.make_requested_link(id, test.now), Err(LinkError::Dead)));
}

#[test]
fn a_password_that_is_not_allowed_uses_no_link() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let link = test.link(id);
    assert!(matches!(test.follow(&link, ""), Err(LinkError::Password(PasswordError::TooShort { .. }))));
    assert!(matches!(test.follow(&link, "ok"), Err(LinkError::Password(PasswordError::IsTheName))));
    assert!(!test.is_dead(&link));
}

#[test]
fn of_two_uses_at_once_one_wins() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    for round in 0..10 {
        let link = test.link(id);
        let passwords = ["one", "two", "three", "four"];
        let results: Vec<_> = thread::scope(|scope| {
            let threads = passwords.map(|new| scope.spawn(|| test.follow(&link, new).is_ok()));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won: Vec<_> =
            passwords.iter().zip(results).filter(|(_, won)| *won).map(|(new, _)| *new).collect();
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        assert_eq!(test.log_in("ok", won[0]).unwrap().id, id);
    }
}

#[test]
fn no_token_and_no_other_signed_value_is_a_link() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let link = test.link(id);
    assert!(test.show_token(&link).is_err());
    let token = test.issue_token(&test.log_in("ok", "python").unwrap());
    let claims = test.realm.verify_value(Purpose::SetPassword, &link, Reads::PerCall, test.now).unwrap();
    let csrf = test.realm.sign_value(Purpose::Csrf, claims.unwrap(), DAY, Reads::PerCall, test.now);
    for other in [token, csrf.unwrap().unwrap(), String::new(), "x.y".into()] {
        assert!(test.is_dead(&other));
    }
    assert!(!test.is_dead(&link));
}
