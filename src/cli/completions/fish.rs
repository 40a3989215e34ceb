//! Completions for fish.

use super::{COMMANDS, Values, beginnings, first_sentence, next_words, operand_values, options_with_values};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const HEAD: &str = r"# Made by: gatekey completions fish
function __gatekey_words --description 'The words before the cursor that are neither options nor their values'
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case VALUED
                set skip 1
            case '-*'
            case '*'
                echo $word
        end
    end
end
function __gatekey_at --description 'Whether these are the words'
    test (string join ' ' -- (__gatekey_words)) = $argv[1]
end
function __gatekey_in --description 'Whether the words begin with these'
    string match -q -- $argv[1]' *' (string join ' ' -- (__gatekey_words))' '
end
complete -c gatekey -f
complete -c gatekey -l help -d 'Say more'
";

pub(super) fn script() -> String {
    let names: Vec<_> = options_with_values().keys().map(|name| format!("--{name}")).collect();
    let mut text = HEAD.replace("VALUED", &names.join(" "));
    for words in beginnings() {
        let at = quoted(&words.join(" "));
        for (word, says) in next_words(&words) {
            text += &format!("complete -c gatekey -n \"__gatekey_at {at}\" -a {word} -d {}\n", quoted(says));
        }
    }
    text += "complete -c gatekey -n \"__gatekey_at ''\" -a help -d 'Say more about one.'\n";
    for command in COMMANDS {
        let inside = format!("complete -c gatekey -n \"__gatekey_in {}\"", quoted(&command.words.join(" ")));
        if let Some(offered) = offered(&operand_values(command)) {
            text += &format!("{inside} {offered}\n");
        }
        for option in command.options {
            let value = option.value.map_or(Values::Free, super::values);
            let value = match offered(&value) {
                Some(offered) => format!(" -r {offered}"),
                None if option.value.is_some() => " -r".into(),
                None => String::new(),
            };
            text += &format!("{inside} -l {}{value} -d {}\n", option.name, quoted(first_sentence(option)));
        }
    }
    text
}

fn offered(values: &Values) -> Option<String> {
    match values {
        Values::Words(words) => Some(format!("-a {}", quoted(&words.join(" ")))),
        Values::File => Some("-F".into()),
        Values::Directory => Some("-a '(__fish_complete_directories)'".into()),
        Values::Free => None,
    }
}

/// Inside single quotes fish reads escapes of the quote and of itself.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
