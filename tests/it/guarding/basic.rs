//! The Basic form: the shipped configurations without `login`, as their comments and docs/guarding.md say.

use super::{APP, AUTH, Plan, behind_each_by};
use crate::process::body;

/// Takes the sign-in page out of a configuration.
fn basic_form(configuration: &str) -> String {
    let edits = [
        ("/api/verify?login=401;", "/api/verify;"),
        ("/api/verify?login;", "/api/verify;"),            // nginx
        ("uri /api/verify?login\n", "uri /api/verify?\n"), // Caddy
        ("/api/verify?login\"", "/api/verify\""),          // Traefik
        ("/api/verify/-/login\n", "/api/verify\n"),        // Envoy
    ];
    let edited = edits.iter().fold(configuration.to_owned(), |text, (from, to)| text.replace(from, to));
    // Traefik has a second file, without a guard.
    assert!(edited != configuration || !configuration.contains("/api/verify"), "nothing to edit");
    edited
}

#[test]
fn in_the_basic_form_browsers_are_asked_for_a_password_and_the_app_gets_the_user() {
    let test = "in_the_basic_form_browsers_are_asked_for_a_password_and_the_app_gets_the_user";
    let plan = Plan { edit: basic_form, ..Plan::default() };
    behind_each_by(&plan, test, |site| {
        site.server.register("josé", "python");
        let navigation =
            ["-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Dest: document", "-H", "Accept: text/html"];
        for wrong in [&[][..], &["-u", "josé:ruby"], &["-H", "Authorization: Bearer x"]] {
            let refused = site.ask(APP, "/page?x=1", &[wrong, &navigation].concat()).to_lowercase();
            assert!(refused.starts_with("http/1.1 401 "), "{refused}");
            assert!(!refused.contains("\r\nlocation:"), "{refused}");
            let challenge = "\r\nwww-authenticate: basic realm=";
            assert_eq!(
                refused.matches(challenge).count(),
                usize::from(wrong.last() != Some(&"Authorization: Bearer x")),
                "{refused}"
            );
            assert!(body(&refused).contains("\"unauthorized\""), "{refused}");
        }
        assert_eq!(site.app.count(), 0);
        let token = site.ask(AUTH, "/api/token", &["-u", "josé:python"]);
        let token = body(&token).split('"').find(|part| part.len() > 64).unwrap().to_owned();
        let bearer = format!("Authorization: Bearer {token}");
        for right in [["-u", "josé:python"], ["-H", &bearer]] {
            site.assert_the_app_is_told_the_truth(&[&right[..], &navigation, &["-X", "GET"]].concat(), "GET");
            site.assert_the_app_is_told_the_truth(&[&right[..], &["-X", "POST", "-d", "x"]].concat(), "POST");
        }
        assert_eq!(site.status(APP, "/api/verify", &["-u", "josé:python"]), 200, "the app's own path");
    });
}
