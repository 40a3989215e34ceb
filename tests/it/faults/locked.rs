//! Another process has the database locked.

use super::UNAVAILABLE;
use crate::process::{Server, body, status};

#[test]
fn a_locked_database_is_a_503_for_who_writes_and_nothing_for_who_reads() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let other = rusqlite::Connection::open(server.data.join("gatekey.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let refused = server.register("late", "python"); // after the five seconds that a lock is waited for
    assert_eq!((status(&refused), body(&refused)), (503, UNAVAILABLE));
    assert_eq!(server.login("ok", "python"), 200, "readers don't wait");

    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(status(&server.register("late", "python")), 201, "the cause is gone");
    let (_, log) = server.stop();
    assert!(log.contains("cause=\"the database can't be used now: database is locked\""), "{log}");
}
