//! Background thread of a server: checks the key file every second, and saves what must survive a restart.

use super::Shutdown;
use super::app::App;
use crate::clock;
use crate::keys;
use crate::realm::Realm;
use crate::store::SAVE_INTERVAL;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Starts the thread, which ends at the shutdown. A key removed from the file is dropped even if no request
/// comes.
///
/// # Errors
/// The system has no thread.
pub fn spawn_saver(
    realm: &Arc<Realm>,
    app: &Arc<App>,
    shutdown: &Arc<Shutdown>,
) -> io::Result<JoinHandle<()>> {
    let (realm, app, shutdown) = (realm.clone(), app.clone(), shutdown.clone());
    let save = move || {
        let mut saved_at = clock::monotonic();
        while !shutdown.wait_for(keys::CHECK_INTERVAL) {
            let now = clock::now();
            realm.watch_keys(now);
            let is_due = now.monotonic.saturating_duration_since(saved_at) >= SAVE_INTERVAL;
            if is_due || realm.is_save_urgent() {
                app.save(now);
                saved_at = now.monotonic;
            }
        }
    };
    thread::Builder::new().name("saver".into()).spawn(save)
}
