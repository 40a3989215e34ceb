//! `gatekey man`: the manual page gatekey(1), made of the tables of commands and options.

use super::commands::{COMMANDS, Command};
use super::options::{self, Opt};
use super::settings::Settings;
use super::{Failure, print};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use std::process::ExitCode;

pub(super) const MAN: Command = Command {
    words: &["man"],
    operands: &[],
    summary: "Print the manual page.",
    details: "In the form that man reads. What is installed has it as gatekey(1) already.",
    example: "gatekey man | man -l -",
    options: &[],
    run: man,
};

fn man(_: &Settings<'_>, _: &[String]) -> Result<ExitCode, Failure> {
    print(&page())
}

const HEAD: &str = r#".\" Made by: gatekey man
.TH GATEKEY 1 "" "gatekey VERSION" "User Commands"
.nh
.SH NAME
gatekey \- accounts, logins and tokens beside your app
.SH SYNOPSIS
.B gatekey
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
A password-and-token server: it registers users, checks HTTP Basic credentials, issues signed tokens that expire, and
guards resources with either. Its data is one SQLite file and one key file. Commands work beside a running server, which
sees their effect at its next request. Passwords and other secrets are never arguments: they are asked for without echo, or
read from standard input.
.SH COMMANDS
"#;

const TAIL: &str = r".SH EXIT STATUS
0: done. 1: it failed, and standard error says why; or, for
.BR token\ inspect ,
the token is not valid; or, for
.BR doctor ,
something fails. 2: the command line can't be understood.
.SH FILES
.TP
.I gatekey.sqlite3
In the data directory: the users. Beside it, while it is in use, its newest pages, in files that end in -wal and -shm.
.TP
.I signing-keys
In the data directory, or where
.B \-\-key\-file
says: the secrets that sign and verify tokens, one a line, the newest last.
";

fn page() -> String {
    let mut text = HEAD.replace("VERSION", env!("CARGO_PKG_VERSION"));
    for command in COMMANDS {
        on_command(&mut text, command);
    }
    text.push_str(
        ".SH OPTIONS\nEach can be given as the environment variable in brackets too; the option wins. Durations read 90 \
         (seconds), 10m, 24h, 30d; sizes 1048576, 1024K, 64M, 1G.\n",
    );
    let options: BTreeMap<_, _> = options::all().map(|option| (option.name, option)).collect();
    for option in options.values() {
        on_option(&mut text, option);
    }
    text.push_str(TAIL);
    text
}

/// Writing into a string can't fail.
fn on_command(text: &mut String, command: &Command) {
    let _ = write!(text, ".SS {}", escaped(&command.words.join(" ")));
    for operand in command.operands {
        let _ = write!(text, " {}", escaped(operand));
    }
    let _ = writeln!(text, "\n{}\n.PP\n{}", line(command.summary), line(command.details));
    if !command.options.is_empty() {
        let names: Vec<_> =
            command.options.iter().map(|option| escaped(&format!("--{}", option.name))).collect();
        let _ = writeln!(text, ".PP\nOptions: {}.", names.join(", "));
    }
    let _ = writeln!(text, ".PP\n.EX\n{}\n.EE", line(command.example));
}

fn on_option(text: &mut String, option: &Opt) {
    let value = option.value.map_or(String::new(), |value| format!(" \\fI{}\\fR", escaped(value)));
    let _ = writeln!(text, ".TP\n\\fB{}\\fR{value}", escaped(&format!("--{}", option.name)));
    let default = option.default.map_or(String::new(), |default| format!(" [default: {default}]"));
    let _ = writeln!(text, "{}", line(&format!("{} [{}]{default}", option.help, option.variable())));
}

/// A text that begins a line: a dot or an apostrophe there would be a request.
fn line(text: &str) -> String {
    let escaped = escaped(text);
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

/// Each character as itself: troff reads backslashes as escapes, and hyphens, quotes and the like as typography.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_troff_would_read_otherwise_is_escaped() {
        assert_eq!(line(".x"), "\\&.x");
        assert_eq!(line("'x"), "\\(aqx");
        assert_eq!(line("a\\b-c 2^ln ~ `"), "a\\eb\\-c 2\\(haln \\(ti \\(ga");
    }

    #[test]
    fn every_command_and_every_option_is_in_it() {
        let page = page();
        for command in COMMANDS {
            assert!(
                page.contains(&format!(".SS {}", escaped(&command.words.join(" ")))),
                "{:?}",
                command.words
            );
        }
        for option in options::all() {
            assert!(page.contains(&format!("\n.TP\n\\fB{}\\fR", escaped(&format!("--{}", option.name)))));
        }
    }
}
