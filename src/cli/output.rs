//! Output of commands: aligned columns, or JSON.

use super::cli_error::CliError;
use crate::json::Value;
use crate::server::log;
use core::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

pub(super) fn say(text: &str) -> Result<ExitCode, CliError> {
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// Formats a table: aligned columns, two spaces between them.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).expect("a row has this column")).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// A row with columns of at least these widths; the last one is not padded.
fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(line, "{:width$}  ", log::one_line(cell));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

/// A value as JSON text. JSON itself escapes only the control characters below U+0020, and a terminal obeys
/// others too.
pub(super) fn json_text(value: &Value) -> String {
    let escaped = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    value.to_string().chars().map(escaped).collect()
}

struct Columns {
    header: String,
    widths: Vec<usize>,
}

/// Prints a list row by row, however long it is: as a table with a header, or as a JSON array.
pub(super) struct List<W> {
    out: W,
    /// `None` for JSON.
    columns: Option<Columns>,
    is_empty: bool,
}

impl<W: Write> List<W> {
    /// A table with these columns and their widths. An empty list prints no header.
    pub(super) fn of_lines(out: W, columns: &[(&str, usize)]) -> Self {
        let widths: Vec<_> = columns.iter().map(|(name, width)| name.len().max(*width)).collect();
        let header: Vec<_> = columns.iter().map(|(name, _)| (*name).to_string()).collect();
        let columns = Columns { header: line(&header, &widths), widths };
        Self { out, columns: Some(columns), is_empty: true }
    }

    pub(super) fn of_json(mut out: W) -> io::Result<Self> {
        out.write_all(b"[")?;
        Ok(Self { out, columns: None, is_empty: true })
    }

    /// Prints a row, as cells or as a value.
    pub(super) fn push(
        &mut self,
        cells: impl FnOnce() -> Vec<String>,
        value: impl FnOnce() -> Value,
    ) -> io::Result<()> {
        let is_first = core::mem::replace(&mut self.is_empty, false);
        match &self.columns {
            Some(Columns { header, widths }) => {
                let header = if is_first { header.as_str() } else { "" };
                write!(self.out, "{header}{}", line(&cells(), widths))
            }
            None => write!(self.out, "{}{}", if is_first { "" } else { ",\n" }, json_text(&value())),
        }
    }

    /// Ends the list; returns whether it is empty.
    pub(super) fn end(mut self) -> io::Result<bool> {
        if self.columns.is_none() {
            self.out.write_all(b"]\n")?;
        }
        self.out.flush()?;
        Ok(self.is_empty)
    }
}

pub(super) fn print(text: &str) -> Result<ExitCode, CliError> {
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn what_is_printed_controls_no_terminal() {
        let name = "a\u{1b}[c\u{9b}5n\u{7f}\n";
        assert_eq!(table(&[vec![name.into(), "é".into()]]), "a\\u{1b}[c\\u{9b}5n\\u{7f}\\n  é\n");
        let text = json_text(&json!({"é": name}));
        assert_eq!(text, r#"{"é":"a\u001b[c\u009b5n\u007f\n"}"#);
        assert_eq!(text.parse::<Value>().unwrap(), json!({"é": name}));
    }

    fn listed(mut list: List<&mut Vec<u8>>, ids: &[u64]) -> bool {
        for id in ids {
            list.push(|| vec![id.to_string(), "ok".into()], || json!({"id": id})).unwrap();
        }
        list.end().unwrap()
    }

    #[test]
    fn a_list_is_aligned_before_its_last_line_is_known() {
        let mut out = Vec::new();
        assert!(listed(List::of_lines(&mut out, &[("ID", 4), ("NAME", 0)]), &[]));
        assert_eq!(out, b"", "no header over nothing");
        let list = List::of_lines(&mut out, &[("ID", 4), ("NAME", 0)]);
        assert!(!listed(list, &[1, 1_000, 10_000]));
        assert_eq!(String::from_utf8(out).unwrap(), "ID    NAME\n1     ok\n1000  ok\n10000  ok\n");
    }

    #[test]
    fn a_json_list_is_one_array_a_line_each() {
        for (ids, expected) in
            [(&[][..], "[]\n"), (&[1], "[{\"id\":1}]\n"), (&[1, 2], "[{\"id\":1},\n{\"id\":2}]\n")]
        {
            let mut out = Vec::new();
            assert_eq!(listed(List::of_json(&mut out).unwrap(), ids), ids.is_empty());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
