//! Completion script for bash: one function that sets COMPREPLY.
//!
//! bash splits `--data=/x` into three words, since `=` is in COMP_WORDBREAKS; so the script skips a `=`
//! after an option. bash shows no descriptions.

use super::super::command::Commands;
use super::positions::{
    Position, Values, dashed_with_values, options_at, positions, quoted, steps, with_values,
};

pub(super) fn script(commands: Commands) -> String {
    let (with_value, steps) = (dashed_with_values().join("|"), steps(commands).join("|"));
    let values: String = with_values().iter().map(|(name, values)| at_value(name, values)).collect();
    let positions: String = positions(commands).iter().map(at_position).collect();
    format!(
        r#"# gatekey in bash; made by: gatekey completions bash
_gatekey() {{
    local called='' option='' files='' words='' options='' word current=${{COMP_WORDS[COMP_CWORD]}} i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ -n $option ]]; then
            [[ $word == '=' ]] || option=''
            continue
        fi
        case $word in
            {with_value}) option=$word ;;
            -*) ;;
            *) case "$called $word" in
                {steps}) called=${{called:+$called }}$word ;;
            esac ;;
        esac
    done
    [[ -n $option && $current == '=' ]] && current=''
    case $option in
{values}        *) case $called in
{positions}        esac ;;
    esac
    COMPREPLY=()
    [[ $current == -* || -z $words$files ]] && words=$options files=''
    case $files in
        files) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        directories) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
    esac
    # Outside of a completion, in a test say, there is nothing to set options of.
    [[ -z $files ]] || compopt -o filenames 2>/dev/null
}}
complete -F _gatekey gatekey
"#
    )
}

fn at_value(name: &str, values: &Values) -> String {
    format!("        --{name}) {};;\n", assigned(values))
}

fn at_position(position: &Position) -> String {
    let words: Vec<_> = position.next.iter().map(|(word, _)| *word).collect();
    let next = if words.is_empty() { assigned(&position.operand) } else { assigned(&Values::Words(words)) };
    let options: Vec<_> = options_at(position).iter().map(|(name, _)| format!("--{name}")).collect();
    let position = quoted(&position.words.join(" "));
    format!("            {position}) {next}options='{}' ;;\n", options.join(" "))
}

fn assigned(values: &Values) -> String {
    match values {
        Values::Words(words) => format!("words={} ", quoted(&words.join(" "))),
        Values::Files => "files=files ".into(),
        Values::Directories => "files=directories ".into(),
        Values::Anything => String::new(),
    }
}
