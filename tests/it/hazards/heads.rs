//! What a head may say: H3, H16, H18, H19, H20.

use super::watch::{assert_refused, over_both_loops, send, withstands};
use crate::process::{Server, body, header, status};

/// A GET of this target, on a connection that is not kept.
fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
}

/// A request of user 1 with these `Host` headers.
fn with_hosts(hosts: &str) -> Vec<u8> {
    format!("GET /api/users/1 HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n").into_bytes()
}

// The tiny_http server loses a thread and two descriptors to each of these.
#[test]
fn another_major_version_is_refused_h3() {
    withstands(&Server::start(&[]), |server| {
        for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/9.9"] {
            let request = format!("GET /api/users/1 {version}\r\nHost: a\r\n\r\n");
            assert_refused(server, request.as_bytes(), 505);
        }
        assert_refused(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505);
        for version in
            ["HTTP/2", "HTTP/1", "HTTP/1.", "HTTP/1.1.1", "http/1.1", "HTTP/11.1", "HTTP/1.1 ", "ICY", ""]
        {
            let request = format!("GET /api/users/1 {version}\r\nHost: a\r\n\r\n");
            assert_refused(server, request.as_bytes(), 400);
        }
        assert_refused(server, b"GET /api/users/1\r\nHost: a\r\n\r\n", 400);
        // A higher minor version is read as ours.
        let newer = send(server, b"GET /api/users/1 HTTP/1.9\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&newer), 200);
    });
}

#[test]
fn weights_that_are_no_numbers_are_ignored_h16() {
    over_both_loops(|server| {
        withstands(server, |server| {
            for count in [1, 21, 200] {
                let weights = vec!["a;q=nan"; count].join(",");
                let request = format!(
                    "GET /api/users/1 HTTP/1.1\r\nHost: a\r\nTE: {weights}\r\nConnection: close, TE\r\n\r\n"
                );
                assert_eq!(status(&send(server, request.as_bytes())), 200, "{count}");
            }
        });
    });
}

#[test]
fn a_path_has_one_spelling_and_the_query_is_no_part_of_it_h18() {
    let long = format!("/{}", "x".repeat(10 * 1024));
    over_both_loops(|server| {
        withstands(server, |server| {
            for path in [
                "//api/users/1",
                "/api//users/1",
                "/api/users/1/",
                "/api/users/../users/1",
                "/api/users/1/..",
                "/api/users/1%00",
                "/api/users/%31",
                "/%2e%2e/%2e%2e/etc/passwd",
                "/api/users/01",
                "/API/users/1",
                &long,
            ] {
                assert_eq!(status(&send(server, &get(path))), 404, "{path}");
            }
            for path in ["/api/users/1?", "/api/users/1?query", "/api/users/1?/../../2?"] {
                assert_eq!(status(&send(server, &get(path))), 200, "{path}");
            }
        });
    });
}

/// As HAProxy's health check and Chromium send them.
#[test]
fn requests_of_real_clients_are_answered_though_few_send_them() {
    over_both_loops(|server| {
        let ask = |line: &str, host: &str| {
            status(&send(
                server,
                format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
            ))
        };
        assert_eq!(ask("OPTIONS *", "www"), 204);
        assert_eq!(ask("GET *", "www"), 400);
        assert_eq!(ask("GET /healthz?a=b|c&d={e}^`f\\", "www"), 200);
        for host in ["name:", "name:5000", "a,b", "b%C3%BCcher.example"] {
            assert_eq!(ask("GET /healthz", host), 200, "{host}");
        }
    });
}

// The tiny_http server passes on whatever target there is.
#[test]
fn an_odd_target_is_refused_or_nothing_is_there_h18() {
    withstands(&Server::start(&[]), |server| {
        for target in [
            "",
            "api/users/1",
            "?query",
            "/api/users/1#fragment",
            "/a b",
            "/a\tb",
            "/a\u{7f}b",
            "/a\u{1}b",
            "/é",
            "/a\\b",
            "/a<script>",
            "/\"",
            "ftp://a/",
            "http://",
            "http:///api/users/1",
            "http://user@a/api/users/1",
            "http://a b/",
        ] {
            assert_refused(server, &get(target), 400);
        }
        assert_refused(server, b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400);
        assert_eq!(status(&send(server, &get("*"))), 400);
        for target in ["http://a/api/users/1", "HTTP://[::1]:5000/api/users/1?x", "https://b/api/users/1"] {
            assert_eq!(status(&send(server, &get(target))), 200, "{target}");
        }
        // The same as http://a/ (RFC 9110 section 4.2.3), where a page is.
        assert_eq!(status(&send(server, &get("http://a"))), 200);
        // The whole head may have 32 KiB: a line that leaves no room for headers is what is too long.
        let longest = format!("/{}", "x".repeat(32 * 1024));
        assert_refused(server, &get(&longest), 414);
        let shorter = format!("/{}", "x".repeat(32 * 1024 - 200));
        assert_eq!(status(&send(server, &get(&shorter))), 404);
    });
}

// The tiny_http server passes on any `Host`, and any number of them.
#[test]
fn a_host_is_there_once_and_is_a_host_h19() {
    withstands(&Server::start(&[]), |server| {
        for hosts in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a\r\nhost: b\r\n",
            "Host: a/b\r\n",
            "Host: a@b\r\n",
            "Host: a\rb\r\n",
            "Host: a b\r\n",
            "Host: a, b\r\n",
            "Host: a:b\r\n",
            "Host: a?b\r\n",
            "Host: <script>\r\n",
            "Host: [::1\r\n",
            "Host: http://a\r\n",
        ] {
            assert_refused(server, &with_hosts(hosts), 400);
        }
        for hosts in ["Host:\r\n", "Host: under_score:5000\r\n", "Host: [::1]:5000\r\n", "HOST:a\r\n"] {
            assert_eq!(status(&send(server, &with_hosts(hosts))), 200, "{hosts}");
        }
        assert_eq!(status(&send(server, b"GET /api/users/1 HTTP/1.0\r\n\r\n")), 200);
        // In absolute-form the `Host` must be there all the same, and doesn't count.
        let absolute = "GET http://b/api/users/1 HTTP/1.1\r\n";
        assert_refused(server, format!("{absolute}\r\n").as_bytes(), 400);
        assert_refused(server, format!("{absolute}Host: a/b\r\n\r\n").as_bytes(), 400);
    });
}

#[test]
fn the_authority_of_an_absolute_target_wins_over_the_host_h19() {
    withstands(&Server::start(&[]), |server| {
        let json = r#"{"username":"absolute","password":"python"}"#;
        let request = format!(
            "POST http://target.example:8080/api/users HTTP/1.1\r\nHost: header.example\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            json.len()
        );
        let answer = send(server, request.as_bytes());
        assert_eq!(status(&answer), 201, "{answer}");
        let location = header(&answer, "Location").unwrap();
        assert!(location.starts_with("http://target.example:8080/api/users/"), "{location}");
    });
}

#[test]
fn a_method_is_spelled_right_or_not_allowed_h20() {
    let long = "M".repeat(100);
    over_both_loops(|server| {
        withstands(server, |server| {
            let ask = |method: &str, path: &str| {
                let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                send(server, request.as_bytes())
            };
            let head = ask("HEAD", "/api/users/1");
            assert_eq!((status(&head), header(&head, "Content-Length"), body(&head)), (200, Some("17"), ""));
            let options = ask("OPTIONS", "/api/users/1");
            assert_eq!((status(&options), body(&options)), (204, ""));
            for method in ["get", "Get", "PRI", "BREW", &long] {
                assert_eq!(status(&ask(method, "/api/users/1")), 501, "{method}");
            }
            for method in ["TRACE", "QUERY", "POST"] {
                let answer = ask(method, "/api/users/1");
                assert_eq!(status(&answer), 405, "{method}");
                assert_eq!(
                    header(&answer, "Allow"),
                    Some("DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
                    "{method}"
                );
            }
        });
    });
}

// The tiny_http server takes a CONNECT for any other method, and so does it a method that is no token.
#[test]
fn a_method_that_is_none_is_refused_h20() {
    withstands(&Server::start(&[]), |server| {
        assert_refused(server, b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501);
        assert_refused(server, b"CONNECT /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n", 501);
        for method in ["G(T", "G\u{1}T", "G\"T", "GÉT", "", "GET ", "\tGET", "GET\t"] {
            let request = format!("{method} /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_refused(server, request.as_bytes(), 400);
        }
        // A TRACE would show a page its own cookies and credentials.
        let secret =
            "TRACE /api/users/1 HTTP/1.1\r\nHost: a\r\nX-Secret: reflected\r\nConnection: close\r\n\r\n";
        assert!(!send(server, secret.as_bytes()).contains("reflected"));
    });
}
