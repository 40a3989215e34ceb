//! Completions for zsh: `_gatekey`, for a directory of `$fpath`.

use super::{
    COMMANDS, Values, beginnings, first_sentence, next_words, operand_values, options_with_values, quoted,
};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const HEAD: &str = r"#compdef gatekey
# Made by: gatekey completions zsh
_gatekey() {
    local command= i
    local -a offered
    case ${words[CURRENT - 1]} in
";

const WORDS: &str = r#"    esac
    for ((i = 2; i < CURRENT; i++)); do
        case ${words[i]} in
            (VALUED) ((i++)) ;;
            (-*) ;;
            (*) command+=" ${words[i]}" ;;
        esac
    done
    case ${command# } in
"#;

const TAIL: &str = r#"    esac
    _describe -V gatekey offered
}
if [ "$funcstack[1]" = _gatekey ]; then
    _gatekey "$@"
else
    compdef _gatekey gatekey
fi
"#;

pub(super) fn script() -> String {
    let valued = options_with_values();
    let mut text = String::from(HEAD);
    for (name, values) in &valued {
        text += &format!("        (--{name}) {}; return ;;\n", of_values(values));
    }
    let names: Vec<_> = valued.keys().map(|name| format!("--{name}")).collect();
    text += &WORDS.replace("VALUED", &names.join("|"));
    for words in beginnings() {
        let mut next: Vec<_> =
            next_words(&words).into_iter().map(|(word, says)| described(word, says)).collect();
        if words.is_empty() {
            next.push(described("help", "Say more about one."));
        }
        text += &format!("        ({}) offered=({}) ;;\n", quoted(&words.join(" ")), next.join(" "));
    }
    for command in COMMANDS {
        let options: Vec<_> = command
            .options
            .iter()
            .map(|option| described(&format!("--{}", option.name), first_sentence(option)))
            .collect();
        let offered = match operand_values(command) {
            Values::Free => String::new(),
            values => format!("[[ ${{words[CURRENT]}} == -* ]] || {}; ", of_values(&values)),
        };
        let words = quoted(&command.words.join(" "));
        text += &format!("        ({words}*) {offered}offered=({}) ;;\n", options.join(" "));
    }
    text + TAIL
}

fn of_values(values: &Values) -> String {
    match values {
        Values::Words(words) => format!("compadd -- {}", words.join(" ")),
        Values::File => "_files".into(),
        Values::Directory => "_files -/".into(),
        Values::Free => ":".into(),
    }
}

/// As `_describe` reads it: a colon in the word would end it, one in the text doesn't matter.
fn described(word: &str, says: &str) -> String {
    quoted(&format!("{}:{says}", word.replace(':', "\\:")))
}
