//! `gatekey user export`: every user, with the password's hash, as `gatekey user import` reads them.

use super::commands::{self, Command};
use super::settings::Settings;
use super::user_list::PAGE;
use super::{Failure, user};
use crate::json::json;
use crate::store::User;
use crate::user_id::UserId;
use alloc::string::{String, ToString as _};
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

pub(super) const EXPORT: Command = Command {
    words: &["user", "export"],
    operands: &[],
    summary: "Print all users, with their password hashes, as JSON lines.",
    details: "One object per line: id, username, password_hash, generation, disabled. The output is secret: \
              anyone with a hash can try passwords on it. The server may run meanwhile; users who register \
              meanwhile may be missing.",
    example: "(umask 077 && gatekey user export > users.jsonl)",
    options: &commands::DATA,
    run: export,
};

fn export(settings: &Settings<'_>, _: &[String]) -> Result<ExitCode, Failure> {
    let realm = user::open(settings)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut last: Option<UserId> = None;
    loop {
        let users =
            realm.list_users(last, PAGE).map_err(|error| Failure::failed("can't export users", &error))?;
        for user in &users {
            writeln!(out, "{}", line(user))?;
        }
        match users.last() {
            Some(user) => last = Some(user.id),
            None => break,
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn line(user: &User) -> String {
    let User { id, username, password_hash, generation, disabled, .. } = user;
    json!({
        "id": id.number(),
        "username": username,
        "password_hash": password_hash,
        "generation": generation.number(),
        "disabled": disabled,
    })
    .to_string()
}
