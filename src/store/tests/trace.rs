//! Records which SQL statements a thread runs, in order, to compare the work of requests without a clock.

use core::cell::RefCell;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

std::thread_local! {
    static STATEMENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(in crate::store) fn recorded(mut connection: Connection) -> rusqlite::Result<Connection> {
    let record = |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            STATEMENTS.with_borrow_mut(|statements| statements.push(statement.sql().into_owned()));
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(record))?;
    Ok(connection)
}

/// What this work returns, and the statements that this thread ran for it, without the values bound to them.
pub(crate) fn statements_of<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    STATEMENTS.take();
    let result = work();
    (result, STATEMENTS.take())
}
