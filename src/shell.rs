//! Shell quoting: a path or a name in a command that a message suggests, so that the line can be pasted.

use std::path::Path;

/// A word as a shell reads it: as it is, in `'...'`, or, with control characters, in `$'...'`.
pub(crate) fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into();
    }
    if !word.contains(char::is_control) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let escape = |byte: u8| match byte {
        b'\\' | b'\'' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).into(),
        byte => format!("\\{byte:03o}"),
    };
    let escaped: Vec<String> = word.bytes().map(escape).collect();
    format!("$'{}'", escaped.concat())
}

/// A path as an argument: quoted, and never taken for an option.
pub(crate) fn quote_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.starts_with('-') { quote(&format!("./{text}")) } else { quote(&text) }
}

/// A name as the last operand: quoted, and never taken for an option.
pub(crate) fn quote_operand(name: &str) -> String {
    let separator = if name.starts_with('-') { "-- " } else { "" };
    format!("{separator}{}", quote(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use std::process::Command;

    #[test]
    fn a_quoted_word_is_one_word_to_a_shell() {
        for (word, quoted) in [
            ("/var/lib/gatekey", "/var/lib/gatekey"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm -r x)`;&|", "'$(rm -r x)`;&|'"),
            ("", "''"),
            ("~", "'~'"),
            ("é", "'é'"),
            ("a\nb'\\\u{85}", r"$'a\012b\'\\\302\205'"),
        ] {
            assert_eq!(quote(word), quoted);
            let script = format!("printf '%s\\0' {quoted}");
            let Ok(output) = Command::new("bash").args(["-c", &script]).output() else { continue };
            assert_eq!(output.stdout, [word.as_bytes(), b"\0"].concat(), "{quoted}");
        }
    }

    #[test]
    fn a_leading_dash_is_no_option() {
        assert_eq!(quote_path(Path::new("-rf /")), "'./-rf /'");
        assert_eq!(quote_path(Path::new("/a/-b")), "/a/-b");
        let names: Vec<_> = ["-x", "alice"].map(quote_operand).into();
        assert_eq!(names, ["-- -x", "alice"]);
    }
}
