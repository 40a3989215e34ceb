//! Identity headers behind each proxy: the app gets the proxy's and never the client's, in any spelling.

use super::{APP, Site, behind_each, behind_each_passing_preflights, cgi};
use crate::process::body;

/// All that a header's name may have besides letters and digits (RFC 9110 section 5.6.2).
const SEPARATORS: &str = "!#$%&'*+-.^_`|~";
const PREFLIGHT: [&str; 6] =
    ["-X", "OPTIONS", "-H", "Origin: https://x.example", "-H", "Access-Control-Request-Method: PUT"];
/// The CGI-style apps answer this path.
const PATH: &str = "/app.sh";

/// Headers that only a proxy may set, as a client may spell them, each with the value `spoof`.
pub(super) fn spoofed_headers() -> Vec<String> {
    let forwarded = ["X@Forwarded@For", "x@forwarded@host", "X-Forwarded@Proto"];
    let names = ["Remote@User", "remote@user", "REMOTE@USER@ID", "Remote-User@Id", "remote@groups"];
    let doubled = SEPARATORS
        .chars()
        .filter(|separator| *separator != '-')
        .map(|separator| format!("Remote{separator}{separator}User: spoof"));
    let separated = SEPARATORS.chars().flat_map(|separator| {
        names
            .into_iter()
            .chain(forwarded)
            .map(move |name| format!("{}: spoof", name.replace('@', separator.encode_utf8(&mut [0; 4]))))
    });
    separated.chain(doubled).collect()
}

/// What `Connection` may name for a proxy to remove (RFC 9110 section 7.6.1).
pub(super) const CONNECTIONS: [&[&str]; 5] = [
    &["Connection: close, Remote-User"],
    &["Connection: remote-user, REMOTE-USER-ID, Remote-Groups"],
    &["Connection: close", "Connection: Remote-User-Id"],
    &["Connection: keep-alive, Remote-User", "Remote-User: spoof"],
    &["Connection: Upgrade, Remote-User", "Upgrade: websocket, h2c"],
];

pub(super) fn as_arguments<S: AsRef<str>>(headers: &[S]) -> Vec<&str> {
    headers.iter().flat_map(|header| ["-H", header.as_ref()]).collect()
}

/// The identity headers in a head, as a CGI-style app would name them.
fn identity(head: &str) -> Vec<String> {
    let fold = |name: &str| -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
    };
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let lines = lines.map(|(name, value)| format!("{}: {value}", fold(name)));
    lines.filter(|line| line.starts_with("remote-")).collect()
}

impl Site {
    /// Asserts that a request with good credentials reaches the app with the proxy's identity headers alone.
    #[track_caller]
    fn assert_identity_is_the_proxys(&self, headers: &[&str]) {
        let arguments = [&["-u", "josé:python"], as_arguments(headers).as_slice()].concat();
        let before = self.app.count();
        let status = self.status(APP, PATH, &arguments);
        if status == 403 && headers.iter().any(|header| header.starts_with("Upgrade")) {
            assert_eq!(self.app.count(), before, "{headers:?}"); // Envoy rejects other upgrades than websockets
            return;
        }
        assert_eq!(status, 200, "{headers:?}");
        let head = self.app.last_head();
        assert_eq!(identity(&head), ["remote-user: jos%c3%a9", "remote-user-id: 1"], "{headers:?}: {head}");
        assert!(!head.contains("spoof"), "{headers:?}: {head}");
    }

    /// Asserts that a CGI-style app that answers this request sees the proxy's identity alone, or none.
    #[track_caller]
    pub(super) fn assert_variables_are_the_proxys(&self, arguments: &[&str], expected: &[&str]) {
        let answer = self.ask(APP, PATH, arguments);
        if answer.starts_with("HTTP/1.1 403 ")
            && arguments.iter().any(|argument| argument.starts_with("Upgrade"))
        {
            return; // Envoy rejects other upgrades than websockets
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let variables = body(&answer);
        let mut identity: Vec<_> = variables
            .lines()
            .filter(|line| line.contains("REMOTE_USER") || line.contains("REMOTE_GROUPS"))
            .collect();
        identity.sort_unstable();
        assert_eq!(identity, expected, "{variables}");
        assert!(variables.contains("HTTP_X_REMOTE_USER=passes"), "{variables}");
        assert!(!variables.contains("spoof"), "{variables}");
    }
}

#[test]
fn behind_each_proxy_an_app_gets_the_proxys_identity_headers_and_none_of_the_clients() {
    behind_each("behind_each_proxy_an_app_gets_the_proxys_identity_headers", &[], |site| {
        site.server.register("josé", "python");
        let spoofed = spoofed_headers();
        let spoofed: Vec<_> = spoofed.iter().map(String::as_str).collect();
        site.assert_identity_is_the_proxys(&[]);
        site.assert_identity_is_the_proxys(&spoofed);
        site.assert_identity_is_the_proxys(&[
            "Remote-User: spoof",
            "Remote-User: spoof",
            "remote-groups: spoof",
        ]);
        for connection in CONNECTIONS {
            site.assert_identity_is_the_proxys(connection);
        }
        // Longer names, and those that are no header names: removed, or the request with them is rejected.
        let longer = ["Remote-User-Email: spoof", "Remote-Username: spoof", "Remote-Groups-X: spoof"];
        for header in
            longer.into_iter().chain(["Remote--User: spoof", "Remote(User: spoof", "Remote User: spoof"])
        {
            let before = site.app.count();
            let status = site.status(APP, PATH, &["-u", "josé:python", "-H", header]);
            assert_eq!(
                (site.app.count() - before, status),
                if status == 200 { (1, 200) } else { (0, 400) },
                "{header}"
            );
            assert!(!site.app.last_head().contains("spoof"), "{header}");
        }
    });
}

#[test]
fn behind_each_proxy_a_cgi_app_gets_the_proxys_remote_user_under_every_spelling() {
    let test = "behind_each_proxy_a_cgi_app_gets_the_proxys_remote_user";
    let apps = cgi::apps(test);
    let spoofed = spoofed_headers();
    let spoofed = as_arguments(&spoofed);
    let plain = ["-H", "X-Remote-User: passes"];
    behind_each(test, &[], |site| {
        site.server.register("josé", "python");
        let credentials = ["-u", "josé:python"];
        for app in &apps {
            site.app.answer_by(app.address);
            let expected =
                ["HTTP_REMOTE_USER=jos%C3%A9", "HTTP_REMOTE_USER_ID=1", "HTTP_X_REMOTE_USER=passes"];
            site.assert_variables_are_the_proxys(&[&credentials[..], &plain].concat(), &expected);
            site.assert_variables_are_the_proxys(&[&credentials[..], &plain, &spoofed].concat(), &expected);
            for connection in CONNECTIONS {
                let connection = as_arguments(connection);
                site.assert_variables_are_the_proxys(
                    &[&credentials[..], &plain, &connection].concat(),
                    &expected,
                );
            }
        }
    });
}

#[test]
fn behind_each_proxy_that_passes_preflights_they_name_no_user_under_any_spelling() {
    let test = "behind_each_proxy_that_passes_preflights_they_name_no_user";
    let apps = cgi::apps(test);
    let spoofed = spoofed_headers();
    let longer = ["Remote-User-Email: spoof", "Remote-Username: spoof"];
    let spoofed =
        [&PREFLIGHT[..], &["-u", "eve:x"], &as_arguments(&longer), &as_arguments(&spoofed)].concat();
    let upgrade =
        [&PREFLIGHT[..], &["-H", "Connection: Upgrade, X-Forwarded-For", "-H", "Upgrade: websocket"]]
            .concat();
    behind_each_passing_preflights(test, |site| {
        // Envoy rejects it, the others pass it on as a preflight.
        let (status, count) = (site.status(APP, "/page?x=1", &upgrade), site.app.count());
        assert!(matches!((status, count), (400 | 403, 0) | (200, 1)), "{status}");
        assert!(count == 0 || !site.app.last_head().contains("upgrade"));
        assert_eq!(site.status(APP, "/page?x=1", &spoofed), 200);
        let head = site.app.last_head();
        assert!(head.starts_with("options /page?x=1 "), "{head}");
        assert_eq!(identity(&head), [""; 0], "{head}");
        assert!(!head.contains("spoof") && !head.contains("authorization"), "{head}");
        assert!(!head.contains("upgrade"), "{head}");
        assert!(head.contains("\r\norigin: https://x.example\r\n"), "{head}");
        assert!(head.contains("\r\naccess-control-request-method: put\r\n"), "{head}");
        for app in &apps {
            site.app.answer_by(app.address);
            let answer = site.ask(APP, PATH, &spoofed);
            let names_none = !answer.contains("REMOTE_USER") && !answer.contains("spoof");
            assert!(answer.starts_with("HTTP/1.1 200 ") && names_none, "{}: {answer}", app.name);
        }
        // The option is for preflights alone.
        let before = site.app.count();
        for other in [&PREFLIGHT[..4], &["-X", "PUT", "-H", "Access-Control-Request-Method: PUT"], &[]] {
            assert_eq!(site.status(APP, "/page?x=1", other), 401, "{other:?}");
        }
        assert_eq!(site.app.count(), before);
    });
}
