//! Environment file, parsed as systemd does (systemd.exec(5), `EnvironmentFile=`): one `NAME=VALUE` per
//! line. A comment behind a value is part of the value.
//!
//! Blanks around name and value are dropped, and a line may end with CR LF. systemd ignores some lines with
//! only a line in its journal; here they are errors, because the service would run without them: `export
//! NAME=VALUE`, a name with other characters than letters, digits and underscores, a byte order mark. The
//! only quotes accepted are one pair around the whole value, and no backslashes, since a shell and systemd
//! interpret others differently.

use super::cli_error::CliError;
use super::files::Files;
use crate::chain;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// More than all variables take: another file would fill the memory.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EnvFile(BTreeMap<String, String>);

impl EnvFile {
    /// `None` if there is no such file; a service then runs with its defaults.
    pub(super) fn read(path: &Path, files: &Files) -> Result<Option<Self>, CliError> {
        let failed = |why: &str| CliError::Failed(format!("can't read {}: {why}", path.display()));
        match files.open_safely(path).and_then(|file| io::read_to_string(file.take(MAX_BYTES + 1))) {
            Ok(text) if text.len() as u64 > MAX_BYTES => Err(failed("it is longer than 1 MiB")),
            Ok(text) => Self::parse(&text).map(Some).map_err(|why| failed(&why)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&chain::describe(&error))),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut variables = BTreeMap::new();
        for (line, number) in text.lines().map(str::trim).zip(1_u64..) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let wrong = |expected: &str| format!("line {number}: expected {expected}");
            if line.starts_with('\u{feff}') {
                return Err(wrong("no byte order mark, with which systemd ignores the line"));
            }
            let (name, value) = line.split_once('=').ok_or_else(|| wrong("NAME=VALUE"))?;
            let (name, value) = (name.trim_end(), value.trim_start());
            if name.split_once(char::is_whitespace).is_some_and(|(word, _)| word == "export") {
                return Err(wrong("NAME=VALUE without export, with which systemd ignores the line"));
            }
            if !is_name(name) {
                return Err(wrong("a name of letters, digits and underscores; systemd ignores others"));
            }
            let value = unquoted(value, '"').or_else(|| unquoted(value, '\'')).unwrap_or(value);
            if value.contains(['"', '\'', '\\']) {
                return Err(wrong("no quotes but one pair around the value, and no backslashes"));
            }
            variables.insert(name.into(), value.into());
        }
        Ok(Self(variables))
    }

    pub(super) fn get(&self, name: &str) -> Option<OsString> {
        self.0.get(name).map(OsString::from)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.0.keys().cloned()
    }
}

fn is_name(name: &str) -> bool {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_in_name) && name.starts_with(|c: char| !c.is_ascii_digit())
}

fn unquoted(value: &str, quote: char) -> Option<&str> {
    value.strip_prefix(quote)?.strip_suffix(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_a_line_of_its_own_and_is_part_of_the_value_elsewhere() {
        let file = EnvFile::parse(
            "# one\n; two\n\nA=1\n  B = two words  \nC=\"quoted # so\"\nD='x'\nE=\nF=open   # or closed\nA=2\n\
             G=crlf \t\r\nH=' kept '  \r\n",
        );
        let variables = file.unwrap().0;
        let expected = [
            ("A", "2"),
            ("B", "two words"),
            ("C", "quoted # so"),
            ("D", "x"),
            ("E", ""),
            ("F", "open   # or closed"),
            ("G", "crlf"),
            ("H", " kept "),
        ];
        assert!(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn what_could_mean_something_else_to_others_is_refused_with_its_line() {
        let quotes = "line 1: expected no quotes but one pair around the value, and no backslashes";
        for (text, expected) in [
            ("\n\nA", "line 3: expected NAME=VALUE"),
            ("A=\"x", quotes),
            ("A=x\"y\"", quotes),
            ("A=x\\", quotes),
            ("A=\"x\" # y", quotes),
            ("export A=x", "line 1: expected NAME=VALUE without export, with which systemd ignores the line"),
            (
                "#\nexport\tA=x",
                "line 2: expected NAME=VALUE without export, with which systemd ignores the line",
            ),
            ("\u{feff}A=x", "line 1: expected no byte order mark, with which systemd ignores the line"),
            ("A B=x", "line 1: expected a name of letters, digits and underscores; systemd ignores others"),
            ("1A=x", "line 1: expected a name of letters, digits and underscores; systemd ignores others"),
            ("=x", "line 1: expected a name of letters, digits and underscores; systemd ignores others"),
        ] {
            assert_eq!(EnvFile::parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
