//! `gatekey user list`, `user show` and `user revoke`.

use crate::harness::{CHEAP, basic};
use crate::process::{Server, body, gatekey, run, status, written};
use gatekey::json::{self, Value, json};
use rusqlite::Connection;
use std::fmt::Write as _;
use std::fs;

/// A command that must succeed: what it wrote.
#[track_caller]
fn done(server: &Server, words: &[&str]) -> String {
    let (code, out, message) = written(&server.command(words, ""));
    assert_eq!((code, message.as_str()), (Some(0), ""), "{words:?}");
    out
}

/// A database of which every moment is known: `ok` and `josé`, who is disabled.
fn prepared() -> Server {
    let server = Server::start(&["--throttle", "on"]);
    for name in ["ok", "josé"] {
        assert_eq!(status(&server.register(name, "python")), 201);
    }
    done(&server, &["user", "disable", "josé"]);
    change(&server, "UPDATE users SET created_at = 1385669055 + id");
    server
}

fn change(server: &Server, sql: &str) {
    Connection::open(server.data.join("gatekey.sqlite3")).unwrap().execute_batch(sql).unwrap();
}

fn parsed(text: &str) -> Value {
    json::parse_object(format!("{{\"it\":{text}}}").as_bytes()).unwrap()["it"].clone()
}

#[test]
fn user_show_prints_everything_but_the_hash() {
    let server = prepared();
    let expected = "\
id:                    1
name:                  ok
state:                 active
generation:            1
added:                 2013-11-28T20:04:16Z
password hash:         scrypt ln=1,r=1,p=1
remembered addresses:  0
last noted login:      -
tokens since:          -
";
    assert_eq!(done(&server, &["user", "show", "ok"]), expected);
    let expected = r#"{"created_at":1385669057,"generation":2,"id":2,"last_noted_login_at":null,"password_hash":"scrypt ln=1,r=1,p=1","remembered_addresses":0,"state":"disabled","tokens_not_before":null,"username":"josé"}"#;
    assert_eq!(done(&server, &["user", "show", "josé", "--json"]), format!("{expected}\n"));

    let (code, out, message) = written(&server.command(&["user", "show", "absent"], ""));
    let expected = "gatekey: there is no user \"absent\"; see: gatekey user list\n";
    assert_eq!((code, out.as_str(), message.as_str()), (Some(1), "", expected));
}

#[test]
fn user_show_prints_remembered_addresses_and_the_last_login() {
    let server = prepared();
    assert_eq!(server.login("ok", "python"), 200);
    let shown = parsed(&done(&server, &["user", "show", "ok", "--json"]));
    assert_eq!(shown["remembered_addresses"], 1);
    assert!(shown["last_noted_login_at"].as_u64().unwrap() > 1_385_669_055, "{shown}");

    // An address that is too old to be remembered, and what is not ours.
    change(
        &server,
        "UPDATE remembered_addresses SET seen_at = 1385669100; UPDATE realm SET tokens_not_before = 1385669200; \
         UPDATE users SET password_hash = '$9$secret'",
    );
    let shown = done(&server, &["user", "show", "ok"]);
    let expected = "\
password hash:         can't be verified: the stored hash is of a scheme that is not known here
remembered addresses:  0
last noted login:      2013-11-28T20:05:00Z
tokens since:          2013-11-28T20:06:40Z
";
    assert!(shown.ends_with(expected), "{shown}");
    let shown = parsed(&done(&server, &["user", "show", "ok", "--json"]));
    assert_eq!(shown["password_hash"], Value::Null);
    let bcrypt = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    change(&server, &format!("UPDATE users SET password_hash = '{bcrypt}'"));
    let shown = parsed(&done(&server, &["user", "show", "ok", "--json"]));
    assert_eq!(shown["password_hash"], "another program's, replaced at the next login");
    assert_eq!(shown["tokens_not_before"], 1_385_669_200);
}

#[test]
fn user_list_prints_text_and_json() {
    let server = prepared();
    let expected = "\
ID  STATE     ADDED                 NAME
1   active    2013-11-28T20:04:16Z  ok
2   disabled  2013-11-28T20:04:17Z  josé
";
    assert_eq!(done(&server, &["user", "list"]), expected);
    let expected = r#"[{"created_at":1385669056,"generation":1,"id":1,"state":"active","username":"ok"},
{"created_at":1385669057,"generation":2,"id":2,"state":"disabled","username":"josé"}]
"#;
    assert_eq!(done(&server, &["user", "list", "--json"]), expected);
    change(&server, "DELETE FROM users");
    let (code, out, message) = written(&server.command(&["user", "list"], ""));
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(message.ends_with("gatekey: there are no users yet; see: gatekey help user add\n"), "{message}");
    assert_eq!(done(&server, &["user", "list", "--json"]), "[]\n");
}

#[test]
fn columns_are_aligned_over_all_pages() {
    const USERS: usize = 2_500;
    let server = prepared();
    change(
        &server,
        "DELETE FROM users; WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
         INSERT INTO users (id, username, folded, password_hash, created_at) SELECT i, i, i, 'hash', 0 FROM n",
    );
    let mut expected = "ID    STATE     ADDED                 NAME\n".to_owned();
    for id in 1..=USERS {
        writeln!(expected, "{id:4}  active    1970-01-01T00:00:00Z  {id}").unwrap();
    }
    let listed = done(&server, &["user", "list"]);
    let aligned_left = expected.lines().map(|line| {
        let (id, rest) = line.split_at(4);
        format!("{:4}{rest}\n", id.trim())
    });
    assert!(listed == aligned_left.collect::<String>(), "{listed}");
    let listed = parsed(&done(&server, &["user", "list", "--json"]));
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|user| user["id"].as_u64().unwrap()).collect();
    assert!(ids.iter().copied().eq(1..=USERS as u64), "{ids:?}");
}

#[test]
fn throttle_list_prints_failed_attempts_as_text_and_json() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start_in(data.clone(), &["--scrypt", CHEAP, "--throttle", "on"]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let list = |options: &[&str]| {
        written(&run(gatekey().args(["throttle", "list", "--data"]).arg(&data).args(options), ""))
    };
    let (code, out, message) = list(&[]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(message.contains("gatekey: no user has failed attempts from new addresses, "), "{message}");
    assert_eq!(list(&["--json"]), (Some(0), "[]\n".into(), String::new()));

    for number in 0..3 {
        assert_eq!(server.login("ok", &number.to_string()), 401);
    }
    assert_eq!(server.stop().0, Some(0)); // which saves them
    let listed = list(&[]).1;
    let (header, line) = listed.split_once('\n').unwrap();
    assert_eq!(header, "FAILED  OF     FORGOTTEN             NAME");
    let at = line.find("100").unwrap();
    assert_eq!((&line[..at], &line[at..at + 7], &line[35..]), ("3       ", "100    ", "  ok\n"), "{listed}");
    let listed = parsed(&list(&["--json"]).1);
    let [guessed] = &listed.as_array().unwrap()[..] else { panic!("{listed}") };
    let forgotten_at = &guessed["forgotten_at"];
    let expected = json!({"username": "ok", "failed": 3, "allowed": 100, "forgotten_at": forgotten_at});
    assert_eq!(guessed, &expected);
    assert!(forgotten_at.as_u64().unwrap() > 1_385_669_055, "{listed}");
}

fn token(server: &Server) -> String {
    let authorization = format!("Authorization: {}", basic("ok", "python"));
    let answer = server.request("GET /api/token", &[&authorization], "");
    json::parse_object(body(&answer).as_bytes()).unwrap()["token"].as_str().unwrap().into()
}

fn bearer(server: &Server, token: &str) -> u16 {
    status(&server.request("GET /api/resource", &[&format!("Authorization: Bearer {token}")], ""))
}

#[test]
fn revoking_all_tokens_holds_from_the_servers_next_request() {
    let server = Server::start(&["--scrypt", CHEAP]);
    server.register("ok", "python");
    let (first, same_second) = (token(&server), token(&server));
    assert_eq!((bearer(&server, &first), bearer(&server, &same_second)), (200, 200));
    assert_eq!(
        done(&server, &["user", "revoke", "--all"]),
        "signed out all users: all earlier tokens are revoked, and all users must log in again\n"
    );
    assert_eq!((bearer(&server, &first), bearer(&server, &same_second)), (401, 401));
    let new = token(&server);
    assert_eq!((bearer(&server, &new), server.login("ok", "python")), (200, 200), "what is issued now lives");
    let inspected = written(&server.command(&["token", "inspect"], &first)).1;
    assert!(inspected.contains(r#""state":"revoked""#), "{inspected}");
    let log = server.stop().1;
    assert!(log.contains("cause=\"the token was issued before all tokens were revoked\""), "{log}");
}

#[test]
fn user_revoke_takes_one_user_or_all() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let token = token(&server);
    let refused = |words: &[&str], message: &str| {
        let expected = (
            Some(2),
            String::new(),
            format!("gatekey: user revoke: {message}; see: gatekey help user revoke\n"),
        );
        assert_eq!(written(&server.command(words, "")), expected);
    };
    refused(&["user", "revoke"], "expected either USERNAME or --all");
    refused(&["user", "revoke", "ok", "--all"], "expected either USERNAME or --all");
    refused(&["user", "revoke", "ok", "other"], "expected [USERNAME], 2 given");
    assert_eq!(bearer(&server, &token), 200, "no user was signed out");
    let help = written(&run(gatekey().args(["help", "user", "revoke"]), "")).1;
    assert!(help.contains("\nUsage: gatekey user revoke [USERNAME] [OPTIONS]\n"), "{help}");
}

#[test]
fn users_are_not_added_to_an_unnamed_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("users.jsonl"), "").unwrap();
    for words in [
        &["user", "add", "ok", "--password-stdin", "--scrypt", CHEAP][..],
        &["user", "import", "users.jsonl"],
    ] {
        let mut command = gatekey();
        command.args(words).current_dir(directory.path());
        let (code, _, message) = written(&run(&mut command, "python\n"));
        assert_eq!(code, Some(2), "{message}");
        assert!(
            message.contains("there is no data directory ./gatekey-data here") && message.contains("--data"),
            "{message}"
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was made");
        let (code, _, message) = written(&run(command.args(["--data", "./gatekey-data"]), "python\n"));
        assert_eq!(code, Some(0), "{message}");
        fs::remove_dir_all(directory.path().join("gatekey-data")).unwrap();
    }
    // One that is there is taken.
    fs::create_dir(directory.path().join("gatekey-data")).unwrap();
    let mut command = gatekey();
    command.args(["user", "add", "ok", "--password-stdin", "--scrypt", CHEAP]).current_dir(directory.path());
    assert_eq!(run(&mut command, "python\n").status.code(), Some(0));
}

#[test]
fn user_invite_and_user_reset_print_a_one_time_link() {
    const URL: [&str; 2] = ["--public-url", "https://auth.example.org"];
    let server = Server::start(&[]);
    let command = |words: &[&str]| written(&server.command(&[words, &URL].concat(), ""));
    let link = |words: &[&str]| {
        let (code, out, message) = command(words);
        assert_eq!(code, Some(0), "{message}");
        let token = out.trim_end().strip_prefix("https://auth.example.org/set-password?token=").unwrap();
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{out}");
        (out, message)
    };
    let (invitation, message) = link(&["user", "invite", "alice", "--scrypt", CHEAP]);
    assert!(message.contains("added \"alice\" with id 1\n"), "{message}");
    assert!(message.contains("the link works once, until 20"), "{message}");
    let (newer, _) = link(&["user", "reset", "alice", "--lifetime", "1h"]);
    assert_ne!(invitation, newer);

    let failed = |words: &[&str], expected: &str| {
        let (code, out, message) = command(words);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(message.contains(expected), "{message}");
    };
    failed(&["user", "invite", "Alice", "--scrypt", CHEAP], "exists");
    failed(&["user", "reset", "bob"], "there is no user \"bob\"");
    done(&server, &["user", "disable", "alice"]);
    failed(&["user", "reset", "alice"], "gatekey user enable alice");
    for url in
        [&[][..], &["--public-url", "http://auth.example.org"], &["--public-url", "https://a.example/x"]]
    {
        let (code, out, message) = written(&server.command(&[&["user", "invite", "bob"], url].concat(), ""));
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(message.contains("--public-url"), "{message}");
    }
}
