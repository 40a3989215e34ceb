//! Completion script for zsh: a function `_gatekey`, for compinit or to be sourced.

use super::super::command::Commands;
use super::positions::{
    Position, Values, dashed_with_values, options_at, positions, quoted, steps, with_values,
};

pub(super) fn script(commands: Commands) -> String {
    let (with_value, steps) = (dashed_with_values().join("|"), steps(commands).join("|"));
    let values: String = with_values().iter().map(|(name, values)| at_value(name, values)).collect();
    let positions: String = positions(commands).iter().map(at_position).collect();
    format!(
        r#"#compdef gatekey
# gatekey in zsh; made by: gatekey completions zsh
_gatekey() {{
    local called='' option='' word
    local -a next flags
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        if [[ -n $option ]]; then
            option=''
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
    if [[ -z $option && $PREFIX == --*=* ]]; then
        option=${{PREFIX%%=*}}
        compset -P '*='
    fi
    case $option in
        '') ;;
{values}    esac
    [[ -z $option ]] || return
    case $called in
{positions}    esac
    if [[ $PREFIX == -* || $#next -eq 0 ]]; then
        _describe -o option flags
    elif [[ "$next" == files ]]; then
        _files
    elif [[ "$next" == directories ]]; then
        _files -/
    else
        _describe word next
    fi
}}
if [[ $funcstack[1] == _gatekey ]]; then
    _gatekey "$@"
else
    compdef _gatekey gatekey
fi
"#
    )
}

fn at_value(name: &str, values: &Values) -> String {
    format!("        --{name}) {} ;;\n", offered(values))
}

fn offered(values: &Values) -> String {
    match values {
        Values::Words(words) => format!("compadd -- {}", words.join(" ")),
        Values::Files => "_files".into(),
        Values::Directories => "_files -/".into(),
        Values::Anything => "_message value".into(),
    }
}

fn at_position(position: &Position) -> String {
    let described: Vec<_> = position.next.iter().map(|(word, about)| item(word, about)).collect();
    let next = match &position.operand {
        _ if !described.is_empty() => described.join(" "),
        Values::Words(words) => words.join(" "),
        Values::Files => "files".into(),
        Values::Directories => "directories".into(),
        Values::Anything => String::new(),
    };
    let flags: Vec<_> =
        options_at(position).iter().map(|(name, about)| item(&format!("--{name}"), about)).collect();
    let position = quoted(&position.words.join(" "));
    format!("        {position})\n            next=({next})\n            flags=({}) ;;\n", flags.join(" "))
}

/// An item for `_describe`: the description follows the first colon, and a backslash in it is an escape.
fn item(word: &str, about: &str) -> String {
    quoted(&format!("{word}:{}", about.replace('\\', r"\\")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_keeps_every_character_of_its_description() {
        assert_eq!(item("--x", r#"a user's "$x" \z: [1]"#), r#"'--x:a user'\''s "$x" \\z: [1]'"#);
    }
}
