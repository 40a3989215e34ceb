//! `Remote-Groups` through each proxy: the user's own, whatever the client claims.

use super::{APP, LIES, Plan, behind_each_by};

/// Lets each shipped configuration ask for the groups.
fn with_groups(configuration: &str) -> String {
    let edits = [
        ("/api/verify?login=401;", "/api/verify?login=401&groups;"), // nginx
        ("uri /api/verify?login\n", "uri /api/verify?login&groups\n"), // Caddy
        ("/api/verify?login\"", "/api/verify?login&groups\""),       // Traefik
        ("/api/verify/-/login\n", "/api/verify/-/login&groups\n"),   // Envoy
    ];
    edits.iter().fold(configuration.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// In the spellings that a proxy replaces or removes, and CGI programs read alike.
const CLAIMS: [&str; 6] =
    ["-H", "Remote-Groups: admin", "-H", "remote_groups: admin", "-H", "REMOTE-GROUPS: admin"];

#[test]
fn behind_each_proxy_an_app_gets_the_users_groups_and_never_the_clients_claim() {
    let test = "behind_each_proxy_an_app_gets_the_users_groups_and_never_the_clients_claim";
    let plan = Plan { edit: with_groups, ..Plan::default() };
    behind_each_by(&plan, test, |site| {
        for name in ["member", "other"] {
            site.server.register(name, "python");
        }
        for group in ["staff", "a.team"] {
            let added = site.server.command(&["user", "group", "add", "member", group], "");
            assert!(added.status.success(), "{added:?}");
        }
        for (name, expected) in [("member:python", Some("a.team,staff")), ("other:python", None)] {
            for claims in [&[][..], &CLAIMS, &[&CLAIMS[..], &LIES].concat()] {
                assert_eq!(site.status(APP, "/", &[&["-u", name], claims].concat()), 200);
                let head = site.app.last_head();
                let groups = head.lines().find_map(|line| line.strip_prefix("remote-groups:"));
                let groups = groups.map(str::trim).filter(|groups| !groups.is_empty());
                assert_eq!(groups, expected, "{head}");
                assert!(!head.contains("admin"), "{head}");
            }
        }
    });
    // As shipped, nothing asks for them: the client's claim reaches no app either.
    behind_each_by(&Plan::default(), test, |site| {
        site.server.register("ok", "python");
        assert_eq!(site.status(APP, "/", &[&["-u", "ok:python"], &CLAIMS[..]].concat()), 200);
        assert!(!site.app.last_head().contains("admin"), "{}", site.app.last_head());
    });
}
