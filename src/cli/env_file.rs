//! A file of variables, read as systemd reads one (systemd.exec(5), `EnvironmentFile=`): a line each, `NAME=VALUE`, and
//! **no comment behind a value**, which would be part of it.
//!
//! Of quotes and backslashes within a value only a pair of quotes around all of it is understood here. Others are
//! refused, since a shell and systemd read them in different ways.

use super::cli_error::CliError;
use super::files::Files;
use crate::chain;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The variables, by their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EnvFile(BTreeMap<String, String>);

impl EnvFile {
    /// `None` where there is no such file: then a service goes by its defaults.
    pub(super) fn read(path: &Path, files: &Files) -> Result<Option<Self>, CliError> {
        let failed = |why: &str| CliError::Failed(format!("can't read {}: {why}", path.display()));
        match files.open_safely(path).and_then(io::read_to_string) {
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
            let (name, value) = line.split_once('=').ok_or_else(|| wrong("NAME=VALUE"))?;
            let value = value.trim_start();
            let value = unquoted(value, '"').or_else(|| unquoted(value, '\'')).unwrap_or(value);
            if value.contains(['"', '\'', '\\']) {
                return Err(wrong("no quotes but one pair around the value, and no backslashes"));
            }
            variables.insert(name.trim_end().into(), value.into());
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

fn unquoted(value: &str, quote: char) -> Option<&str> {
    value.strip_prefix(quote)?.strip_suffix(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_a_line_of_its_own_and_is_part_of_the_value_elsewhere() {
        let file = EnvFile::parse(
            "# one\n; two\n\nA=1\n  B = two words  \nC=\"quoted # so\"\nD='x'\nE=\nF=open   # or closed\nA=2\n",
        );
        let variables = file.unwrap().0;
        let expected = [
            ("A", "2"),
            ("B", "two words"),
            ("C", "quoted # so"),
            ("D", "x"),
            ("E", ""),
            ("F", "open   # or closed"),
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
        ] {
            assert_eq!(EnvFile::parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
