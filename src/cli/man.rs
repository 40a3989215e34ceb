//! `gatekey man`: the manual page, gatekey(1), made from the tables of commands and options.
//!
//! The page is troff with the macros of man(7). A dot or an apostrophe at the beginning of a line begins a
//! request, a backslash begins an escape, and a bare hyphen may become another character, which a shell
//! doesn't accept. So all text goes through [`escaped`].

use super::cli_error::CliError;
use super::command::{Command, Commands, Run};
use super::config::CommandConfig;
use super::options::{self, Opt};
use super::output::print;
use core::fmt::Write as _;
use std::process::ExitCode;

pub(super) const MAN: Command = Command {
    words: &["man"],
    operands: &[],
    summary: "Print the manual page.",
    details: "Save it as gatekey.1 in a directory man1 of the manual path, or read it from a file with man \
              -l.",
    example: "gatekey man > /usr/local/share/man/man1/gatekey.1",
    options: &[],
    run: Run::WithCommands(man),
};

fn man(commands: Commands, _: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    print(&page(commands))
}

fn page(commands: Commands) -> String {
    let mut page = String::from(".\\\" Made by: gatekey man\n");
    let _ = writeln!(page, ".TH GATEKEY 1 \"\" \"gatekey {}\"", escaped(env!("CARGO_PKG_VERSION")));
    page.push_str(".nh\n.ad l\n.SH NAME\ngatekey \\- accounts, logins and tokens beside your app\n");
    page.push_str(".SH SYNOPSIS\n.nf\n\\fBgatekey\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n");
    page.push_str("\\fBgatekey help\\fR [\\fICOMMAND\\fR]\n\\fBgatekey \\-\\-version\\fR\n.fi\n");
    section(&mut page, "DESCRIPTION", DESCRIPTION);
    page.push_str(".SH COMMANDS\n");
    for command in commands {
        page.push_str(&on_command(command));
    }
    section(&mut page, "OPTIONS", OPTIONS);
    for option in once_each() {
        page.push_str(&on_option(option));
    }
    for (title, text) in [("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES), ("EXIT STATUS", EXIT_STATUS)] {
        section(&mut page, title, text);
    }
    page.push_str(".SH EXAMPLES\n.nf\n");
    for command in commands {
        let _ = writeln!(page, "{}", escaped(command.example));
    }
    page.push_str(".fi\n");
    page
}

const DESCRIPTION: &[(&str, &str)] = &[(
    "",
    "gatekey registers users, verifies HTTP Basic credentials, issues signed tokens that expire, and protects \
     resources with either. It stores users in one SQLite file and signs with one key file. TLS is the task of a \
     reverse proxy in front of it.",
)];
const OPTIONS: &[(&str, &str)] = &[(
    "",
    "A command rejects an option that it doesn't take. Each option can also be given as the environment variable \
     named with it. If both are given, the argument counts.",
)];
const ENVIRONMENT: &[(&str, &str)] = &[(
    "",
    "The variables named with the options. An empty variable counts as unset, and so does one whose option the \
     command doesn't take. For an option without a value, 1, true or yes sets it, and 0, false or no does not. \
     gatekey serve reports a variable that begins with GATEKEY_ and belongs to no option.",
)];
const FILES: &[(&str, &str)] = &[
    (
        "gatekey-data/gatekey.sqlite3",
        "The database, in the data directory: users, password hashes, rate limits.",
    ),
    (
        "gatekey-data/signing-keys",
        "The signing keys, one secret per line, the newest last. Anyone who can read it can forge tokens.",
    ),
];
const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Success."),
    ("1", "CliError; or, of token inspect, the token is not valid."),
    ("2", "The command line is invalid, or a value in it or in a variable."),
];

/// A section of paragraphs, with or without tags.
fn section(page: &mut String, title: &str, paragraphs: &[(&str, &str)]) {
    let _ = writeln!(page, ".SH {title}");
    for (tag, text) in paragraphs {
        match *tag {
            "" => {}
            tag => _ = writeln!(page, ".TP\n.B {}", escaped(tag)),
        }
        let _ = writeln!(page, "{}", escaped(text));
    }
}

fn on_command(command: &Command) -> String {
    let (name, operands) = (command.words.join(" "), command.operands.join(" "));
    let mut text = format!(".TP\n\\fBgatekey {}\\fR", escaped(&name));
    if !operands.is_empty() {
        let _ = write!(text, " \\fI{}\\fR", escaped(&operands));
    }
    let _ = writeln!(text, "\n{}\n{}", escaped(command.summary), escaped(command.details));
    if !command.options.is_empty() {
        let options: Vec<_> = command.options().map(|option| format!("--{}", option.name)).collect();
        let _ = writeln!(text, ".RS\n.PP\nOptions: {}.\n.RE", escaped(&options.join(", ")));
    }
    text
}

/// All options, by name.
fn once_each() -> Vec<&'static Opt> {
    let mut options: Vec<_> = options::all().collect();
    options.sort_by_key(|option| option.name);
    options.dedup_by_key(|option| option.name);
    options
}

fn on_option(option: &Opt) -> String {
    let mut text = format!(".TP\n\\fB\\-\\-{}\\fR", escaped(option.name));
    if let Some(value) = option.value {
        let _ = write!(text, " \\fI{}\\fR", escaped(value));
    }
    let _ = writeln!(text, "\n{}", escaped(option.help));
    if let Some(default) = option.default {
        let _ = writeln!(text, "Default: {}.", escaped(default));
    }
    let _ = writeln!(text, "Variable: {}.", option.variable());
    text
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        let at_line_start = escaped.is_empty() || escaped.ends_with('\n');
        match character {
            '.' if at_line_start => escaped.push_str("\\&."),
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '"' => escaped.push_str("\\(dq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::COMMANDS;

    #[test]
    fn nothing_in_a_text_is_a_request_or_an_escape() {
        assert_eq!(escaped(".so /etc/passwd\n.x 1.5"), "\\&.so /etc/passwd\n\\&.x 1.5");
        assert_eq!(escaped("'tis a user's"), "\\(aqtis a user\\(aqs");
        assert_eq!(
            escaped(r#"\fB --data "$x" `y` 2^ln ~/z"#),
            r"\efB \-\-data \(dq$x\(dq \(gay\(ga 2\(haln \(ti/z"
        );
    }

    #[test]
    fn every_option_is_told_once() {
        let page = page(COMMANDS);
        for option in once_each() {
            let head = format!(".TP\n\\fB\\-\\-{}\\fR", escaped(option.name));
            assert_eq!(
                page.matches(&format!("{head} ")).count() + page.matches(&format!("{head}\n")).count(),
                1
            );
            assert!(page.contains(&format!("Variable: {}.\n", option.variable())), "{}", option.name);
        }
    }

    #[test]
    fn an_option_tells_its_value_its_default_and_its_variable() {
        let listen = on_option(&options::LISTEN);
        assert!(
            listen.starts_with(
                ".TP\n\\fB\\-\\-listen\\fR \\fIADDR:PORT|unix:PATH|stdin\\fR\nWhere to listen: "
            )
        );
        assert!(listen.ends_with("\nDefault: 127.0.0.1:5000.\nVariable: GATEKEY_LISTEN.\n"), "{listen}");
        assert!(on_option(&options::JSON).ends_with("for programs.\nVariable: GATEKEY_JSON.\n"));
    }
}
