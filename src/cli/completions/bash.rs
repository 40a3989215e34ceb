//! Completions for bash, without help from other scripts.

use super::{COMMANDS, Values, beginnings, next_words, operand_values, options_with_values};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const HEAD: &str = r"# Made by: gatekey completions bash
_gatekey() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= offered i
    COMPREPLY=()
    case $previous in
";

const WORDS: &str = r#"    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            VALUED) ((i++)) ;;
            -*) ;;
            *) command+=" ${COMP_WORDS[i]}" ;;
        esac
    done
    case ${command# } in
"#;

const TAIL: &str = r#"    esac
    COMPREPLY+=($(compgen -W "$offered" -- "$current"))
}
complete -F _gatekey gatekey
"#;

pub(super) fn script() -> String {
    let valued = options_with_values();
    let mut text = String::from(HEAD);
    for (name, values) in &valued {
        let offered = match values {
            Values::Words(words) => {
                format!("COMPREPLY=($(compgen -W \"{}\" -- \"$current\"))", words.join(" "))
            }
            files => of_files(files),
        };
        text += &format!("        --{name}) {offered}; return ;;\n");
    }
    let names: Vec<_> = valued.keys().map(|name| format!("--{name}")).collect();
    text += &WORDS.replace("VALUED", &names.join(" | "));
    for words in beginnings() {
        let next: Vec<_> = next_words(&words).into_iter().map(|(word, _)| word).collect();
        let also = if words.is_empty() { " help --help --version" } else { " --help" };
        text += &format!("        {:?}) offered=\"{}{also}\" ;;\n", words.join(" "), next.join(" "));
    }
    for command in COMMANDS {
        let options: Vec<_> = command.options.iter().map(|option| format!("--{} ", option.name)).collect();
        let (also, files) = match operand_values(command) {
            Values::Words(words) => (words.join(" ") + " ", String::new()),
            Values::Free => (String::new(), String::new()),
            files => (String::new(), format!("[[ $current == -* ]] || {}; ", of_files(&files))),
        };
        let words = command.words.join(" ");
        text += &format!("        {words:?}*) {files}offered=\"{also}{}--help\" ;;\n", options.concat());
    }
    text + TAIL
}

fn of_files(values: &Values) -> String {
    match values {
        Values::File => "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$current\"))",
        Values::Directory => "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$current\"))",
        Values::Words(_) | Values::Free => ":",
    }
    .into()
}
