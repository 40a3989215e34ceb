//! Parser of the command line: command, options and operands as typed.

use super::cli_error::CliError;
use super::command::{self, Command};
use super::commands::COMMANDS;
use super::options::{self, Opt};
use super::suggest;
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;

pub(super) enum Invocation {
    /// `--version`.
    Version,
    /// `help` or `--help`, with the words of a command or none.
    Help(Vec<String>),
    Run {
        command: &'static Command,
        /// The options with their texts; a flag has an empty one.
        given: Vec<(&'static Opt, String)>,
        /// The operands, as many as the command needs.
        operands: Vec<String>,
    },
}

pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, CliError> {
    let mut parser = Parser::from_args(arguments);
    let (mut words, mut given, mut wants_help) = (Vec::new(), Vec::new(), false);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(word) => words.push(word.string()?),
            Arg::Short('h') | Arg::Long("help") => wants_help = true,
            Arg::Short('V') | Arg::Long("version") => return Ok(Invocation::Version),
            Arg::Long(name) => {
                let option = find_option(name, &words)?;
                let takes_value = option.value.is_some();
                let text =
                    if takes_value { parser.value().and_then(ValueExt::string)? } else { String::new() };
                given.push((option, text));
            }
            Arg::Short(letter) => {
                return Err(CliError::Usage(format!("unknown option -{letter}; see: gatekey help")));
            }
        }
    }
    match words.first().map(String::as_str) {
        Some("help") => Ok(Invocation::Help(words.split_off(1))),
        _ if wants_help => Ok(Invocation::Help(words)),
        None => Err(CliError::Usage("no command given; see: gatekey help".into())),
        Some(_) => run(words, given),
    }
}

fn find_option(name: &str, words: &[String]) -> Result<&'static Opt, CliError> {
    let found = options::all().find(|option| option.name == name);
    found.ok_or_else(|| unknown_option(name, words))
}

/// The error for an unknown option. It suggests the options of the command first.
fn unknown_option(name: &str, words: &[String]) -> CliError {
    let general = ["help", "version"].into_iter();
    let command = find_command(words);
    let own = command.into_iter().flat_map(Command::options).map(|option| option.name);
    let near = suggest::nearest(name, own.chain(general))
        .or_else(|| suggest::nearest(name, options::all().map(|option| option.name)));
    let hint = match near {
        Some(near) => format!("did you mean --{near}?"),
        None => ["see: gatekey help"]
            .into_iter()
            .chain(command.iter().flat_map(|it| it.words).copied())
            .collect::<Vec<_>>()
            .join(" "),
    };
    CliError::Usage(format!("unknown option --{name}; {hint}"))
}

impl From<lexopt::Error> for CliError {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(match error {
            // Without the value, which may be a secret.
            lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
            lexopt::Error::NonUnicodeValue(_) => "an argument is not UTF-8; paths and names must be".into(),
            error => error.to_string(),
        })
    }
}

/// The command whose name these words begin with.
pub(super) fn find_command(words: &[String]) -> Option<&'static Command> {
    COMMANDS.iter().copied().find(|command| {
        command.words.len() <= words.len() && command.words.iter().zip(words).all(|(own, word)| own == word)
    })
}

/// A longer word is not printed: it may be a token.
const MAX_SHOWN_BYTES: usize = 32;

/// The error for words that name no command, with a suggestion or the possible words.
pub(super) fn unknown_command(words: &[String]) -> CliError {
    let mut group: Vec<&str> = Vec::new();
    for word in words {
        let mut known = command::next_words(COMMANDS, &group);
        if known.contains(&word.as_str()) {
            group.push(word);
            continue;
        }
        let choices = if group.is_empty() { "see: gatekey help".into() } else { one_of(&known) };
        if group.is_empty() {
            known.push("help");
        }
        let command = |word| [group.as_slice(), &[word]].concat().join(" ");
        let shown = if word.len() > MAX_SHOWN_BYTES { "..." } else { word.as_str() };
        let hint = match suggest::nearest(word, known) {
            Some(near) => format!("did you mean {}?", command(near)),
            None => choices,
        };
        return CliError::Usage(format!("unknown command \"{}\"; {hint}", command(shown)));
    }
    let (name, choices) = (group.join(" "), one_of(&command::next_words(COMMANDS, &group)));
    CliError::Usage(format!("{name}: {choices}; see: gatekey help {name}"))
}

/// What a command reads from the terminal or standard input, because an argument is visible to other users.
fn secret_read(command: &Command) -> Option<&'static str> {
    match command.words {
        ["token", "inspect"] => Some("the token"),
        ["user", "add" | "passwd"] => Some("the password"),
        ["key", "add"] => Some("the secret"),
        _ => None,
    }
}

fn one_of(words: &[&str]) -> String {
    format!("expected one of: {}", words.join(", "))
}

fn run(mut words: Vec<String>, given: Vec<(&'static Opt, String)>) -> Result<Invocation, CliError> {
    let Some(command) = find_command(&words) else { return Err(unknown_command(&words)) };
    let name = command.words.join(" ");
    let operands = words.split_off(command.words.len());
    let needed = command.operands.iter().filter(|operand| !operand.starts_with('[')).count();
    let is_open = command.operands.last().is_some_and(|operand| operand.ends_with("...]"));
    let most = if is_open { usize::MAX } else { command.operands.len() };
    if !(needed..=most).contains(&operands.len()) {
        let (expected, given) = (command.operands.join(" "), operands.len());
        let expected = if expected.is_empty() { "nothing more" } else { &expected };
        if let (Some(secret), true) = (secret_read(command), given > needed) {
            return Err(CliError::Usage(format!(
                "{name} reads {secret} from standard input, never from an argument, which other users of this machine can \
                 see; type: {}",
                command.example
            )));
        }
        return Err(CliError::Usage(format!(
            "{name}: expected {expected}, {given} given; see: gatekey help {name}"
        )));
    }
    if let Some((stray, _)) = given.iter().find(|(option, _)| !command.takes(option)) {
        return Err(CliError::Usage(format!(
            "{name} does not take --{}; see: gatekey help {name}",
            stray.name
        )));
    }
    Ok(Invocation::Run { command, given, operands })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, CliError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[track_caller]
    fn complaint(line: &str) -> String {
        match parsed(line) {
            Err(CliError::Usage(message)) => message,
            _ => panic!("{line} was understood"),
        }
    }

    #[test]
    fn options_and_operands_come_in_any_order() {
        for line in [
            "user add --data /x ok",
            "--data /x user add ok",
            "user add ok --data=/x",
            "user --data /x add -- ok",
        ] {
            let Ok(Invocation::Run { command, given, operands }) = parsed(line) else { panic!("{line}") };
            assert_eq!(command.words, ["user", "add"]);
            assert_eq!(
                given.iter().map(|(option, text)| (option.name, text.as_str())).collect::<Vec<_>>(),
                [("data", "/x")]
            );
            assert_eq!(operands, ["ok"]);
        }
    }

    #[test]
    fn an_operand_in_brackets_may_be_left_out() {
        for (line, expected) in [("user revoke ok", &["ok"][..]), ("user revoke --all", &[])] {
            let Ok(Invocation::Run { operands, .. }) = parsed(line) else { panic!("{line}") };
            assert_eq!(operands, expected);
        }
    }

    #[test]
    fn help_is_given_wherever_it_is_asked_for() {
        for line in ["help user add", "user add --help", "--help user add", "user add ok -h"] {
            let Ok(Invocation::Help(words)) = parsed(line) else { panic!("{line}") };
            assert_eq!(words.get(..2).unwrap(), ["user", "add"]);
        }
        assert!(matches!(parsed("--version"), Ok(Invocation::Version)));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert_eq!(complaint(""), "no command given; see: gatekey help");
        assert_eq!(complaint("serve -x"), "unknown option -x; see: gatekey help");
        assert_eq!(complaint("serve --listen"), "missing argument for option '--listen'");
        assert_eq!(complaint("serve now"), "serve: expected nothing more, 1 given; see: gatekey help serve");
        assert_eq!(complaint("user add"), "user add: expected USERNAME, 0 given; see: gatekey help user add");
        assert_eq!(
            complaint("user revoke a b"),
            "user revoke: expected [USERNAME], 2 given; see: gatekey help user revoke"
        );
        assert_eq!(
            complaint("user list --listen x"),
            "user list does not take --listen; see: gatekey help user list"
        );
        assert_eq!(complaint("serve --allow-cleartext=yes"), "--allow-cleartext takes no value");
    }

    #[test]
    fn a_secret_as_an_argument_is_refused_with_the_line_to_type_and_never_printed() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.XbOEFJkhjHJ5uRINh2JA1BPzXjSohKYDRT472wGOvjc";
        for (words, secret, line) in [
            ("token inspect", "token", "printf %s \"$TOKEN\" | gatekey token inspect"),
            ("key add", "secret", "printf %s \"$SECRET_KEY\" | gatekey key add"),
            ("user add alice", "password", "gatekey user add alice"),
            (
                "user passwd alice",
                "password",
                "echo 'correct horse battery staple' | gatekey user passwd alice --password-stdin",
            ),
        ] {
            let message = complaint(&format!("{words} {token}"));
            let expected = format!("reads the {secret} from standard input, never from an argument");
            assert!(message.contains(&expected) && message.ends_with(&format!("type: {line}")), "{message}");
            assert!(!message.contains(token), "{message}");
        }
        for line in ["token", "", "user add alice --password-stdin=", "key", "user"] {
            let line = format!("{line}{}{token}", if line.ends_with('=') { "" } else { " " });
            assert!(!complaint(&line).contains(token), "{line}");
        }
        assert_eq!(complaint("user add"), "user add: expected USERNAME, 0 given; see: gatekey help user add");
    }

    #[test]
    fn a_misspelt_command_is_told_which_was_meant() {
        assert_eq!(complaint("sevre"), "unknown command \"sevre\"; did you mean serve?");
        assert_eq!(complaint("hlep user"), "unknown command \"hlep\"; did you mean help?");
        assert_eq!(complaint("frobnicate"), "unknown command \"frobnicate\"; see: gatekey help");
        assert_eq!(
            complaint("throttle lsit"),
            "unknown command \"throttle lsit\"; did you mean throttle list?"
        );
        assert_eq!(
            complaint("throttle frobnicate now"),
            "unknown command \"throttle frobnicate\"; expected one of: list, clear"
        );
        assert_eq!(
            complaint("throttle --data /x"),
            "throttle: expected one of: list, clear; see: gatekey help throttle"
        );
    }

    #[test]
    fn a_misspelt_option_is_told_which_was_meant_of_this_command_first() {
        assert_eq!(complaint("serve --lisen x"), "unknown option --lisen; did you mean --listen?");
        assert_eq!(complaint("--lisen x serve"), "unknown option --lisen; did you mean --listen?");
        assert_eq!(complaint("serve --frobnicate"), "unknown option --frobnicate; see: gatekey help serve");
        assert_eq!(complaint("serve --jsn"), "unknown option --jsn; did you mean --json?");
        assert_eq!(complaint("user list --hlep"), "unknown option --hlep; did you mean --help?");
        // As near to --sign, which only another command takes, as to --log, which this one does.
        assert_eq!(complaint("serve --lig"), "unknown option --lig; did you mean --log?");
    }
}
