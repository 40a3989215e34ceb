//! Log writer: a bounded buffer and a thread that writes it to standard error.
//!
//! A write to standard error blocks while the reader of a pipe is stalled. Threads that serve requests
//! therefore append to the buffer. When it is full, lines are dropped and counted; one line reports the count
//! when standard error accepts writes again.

use crate::wait::lock;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// The size of the buffer. As much again may be in a write.
const MAX_BYTES: usize = 256 * 1024;
/// Batching: how long the thread waits for more lines, so that under load it wakes and writes once for many.
const BATCH_DELAY: Duration = Duration::from_millis(1);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// One for the process, as standard error is.
static WRITER: LogWriter = LogWriter::new();

/// Starts the thread. `notice` formats the line about dropped lines. Before the start, lines are written
/// directly.
///
/// # Errors
/// The system has no thread left.
pub(super) fn start(notice: fn(u64) -> String) -> io::Result<FlushAtEnd> {
    thread::Builder::new().name("log".into()).spawn(move || WRITER.run(io::stderr(), &notice))?;
    lock(&WRITER.buffer).is_started = true;
    Ok(FlushAtEnd)
}

/// Appends lines, which must end in line feeds, or drops them.
pub(super) fn write(lines: &str) {
    WRITER.write(lines);
}

pub(super) fn dropped() -> u64 {
    WRITER.dropped.load(Ordering::Relaxed)
}

/// Guard that flushes the buffer when it is dropped.
#[derive(Debug)]
pub struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        WRITER.flush(FLUSH_TIMEOUT);
    }
}

#[derive(Debug)]
struct LogWriter {
    buffer: Mutex<Buffer>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "four facts that change each by itself")]
struct Buffer {
    bytes: Vec<u8>,
    /// Lines dropped since the last notice.
    dropped: u64,
    is_started: bool,
    is_writing: bool,
    /// Whether the thread waits on the condition variable.
    is_waiting: bool,
    /// Whether a flush waits on it.
    is_flushing: bool,
}

impl LogWriter {
    const fn new() -> Self {
        let bytes = Vec::new();
        let buffer = Buffer {
            bytes,
            dropped: 0,
            is_started: false,
            is_writing: false,
            is_waiting: false,
            is_flushing: false,
        };
        Self { buffer: Mutex::new(buffer), changed: Condvar::new(), dropped: AtomicU64::new(0) }
    }

    fn write(&self, lines: &str) {
        let mut buffer = lock(&self.buffer);
        if !buffer.is_started {
            drop(buffer);
            let _ = io::stderr().lock().write_all(lines.as_bytes()); // there is nowhere else to report it
            return;
        }
        if buffer.bytes.len() + lines.len() > MAX_BYTES {
            buffer.dropped += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        buffer.bytes.extend_from_slice(lines.as_bytes());
        let is_waiting = core::mem::take(&mut buffer.is_waiting);
        drop(buffer);
        if is_waiting {
            self.changed.notify_all();
        }
    }

    /// The thread's loop; never returns.
    fn run(&self, mut out: impl Write, notice: &dyn Fn(u64) -> String) {
        let mut bytes = Vec::new();
        loop {
            let mut buffer = lock(&self.buffer);
            buffer.is_writing = false;
            if buffer.is_flushing {
                self.changed.notify_all();
            }
            while buffer.bytes.is_empty() && buffer.dropped == 0 {
                buffer.is_waiting = true;
                buffer = self.changed.wait(buffer).unwrap_or_else(PoisonError::into_inner);
            }
            buffer.is_waiting = false;
            drop(buffer);
            thread::sleep(BATCH_DELAY);
            let mut buffer = lock(&self.buffer);
            buffer.is_writing = true;
            bytes.clear();
            core::mem::swap(&mut bytes, &mut buffer.bytes);
            let dropped = core::mem::take(&mut buffer.dropped);
            drop(buffer);
            if dropped > 0 {
                bytes.extend_from_slice(notice(dropped).as_bytes());
            }
            let _ = out.write_all(&bytes); // closed or full: there is nowhere else to report it
        }
    }

    fn flush(&self, timeout: Duration) {
        let has_rest = |buffer: &mut Buffer| {
            buffer.is_started && (buffer.is_writing || !buffer.bytes.is_empty() || buffer.dropped > 0)
        };
        let mut buffer = lock(&self.buffer);
        buffer.is_flushing = true;
        drop(self.changed.wait_timeout_while(buffer, timeout, has_rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_stalled_reader_blocks_no_thread_and_gets_the_number_of_dropped_lines() {
        static STALLED: LogWriter = LogWriter::new();
        let (mut reader, out) = UnixStream::pair().unwrap();
        lock(&STALLED.buffer).is_started = true;
        thread::spawn(move || STALLED.run(out, &|count| format!("{count} dropped\n")));
        let line = "x".repeat(1_023) + "\n";
        let lines = 2_000_u64; // more than the socket and both buffers hold
        (0..lines).for_each(|_| STALLED.write(&line));
        let dropped = STALLED.dropped.load(Ordering::Relaxed);
        assert!((1..lines).contains(&dropped), "{dropped}");
        // It is read again.
        let (mut text, mut bytes) = (String::new(), [0; 4_096]);
        while !text.contains("dropped") {
            let count = reader.read(&mut bytes).unwrap();
            text += std::str::from_utf8(&bytes[..count]).unwrap();
        }
        let kept = text.matches(&line).count() as u64;
        assert_eq!(kept + dropped, lines);
        assert!(text.contains(&format!("\n{dropped} dropped\n")), "{}", &text[text.len() - 100..]);
        STALLED.write("and on\n");
        while !text.ends_with("and on\n") {
            let count = reader.read(&mut bytes).unwrap();
            text += std::str::from_utf8(&bytes[..count]).unwrap();
        }
        STALLED.flush(FLUSH_TIMEOUT);
        assert!(!lock(&STALLED.buffer).is_writing);
    }
}
