//! What happens to the machine, not by clients: the plug is pulled, the disk is full, the database is locked. What was
//! acknowledged is there, what can't be done is said, and when the cause is gone the server goes on.

mod disk;
mod killed;
mod locked;

const UNAVAILABLE: &str =
    r#"{"error":"unavailable","message":"The server can't use its database now; try again later."}"#;
