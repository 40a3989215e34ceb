//! `gatekey completions`: completion scripts for bash, zsh and fish.
//!
//! A script asks this program what completes the last word: `gatekey completions bash -- WORD...`. The program prints one
//! candidate a line, from the tables of commands and options. With `:files` or `:directories` it asks the shell to complete
//! a path.

use super::cli_error::CliError;
use super::command::{self, Command, Commands, Run};
use super::config::CommandConfig;
use super::options::{self, Opt};
use super::output::print;
use super::suggest;
use std::process::ExitCode;

pub(super) const COMPLETIONS: Command = Command {
    words: &["completions"],
    operands: &["bash|zsh|fish", "[-- WORD...]"],
    summary: "Print the completion script for a shell.",
    details: "For bash (4 or newer) save it as /etc/bash_completion.d/gatekey, or source it in ~/.bashrc. \
              For zsh save it as _gatekey in a directory of $fpath, or source it after compinit. For fish \
              save it as ~/.config/fish/completions/gatekey.fish. With words, which the script passes, the \
              command prints what completes the last one.",
    example: "gatekey completions bash > /etc/bash_completion.d/gatekey",
    options: &[],
    run: Run::WithCommands(completions),
};

const SHELLS: [(&str, &str); 3] = [
    (
        "bash",
        r#"# gatekey in bash; made by: gatekey completions bash
_gatekey() {
    local found current=${COMP_WORDS[COMP_CWORD]} kind=-W
    found=$("${COMP_WORDS[0]}" completions bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ $current == '=' ]] && current=''
    case $found in
        :files) kind=-f ;;
        :directories) kind=-d ;;
    esac
    if [[ $kind == -W ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$found" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen $kind -- "$current")
        # Outside of a completion, in a test say, there is nothing to set options of.
        compopt -o filenames 2>/dev/null
    fi
}
complete -F _gatekey gatekey
"#,
    ),
    (
        "zsh",
        r#"#compdef gatekey
# gatekey in zsh; made by: gatekey completions zsh
_gatekey() {
    local -a found
    found=("${(@f)$($words[1] completions zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ $PREFIX == --*=* ]] && compset -P '*='
    case $found[1] in
        '') _message value ;;
        :files) _files ;;
        :directories) _files -/ ;;
        -*) _describe -o option found ;;
        *) _describe word found ;;
    esac
}
if [[ $funcstack[1] == _gatekey ]]; then
    _gatekey "$@"
else
    compdef _gatekey gatekey
fi
"#,
    ),
    (
        "fish",
        r#"# gatekey in fish; made by: gatekey completions fish
function __gatekey
    set -l words (commandline -opc)
    set -l begun (commandline -ct)
    set -l option (string match -r -- '^--[^=]+=' $begun)
    set -l value (string replace -r -- '^--[^=]+=' '' $begun)
    set -l found ($words[1] completions fish -- $words[2..-1] "$begun" 2>/dev/null)
    switch "$found"
        case :files
            set found (__fish_complete_path "$value")
        case :directories
            set found (__fish_complete_directories "$value")
    end
    printf "$option%s\n" $found
end
complete -c gatekey -f -a '(__gatekey)'
"#,
    ),
];

fn completions(commands: Commands, config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (shell, words) = (config.operand(), config.operands.get(1..).unwrap_or_default());
    let Some((_, script)) = SHELLS.iter().find(|(name, _)| *name == shell) else {
        let hint = match suggest::nearest(shell, SHELLS.map(|(name, _)| name)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("expected one of: {}", SHELLS.map(|(name, _)| name).join(", ")),
        };
        return Err(CliError::Usage(format!("unknown shell {shell:?}; {hint}")));
    };
    let Some((begun, before)) = words.split_last() else { return print(script) };
    let lines = candidates(commands, before, begun).into_iter().map(|(word, about)| match shell {
        // A colon ends the word, and a backslash in the rest is an escape.
        "zsh" if !about.is_empty() => format!("{word}:{}\n", about.replace('\\', r"\\")),
        "fish" if !about.is_empty() => format!("{word}\t{about}\n"),
        _ => format!("{word}\n"),
    });
    print(&lines.collect::<String>())
}

/// A word that may follow, and what it means.
type Candidate = (String, String);

/// What completes a word that is begun, behind these words.
fn candidates(commands: Commands, before: &[String], begun: &str) -> Vec<Candidate> {
    let (mut called, mut option) = (Vec::new(), None);
    for word in before {
        if option.is_some() {
            option = option.filter(|_| word == "="); // bash makes three words of --loop=strict
        } else if word.starts_with('-') {
            option = with_value(word);
        } else if next(commands, &called).iter().any(|(next, _)| next == word) {
            called.push(word.as_str());
        }
    }
    let in_one_word = || begun.split_once('=').and_then(|(option, _)| with_value(option));
    if let Some(value) = option.or_else(in_one_word) {
        return values(value);
    }
    let command = commands.iter().find(|command| command.words == called);
    let mut words = next(commands, &called);
    if let (true, Some(operand)) = (words.is_empty(), command.and_then(|command| command.operands.first())) {
        words = values(operand);
    }
    if words.is_empty() || begun.starts_with('-') {
        let options = command.into_iter().flat_map(|command| command.options());
        let options = options.map(|option| (option.name, first_clause(option.help)));
        let version = called.is_empty().then_some(("version", "Print the version."));
        let options = options.chain([("help", "Say more about this.")]).chain(version);
        words = options.map(|(name, about)| (format!("--{name}"), about.to_string())).collect();
    }
    words
}

/// The value of an option, `--data` for example, as help calls it; `None` for a flag.
fn with_value(word: &str) -> Option<&'static str> {
    options::all().find(|option: &&Opt| word.strip_prefix("--") == Some(option.name))?.value
}

/// The words of commands that can follow these.
fn next(commands: Commands, called: &[&str]) -> Vec<Candidate> {
    let group = called.strip_prefix(&["help"]).unwrap_or(called);
    let about = |word: &str| {
        let words = [group, &[word]].concat();
        match commands.iter().find(|command| command.words == words) {
            Some(command) => command.summary.to_string(),
            None => command::next_words(commands, &words).join(", "),
        }
    };
    let next = command::next_words(commands, group).into_iter().map(|word| (word.to_string(), about(word)));
    let help = called.is_empty().then(|| ("help".into(), "Say more about a command.".into()));
    next.chain(help).collect()
}

/// The candidates for a value or an operand that help calls `on|off`, `FILE`, `DIR`.
fn values(name: &str) -> Vec<Candidate> {
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let words = match name {
        "FILE" => vec![":files"],
        "DIR" => vec![":directories"],
        name => name.split('|').filter(is_word).collect(),
    };
    words.into_iter().map(|word| (word.to_string(), String::new())).collect()
}

fn first_clause(text: &str) -> &str {
    let end = [": ", "; ", ". "].iter().filter_map(|stop| text.find(stop)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::COMMANDS;

    fn offered(before: &[&str], begun: &str) -> Vec<String> {
        let before: Vec<_> = before.iter().map(ToString::to_string).collect();
        candidates(COMMANDS, &before, begun).into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn the_operand_names_every_shell() {
        assert_eq!(COMPLETIONS.operands.first(), Some(&SHELLS.map(|(name, _)| name).join("|").as_str()));
    }

    #[test]
    fn a_value_is_what_help_calls_it() {
        let words = |name| values(name).into_iter().map(|(word, _)| word).collect::<Vec<_>>();
        assert_eq!(words("on|off"), ["on", "off"]);
        assert_eq!(words("strict|tiny-http"), ["strict", "tiny-http"]);
        assert_eq!(words("ADDR:PORT|unix:PATH|stdin"), ["stdin"]);
        assert_eq!(words("FILE"), [":files"]);
        assert_eq!(words("DIR"), [":directories"]);
        assert_eq!(words("BURST/EVERY"), Vec::<String>::new());
    }

    #[test]
    fn a_help_text_is_cut_where_its_first_clause_ends() {
        assert_eq!(first_clause("Where to listen: an address. Or not."), "Where to listen");
        assert_eq!(first_clause("Print JSON, for programs."), "Print JSON, for programs");
        assert_eq!(first_clause("127.0.0.1 it is"), "127.0.0.1 it is");
    }

    #[test]
    fn every_command_is_offered_and_help_knows_it_too() {
        for command in COMMANDS {
            let (last, before) = command.words.split_last().unwrap();
            assert!(offered(before, "").contains(&(*last).into()), "{:?}", command.words);
            assert!(
                offered(&[&["help"], before].concat(), "").contains(&(*last).into()),
                "{:?}",
                command.words
            );
        }
        assert_eq!(offered(&[], "").iter().filter(|word| *word == "throttle").count(), 1);
    }
}
