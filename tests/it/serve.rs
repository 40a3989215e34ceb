//! `gatekey serve`: first start, signals, errors, access log.

use crate::harness::{CHEAP, basic};
use crate::hazards::SetAtEnd;
use crate::process::{Server, body, gatekey, names_in, run, status, written};
use gatekey::data_dir::DataDir;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Starts a server that must not start; its exit status and what it said.
fn refused(data: &Path, options: &[&str]) -> (Option<i32>, String) {
    let mut command = gatekey();
    command.args(["serve", "--data"]).arg(data).args(options);
    let (code, out, message) = written(&run(&mut command, ""));
    assert_eq!(out, "", "nothing is ready");
    (code, message)
}

#[test]
fn the_first_start_creates_private_files() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    assert_eq!(mode(&server.data), 0o700);
    for name in ["gatekey.sqlite3", "gatekey.sqlite3-wal", "gatekey.sqlite3-shm", "signing-keys"] {
        assert_eq!(mode(&server.data.join(name)), 0o600, "{name}");
    }
}

#[test]
fn sigterm_and_sigint_shut_down_gracefully_and_keep_the_users() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let first = Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    assert_eq!(status(&first.register("ok", "python")), 201);
    let (code, _) = first.stop();
    assert_eq!(code, Some(0));
    let left: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "database and keys, and no log of SQLite's: {left:?}");

    let second = Server::start_in(data, &["--scrypt", CHEAP]);
    assert_eq!(second.login("ok", "python"), 200);
    let (code, _) = second.stop_by("INT");
    assert_eq!(code, Some(0));
}

#[test]
fn a_token_is_valid_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let first = Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    first.register("ok", "python");
    let (code, token, _) = written(&first.command(&["token", "issue", "ok"], ""));
    assert_eq!(code, Some(0));
    drop(first);
    let second = Server::start_in(data, &[]);
    let bearer = format!("Authorization: Bearer {}", token.trim());
    assert_eq!(status(&second.request("GET /api/resource", &[&bearer], "")), 200);
}

#[test]
fn sighup_reloads_the_keys() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let keys = server.data.join("signing-keys");
    let old = fs::read_to_string(&keys).unwrap();
    fs::write(&keys, format!("{old}a second secret, of 32 bytes or so\n")).unwrap();
    server.signal("HUP");
    // The command signs with the newest key of the file; the server must know it.
    let (_, token, _) = written(&server.command(&["token", "issue", "ok"], ""));
    let bearer = format!("Authorization: Bearer {}", token.trim());
    assert_eq!(status(&server.request("GET /api/resource", &[&bearer], "")), 200);
    let (_, log) = server.stop();
    assert!(log.contains("gatekey: signing keys read again: 2, the newest has the fingerprint "), "{log}");
}

#[test]
fn a_database_without_its_keys_is_an_error_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    drop(Server::start_in(data.clone(), &[]));
    fs::remove_file(data.join("signing-keys")).unwrap();
    let (code, message) = refused(&data, &["--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    assert!(message.contains("but no key file"), "{message}");
    assert!(message.contains("put the file back from where you keep it"), "{message}");
    assert!(!data.join("signing-keys").exists(), "a new key would sign out all users");

    // The way out that the message ends with is one that works.
    let way_out = message.trim_end().rsplit_once("signs out all users: ").unwrap().1;
    let made = std::process::Command::new("sh").args(["-c", way_out]).status().unwrap();
    assert!(made.success());
    drop(Server::start_in(data, &[]));
}

#[test]
fn keys_without_their_database_are_an_error_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (directory.path().join("data"), directory.path().join("elsewhere"));
    let first = Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    first.register("ok", "python");
    let (_, token, _) = written(&first.command(&["token", "issue", "ok"], ""));
    assert_eq!(first.stop().0, Some(0));
    let database = data.join("gatekey.sqlite3");
    fs::rename(&database, &elsewhere).unwrap();

    let expected = format!(
        "gatekey: can't open the data directory: there is a key file ({}) but no database ({} is missing or empty): put it back, or a \
         backup in its place (gatekey restore FILE); if these keys never had a database, say so with --new-database\n",
        data.join("signing-keys").display(),
        database.display()
    );
    assert_eq!(refused(&data, &["--listen", "127.0.0.1:0"]), (Some(1), expected.clone()));
    let list = written(&run(gatekey().args(["user", "list", "--data"]).arg(&data), ""));
    assert_eq!(list, (Some(1), String::new(), expected.clone()), "not the way that serve refuses");
    let add = |options: &[&str]| {
        let words = ["user", "add", "eve", "--password-stdin", "--scrypt", CHEAP, "--data"];
        written(&run(gatekey().args(words).arg(&data).args(options), "python\n"))
    };
    assert_eq!(add(&[]), (Some(1), String::new(), expected));
    assert_eq!(names_in(&data), ["signing-keys"]);

    // Each of the two ways out. The new database's first user has the old user's id, but the old token is not valid.
    assert_eq!(add(&["--new-database"]).0, Some(0));
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let whose =
        |data| body(&Server::start_in(data, &[]).request("GET /api/resource", &[&bearer], "")).to_owned();
    assert!(whose(data.clone()).contains("\"unauthorized\""));
    fs::rename(&elsewhere, &database).unwrap();
    assert_eq!(whose(data), r#"{"data":"Hello, ok!"}"#);
}

#[test]
fn an_interrupted_first_start_is_resumed() {
    let directory = tempfile::tempdir().unwrap();
    for is_empty in [true, false] {
        let data = directory.path().join(if is_empty { "empty" } else { "without-keys" });
        fs::create_dir(&data).unwrap();
        if is_empty {
            fs::write(data.join("gatekey.sqlite3"), "").unwrap();
        } else {
            // The keys are made last: a database without them, that never had a user.
            drop(DataDir::new(&data).open_or_create().unwrap());
            fs::remove_file(data.join("signing-keys")).unwrap();
        }
        let server = Server::start_in(data, &["--scrypt", CHEAP]);
        assert_eq!(status(&server.register("ok", "python")), 201);
    }
}

#[test]
fn concurrent_first_starts_all_succeed() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(directory.path().join("data"));
        let start = || drop(data_dir.open_or_create().unwrap());
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(start))));
    }
}

#[test]
fn an_address_in_use_is_an_error_and_creates_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (code, message) = refused(&data, &["--listen", &address]);
    assert_eq!(code, Some(1));
    assert!(
        message.starts_with(&format!(
            "gatekey: can't listen on {address}: Address already in use (os error 98); who listens"
        )),
        "{message}"
    );
    assert!(!data.exists());
}

#[test]
fn a_listener_beyond_loopback_needs_an_option() {
    let directory = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "192.0.2.1:5000", "[::]:0", "[::ffff:192.0.2.1]:5000"] {
        let (code, message) = refused(directory.path(), &["--listen", address]);
        assert_eq!(code, Some(2), "{address}");
        assert!(message.contains("is not a loopback address"), "{message}");
    }
    drop(Server::start(&["--allow-cleartext"]));
}

#[test]
fn a_container_gets_advice_that_fits_and_the_variables_to_set() {
    let directory = tempfile::tempdir().unwrap();
    let in_container = |words: &[&str]| {
        let mut command = gatekey();
        command.env("container", "podman").env("GATEKEY_LISTEN", "0.0.0.0:5000");
        written(&run(command.args(words).arg("--data").arg(directory.path()), ""))
    };
    let advice = "in a container: publish the port only on the host's loopback address (-p 127.0.0.1:5000:5000), to a proxy \
                  that terminates TLS, and set --allow-cleartext";
    let (code, _, message) = in_container(&["serve"]);
    let variables = "(variables: GATEKEY_LISTEN for --listen, GATEKEY_ALLOW_CLEARTEXT for --allow-cleartext)";
    let expected = format!(
        "gatekey: --listen 0.0.0.0:5000 is not a loopback address: passwords would cross the network in cleartext; {advice} \
         {variables}\n"
    );
    assert_eq!((code, message), (Some(2), expected));
    let (_, report, _) = in_container(&["doctor", "--scrypt", CHEAP]);
    assert!(report.contains(advice), "{report}");

    let mut command = gatekey();
    command.env("GATEKEY_MAX_CONNECTIONS", "many").args(["serve", "--data"]).arg(directory.path());
    let expected = "gatekey: invalid value \"many\" (--max-connections, from GATEKEY_MAX_CONNECTIONS): expected a number from 1 \
                    to 16384\n";
    assert_eq!(written(&run(&mut command, "")).2, expected);
}

#[test]
fn invalid_option_values_are_rejected_with_what_was_expected() {
    let directory = tempfile::tempdir().unwrap();
    for (option, value, expected) in [
        (
            "--listen",
            "localhost:5000",
            "expected an IP address and a port, such as 127.0.0.1:5000 or [::1]:5000",
        ),
        (
            "--token-lifetime",
            "10x",
            "expected a duration such as 90 (seconds), 10m, 24h, 30d, up to 10 years",
        ),
        (
            "--token-lifetime",
            "31d",
            "--token-lifetime (2678400 s) is longer than --max-session (2592000 s): raise the latter too",
        ),
        ("--scrypt", "ln=63,r=8,p=1", "expected scrypt parameters as ln=14,r=8,p=5 with ln 1 to 20"),
        ("--scrypt", "ln=20,r=8,p=1", "takes 1073741824 bytes, more than the 67108864 allowed"),
        ("--registration", "ajar", "expected open or closed"),
        ("--min-password-length", "0", "expected a number from 1 to 256"),
        ("--public-url", "example.org", "expected a URL such as https://auth.example.org"),
        ("--public-url", "https://*.example.org", "no wildcard"),
        ("--public-url", "https://example.org:65536", "a port from 1 to 65535"),
        ("--cors-origin", "*", "without path, slash or wildcard; name each origin"),
        ("--cors-origin", "https://*.example.org", "without path, slash or wildcard; name each origin"),
        ("--cors-origin", "https://example.org:0", "expected an origin such as https://app.example.org"),
        ("--user-lookup", "all", "expected public or self"),
        (
            "--trusted-proxy",
            "localhost",
            "expected an IP address, a network such as 10.0.0.0/8 or fd00::/8, or unix",
        ),
        ("--metrics", "localhost:9469", "expected an IP address and a port, such as 127.0.0.1:9469"),
        ("--trusted-proxy", "10.0.0.1/8", "expected 10.0.0.0/8 for the whole network, or 10.0.0.1"),
        ("--trusted-proxy", "", "expected an IP address"),
        ("--password-cache", "soon", "expected a duration such as 90 (seconds)"),
        ("--guesses-per-user", "100", "expected a number from 1 to 1000000 and a duration, such as 100/5m"),
        ("--throttle", "maybe", "expected on or off"),
        ("--loop", "loose", "expected strict or tiny-http"),
        ("--max-connections", "0", "expected a number from 1 to 16384"),
        ("--max-connections", "+5", "expected a number from 1 to 16384"),
        ("--max-connections-per-address", "16385", "expected a number from 1 to 16384"),
        ("--event-loops", "0", "expected a number from 1 to 256"),
        ("--event-loops", "257", "expected a number from 1 to 256"),
        ("--request-timeout", "0", "expected a duration such as 90 (seconds)"),
        ("--idle-timeout", "soon", "expected a duration such as 90 (seconds)"),
        ("--max-head", "1023", "expected a number of bytes from 1K to 1M, such as 16384 or 16K"),
        ("--max-head", "1048577", "expected a number of bytes from 1K to 1M"),
        ("--max-body", "1023", "expected a number of bytes from 1K to 1M"),
        ("--max-body", "2M", "expected a number of bytes from 1K to 1M"),
        ("--log", "loud", "expected text, json or off"),
    ] {
        let (code, message) = refused(directory.path(), &[option, value]);
        assert_eq!(code, Some(2), "{option} {value}: {message}");
        assert!(message.contains(expected), "{option} {value}: {message}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn options_override_environment_variables() {
    let directory = tempfile::tempdir().unwrap();
    let in_variable = directory.path().join("variable");
    let mut command = gatekey();
    command.args(["user", "add", "ok"]).env("GATEKEY_DATA", &in_variable).env("GATEKEY_SCRYPT", CHEAP);
    assert_eq!(written(&run(&mut command, "python\n")).1, "added \"ok\" with id 1\n");
    assert!(in_variable.join("gatekey.sqlite3").exists());

    let mut command = gatekey();
    command.args(["user", "list", "--data", "/nowhere"]).env("GATEKEY_DATA", &in_variable);
    let (code, _, message) = written(&run(&mut command, ""));
    let expected = "gatekey: can't open the data directory: /nowhere/gatekey.sqlite3: there is no database; see --data, or make one: gatekey serve\n";
    assert_eq!((code, message.as_str()), (Some(1), expected));

    let mut command = gatekey();
    command.args(["user", "list", "--data"]).arg(&in_variable).env("GATEKEY_MAX_SESSION", "for ever");
    assert_eq!(run(&mut command, "").status.code(), Some(0), "an option that the command doesn't take");
}

#[test]
fn the_access_log_has_a_line_a_request_without_secrets() {
    let server = Server::start(&[]);
    server.register("ok", "python-password");
    server.login("ok", "python-password");
    server.login("ok", "mistyped-password");
    server.login("typed-into-the-name", "x");
    let (_, token, _) = written(&server.command(&["token", "issue", "ok"], ""));
    let token = token.trim();
    let in_basic = format!("Authorization: {}", basic(token, "unused"));
    server.request("GET /api/token?access_token=a-query-secret", &[&in_basic], "");
    let (_, log) = server.stop();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" 127.0.0.1 ")).collect();
    let expected = [
        "POST /api/users 201 user=1",
        "GET /api/resource 200 user=1",
        "GET /api/resource 401 user=1 cause=\"wrong password\"",
        "GET /api/resource 401 user=- cause=\"no user has this name\"",
        "GET /api/token 200 user=1",
    ];
    let without_time = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let (id, words) = words.split_last().unwrap();
        assert!(words[5].ends_with("ms") && id.starts_with("id="), "{line}");
        [&words[2..5], &words[6..]].concat().join(" ")
    };
    assert_eq!(lines.iter().map(|line| without_time(line)).collect::<Vec<_>>(), expected);
    for secret in ["python-password", "mistyped", "typed-into", "a-query-secret", token] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn the_access_log_can_be_turned_off() {
    let quiet = Server::start(&["--log", "off", "--min-password-length", "8", "--throttle", "on"]);
    quiet.register("ok", "python-password");
    let (_, log) = quiet.stop();
    assert!(log.lines().all(|line| line.contains("made a new database")), "{log}");
}

#[test]
fn weak_settings_are_warned_of_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("signing-keys"), "a secret of 20 bytes").unwrap();
    fs::set_permissions(data.join("signing-keys"), fs::Permissions::from_mode(0o600)).unwrap();
    let (_, log) = Server::start_in(data, &["--new-database"]).stop();
    assert!(log.contains("anyone may register, with a password of 1 or more characters"), "{log}");
    assert!(log.contains("password attempts are not rate limited (--throttle off)"), "{log}"); // as the tests have it
    assert!(log.contains("has under 32 bytes (RFC 7518 section 3.2)"), "{log}");
}

/// Among so many requests that one look at the database serves several of them: a client that asks after a revocation was answered asks
/// after it.
#[test]
fn a_revocation_holds_from_the_next_request_under_load() {
    let server = Server::start(&["--throttle", "off"]);
    assert_eq!(status(&server.register("busy", "bee")), 201);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let token = |name: &str| written(&server.command(&["token", "issue", name], "")).1.trim().to_owned();
    let resource = |token: &str| {
        format!("GET /api/resource HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")
    };
    let (busy, is_over) = (resource(&token("busy")), AtomicBool::new(false));
    let answered = |connection: &mut TcpStream, request: &str| {
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 1024];
        let count = connection.read(&mut answer).unwrap();
        status(std::str::from_utf8(&answer[..count]).unwrap())
    };
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut connection = server.connect();
                while !is_over.load(Ordering::Acquire) {
                    assert_eq!(answered(&mut connection, &busy), 200);
                }
            });
        }
        let _ending = SetAtEnd(&is_over);
        let (mut revokes, mut uses) = (server.connect(), server.connect());
        for number in 0..100 {
            let token = token("ok");
            assert_eq!(answered(&mut uses, &resource(&token)), 200, "{number}");
            // By this server and by another process in turn.
            if number % 2 == 0 {
                let revoke = resource(&token).replace("GET /api/resource", "DELETE /api/token");
                assert_eq!(answered(&mut revokes, &revoke), 204, "{number}");
            } else {
                assert_eq!(server.command(&["user", "revoke", "ok"], "").status.code(), Some(0));
            }
            assert_eq!(answered(&mut uses, &resource(&token)), 401, "{number}");
        }
    });
}

#[test]
fn serve_rejects_a_data_directory_or_database_writable_by_others() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let start = || Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    assert_eq!(start().stop().0, Some(0));
    let database = data.join("gatekey.sqlite3");
    for (path, mode, sound) in
        [(&data, 0o770, 0o700), (&data, 0o703, 0o700), (&database, 0o620, 0o600), (&database, 0o602, 0o600)]
    {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let (code, message) = refused(&data, &["--listen", "127.0.0.1:0"]);
        let expected = format!(
            "others may write to {} (mode {mode:04o}), and so act as any user; first: chmod {sound:o} {}",
            path.display(),
            path.display()
        );
        assert!(code == Some(1) && message.contains(&expected), "{message}");
        fs::set_permissions(path, fs::Permissions::from_mode(sound)).unwrap();
    }
    for mode in [0o755, 0o700] {
        fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
        drop(start());
    }
}
