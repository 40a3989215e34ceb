//! Reader of a file of users: one record at a time is in memory.

use super::record::{
    BYTE_ORDER_MARK, MAX_LINE_BYTES, MAX_SKIPPED_BYTES, Record, RecordPosition, Row, Stopped, Take,
};
use super::{htpasswd, json_array, json_lines};
use crate::cli::cli_error::CliError;
use crate::cli::files::Files;
use crate::cli::private_copy;
use crate::cli::temp_dir::{TempDir, cant_write};
use crate::cli::values::Format;
use crate::os;
use crate::store::{self, OriginalUser};
use crate::user_id::{Generation, UserId};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::path::Path;

/// The limit for a pipe or a device, which may never end.
const MAX_STREAM_BYTES: u64 = 1 << 30;
/// The first bytes of an SQLite database.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// The format of a file that begins with these bytes.
fn detect_format(start: &[u8]) -> Format {
    if start.starts_with(SQLITE) {
        return Format::Sqlite;
    }
    let start = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start);
    match start.trim_ascii_start().first() {
        Some(b'{') => Format::JsonLines,
        Some(b'[') => Format::JsonArray,
        _ => Format::Htpasswd,
    }
}

/// An open file of users; `-` is standard input. It is opened once, since its path may be closed to this
/// user, under sudo for example.
pub(super) struct Source<'a> {
    path: &'a Path,
    input: BufReader<File>,
    files: &'a Files,
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &'a Path, files: &'a Files) -> Result<Self, CliError> {
        let opened = if path == Path::new("-") {
            io::stdin().as_fd().try_clone_to_owned().map(File::from)
        } else {
            files.open(path)
        };
        let is_file = |file: File| Ok((file.metadata()?.is_file(), file));
        let (is_file, file) = opened.and_then(is_file).map_err(|error| cant_read(path, &error))?;
        let file = if is_file { file } else { whole(path, file)? };
        Ok(Self { path, input: BufReader::new(file), files })
    }
}

/// Copies a pipe or a device to a temporary file. An import keeps the database locked, and a pipe may
/// pause.
fn whole(path: &Path, stream: File) -> Result<File, CliError> {
    let directory = TempDir::new("input")?;
    let copy = directory.path().join("users");
    let mut file = os::create_private_file(&copy).map_err(|error| cant_write(&copy, &error))?;
    let copied = io::copy(&mut stream.take(MAX_STREAM_BYTES + 1), &mut file);
    // Of reading or of writing: copy doesn't tell.
    if copied.map_err(|error| cant_read(path, &error))? > MAX_STREAM_BYTES {
        return Err(CliError::Failed(format!(
            "can't read {}: it is no regular file, and over {MAX_STREAM_BYTES} bytes came from it; write the users to a \
             file first",
            path.display()
        )));
    }
    File::open(&copy).map_err(|error| cant_read(&copy, &error))
}

fn cant_read(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("can't read {}", path.display()), error)
}

/// Passes each record of a file to `take`.
pub(super) fn read(source: Source<'_>, format: Option<Format>, take: &mut Take<'_>) -> Result<(), CliError> {
    let Source { path, input: mut file, files } = source;
    let format = match format {
        Some(format) => format,
        None => detect_format(file.fill_buf().map_err(|error| cant_read(path, &error))?),
    };
    match format {
        Format::Sqlite if path == Path::new("-") => Err(CliError::Failed(
            "can't read -: a database has to be named, by standard input it doesn't come".into(),
        )),
        Format::Sqlite => {
            drop(file);
            let copy = private_copy::of_input(path, files)?;
            // The store rejects links; the operator may name one.
            let database = match &copy {
                Some(copy) => copy.database(),
                None => fs::canonicalize(path).map_err(|error| cant_read(path, &error))?,
            };
            read_original(path, &database, take)
        }
        Format::JsonLines => read_lines(&mut file, json_lines::parse, take).map_err(|error| error.on(path)),
        Format::JsonArray => json_array::read(&mut file, take).map_err(|error| error.on(path)),
        Format::Htpasswd => read_lines(&mut file, htpasswd::parse, take).map_err(|error| error.on(path)),
    }
}

/// `path` is the named one, for messages.
fn read_original(path: &Path, database: &Path, take: &mut Take<'_>) -> Result<(), CliError> {
    let read = store::read_original(database, |OriginalUser { id, username, password_hash }| {
        let row = match (UserId::new(id), password_hash) {
            (Some(id), Some(password_hash)) => {
                let (id, generation) = (Some(id), Generation::IMPORTED);
                Ok(Record::User(Row { username, password_hash, id, generation, disabled: false }))
            }
            (None, _) => Err("the id is not above 0".into()),
            (_, None) => Err("there is no password hash, expected a text".into()),
        };
        take(RecordPosition::Id(id), row).map_err(Stopped::Taking)
    });
    read.map_err(|error| error.on(path))
}

/// Reads line by line; `parse` returns `None` for a line without a record.
pub(super) fn read_lines<T>(
    file: &mut impl BufRead,
    parse: impl Fn(&[u8]) -> Option<Result<T, String>>,
    take: &mut dyn FnMut(RecordPosition, Result<T, String>) -> Result<(), CliError>,
) -> Result<(), Stopped> {
    let (mut line, mut number) = (Vec::new(), 0);
    while let Some(is_whole) = read_line(file, &mut line)? {
        number += 1;
        let text = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line) } else { &line };
        let row = if is_whole {
            parse(text.trim_ascii_end())
        } else {
            Some(Err(format!("the line is over {MAX_LINE_BYTES} bytes long")))
        };
        row.map_or(Ok(()), |row| take(RecordPosition::Line(number), row)).map_err(Stopped::Taking)?;
    }
    Ok(())
}

/// Reads the next line; `None` at the end, and false if it was too long and is skipped.
fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let mut read = file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    let is_whole = line.ends_with(b"\n") || file.fill_buf()?.is_empty();
    let (mut is_at_end, mut skipped) = (is_whole, 0);
    while !is_at_end {
        line.clear();
        read = file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', line)?;
        skipped += read;
        is_at_end = read == 0 || line.ends_with(b"\n");
        if skipped > MAX_SKIPPED_BYTES {
            let cause = format!("a line is over {MAX_SKIPPED_BYTES} bytes long, so this is no file of users");
            return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
        }
    }
    Ok(Some(is_whole))
}
