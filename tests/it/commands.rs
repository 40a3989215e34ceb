//! Commands for users and tokens, with and without a running server.

use crate::process::{Server, gatekey, run, status, written};
use gatekey::json::{self, Value, json};

/// A command that must succeed: what it wrote.
#[track_caller]
fn done(server: &Server, words: &[&str], input: &str) -> String {
    let (code, out, message) = written(&server.command(words, input));
    assert_eq!((code, message.as_str()), (Some(0), ""), "{words:?}");
    out
}

/// A command that must fail: its exit status and what it said.
fn failed(server: &Server, words: &[&str], input: &str) -> (Option<i32>, String) {
    let (code, out, message) = written(&server.command(words, input));
    assert_eq!(out, "");
    (code, message)
}

fn inspect(server: &Server, token: &str, options: &[&str]) -> (Option<i32>, json::Object) {
    let words = [&["token", "inspect"], options].concat();
    let (code, out, message) = written(&server.command(&words, token));
    assert_eq!(message, "");
    (code, json::parse_object(out.trim_end().as_bytes()).unwrap())
}

fn bearer(server: &Server, token: &str) -> u16 {
    status(&server.request("GET /api/resource", &[&format!("Authorization: Bearer {token}")], ""))
}

#[test]
fn changes_by_commands_hold_from_the_servers_next_request() {
    let server = Server::start(&["--registration", "closed"]);
    assert_eq!(status(&server.register("stranger", "python")), 403);
    let cheap = ["--scrypt", "ln=1,r=1,p=1"];
    assert_eq!(
        done(&server, &[&["user", "add", "alice"], &cheap[..]].concat(), "python\n"),
        "added \"alice\" with id 1\n"
    );
    assert_eq!(server.login("alice", "python"), 200);

    let token = || done(&server, &["token", "issue", "alice"], "").trim_end().to_owned();
    let first = token();
    assert_eq!(bearer(&server, &first), 200);
    assert_eq!(done(&server, &["user", "revoke", "alice"], ""), "signed \"alice\" out everywhere\n");
    assert_eq!(bearer(&server, &first), 401);

    let second = token();
    done(&server, &["user", "disable", "alice"], "");
    assert_eq!((bearer(&server, &second), server.login("alice", "python")), (401, 401));
    let message = "gatekey: \"alice\" is disabled; first: gatekey user enable alice\n";
    assert_eq!(failed(&server, &["token", "issue", "alice"], ""), (Some(1), message.into()));
    done(&server, &["user", "enable", "alice"], "");
    assert_eq!((bearer(&server, &second), server.login("alice", "python")), (401, 200));

    let third = token();
    done(&server, &[&["user", "passwd", "alice"], &cheap[..]].concat(), "correct horse");
    assert_eq!(bearer(&server, &third), 401);
    assert_eq!((server.login("alice", "python"), server.login("alice", "correct horse")), (401, 200));

    assert_eq!(done(&server, &["user", "delete", "alice"], ""), "deleted \"alice\"\n");
    assert_eq!(server.login("alice", "correct horse"), 401);
    let again = done(&server, &[&["user", "add", "alice"], &cheap[..]].concat(), "python\n");
    assert_eq!(again, "added \"alice\" with id 2\n", "an id is never used again");
}

#[test]
fn users_are_listed_in_columns() {
    let server = Server::start(&[]);
    for name in ["ok", "josé", "with space"] {
        server.register(name, "python");
    }
    done(&server, &["user", "disable", "ok"], "");
    let listed = done(&server, &["user", "list"], "");
    let lines: Vec<_> =
        listed.lines().map(|line| line.split("  ").map(str::trim).collect::<Vec<_>>()).collect();
    let without_date: Vec<Vec<_>> = lines
        .iter()
        .map(|cells| cells.iter().copied().filter(|cell| !cell.is_empty() && !cell.ends_with('Z')).collect())
        .collect();
    let expected: [&[&str]; 4] = [
        &["ID", "STATE", "ADDED", "NAME"],
        &["1", "disabled", "ok"],
        &["2", "active", "josé"],
        &["3", "active", "with space"],
    ];
    assert_eq!(without_date, expected);
}

#[test]
fn an_impossible_command_reports_why_and_loses_nothing() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    for words in [
        ["user", "passwd", "absent"],
        ["user", "disable", "absent"],
        ["user", "delete", "absent"],
        ["token", "issue", "absent"],
    ] {
        let expected = "gatekey: there is no user \"absent\"; see: gatekey user list\n";
        assert_eq!(failed(&server, &words, "x\n"), (Some(1), expected.into()));
    }
    let add = |name: &str, password: &str| failed(&server, &["user", "add", name], password).1;
    assert_eq!(
        add("OK", "python"),
        "gatekey: can't add \"OK\": a user with this name, or one that looks the same, exists\n"
    );
    assert_eq!(
        add("a:b", "python"),
        "gatekey: can't add \"a:b\": the user name has a colon, which HTTP Basic can't carry\n"
    );
    assert_eq!(
        add("new", ""),
        "gatekey: can't add \"new\": the password is empty, expected at least 1 character\n"
    );
    assert_eq!(
        add("new", "new\n"),
        "gatekey: can't add \"new\": the password is the user name, expected another one\n"
    );
    assert_eq!(server.login("ok", "python"), 200);
}

#[test]
fn an_inspected_token_is_shown_when_its_signature_holds() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let token = done(&server, &["token", "issue", "ok"], "");
    let (code, report) = inspect(&server, &token, &[]);
    let (iat, exp) = (report["payload"]["iat"].clone(), report["payload"]["exp"].clone());
    assert_eq!(exp.as_u64().unwrap() - iat.as_u64().unwrap(), 600);
    let expected = json!({
        "verdict": "ok",
        "reason": null,
        "header": {"alg": "HS256", "iat": iat, "exp": exp},
        "payload": {"id": 1, "gen": 1, "iat": iat, "exp": exp},
        "user": {"id": 1, "username": "ok", "state": "active"},
    });
    assert_eq!((code, Value::Object(report)), (Some(0), expected));

    let (code, late) = inspect(&server, &token, &["--at", &exp.to_string()]);
    assert_eq!(
        (code, &late["verdict"], &late["user"]["state"]),
        (Some(1), &json!("expired"), &json!("active"))
    );
    let last_second = (exp.as_u64().unwrap() - 1).to_string();
    assert_eq!(inspect(&server, &token, &["--at", &last_second]).0, Some(0));

    let changed = token.replacen("eyJ", "eyK", 1);
    let (code, forged) = inspect(&server, &changed, &[]);
    let reason = "no signing key matches the token's signature";
    let nothing =
        json!({"verdict": "bad_signature", "reason": reason, "header": null, "payload": null, "user": null});
    assert_eq!((code, Value::Object(forged)), (Some(1), nothing));
    assert_eq!(inspect(&server, "a.b", &[]).1["verdict"], "malformed");
    assert_eq!(inspect(&server, "", &[]).1["verdict"], "malformed");
}

#[test]
fn no_token_is_issued_that_a_running_server_would_reject() {
    let server = Server::start(&["--max-session", "1h"]);
    server.register("ok", "python");
    let hour = done(&server, &["token", "issue", "ok", "--token-lifetime", "1h"], "");
    assert_eq!(bearer(&server, hour.trim()), 200);
    let longer = ["token", "issue", "ok", "--token-lifetime", "3601"];
    let (pid, (code, message)) = (server.pid(), failed(&server, &longer, ""));
    let expected = format!(
        "gatekey: the running server (process {pid}) would reject a token that lives 3601 s: its --max-session is 3600 s; \
         use a shorter --token-lifetime\n"
    );
    assert_eq!((code, message), (Some(1), expected));

    done(&server, &["key", "rotate"], "");
    let token = done(&server, &["token", "issue", "ok"], "");
    assert_eq!(bearer(&server, token.trim()), 200, "the server has loaded the new key");

    let other = server.data.join("other-keys");
    std::fs::write(&other, "a secret of thirty-two bytes or more").unwrap();
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (code, message) =
        failed(&server, &["token", "issue", "ok", "--key-file", other.to_str().unwrap()], "");
    assert!(code == Some(1) && message.contains("it does not have the key"), "{message}");

    let (data, _directory) = server.kill();
    let issue = |data: &std::path::Path| run(gatekey().args(longer).arg("--data").arg(data), "");
    assert_eq!(issue(&data).status.code(), Some(0), "no server runs");
}

#[test]
fn the_database_never_changes_the_verdict_of_token_inspect() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let token = done(&server, &["token", "issue", "ok"], "");
    let state = || {
        let (code, report) = inspect(&server, &token, &[]);
        assert_eq!((code, &report["verdict"]), (Some(0), &json!("ok")));
        report["user"].clone()
    };
    done(&server, &["user", "revoke", "ok"], "");
    assert_eq!(state(), json!({"id": 1, "username": "ok", "state": "revoked"}));
    done(&server, &["user", "disable", "ok"], "");
    assert_eq!(state(), json!({"id": 1, "username": "ok", "state": "disabled"}));
    done(&server, &["user", "delete", "ok"], "");
    assert_eq!(state(), json!({"id": 1, "username": null, "state": "unknown"}));
}

#[test]
fn token_inspect_needs_only_the_keys_and_creates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("flask-secret");
    std::fs::write(&keys, "the quick brown fox jumps over the lazy dog").unwrap();
    std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let article = "eyJhbGciOiJIUzI1NiIsImV4cCI6MTM4NTY2OTY1NSwiaWF0IjoxMzg1NjY5MDU1fQ.eyJpZCI6MX0.\
                   XbOEFJkhjHJ5uRINh2JA1BPzXjSohKYDRT472wGOvjc";
    let mut command = gatekey();
    command.args(["token", "inspect", "--at", "1385669655", "--data"]).arg(directory.path().join("none"));
    let (code, out, message) = written(&run(command.arg("--key-file").arg(&keys), article));
    assert_eq!((code, message.as_str()), (Some(0), ""));
    let report = json::parse_object(out.trim_end().as_bytes()).unwrap();
    assert_eq!(
        (&report["verdict"], &report["payload"], &report["user"]),
        (&json!("ok"), &json!({"id": 1}), &Value::Null)
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn every_command_has_help_with_an_example_that_names_it() {
    let (code, all, _) = written(&run(gatekey().arg("help"), ""));
    assert_eq!(code, Some(0));
    let commands: Vec<Vec<&str>> = all
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  ") && !line.starts_with("  help"))
        .map(|line| {
            line.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).collect()
        })
        .collect();
    assert!(commands.len() >= 10, "{commands:?}");
    for words in commands {
        let (code, help, message) = written(&run(gatekey().args(&words).arg("--help"), ""));
        assert_eq!((code, message.as_str()), (Some(0), ""), "{words:?}");
        assert!(help.contains(&format!("Usage: gatekey {}", words.join(" "))), "{help}");
        let example = help.split_once("\nExample:\n").unwrap().1;
        assert!(example.contains(&format!("gatekey {}", words.join(" "))), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn invalid_arguments_exit_with_2_and_a_hint() {
    for (words, message) in [
        (&["sevre"][..], "gatekey: unknown command \"sevre\"; did you mean serve?\n"),
        (&["help", "sevre"], "gatekey: unknown command \"sevre\"; did you mean serve?\n"),
        (&["help", "key", "rotat"], "gatekey: unknown command \"key rotat\"; did you mean key rotate?\n"),
        (&["throttle"], "gatekey: throttle: expected one of: list, clear; see: gatekey help throttle\n"),
        (&["serve", "--lisen", "x"], "gatekey: unknown option --lisen; did you mean --listen?\n"),
        (&["completions", "fihs"], "gatekey: unknown shell \"fihs\"; did you mean fish?\n"),
        (&["completions", "tcsh"], "gatekey: unknown shell \"tcsh\"; expected one of: bash, zsh, fish\n"),
        (&[], "gatekey: no command given; see: gatekey help\n"),
        (&["serve", "--frobnicate"], "gatekey: unknown option --frobnicate; see: gatekey help serve\n"),
        (&["user", "add"], "gatekey: user add: expected USERNAME, 0 given; see: gatekey help user add\n"),
    ] {
        let (code, out, said) = written(&run(gatekey().args(words), ""));
        assert_eq!((code, out.as_str(), said.as_str()), (Some(2), "", message));
    }
    let (code, version, _) = written(&run(gatekey().arg("--version"), ""));
    assert_eq!((code, version), (Some(0), format!("gatekey {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_variable_that_belongs_to_no_option_is_noticed_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = gatekey();
    command.env("GATEKEY_LISTN", "0.0.0.0:80").env("GATEKEY_JSON", "1");
    let (code, log) = Server::start_as(command, directory.path().join("data"), &[]).stop();
    assert_eq!(code, Some(0));
    let noticed: Vec<_> = log.lines().filter(|line| line.contains("variable")).collect();
    let [noticed] = noticed.as_slice() else { panic!("{log}") };
    let (_, notice) = noticed.split_once(' ').unwrap();
    assert_eq!(
        notice,
        "gatekey: the variable GATEKEY_LISTN belongs to no option and is ignored; did you mean GATEKEY_LISTEN?"
    );
}
