//! Progress line of a long task, on standard error if that is a terminal, from one second on: `gatekey: backing up: 12 s`.
//!
//! A thread draws it, because SQLite does most of such a task in one call. The line is erased at the end.

use crate::clock;
use core::time::Duration;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

/// A shorter task draws nothing.
const FIRST: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(250);

/// Does a task of this name. It must not write to standard error.
pub(super) fn watched<T>(name: &str, task: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return task();
    }
    // Nothing is sent; the channel closes when the task ends, also by a panic.
    let (running, is_running) = mpsc::channel::<()>();
    thread::scope(|scope| {
        // Without a thread the task is done all the same.
        let _ = thread::Builder::new()
            .name("progress".into())
            .spawn_scoped(scope, move || draw(name, &is_running));
        let done = task();
        drop(running);
        done
    })
}

fn draw(name: &str, is_running: &Receiver<()>) {
    let write = |text: String| {
        let mut terminal = io::stderr();
        let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
    };
    let (start, mut pause, mut width) = (clock::monotonic(), FIRST, 0);
    while is_running.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let seconds = clock::monotonic().saturating_duration_since(start).as_secs();
        let line = format!("gatekey: {name}: {seconds} s");
        write(format!("\r{line:width$}"));
        width = line.chars().count().max(width);
        pause = INTERVAL;
    }
    if width > 0 {
        write(format!("\r{:width$}\r", ""));
    }
}
