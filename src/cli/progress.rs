//! How far a long piece of work is: one line on standard error, where that is a terminal, from one second on.
//!
//! ```text
//! gatekey: copying: 43 %, 12 s
//! ```
//!
//! The line is gone when the work is done. A thread draws it, because most of what takes long, SQLite does in one call.
//! Whoever says something meanwhile writes behind the line: what there is to say is said after the work.

use super::files;
use crate::clock;
use crate::wait::lock;
use core::time::Duration;
use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

/// What is over sooner needs no line.
const FIRST: Duration = Duration::from_secs(1);
/// How often the line is drawn again.
const AGAIN: Duration = Duration::from_millis(250);

/// What is being done, as whoever does it says.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Step>);

#[derive(Debug, Default)]
struct Step {
    what: String,
    far: Far,
}

#[derive(Debug, Default)]
enum Far {
    /// Nobody can tell.
    #[default]
    Unknown,
    /// As far as this file has grown on its way to so many bytes.
    Grown(PathBuf, u64),
}

impl Progress {
    /// From now on this is being done, such as `"checking"`.
    pub(super) fn begin(&self, what: &str) {
        self.set(what, Far::Unknown);
    }

    /// From now on this is being done, and is as far as this file has grown.
    pub(super) fn growing(&self, what: &str, file: &Path, bytes: u64) {
        self.set(what, Far::Grown(file.into(), bytes));
    }

    fn set(&self, what: &str, far: Far) {
        *lock(&self.0) = Step { what: what.into(), far };
    }

    /// The line, after the work has taken this long.
    fn line(&self, elapsed: Duration) -> String {
        let step = lock(&self.0);
        let (what, seconds) = (&step.what, elapsed.as_secs());
        let (done, total) = match &step.far {
            Far::Unknown => return format!("gatekey: {what}: {seconds} s"),
            Far::Grown(file, bytes) => (file.metadata().map_or(0, |metadata| metadata.len()), *bytes),
        };
        let percent = u128::from(done.min(total)).saturating_mul(100) / u128::from(total.max(1));
        format!("gatekey: {what}: {percent} %, {seconds} s")
    }
}

/// Does this work. While it goes on for longer than a second, a terminal shows how far it is.
pub(super) fn watched<T>(work: impl FnOnce(&Progress) -> T) -> T {
    let terminal = io::stderr();
    let is_relayed = env::var_os(files::FOR_ROOT).is_some_and(|value| value == files::ON_TERMINAL);
    if !terminal.is_terminal() && !is_relayed {
        return work(&Progress::default());
    }
    let time = || clock::monotonic();
    drawn(Ticker { out: terminal, time, pauses: [FIRST, AGAIN] }, work)
}

/// Where the line is drawn, by which clock, and how long to wait before it is drawn first, and again.
struct Ticker<W, C> {
    out: W,
    time: C,
    pauses: [Duration; 2],
}

fn drawn<T>(
    ticker: Ticker<impl Write + Send, impl Fn() -> Instant + Send>,
    work: impl FnOnce(&Progress) -> T,
) -> T {
    let progress = Progress::default();
    // Nothing is ever sent: it is closed when the work is over, by a panic too.
    let (working, is_working) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let shown = &progress;
        let tick = move || ticker.tick(shown, &is_working);
        // Where there can't be another thread, the work is done unseen.
        let _ = thread::Builder::new().name("progress".into()).spawn_scoped(scope, tick);
        let done = work(&progress);
        drop(working);
        done
    })
}

impl<W: Write, C: Fn() -> Instant> Ticker<W, C> {
    fn tick(mut self, progress: &Progress, is_working: &Receiver<()>) {
        let (start, [mut pause, again]) = ((self.time)(), self.pauses);
        let mut width = 0;
        while is_working.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let line = progress.line((self.time)().saturating_duration_since(start));
            self.draw(&format!("\r{line:width$}"));
            width = line.chars().count().max(width);
            pause = again;
        }
        if width > 0 {
            self.draw(&format!("\r{:width$}\r", ""));
        }
    }

    /// A terminal that is gone is none of the work's business.
    fn draw(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Sender;

    #[test]
    fn a_line_says_what_is_done_how_far_it_is_and_for_how_long() {
        let (progress, second) = (Progress::default(), Duration::from_secs(1));
        progress.begin("checking");
        assert_eq!(progress.line(second * 12), "gatekey: checking: 12 s");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("copy");
        progress.growing("copying", &file, 8_000);
        assert_eq!(progress.line(second), "gatekey: copying: 0 %, 1 s");
        std::fs::write(&file, [0; 2_000]).unwrap();
        assert_eq!(progress.line(second), "gatekey: copying: 25 %, 1 s");
    }

    /// A terminal that hands on what it is told to draw.
    struct Told(Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(core::str::from_utf8(bytes).unwrap().to_string()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_covers_the_one_before_and_leaves_nothing() {
        let (told, drawings) = mpsc::channel();
        let now = clock::monotonic();
        let ticker =
            Ticker { out: Told(told), time: move || now, pauses: [Duration::ZERO, Duration::from_millis(1)] };
        let next = || drawings.recv().unwrap();
        let done = drawn(ticker, |progress| {
            progress.begin("copying all of it");
            // Before it, what was drawn before the work began.
            while next() != "\rgatekey: copying all of it: 0 s" {}
            progress.begin("done");
            while next() != format!("\rgatekey: done: 0 s{:13}", "") {}
            7
        });
        assert_eq!(done, 7);
        let rest: Vec<_> = drawings.iter().collect();
        assert_eq!(rest.last().unwrap(), &format!("\r{:31}\r", ""));
    }

    #[test]
    fn what_is_over_at_once_draws_nothing() {
        let (told, drawings) = mpsc::channel();
        let time = || clock::monotonic();
        let pauses = [Duration::from_secs(3_600), AGAIN];
        drawn(Ticker { out: Told(told), time, pauses }, |progress| progress.begin("copying"));
        assert_eq!(drawings.iter().count(), 0);
    }
}
