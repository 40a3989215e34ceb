//! What the table promises: every example is one, and no two commands are mistaken for each other.

use super::*;
use crate::cli::command::{self, Command};
use crate::cli::options;
use crate::cli::parse::{self, Invocation};
use std::ffi::OsString;

/// The commands of a line, each with its words, roughly as a shell splits it.
fn split(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut word, mut quote, mut depth) = (vec![Vec::new()], None::<String>, None, 0);
    let mut before = ' ';
    for c in line.chars() {
        match c {
            _ if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            '(' if before == '$' || depth > 0 => {
                depth += 1;
                word.get_or_insert_default().push(c);
            }
            ')' if depth > 0 => {
                depth -= 1;
                word.get_or_insert_default().push(c);
            }
            _ if quote.is_some() || depth > 0 => word.get_or_insert_default().push(c),
            ' ' | '\n' | '|' | '&' | ';' | '<' | '>' | '(' | ')' => {
                commands.last_mut().unwrap().extend(word.take());
                if !c.is_whitespace() {
                    commands.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
        before = c;
    }
    commands.last_mut().unwrap().extend(word);
    assert_eq!((quote, depth), (None, 0), "{line}");
    commands
}

#[test]
fn a_line_is_split_as_a_shell_splits_it() {
    assert_eq!(
        split("echo 'a b' \"\" | gatekey x --y=$(date +%F).z > /f"),
        [vec!["echo", "a b", ""], vec!["gatekey", "x", "--y=$(date +%F).z"], vec!["/f"]]
    );
}

#[test]
fn every_example_is_understood_and_shows_its_command() {
    for command in COMMANDS {
        let mut shown = Vec::new();
        for part in split(command.example) {
            let Some(start) = part.iter().rposition(|word| word == "gatekey") else { continue };
            match parse::parse(part[start + 1..].iter().map(OsString::from)) {
                Ok(Invocation::Run { command, .. }) => shown.push(command.words),
                _ => panic!("not understood: {}", command.example),
            }
        }
        assert!(
            shown.contains(&command.words),
            "{} is not shown by: {}",
            command.words.join(" "),
            command.example
        );
    }
}

#[test]
fn a_groups_commands_stand_together_and_none_hides_another() {
    for (place, command) in COMMANDS.iter().enumerate() {
        for later in &COMMANDS[place + 1..] {
            let hides = later.words.starts_with(command.words) || command.words.starts_with(later.words);
            assert!(!hides, "{:?} {:?}", command.words, later.words);
        }
    }
    let mut groups = command::next_words(COMMANDS, &[]);
    groups.sort_unstable();
    let all = groups.len();
    groups.dedup();
    assert_eq!(groups.len(), all, "a group is torn apart");
}

#[test]
fn the_list_of_options_has_each_that_a_command_takes_and_no_other() {
    for command in COMMANDS {
        for option in command.options() {
            let is_listed = options::all().any(|listed| listed.name == option.name);
            assert!(is_listed, "--{} of {:?}", option.name, command.words);
        }
    }
    for listed in options::all() {
        let is_taken = |command: &&Command| command.takes(listed);
        assert!(COMMANDS.iter().any(is_taken), "--{}", listed.name);
    }
}
