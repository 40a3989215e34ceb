//! Revoked tokens stay dead: over backups and restores, exports and imports, clocks that go back, and databases that are
//! gone, as long as the keys are the same. And no token of a user who is gone is another user's.

use crate::harness::{CHEAP, basic};
use crate::process::{Server, body, gatekey, header, names_in, run, status, written};
use gatekey::json;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

mod sequences;

/// A directory for data directories and what is made of them.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn serve(&self, data: &str) -> Server {
        Server::start_in(self.path(data), &["--scrypt", CHEAP])
    }

    /// A command on this data directory that must succeed: what it wrote.
    #[track_caller]
    fn done(&self, data: &str, words: &[&str]) -> String {
        let (code, out, message) =
            written(&run(gatekey().args(words).arg("--data").arg(self.path(data)), ""));
        assert_eq!(code, Some(0), "{words:?}: {message}");
        out
    }
}

fn register(server: &Server, username: &str) -> u64 {
    let answer = server.register(username, "python");
    assert_eq!(status(&answer), 201, "{answer}");
    header(&answer, "Location").unwrap().rsplit('/').next().unwrap().parse().unwrap()
}

fn token(server: &Server, username: &str) -> String {
    let authorization = format!("Authorization: {}", basic(username, "python"));
    let answer = server.request("GET /api/token", &[&authorization], "");
    json::parse_object(body(&answer).as_bytes()).unwrap()["token"].as_str().unwrap().to_owned()
}

fn bearer(server: &Server, token: &str) -> u16 {
    status(&server.request("GET /api/resource", &[&format!("Authorization: Bearer {token}")], ""))
}

fn copy_keys(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::copy(from.join("signing-keys"), to.join("signing-keys")).unwrap(); // with its mode
}

#[test]
fn a_token_revoked_after_the_backup_stays_revoked_after_a_restore_and_a_clock_reset() {
    let place = Place::new();
    let server = place.serve("data");
    register(&server, "ok");
    let backup = place.path("backup");
    let backup = backup.to_str().unwrap();
    place.done("data", &["backup", backup]);
    // Of the generation that a restore and a reset together would reach by adding one each.
    place.done("data", &["user", "revoke", "ok"]);
    let revoked = [token(&server, "ok"), token(&server, "ok")];
    place.done("data", &["user", "revoke", "ok"]);
    assert_eq!(server.stop().0, Some(0));

    place.done("data", &["restore", backup]);
    place.done("data", &["doctor", "--reset-clock"]);
    let server = place.serve("data");
    assert_eq!(revoked.map(|token| bearer(&server, &token)), [401, 401]);
    assert_eq!(bearer(&server, &token(&server, "ok")), 200);
}

#[test]
fn an_export_with_the_keys_revives_no_token_and_reuses_no_id() {
    let place = Place::new();
    let server = place.serve("old");
    register(&server, "ok");
    let of_all = token(&server, "ok");
    place.done("old", &["user", "revoke", "--all"]);
    let of_one = token(&server, "ok");
    assert_eq!(register(&server, "deleted"), 2);
    let of_deleted = token(&server, "deleted");
    place.done("old", &["user", "delete", "deleted"]);
    let export = place.path("users.jsonl");
    let text = place.done("old", &["user", "export"]);
    assert_eq!(text.lines().next(), Some(r#"{"realm":{"last_generation":1,"last_id":2}}"#));
    fs::write(&export, &text).unwrap();
    // After the export: an import can't know of these.
    place.done("old", &["user", "revoke", "ok"]);
    assert_eq!(register(&server, "later"), 3);
    let of_later = token(&server, "later");
    assert_eq!(server.stop().0, Some(0));

    // The keys come first, or last; and once the first line is missing.
    for (data, keys_first, has_first_line) in [("a", true, true), ("b", false, true), ("c", true, false)] {
        let first_line = text.find('\n').unwrap() + 1;
        fs::write(&export, if has_first_line { &text } else { &text[first_line..] }).unwrap();
        if keys_first {
            copy_keys(&place.path("old"), &place.path(data));
        }
        let words = ["user", "import", export.to_str().unwrap(), "--new-database"];
        assert_eq!(place.done(data, &words), "imported 1 user\n");
        copy_keys(&place.path("old"), &place.path(data));
        let server = place.serve(data);
        let ids = [register(&server, "new"), register(&server, "newer")];
        assert_eq!(ids, if has_first_line { [3, 4] } else { [2, 3] });
        for dead in [&of_all, &of_one, &of_deleted, &of_later] {
            assert_eq!(bearer(&server, dead), 401, "{data}");
        }
        for name in ["ok", "new", "newer"] {
            assert_eq!(bearer(&server, &token(&server, name)), 200, "{data} {name}");
        }
    }
}

#[test]
fn an_empty_database_beside_its_keys_is_rejected_by_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let old = token(&server, "ok");
    let backup = directory.path().join("backup");
    let backup = backup.to_str().unwrap();
    assert_eq!(written(&server.command(&["backup", backup], "")).0, Some(0));
    assert_eq!(server.stop().0, Some(0));

    // Nothing at all, and what SQLite leaves of a database without tables.
    for statement in [None, Some("PRAGMA journal_mode = WAL")] {
        fs::write(data.join("gatekey.sqlite3"), "").unwrap();
        if let Some(statement) = statement {
            rusqlite::Connection::open(data.join("gatekey.sqlite3"))
                .unwrap()
                .execute_batch(statement)
                .unwrap();
        }
        let before = names_in(&data);
        for words in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["user", "list"],
            &["user", "add", "eve", "--password-stdin"],
            &["user", "export"],
            &["token", "issue", "ok"],
            &["doctor", "--reset-clock"],
        ] {
            let output = run(gatekey().args(words).arg("--data").arg(&data), "a password");
            let (code, out, message) = written(&output);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{words:?}");
            assert!(message.contains("empty"), "{words:?}: {message}");
            assert_eq!(names_in(&data), before, "{words:?}");
        }
    }
    assert_eq!(written(&run(gatekey().args(["restore", backup, "--data"]).arg(&data), "")).0, Some(0));
    let server = Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    assert_eq!((server.login("ok", "python"), bearer(&server, &old)), (200, 401));
    assert_eq!(server.stop().0, Some(0));

    // Said to be new: ids begin anew, and no old token fits them.
    fs::write(data.join("gatekey.sqlite3"), "").unwrap();
    let server = Server::start_in(data, &["--scrypt", CHEAP, "--new-database"]);
    let registered = server.register("eve", "python");
    assert_eq!(header(&registered, "Location").unwrap().rsplit('/').next(), Some("1"));
    let new = token(&server, "eve");
    assert_eq!((bearer(&server, &old), bearer(&server, &new)), (401, 200));
}
