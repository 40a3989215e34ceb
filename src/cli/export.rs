//! `gatekey user export`: all users with their password hashes, in the format of `gatekey user import`,
//! after a line with the highest id and generation.

use super::cli_error::CliError;
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::options;
use super::user;
use super::user_list::PAGE;
use crate::json::json;
use crate::store::{Issued, User};
use crate::user_id::UserId;
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

pub(super) const EXPORT: Command = Command {
    words: &["user", "export"],
    operands: &[],
    summary: "Print all users, with their password hashes, as JSON lines.",
    details: "The first line is {\"realm\":{\"last_generation\":…,\"last_id\":…}}: the highest generation and the \
              largest id that tokens may have been issued for, so that an import assigns neither again. Then one \
              object per line: id, username, password_hash, generation, disabled. The output is secret: anyone with \
              a hash can try passwords on it. The server may run meanwhile; users who register meanwhile may be \
              missing.",
    example: "(umask 077 && gatekey user export > users.jsonl)",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(export),
};

fn export(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let realm = user::open(config)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let cant = |error: &_| CliError::failed("can't export users", error);
    let Issued { last_id, last_generation } = realm.issued().map_err(|error| cant(&error))?;
    writeln!(out, "{}", json!({"realm": {"last_id": last_id, "last_generation": last_generation}}))?;
    let mut last: Option<UserId> = None;
    loop {
        let users = realm.list_users(last, PAGE).map_err(|error| cant(&error))?;
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
