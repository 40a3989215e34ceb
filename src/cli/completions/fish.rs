//! Completion script for fish: a function that tests the position, and a line for each completion.

use super::super::command::Commands;
use super::positions::{Position, Values, dashed_with_values, options_at, positions, steps, with_values};
use core::fmt::Write as _;

pub(super) fn script(commands: Commands) -> String {
    let (with_value, steps) = (dashed_with_values().join(" "), steps(commands).join(" "));
    let mut script = format!(
        r#"# gatekey in fish; made by: gatekey completions fish
function __gatekey_at --description 'Whether these are the command words before the cursor'
    set -l called
    set -l option
    for word in (commandline -opc)[2..-1]
        if set -q option[1]
            set option
            continue
        end
        switch $word
            case {with_value}
                set option $word
            case '-*'
            case '*'
                switch "$called $word"
                    case {steps}
                        set -a called $word
                end
        end
    end
    test "$called" = "$argv"
end
complete -c gatekey -f
"#
    );
    for position in positions(commands) {
        script.push_str(&at_position(&position));
    }
    script
}

fn at_position(position: &Position) -> String {
    let condition = format!("complete -c gatekey -n '__gatekey_at {}'", position.words.join(" "));
    let mut lines = String::new();
    for (word, about) in &position.next {
        let _ = writeln!(lines, "{condition} -a {word} -d {}", quoted(about));
    }
    if position.next.is_empty() {
        let _ = match &position.operand {
            Values::Words(words) => writeln!(lines, "{condition} -a '{}'", words.join(" ")),
            Values::Files => writeln!(lines, "{condition} -F"),
            Values::Directories => writeln!(lines, "{condition} -a '{DIRECTORIES}'"),
            Values::Anything => Ok(()),
        };
    }
    let values = with_values();
    for (name, about) in options_at(position) {
        let value = values.iter().find(|(valued, _)| *valued == name).map(|(_, values)| value(values));
        let _ = writeln!(lines, "{condition} -l {name}{} -d {}", value.unwrap_or_default(), quoted(about));
    }
    lines
}

const DIRECTORIES: &str = "(__fish_complete_directories)";

fn value(values: &Values) -> String {
    match values {
        Values::Words(words) => format!(" -x -a '{}'", words.join(" ")),
        Values::Files => " -r -F".into(),
        Values::Directories => format!(" -x -a '{DIRECTORIES}'"),
        Values::Anything => " -x".into(),
    }
}

/// Quotes a text for fish: a backslash escapes the quote and itself.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_quotes_hold_everything() {
        assert_eq!(quoted(r#"a user's "$x" (y) \z: [1]"#), r#"'a user\'s "$x" (y) \\z: [1]'"#);
    }
}
