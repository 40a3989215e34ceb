//! nginx before a FastCGI app, as docs/guarding.md says: there `proxy_set_header` has no effect.

use super::identity::{CONNECTIONS, as_arguments, spoofed_headers};
use super::{Plan, Site, cgi, nginx};
use std::fs;

/// The app's `proxy_pass` made a `fastcgi_pass`, with the parameters that the documentation names.
fn with_fastcgi(configuration: &str) -> String {
    const PASS: &str = "proxy_pass http://127.0.0.1:8000;";
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guarding.md");
    let guide = fs::read_to_string(guide).unwrap();
    let parameters: Vec<_> = guide.lines().filter(|line| line.starts_with("    fastcgi_param ")).collect();
    assert!(!parameters.is_empty() && configuration.contains(PASS));
    let pass = format!(
        "include /etc/nginx/fastcgi_params;\nfastcgi_pass 127.0.0.1:8000;\n\
         fastcgi_param SCRIPT_FILENAME {};\n{}\n",
        cgi::SCRIPT,
        parameters.join("\n")
    );
    configuration.replacen(PASS, &pass, 1)
}

#[test]
fn behind_nginx_a_fastcgi_app_gets_the_proxys_remote_user_under_every_spelling() {
    let test = "behind_nginx_a_fastcgi_app_gets_the_proxys_remote_user";
    let Some(app) = cgi::fastcgi_app(test) else { return };
    let plan = Plan { edit: with_fastcgi, app: Some(app.address), ..Plan::default() };
    let Some(site) = Site::start(nginx::start, test, &plan) else { return };
    site.server.register("josé", "python");
    let expected = [
        "HTTP_REMOTE_USER=jos%C3%A9",
        "HTTP_REMOTE_USER_ID=1",
        "HTTP_X_REMOTE_USER=passes",
        "REMOTE_USER=jos%C3%A9",
    ];
    let headers = ["-u", "josé:python", "-H", "X-Remote-User: passes"];
    let spoofed = spoofed_headers();
    site.assert_variables_are_the_proxys(&headers, &expected);
    site.assert_variables_are_the_proxys(&[&headers[..], &as_arguments(&spoofed)].concat(), &expected);
    for connection in CONNECTIONS {
        site.assert_variables_are_the_proxys(&[&headers[..], &as_arguments(connection)].concat(), &expected);
    }
}
