//! Positions in a command line, and what completes each.

use super::super::command::{self, Commands};
use super::super::options::{self, Opt};

/// A position in the command line, and what can follow.
pub(super) struct Position {
    pub(super) words: Vec<&'static str>,
    /// The next command words, each with a description.
    pub(super) next: Vec<(&'static str, String)>,
    pub(super) operand: Values,
    pub(super) options: Vec<&'static Opt>,
}

/// Completions of a value or an operand.
pub(super) enum Values {
    Words(Vec<&'static str>),
    Files,
    Directories,
    /// No completion.
    Anything,
}

impl Values {
    /// Parses the name of a value in help: `on|off`, `FILE`, `DIR`.
    fn named(name: &'static str) -> Self {
        let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        match (name, name.split('|').filter(is_word).collect::<Vec<_>>()) {
            ("FILE", _) => Self::Files,
            ("DIR", _) => Self::Directories,
            (_, words) if words.is_empty() => Self::Anything,
            (_, words) => Self::Words(words),
        }
    }
}

/// The positions after each command word, and the same after `help`.
pub(super) fn positions(commands: Commands) -> Vec<Position> {
    let mut positions = Vec::from([position(commands, Vec::new())]);
    for command in commands {
        for count in 1..=command.words.len() {
            let words: Vec<_> = command.words.iter().take(count).copied().collect();
            if positions.iter().all(|known| known.words != words) {
                positions.push(position(commands, words));
            }
        }
    }
    let helping = |position: &Position| Position {
        words: [&["help"], position.words.as_slice()].concat(),
        next: position.next.iter().filter(|(word, _)| *word != "help").cloned().collect(),
        operand: Values::Anything,
        options: Vec::new(),
    };
    let behind_help: Vec<_> = positions.iter().map(helping).collect();
    positions.extend(behind_help);
    positions
}

fn position(commands: Commands, words: Vec<&'static str>) -> Position {
    let command = commands.iter().find(|command| command.words == words);
    let mut next: Vec<_> = command::next_words(commands, &words)
        .into_iter()
        .map(|word| (word, about(commands, &words, word)))
        .collect();
    if words.is_empty() {
        next.push(("help", "Say more about a command.".to_string()));
    }
    Position {
        operand: command
            .and_then(|command| command.operands.first())
            .map_or(Values::Anything, |name| Values::named(name)),
        options: command.map_or(Vec::new(), |command| command.options().collect()),
        words,
        next,
    }
}

/// The description of a word: the summary of its command, or the commands of its group.
fn about(commands: Commands, before: &[&'static str], word: &'static str) -> String {
    let words = [before, &[word]].concat();
    match commands.iter().find(|command| command.words == words) {
        Some(command) => command.summary.into(),
        None => command::next_words(commands, &words).join(", "),
    }
}

/// The options with a value, and the completions of it.
pub(super) fn with_values() -> Vec<(&'static str, Values)> {
    let mut found: Vec<(&str, Values)> = Vec::new();
    for option in options::all() {
        if let Some(value) = option.value
            && found.iter().all(|(name, _)| *name != option.name)
        {
            found.push((option.name, Values::named(value)));
        }
    }
    found
}

/// The options at a position, with their descriptions.
pub(super) fn options_at(position: &Position) -> Vec<(&'static str, &'static str)> {
    let own = position.options.iter().map(|option| (option.name, first_clause(option.help)));
    let version = position.words.is_empty().then_some(("version", "Print the version."));
    own.chain([("help", "Say more about this.")]).chain(version).collect()
}

/// The first clause of a help text.
fn first_clause(text: &str) -> &str {
    let end = [": ", "; ", ". "].iter().filter_map(|stop| text.find(stop)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text).trim_end_matches('.')
}

/// Quotes a text for bash and zsh: within single quotes only the quote is special.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The transitions between positions: `'user add'` is the word `add` after `user`, `' user'` the first
/// word.
pub(super) fn steps(commands: Commands) -> Vec<String> {
    let step = |position: Position| {
        let (last, before) = position.words.split_last()?;
        Some(quoted(&format!("{} {last}", before.join(" "))))
    };
    positions(commands).into_iter().filter_map(step).collect()
}

pub(super) fn dashed_with_values() -> Vec<String> {
    with_values().iter().map(|(name, _)| format!("--{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::COMMANDS;

    #[test]
    fn a_value_is_what_help_calls_it() {
        let words = |name| match Values::named(name) {
            Values::Words(words) => words,
            Values::Files => vec!["(files)"],
            Values::Directories => vec!["(directories)"],
            Values::Anything => vec![],
        };
        assert_eq!(words("on|off"), ["on", "off"]);
        assert_eq!(words("strict|tiny-http"), ["strict", "tiny-http"]);
        assert_eq!(words("ADDR:PORT|unix:PATH|stdin"), ["stdin"]);
        assert_eq!(words("FILE"), ["(files)"]);
        assert_eq!(words("DIR"), ["(directories)"]);
        assert_eq!(words("BURST/EVERY"), Vec::<&str>::new());
    }

    #[test]
    fn a_help_text_is_cut_where_its_first_clause_ends() {
        assert_eq!(first_clause("Where to listen: an address. Or not."), "Where to listen");
        assert_eq!(first_clause("Print JSON, for programs."), "Print JSON, for programs");
        assert_eq!(first_clause("127.0.0.1 it is"), "127.0.0.1 it is");
    }

    #[test]
    fn single_quotes_hold_everything() {
        assert_eq!(quoted(r#"a user's "$x" `y` \z: [1]"#), r#"'a user'\''s "$x" `y` \z: [1]'"#);
    }

    #[test]
    fn every_command_is_a_place_and_help_knows_it_too() {
        let positions: Vec<_> =
            positions(COMMANDS).into_iter().map(|position| position.words.join(" ")).collect();
        for command in COMMANDS {
            let name = command.words.join(" ");
            assert!(positions.contains(&name) && positions.contains(&format!("help {name}")), "{name}");
        }
        assert_eq!(positions.iter().filter(|position| *position == "throttle").count(), 1);
    }
}
