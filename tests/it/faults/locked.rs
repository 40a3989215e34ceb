//! A database locked by another process: H24.

use super::assert_unavailable;
use crate::process::{Server, status};
use std::thread;

#[test]
fn a_locked_database_is_503_for_writes_and_has_no_effect_on_reads_h24() {
    /// Were each waited for in turn, five seconds long, the last would be told after a minute, and these clients wait
    /// for half of that.
    const WRITERS: usize = 12;
    let server = Server::start(&[]);
    server.register("ok", "python");
    let other = rusqlite::Connection::open(server.data.join("gatekey.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    thread::scope(|scope| {
        let register = |number: usize| server.register(&format!("late {number}"), "python");
        let writers: Vec<_> = (0..WRITERS).map(|number| scope.spawn(move || register(number))).collect();
        assert_eq!(server.login("ok", "python"), 200, "readers don't wait");
        for writer in writers {
            assert_unavailable(&writer.join().unwrap());
        }
    });

    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(status(&server.register("late 0", "python")), 201, "the cause is gone");
    let (_, log) = server.stop();
    for cause in ["database is locked", "other requests have been waiting for it all the time"] {
        assert!(log.contains(&format!("cause=\"the database can't be used now: {cause}\"")), "{log}");
    }
}
