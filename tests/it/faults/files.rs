//! Database files are removed, moved, replaced or made inaccessible under a running server.
//!
//! SQLite itself goes on with files that no process can open any more, and all that it writes is gone at the end.

use super::assert_unavailable;
use crate::harness::CHEAP;
use crate::hazards::watch::await_that;
use crate::process::{Server, status};
use std::fs;
use std::path::{Path, PathBuf};

/// The database, and what SQLite puts beside it.
fn files(data: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| data.join(format!("gatekey.sqlite3{end}")))
}

fn start(data: &Path) -> Server {
    let server = Server::start_in(data.to_owned(), &["--scrypt", CHEAP]);
    assert!([201, 400].contains(&status(&server.register("ok", "python"))));
    server
}

/// Asserts that no client is served, whether reading or writing, and that the log says why.
fn assert_refuses(server: &Server, cause: &str) {
    assert_unavailable(&server.register("late", "python"));
    assert_unavailable(&server.request("GET /api/users/1", &[], ""));
    assert_unavailable(&server.request("GET /healthz", &[], ""));
    assert_logged(server, cause, 3);
}

/// Asserts that so many requests failed for this reason.
fn assert_logged(server: &Server, cause: &str, times: usize) {
    let cause = format!("cause=\"the database can't be used now: {cause}\"");
    let is_logged = await_that(|| server.log().matches(&cause).count() == times);
    assert!(is_logged, "{cause} is not there {times} times: {}", server.log());
}

#[test]
fn a_data_directory_moved_away_is_a_503_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (directory.path().join("data"), directory.path().join("elsewhere"));
    let server = start(&data);
    fs::rename(&data, &elsewhere).unwrap();
    let database = data.join("gatekey.sqlite3");
    assert_refuses(&server, &format!("{} was removed or moved away; put it back", database.display()));

    fs::rename(&elsewhere, &data).unwrap();
    assert_eq!(status(&server.register("late", "python")), 201, "the cause is gone");
    assert_eq!(server.login("ok", "python"), 200);
    assert_eq!(server.stop().0, Some(0));
    let server = start(&data);
    assert_eq!(server.login("late", "python"), 200);
}

#[test]
fn an_unavailable_database_is_logged_once_without_an_access_log() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start_in(data.clone(), &["--log", "off"]);
    fs::rename(data.join("gatekey.sqlite3"), data.join("away")).unwrap();
    for _ in 0..3 {
        assert_unavailable(&server.request("GET /healthz", &[], ""));
    }
    fs::rename(data.join("away"), data.join("gatekey.sqlite3")).unwrap();
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    let told: Vec<_> = log.lines().filter(|line| line.contains(" a request failed: ")).collect();
    let [told] = told[..] else { panic!("{log}") };
    assert!(told.contains("the database can't be used now: "), "{told}");
    assert!(told.contains("was removed or moved away; put it back (reported once a minute"), "{told}");
}

#[test]
fn a_removed_database_takes_no_more_users_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = start(&data);
    for file in files(&data) {
        fs::remove_file(file).unwrap();
    }
    let database = data.join("gatekey.sqlite3");
    assert_refuses(&server, &format!("{} was removed or moved away; put it back", database.display()));
    assert_eq!(server.stop().0, Some(0));
    assert!(!database.exists());
}

#[test]
fn a_replaced_database_is_used_from_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let [data, other, old] = ["data", "other", "old"].map(|name| directory.path().join(name));
    let restored = start(&other);
    assert_eq!(status(&restored.register("restored", "python")), 201);
    assert_eq!(restored.stop().0, Some(0));
    fs::create_dir(&old).unwrap();

    let server = start(&data);
    assert_eq!(status(&server.register("replaced", "python")), 201);
    let database = data.join("gatekey.sqlite3");
    fs::rename(&database, old.join("gatekey.sqlite3")).unwrap();
    fs::rename(other.join("gatekey.sqlite3"), &database).unwrap();
    let cause = format!("{} was replaced by another file; restart gatekey", database.display());
    assert_refuses(&server, &cause);
    assert_eq!(server.stop().0, Some(0));

    // The log of the one must not become the other's: what stood in it is where it belongs.
    let server = start(&data);
    assert_eq!((server.login("restored", "python"), server.login("replaced", "python")), (200, 401));
    fs::copy(data.join("signing-keys"), old.join("signing-keys")).unwrap();
    let server = start(&old);
    assert_eq!((server.login("restored", "python"), server.login("replaced", "python")), (401, 200));
}

#[test]
fn a_removed_log_of_sqlites_loses_nothing_when_the_server_is_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let [_, wal, shm] = files(&data);
    for removed in [&wal, &shm] {
        let server = start(&data);
        let name = removed.extension().unwrap().to_str().unwrap(); // another one each time
        assert_eq!(status(&server.register(name, "python")), 201);
        fs::remove_file(removed).unwrap();
        // A command would make a new one, and then there would be two truths.
        let cause = format!("{} was removed or moved away; restart gatekey", removed.display());
        assert_unavailable(&server.register("late", "python"));
        assert_logged(&server, &cause, 1);
        assert_eq!(server.login(name, "python"), 200, "who only reads is served");
        assert_eq!(server.stop().0, Some(0));
        let server = start(&data);
        assert_eq!(server.login(name, "python"), 200, "it was acknowledged");
    }
}
