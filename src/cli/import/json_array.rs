//! Parser for a JSON array of users, object by object: what Django's `manage.py dumpdata auth.user` writes.
//!
//! ```text
//! [{"model": "auth.user", "pk": 1, "fields": {"username": "ok", "password": "pbkdf2_sha256$…", "is_active": true, …}}]
//! ```
//!
//! Objects of other models, without `password` in `fields`, are skipped. An object without `fields` is
//! parsed like a line of JSON lines.

use super::json_lines;
use super::record::{
    BYTE_ORDER_MARK, MAX_LINE_BYTES, MAX_SKIPPED_BYTES, Record, RecordPosition, Row, Stopped, Take,
};
use crate::json::{self, Object, Value};
use crate::user_id::{Generation, UserId};
use std::io::{self, BufRead, ErrorKind};

/// Passes each user of the array to `take`.
pub(super) fn read(file: &mut impl BufRead, take: &mut Take<'_>) -> Result<(), Stopped> {
    let mut bytes = Bytes { file };
    for mark in BYTE_ORDER_MARK {
        bytes.next_if(*mark)?;
    }
    if bytes.next_token()? != Some(b'[') {
        return Err(malformed("expected an array of objects").into());
    }
    let (mut object, mut number) = (Vec::new(), 0);
    loop {
        match bytes.next_token()? {
            Some(b']') => return Ok(()),
            Some(b'{') => {}
            Some(b',') if number > 0 => continue,
            _ => return Err(malformed("expected an object, a comma or the end of the array").into()),
        }
        number += 1;
        let is_whole = bytes.read_object(&mut object)?;
        let row = if is_whole {
            parse(&object)
        } else {
            Some(Err(format!("the object is over {MAX_LINE_BYTES} bytes long")))
        };
        row.map_or(Ok(()), |row| take(RecordPosition::Object(number), row)).map_err(Stopped::Taking)?;
    }
}

fn malformed(message: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}

/// `None` for an object of another model.
fn parse(text: &[u8]) -> Option<Result<Record, String>> {
    let mut object = match json::parse_object(text) {
        Ok(object) => object,
        Err(error) => return Some(Err(error.to_string())),
    };
    match object.remove("fields") {
        Some(Value::Object(fields)) if fields.contains_key("password") => {
            Some(row(&object, &fields).map(Record::User))
        }
        Some(Value::Object(_)) => None,
        _ => json_lines::parse(text),
    }
}

fn row(object: &Object, fields: &Object) -> Result<Row, String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(String::from);
    let id = match object.get("pk") {
        None | Some(Value::Null) => None,
        Some(pk) => Some(pk.as_i64().and_then(UserId::new).ok_or_else(|| json_lines::bad_id("pk", pk))?),
    };
    Ok(Row {
        username: text("username"),
        password_hash: text("password").ok_or("password is not a text")?,
        id,
        generation: Generation::FIRST,
        disabled: fields.get("is_active") == Some(&Value::Bool(false)),
    })
}

struct Bytes<'a, R> {
    file: &'a mut R,
}

impl<R: BufRead> Bytes<'_, R> {
    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.file.fill_buf()?.first().copied())
    }

    fn next_if(&mut self, expected: u8) -> io::Result<()> {
        if self.peek()? == Some(expected) {
            self.file.consume(1);
        }
        Ok(())
    }

    /// The next byte that is not white space.
    fn next_token(&mut self) -> io::Result<Option<u8>> {
        loop {
            let byte = self.peek()?;
            self.file.consume(usize::from(byte.is_some()));
            if !byte.is_some_and(|byte| byte.is_ascii_whitespace()) {
                return Ok(byte);
            }
        }
    }

    /// Reads the rest of an object after its first brace; false if it was too long and is skipped.
    fn read_object(&mut self, object: &mut Vec<u8>) -> io::Result<bool> {
        object.clear();
        object.push(b'{');
        let (mut depth, mut is_text, mut is_escaped, mut length) = (1_u64, false, false, 1_usize);
        while depth > 0 {
            let Some(byte) = self.peek()? else { return Err(malformed("the file ends within an object")) };
            self.file.consume(1);
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_text => is_escaped = true,
                b'"' => is_text = !is_text,
                b'{' | b'[' if !is_text => depth = depth.saturating_add(1),
                b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
                _ => {}
            }
            length = length.saturating_add(1);
            if length as u64 <= MAX_LINE_BYTES {
                object.push(byte);
            } else if length > MAX_SKIPPED_BYTES {
                return Err(malformed("an object is over 1 MiB long, so this is no file of users"));
            }
        }
        Ok(length as u64 <= MAX_LINE_BYTES)
    }
}
