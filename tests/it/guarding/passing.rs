//! What passes each proxy: authenticated requests and websockets; rejections are gatekey's responses.

use super::{APP, AUTH, Site, behind_each};
use crate::process::{body, header};
use std::process::Stdio;

const HANDSHAKE: [&str; 8] = [
    "-H",
    "Connection: Upgrade",
    "-H",
    "Upgrade: websocket",
    "-H",
    "Sec-WebSocket-Version: 13",
    "-H",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

#[test]
fn behind_each_proxy_no_request_reaches_the_app_unauthenticated() {
    behind_each("behind_each_proxy_no_request_reaches_the_app_unauthenticated", &[], |site| {
        let preflight =
            ["-X", "OPTIONS", "-H", "Origin: https://x.example", "-H", "Access-Control-Request-Method: PUT"];
        let methods =
            ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"].map(|method| ["-X", method]);
        let spoofed = ["-H", "Remote-User: root", "-H", "Remote.User: root"];
        let preflights = [&preflight[..], &preflight[..2], &["-H", "Access-Control-Request-Method: x"]];
        let requests =
            methods.iter().map(|method| &method[..]).chain(preflights).chain([&HANDSHAKE[..], &["--head"]]);
        for request in requests {
            let status = site.status(APP, "/page?x=1", &[request, &spoofed[..]].concat());
            // nginx doesn't know TRACE, Envoy doesn't know QUERY.
            let is_unknown =
                matches!((request.last(), status), (Some(&"TRACE"), 405) | (Some(&"QUERY"), 400));
            assert!(status == 401 || is_unknown, "{request:?}: {status}");
        }
        assert_eq!(site.app.count(), 0);
    });
}

#[test]
fn behind_each_proxy_a_rejection_is_gatekeys_json() {
    behind_each("behind_each_proxy_a_rejection_is_gatekeys_json", &[], |site| {
        for credentials in [&[][..], &["-u", "ok:wrong"], &["-H", "Authorization: Bearer x"]] {
            let expected = site.ask(AUTH, "/api/token", credentials);
            let refused = site.ask(APP, "/", credentials);
            assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
            assert_eq!(body(&refused), body(&expected), "{refused}");
            let refused = refused.to_lowercase();
            for (name, count) in [("content-type", 1), ("www-authenticate", 1), ("cache-control", 1)] {
                let line = expected.to_lowercase();
                let line = line.lines().find(|line| line.starts_with(name)).unwrap();
                assert_eq!(refused.matches(line).count(), count, "{refused}");
                assert_eq!(refused.matches(&format!("\r\n{name}: ")).count(), count, "{refused}");
            }
        }
        assert_eq!(site.app.count(), 0);
    });
}

#[test]
fn behind_each_proxy_a_websocket_passes_and_no_other_upgrade_does() {
    behind_each("behind_each_proxy_a_websocket_passes_and_no_other_upgrade_does", &[], |site| {
        site.server.register("ok", "python");
        let credentials = ["-u", "ok:python"];
        let opened = site.curl(APP, "/socket", &[&credentials[..], &HANDSHAKE, &["-N"]].concat());
        let opened = { opened }.stdin(Stdio::null()).output().unwrap();
        let opened = String::from_utf8(opened.stdout).unwrap();
        assert!(opened.starts_with("HTTP/1.1 101 "), "{opened}");
        assert_eq!(header(&opened.replace("upgrade: ", "Upgrade: "), "Upgrade"), Some("websocket"));
        assert_eq!(body(&opened), "opened");
        let head = site.app.last_head();
        assert!(
            head.contains("\r\nsec-websocket-key: ") && head.contains("\r\nremote-user: ok\r\n"),
            "{head}"
        );

        let h2c = [
            "-H",
            "Connection: Upgrade, HTTP2-Settings",
            "-H",
            "Upgrade: h2c",
            "-H",
            "HTTP2-Settings: AAMAAABk",
        ];
        assert_eq!(site.status(APP, "/", &[&credentials[..], &h2c].concat()), 200);
        let head = site.app.last_head();
        assert!(!head.contains("h2c") && !head.contains("upgrade"), "{head}");
    });
}

#[test]
fn behind_each_proxy_clients_reach_neither_verify_nor_a_path_below_it() {
    behind_each("behind_each_proxy_clients_reach_neither_verify_nor_a_path_below_it", &[], |site| {
        site.server.register("ok", "python");
        let ask = |site: &Site, path: &str| site.ask(AUTH, path, &["--path-as-is", "-u", "ok:python"]);
        for path in [
            "/api/verify",
            "/api/verify?user=ok",
            "/api/verify/",
            "/api/verify/app",
            "/api/verify/-/user=ok/app",
            "/api/verify/../token",
            "/api/verify/%2e%2e/token",
            "/api/verify/..%2ftoken",
            "/api/x/../verify/app",
            "/api//verify/app",
            "/api/verify%2fapp",
            "/api/verif%79/app",
        ] {
            let answer = ask(site, path);
            // Traefik removes dot segments before it chooses a router, and passes on what is left.
            let is_another_route =
                answer.starts_with("HTTP/1.1 200 ") && body(&answer).contains("\"token\":");
            assert!(answer.starts_with("HTTP/1.1 404 ") || is_another_route, "{path}: {answer}");
            assert!(!answer.to_lowercase().contains("remote-user"), "{path}: {answer}");
        }
        assert!(!site.server.log().contains("/api/verify"), "{}", site.server.log());
    });
}
