//! Key rotation at a running server, and the rejection of dangerous key changes.

use crate::process::{Server, body, gatekey, run, status, written};
use gatekey::clock;
use gatekey::json::{self, Value, json};
use gatekey::keys;
use gatekey::signer::{KeyRing, SigningKey};
use gatekey::store::Store;
use gatekey::token;
use gatekey::user_id::{Generation, UserId};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The server looks at its keys once a second; a machine that is busy may take longer, but a test must end.
const PATIENCE: Duration = Duration::from_secs(30);

const ARTICLE: &str = "the quick brown fox jumps over the lazy dog";

/// A command that must succeed: what it wrote.
#[track_caller]
fn done(server: &Server, words: &[&str], input: &str) -> String {
    let (code, out, message) = written(&server.command(words, input));
    assert_eq!((code, message.as_str()), (Some(0), ""), "{words:?}");
    out
}

/// A command that must fail with 1: what it said.
#[track_caller]
fn failed(server: &Server, words: &[&str], input: &str) -> String {
    let (code, out, message) = written(&server.command(words, input));
    assert_eq!((code, out.as_str()), (Some(1), ""), "{words:?}");
    message
}

fn key_file(server: &Server) -> PathBuf {
    server.data.join("signing-keys")
}

fn ring(server: &Server) -> KeyRing {
    keys::load(&key_file(server)).unwrap()
}

fn newest(server: &Server) -> KeyRing {
    KeyRing::from_key(ring(server).newest().clone())
}

fn fingerprints(server: &Server) -> Vec<String> {
    ring(server).keys().map(SigningKey::fingerprint).collect()
}

fn new_token(server: &Server) -> String {
    let authorization = format!("Authorization: {}", crate::harness::basic("ok", "python"));
    let answer = server.request("GET /api/token", &[&authorization], "");
    assert_eq!(status(&answer), 200);
    json::parse_object(body(&answer).as_bytes()).unwrap()["token"].as_str().unwrap().to_owned()
}

fn bearer(server: &Server, token: &str) -> u16 {
    status(&server.request("GET /api/resource", &[&format!("Authorization: Bearer {token}")], ""))
}

/// Asks again and again until it is so.
#[track_caller]
fn soon(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never came to be");
    }
}

fn listed(server: &Server, options: &[&str]) -> Vec<Value> {
    let words = [&["key", "list", "--json"], options].concat();
    let keys = format!("{{\"keys\":{}}}", done(server, &words, "").trim_end());
    json::parse_object(keys.as_bytes()).unwrap()["keys"].as_array().unwrap().clone()
}

/// The database learns that so much time has passed: for it, time never goes back.
fn let_pass(server: &Server, seconds: u64) {
    let store = Store::open(&server.data.join("gatekey.sqlite3")).unwrap();
    let later = clock::now().unix.saturating_add(Duration::from_secs(seconds));
    store.raise_newest_time(later).unwrap();
}

#[test]
fn key_rotation_at_a_running_server_signs_out_no_user() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let old = new_token(&server);
    let before = fingerprints(&server);
    let said = done(&server, &["key", "rotate"], "");
    let after = fingerprints(&server);
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    let expected = format!(
        "the key {} signs from now on; older keys kept: 1. Tokens that they signed stay valid, and no user is signed \
         out. When those tokens have expired: gatekey key prune\n",
        after[1]
    );
    assert_eq!(said, expected);
    assert!(!ring(&server).newest().is_weak());
    let newest = newest(&server);
    soon(|| token::verify_signature(&new_token(&server), &newest).is_ok());
    assert!(token::verify_signature(&old, &newest).is_err(), "it is another key's");
    assert_eq!((bearer(&server, &old), bearer(&server, &new_token(&server))), (200, 200));
}

#[test]
fn rotation_after_a_compromise_revokes_every_old_token_at_a_running_server() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    done(&server, &["key", "rotate"], "");
    let old = new_token(&server);
    assert_eq!(bearer(&server, &old), 200);
    let said = done(&server, &["key", "rotate", "--compromised"], "");
    let fingerprints = fingerprints(&server);
    assert_eq!(fingerprints.len(), 1);
    let expected = format!(
        "the key {} signs from now on; older keys dropped: 2. All earlier tokens are revoked, and all users must log in \
         again. Passwords are unchanged. Waited until the servers in {} had dropped them: process {}\n",
        fingerprints[0],
        server.data.display(),
        server.pid()
    );
    assert_eq!(said, expected);
    assert_eq!(bearer(&server, &old), 401);
    let new = new_token(&server);
    assert!(token::verify_signature(&new, &newest(&server)).is_ok());
    assert_eq!(bearer(&server, &new), 200);
}

/// A token as a holder of the server's keys makes it, for the user with the id 1.
fn forged(server: &Server) -> String {
    let now = clock::now().unix;
    let claims = token::Claims {
        id: UserId::new(1).unwrap(),
        generation: Generation::FIRST,
        issued_at: now,
        expires_at: now.saturating_add(Duration::from_secs(3_600)),
        auth_time: now,
    };
    token::issue(&claims, &ring(server))
}

#[test]
fn a_token_of_a_compromised_key_is_never_renewed_under_the_key_that_replaced_it() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    for _ in 0..6 {
        let (forged, renewed, is_over) = (forged(&server), Mutex::new(Vec::new()), AtomicBool::new(false));
        let bearer = format!("Authorization: Bearer {forged}");
        let renew = || {
            while !is_over.load(Ordering::SeqCst) {
                let answer = server.request("GET /api/token", &[&bearer], "");
                if status(&answer) == 200 {
                    let token = json::parse_object(body(&answer).as_bytes()).unwrap()["token"].clone();
                    renewed.lock().unwrap().push(token.as_str().unwrap().to_owned());
                }
            }
        };
        thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(renew)));
            soon(|| !renewed.lock().unwrap().is_empty());
            done(&server, &["key", "rotate", "--compromised"], "");
            assert_eq!(status(&server.request("GET /api/token", &[&bearer], "")), 401, "after the command");
            is_over.store(true, Ordering::SeqCst);
        });
        let newest = newest(&server);
        let renewed = renewed.into_inner().unwrap();
        let survivors =
            renewed.iter().filter(|token| token::verify_signature(token, &newest).is_ok()).count();
        assert_eq!(survivors, 0, "of {} tokens", renewed.len());
    }
}

#[test]
fn a_server_that_does_not_drop_a_compromised_key_is_an_error_and_one_that_was_killed_is_not_waited_for() {
    let server = Server::start(&[]);
    server.signal("STOP");
    let message = failed(&server, &["key", "rotate", "--compromised"], "");
    let expected = format!(
        "gatekey: the keys are removed from the file, but after 10 s these servers in {} may still use them: process {}. \
         Stop them or restart them now\n",
        server.data.display(),
        server.pid()
    );
    assert_eq!(message, expected);
    let (data, _directory) = server.kill();
    let mut rotate = gatekey();
    rotate.args(["key", "rotate", "--compromised", "--data"]).arg(&data);
    let (code, out, _) = written(&run(&mut rotate, ""));
    assert_eq!(code, Some(0));
    let none = format!("No server runs in {}, so none had to drop a key\n", data.display());
    assert!(out.ends_with(&none), "{out}");
    let left = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains("loaded-keys")).count(), 0);
}

#[test]
fn concurrent_key_commands_lose_no_key_and_keep_the_file_private() {
    let server = Server::start(&[]);
    let first = fingerprints(&server);
    let mut command = gatekey();
    command.args(["key", "rotate", "--data"]).arg(&server.data).stdout(Stdio::null());
    let commands: Vec<_> = (0..8).map(|_| command.spawn().unwrap()).collect();
    for mut command in commands {
        assert!(command.wait().unwrap().success());
    }
    let after = fingerprints(&server);
    let different: std::collections::BTreeSet<_> = after.iter().collect();
    assert_eq!((different.len(), &after[0]), (9, &first[0]));
    assert_eq!(fs::metadata(key_file(&server)).unwrap().permissions().mode() & 0o7777, 0o600);
    let left = fs::read_dir(&server.data).unwrap().map(|entry| entry.unwrap().file_name().into_string());
    let temporary: Vec<_> = left.map(Result::unwrap).filter(|name| name.contains(".new-")).collect();
    assert_eq!(temporary, Vec::<String>::new());
}

#[test]
fn a_full_key_file_rejects_more_keys_with_advice() {
    let server = Server::start(&[]);
    for _ in 1..KeyRing::MAX_KEYS {
        done(&server, &["key", "rotate"], "");
    }
    let full = "gatekey: there are 16 keys already, and no more may be; first: gatekey key prune\n";
    assert_eq!(failed(&server, &["key", "rotate"], ""), full);
    assert_eq!(failed(&server, &["key", "add"], "a secret of sixteen bytes or more"), full);
    done(&server, &["key", "rotate", "--compromised"], "");
    assert_eq!(fingerprints(&server).len(), 1);
}

#[test]
fn keys_are_listed_with_their_use_and_never_their_secrets() {
    let server = Server::start(&["--token-lifetime", "1h"]);
    done(&server, &["key", "add"], "a Flask app's SECRET_KEY");
    done(&server, &["key", "rotate"], "");
    let names = fingerprints(&server);
    let keys = listed(&server, &["--max-session", "1d"]);
    let summary: Vec<_> = keys
        .iter()
        .map(|key| (key["fingerprint"].as_str().unwrap(), key["role"].as_str().unwrap(), key["weak"].clone()))
        .collect();
    let weak = |is: bool| json!(is);
    let expected = [
        (names[0].as_str(), "verifies", weak(true)),
        (&names[1], "verifies", weak(false)),
        (&names[2], "signs", weak(false)),
    ];
    assert_eq!(summary, expected);
    let from =
        |key: &Value| key["prunable_from"].as_u64().map(|from| from - key["retired_at"].as_u64().unwrap());
    let expected = [Some(86_402), Some(3_602), None];
    assert_eq!(keys.iter().map(from).collect::<Vec<_>>(), expected, "the first never signed here");
    assert!(keys.iter().all(|key| key["may_be_pruned"] == json!(false) && key["published"] == json!(false)));

    let table = done(&server, &["key", "list"], "");
    let header: Vec<_> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["FINGERPRINT", "ROLE", "SINCE", "RETIRED", "LIFETIME", "PRUNE", "NOTE"]);
    let column = table.find("ROLE").unwrap();
    for (line, name) in table.lines().skip(1).zip(&names) {
        assert!(line.starts_with(name.as_str()) && line[column - 1..].starts_with(' '), "{table}");
    }
    for secret in fs::read_to_string(key_file(&server)).unwrap().lines() {
        assert!(!table.contains(secret) && !format!("{keys:?}").contains(secret));
    }
}

#[test]
fn listing_keys_needs_only_the_key_file_and_creates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    fs::write(&file, ARTICLE).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = gatekey();
    command.args(["key", "list", "--data"]).arg(directory.path().join("none")).arg("--key-file").arg(&file);
    let (code, out, message) = written(&run(&mut command, ""));
    assert_eq!((code, message.as_str()), (Some(0), ""));
    let cells: Vec<_> = out.lines().nth(1).unwrap().split_whitespace().skip(1).collect();
    assert_eq!(cells, ["signs", "-", "-", "-", "-", "published"]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_key_is_pruned_when_its_last_token_has_expired_and_not_before() {
    let server = Server::start(&["--token-lifetime", "1h"]);
    assert_eq!(done(&server, &["key", "prune"], ""), "there is nothing to prune: the only key signs\n");
    done(&server, &["key", "add"], "a Flask app's SECRET_KEY");
    done(&server, &["key", "rotate"], "");
    let names = fingerprints(&server);
    let said = failed(&server, &["key", "prune"], "");
    assert!(said.starts_with("gatekey: no key may go yet, or tokens would die that have not expired:\n"));
    let from = |number: usize| {
        let from = listed(&server, &[])[number]["prunable_from"].as_u64().unwrap();
        clock::UnixTime::new(from).unwrap().to_string()
    };
    let waits = |number: usize| format!("the key {} may go from {} on\n", names[number], from(number));
    assert!(said.contains(&(waits(0) + &waits(1))), "{said}");
    assert_eq!(fingerprints(&server), names);

    let_pass(&server, 3_700);
    let said = done(&server, &["key", "prune"], "");
    let dropped = format!(
        "Waited until the servers in {} had dropped them: process {}",
        server.data.display(),
        server.pid()
    );
    assert_eq!(said, format!("removed the key {}\n{dropped}\n{}", names[1], waits(0)));
    assert_eq!(fingerprints(&server), [names[0].clone(), names[2].clone()]);
}

#[test]
fn an_added_secret_verifies_what_was_signed_elsewhere_and_signs_only_where_that_is_asked_for() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let own = fingerprints(&server);
    let flask = b"a Flask app's secret,\nin two lines\n";
    let key = SigningKey::new(flask).unwrap();
    let input = "a Flask app's secret,\nin two lines\n\n";
    let added = format!("added the key {}: it verifies from now on, and never signs\n", key.fingerprint());
    assert_eq!(done(&server, &["key", "add"], input), added);
    assert_eq!(fingerprints(&server), [key.fingerprint(), own[0].clone()]);
    let opened = token::verify_signature(&new_token(&server), &newest(&server)).unwrap();
    let now = clock::now().unix;
    let (claims, _) = opened.verify(now, Duration::from_secs(86_400)).unwrap();
    let of_flask = token::issue(&claims, &KeyRing::from_key(key.clone()));
    soon(|| bearer(&server, &of_flask) == 200);

    let there = format!("gatekey: the key {} is there already; see: gatekey key list\n", key.fingerprint());
    assert_eq!(failed(&server, &["key", "add", "--sign"], input), there);
    done(&server, &["key", "add", "--sign"], "a second secret.\n");
    let signs = SigningKey::new(b"a second secret.").unwrap();
    assert_eq!(ring(&server).newest().fingerprint(), signs.fingerprint());
    soon(|| token::verify_signature(&new_token(&server), &KeyRing::from_key(signs.clone())).is_ok());
}

#[test]
fn weak_or_published_secrets_need_an_option() {
    let server = Server::start(&[]);
    let before = fs::read(key_file(&server)).unwrap();
    let add = |options: &[&str], secret: &str| failed(&server, &[&["key", "add"], options].concat(), secret);
    let published = "gatekey: this secret is published: anyone can forge tokens with it. If tokens signed \
                     with it must still be accepted for a while: --force\n";
    let weak = "gatekey: the secret has 15 bytes, expected at least 16: it can be guessed from one token. If tokens \
                signed with it must still be accepted for a while: --weak\n";
    assert_eq!(add(&["--weak"], ARTICLE), published);
    assert_eq!(add(&["--force"], "fifteen bytes!!\n"), weak);
    let length = |bytes| {
        format!("gatekey: can't add the secret as a key: the secret has {bytes} bytes, expected 16 to 1024\n")
    };
    assert_eq!(add(&[], "\n"), length(0));
    assert_eq!(add(&[], &"x".repeat(1_025)), length(1_025));
    assert_eq!(fs::read(key_file(&server)).unwrap(), before);

    done(&server, &["key", "add", "--force"], ARTICLE);
    done(&server, &["key", "add", "--weak"], "fifteen bytes!!\n");
    let notes: Vec<_> =
        listed(&server, &[]).iter().map(|key| (key["weak"].clone(), key["published"].clone())).collect();
    let expected = [(true, false), (false, true), (false, false)];
    assert_eq!(notes, expected.map(|(weak, published)| (json!(weak), json!(published))));
    let short = SigningKey::new_weak(b"fifteen bytes!!").unwrap();
    assert_eq!(fingerprints(&server)[0], short.fingerprint());
    assert!(fs::read_to_string(key_file(&server)).unwrap().starts_with("weak-base64:ZmlmdGVlbiBieXRlcyEh\n"));
}

#[test]
fn without_a_key_file_key_commands_create_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for words in [["key", "rotate"], ["key", "add"], ["key", "prune"]] {
        let output =
            run(gatekey().args(words).arg("--data").arg(directory.path()), "a secret of sixteen bytes");
        let (code, out, message) = written(&output);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        let path = directory.path().join("signing-keys");
        let expected = format!(
            "gatekey: can't change the keys: signing keys {}: can't read it: No such file or directory (os error 2); \
             the first start makes it: gatekey serve\n",
            path.display()
        );
        assert_eq!(message, expected);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_published_secret_is_warned_of_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (code, _) = Server::start_in(data.clone(), &[]).stop();
    assert_eq!(code, Some(0));
    let complaint = "is published: anyone can forge tokens with it";
    let article = "the quick brown fox jumps over the lazy dog";
    let added = run(gatekey().args(["key", "add", "--force", "--data"]).arg(&data), article);
    assert_eq!(added.status.code(), Some(0));
    let (_, log) = Server::start_in(data.clone(), &[]).stop();
    assert_eq!(log.matches(complaint).count(), 1, "{log}");
    let rotated = run(gatekey().args(["key", "rotate", "--compromised", "--data"]).arg(&data), "");
    assert_eq!(rotated.status.code(), Some(0));
    let (_, log) = Server::start_in(data, &[]).stop();
    assert_eq!(log.matches(complaint).count(), 0, "{log}");
}
