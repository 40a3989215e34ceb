//! Signal handling: SIGTERM and SIGINT request the shutdown, SIGHUP reloads the signing keys.
//!
//! A second SIGTERM or SIGINT ends the process at once. SIGXFSZ accompanies a failed write beyond the file
//! size limit (`ulimit -f`); it is caught, since it would end the process.

use super::Shutdown;
use super::service_manager::ServiceManager;
use crate::clock;
use crate::realm::Realm;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::{io, process};

/// The thread that waits for signals.
#[derive(Debug)]
pub struct SignalThread {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl SignalThread {
    /// Catches the signals from now on. The service manager is notified of a reload and of the shutdown.
    ///
    /// # Errors
    /// The system has no thread, or doesn't let signals be caught.
    pub fn spawn(realm: &Arc<Realm>, shutdown: &Arc<Shutdown>, manager: ServiceManager) -> io::Result<Self> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGXFSZ])?;
        let handle = signals.handle();
        let (realm, shutdown) = (realm.clone(), shutdown.clone());
        let handle_signals = move || {
            let mut is_ending = false;
            for signal in signals.forever() {
                match signal {
                    SIGHUP => {
                        manager.reloading();
                        realm.reload_keys(clock::now());
                        manager.ready();
                    }
                    SIGXFSZ => {} // the write that caused it fails
                    _ if is_ending => process::exit(1),
                    _ => {
                        is_ending = true;
                        manager.stopping();
                        shutdown.request();
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("signals".into()).spawn(handle_signals)?;
        Ok(Self { handle, thread })
    }

    /// Ends the thread, which then holds no reference to the realm.
    pub fn close(self) {
        self.handle.close();
        let _ = self.thread.join(); // it doesn't panic
    }
}
