//! Incremental decoder of the chunked transfer coding (RFC 9112 section 7.1).
//!
//! ```text
//! 5;ignored=yes\r\n      size in hex, extensions
//! {"use\r\n              that many bytes
//! 0\r\n                  the last chunk
//! Dropped: yes\r\n       trailers
//! \r\n
//! ```

#![warn(clippy::arithmetic_side_effects)]

use super::context::Refusal;
use super::limits::{MAX_CHUNK_LINE, MAX_TRAILERS};
use crate::http::ErrorCode;

const MALFORMED: Refusal =
    Refusal { code: ErrorCode::MalformedRequest, message: "The body is not what the chunked coding writes." };

#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(usize),
    DataEnd,
    Trailers,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Unfinished,
    Finished,
    /// The body exceeds its limit.
    TooLarge,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Size, trailer_bytes: 0 }
    }

    /// Decodes the beginning of `input`, removes it there, and appends it to `body`.
    pub(super) fn read(
        &mut self,
        input: &mut Vec<u8>,
        body: &mut Vec<u8>,
        max_body: usize,
    ) -> Result<Progress, Refusal> {
        while self.state != State::Done {
            let more = match self.state {
                State::Size => match take_line(input, MAX_CHUNK_LINE)? {
                    Some(line) => {
                        let size = parse_size(&line)?;
                        let left = max_body.saturating_sub(body.len());
                        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= left) else {
                            return Ok(Progress::TooLarge);
                        };
                        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                        true
                    }
                    None => false,
                },
                State::Data(left) => {
                    let take = left.min(input.len());
                    body.extend(input.drain(..take));
                    let left = left.saturating_sub(take);
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    left == 0
                }
                State::DataEnd => match take_line(input, 2)? {
                    Some(line) if line.is_empty() => {
                        self.state = State::Size;
                        true
                    }
                    Some(_) => return Err(MALFORMED),
                    None => false,
                },
                State::Trailers => self.drop_trailer(input)?,
                State::Done => false,
            };
            if !more {
                return Ok(Progress::Unfinished);
            }
        }
        Ok(Progress::Finished)
    }

    /// Skips one trailer. Trailers are ignored, since they could contradict the headers.
    fn drop_trailer(&mut self, input: &mut Vec<u8>) -> Result<bool, Refusal> {
        let Some(line) = take_line(input, MAX_TRAILERS)? else { return Ok(false) };
        self.trailer_bytes = self.trailer_bytes.saturating_add(line.len()).saturating_add(2);
        if self.trailer_bytes > MAX_TRAILERS {
            return Err(MALFORMED);
        }
        if line.is_empty() {
            self.state = State::Done;
        }
        Ok(true)
    }
}

/// Removes a line from the beginning and returns it without its CRLF; `None` while it is incomplete. Rejects
/// a bare CR or LF, a NUL, and more than `max` bytes.
fn take_line(input: &mut Vec<u8>, max: usize) -> Result<Option<Vec<u8>>, Refusal> {
    let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0));
    let Some(end) = end else { return if input.len() > max { Err(MALFORMED) } else { Ok(None) } };
    let rest = input.get(end..).expect("the end was found in the input");
    if end > max || !b"\r\n".starts_with(rest.get(..2).unwrap_or(rest)) {
        return Err(MALFORMED);
    }
    if rest.len() < 2 {
        return Ok(None);
    }
    let line = input.drain(..end).collect();
    input.drain(..2);
    Ok(Some(line))
}

/// Parses up to 16 hexadecimal digits without sign or white space, also a size that no memory holds. Extensions may
/// follow.
fn parse_size(line: &[u8]) -> Result<u64, Refusal> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let is_hex = !digits.is_empty() && digits.len() <= 16 && digits.iter().all(u8::is_ascii_hexdigit);
    let text = core::str::from_utf8(digits).ok().filter(|_| is_hex);
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body that arrives in pieces of this size, followed by the next request.
    fn read(text: &[u8], piece: usize) -> Result<(Progress, Vec<u8>, Vec<u8>), Refusal> {
        let (mut input, mut body, mut chunked) = (Vec::new(), Vec::new(), Chunked::new());
        let mut progress = Progress::Unfinished;
        for bytes in text.chunks(piece) {
            input.extend_from_slice(bytes);
            if progress == Progress::Unfinished {
                progress = chunked.read(&mut input, &mut body, 16)?;
            }
        }
        Ok((progress, body, input))
    }

    #[test]
    fn a_body_reads_the_same_in_pieces_of_any_size() {
        let text = b"5;a=b;c\r\nhello\r\n1\r\n,\r\n00A\r\n0123456789\r\n0\r\nDropped: x\r\n\r\nGET /";
        for piece in 1..=text.len() {
            let (progress, body, rest) = read(text, piece).unwrap();
            assert_eq!(progress, Progress::Finished, "{piece}");
            assert_eq!(
                (body.as_slice(), rest.as_slice()),
                (&b"hello,0123456789"[..], &b"GET /"[..]),
                "{piece}"
            );
        }
    }

    #[test]
    fn one_byte_more_than_allowed_is_too_large() {
        assert_eq!(read(b"10\r\n0123456789abcdef\r\n0\r\n\r\n", 7).unwrap().0, Progress::Finished);
        assert_eq!(read(b"11\r\n", 7).unwrap().0, Progress::TooLarge);
        assert_eq!(read(b"8\r\n01234567\r\n9\r\n", 7).unwrap().0, Progress::TooLarge);
        assert_eq!(read(b"ffffffffffffffff\r\n", 7).unwrap().0, Progress::TooLarge);
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        let long_extension = [b"1;".as_slice(), &[b'x'; 300], b"\r\na\r\n0\r\n\r\n"].concat();
        let long_trailer = [b"0\r\n".as_slice(), &b"Trailer: dropped\r\n".repeat(300)].concat();
        for text in [
            &b"+5\r\nhello\r\n0\r\n\r\n"[..],
            b"-5\r\n",
            b"0x5\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"5 \r\nhello\r\n",
            b"\r\n",
            b";a\r\n",
            b"10000000000000000\r\n",
            b"5\nhello\r\n",
            b"5\rhello",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"0\r\n\n",
            b"g\r\n",
            b"1;\0\r\n",
            &long_extension,
            &long_trailer,
        ] {
            assert_eq!(read(text, 3).unwrap_err(), MALFORMED, "{text:?}");
        }
    }
}
