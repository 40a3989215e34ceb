//! `gatekey serve`: opens the listeners and the realm, and runs the server.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::{CommandConfig, ServeConfig};
use super::data;
use super::doctor;
use super::environment;
use super::files;
use super::listen;
use super::options;
#[cfg(feature = "tiny-http")]
use super::values::Engine;
use crate::clock;
use crate::os;
use crate::realm::Realm;
use crate::routes::{LinkRequests, PublicUrl};
use crate::server::Shutdown;
use crate::server::app::{self, App, AppService};
use crate::server::engine::{self, Endpoint};
use crate::server::heartbeats::Heartbeats;
use crate::server::link_command::{LinkCommand, LinkSender};
use crate::server::listener::BoundListener;
use crate::server::log;
use crate::server::saver::spawn_saver;
use crate::server::service_manager::ServiceManager;
use crate::server::signals::SignalThread;
use std::env;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

/// glibc's threshold in bytes: a larger block is mapped on its own, and unmapped when it is freed.
const MMAP_THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");
/// Marks the second start. The variable above can't, because glibc removes it if the program has
/// capabilities.
const RESTARTED: &str = "GATEKEY_RESTARTED";

/// Re-executes this program with an allocator that returns memory to the system.
///
/// After the first freed block glibc raises its threshold, and then keeps blocks of that size: twice the
/// memory of all hash slots. The variable prevents that, and is read only at the start of a process.
/// Process id and descriptors stay. If it fails, or with another C library, the server runs without.
fn reexec_with_mmap_threshold() {
    let (variable, bytes) = MMAP_THRESHOLD;
    let mut arguments = env::args_os();
    let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) else { return };
    // A program that a loader started can't be executed by its own name.
    let is_named_so = program.file_name() == Path::new(&name).file_name();
    if is_named_so && env::var_os(variable).is_none() && env::var_os(RESTARTED).is_none() {
        let mut again = process::Command::new(program);
        // Returns only if it failed.
        let _ = again.arg0(name).args(arguments).env(variable, bytes).env(RESTARTED, "1").exec();
    }
}

const NO_THREAD: &str = "can't make a thread";

pub(super) const SERVE: Command = Command {
    words: &["serve"],
    operands: &[],
    summary: "Serve users, tokens and the protected resource over HTTP.",
    details: "The first start creates the data directory with its database and signing key. SIGTERM and \
              SIGINT shut it down gracefully: requests in flight are answered. SIGHUP reloads the signing \
              keys.",
    example: "gatekey serve --listen 127.0.0.1:5000 --data /var/lib/gatekey",
    options: &[options::SERVE_OPTIONS],
    run: Run::Plain(serve),
};

fn serve(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    reexec_with_mmap_threshold();
    warn_about_unknown_variables();
    let config = ServeConfig::new(config)?;
    let log = config.log;
    let _flush_at_end = log.begin().or_fail(NO_THREAD)?;
    // Before the data: if the address is in use, nothing is created.
    let BoundListener { listener, name, probe_target, file } = listen::listen(&config)?;
    let metrics = listen::listen_for_metrics(&config)?;
    let ServeConfig { data_dir, hasher, policy, mut routes, link_command, limits, event_loops, .. } = config;
    data_dir.check_permissions().map_err(|error| CliError::Failed(error.to_string()))?;
    let (store, keys) = data::open_or_create(&data_dir)?;
    let keys = keys.announced_in(data_dir.directory(), policy.max_session);
    let realm = Realm::open(store, keys, hasher, policy, clock::now()).or_fail("can't read the database")?;
    let realm = Arc::new(realm.with_observer(|notice| log::realm_notice(&notice)));
    doctor::weak_settings(realm.policy(), &realm.ring()).for_each(log::notice);

    let (shutdown, manager) = (Arc::new(Shutdown::default()), ServiceManager::from_environment());
    let signals =
        SignalThread::spawn(&realm, &shutdown, manager.clone()).or_fail("can't listen for signals")?;
    let heartbeats = Arc::new(Heartbeats::new(clock::monotonic()));
    let (requests, link_queue) = LinkRequests::queue();
    routes.link_requests = link_command.is_some().then_some(requests);
    let proxies = routes.trusted_proxies.clone();
    let app = App::new(realm.clone(), routes, heartbeats.clone(), log);
    let app = Arc::new(app.or_fail("can't name requests")?);
    let saver = spawn_saver(&realm, &app, &shutdown).or_fail(NO_THREAD)?;
    let links = spawn_link_sender(link_command, link_queue, &realm, &app, &shutdown).or_fail(NO_THREAD)?;
    let metrics = metrics
        .map(|listener| app::metrics_endpoint(listener, &app))
        .transpose()
        .or_fail("can't serve metrics")?;
    announce(&name);
    manager.ready();
    manager.spawn_watchdog(probe_target, &heartbeats, &shutdown).or_fail(NO_THREAD)?;
    match listener {
        #[cfg(feature = "tiny-http")]
        engine::Listener::Tcp(listener) if config.engine == Engine::TinyHttp => {
            let served = app::run_tiny(&app, listener, metrics, &shutdown);
            served.map_err(|error| CliError::Failed(format!("can't serve: {error}")))?;
        }
        listener => {
            let limits = limits.within_descriptors(event_loops);
            let service = Box::new(AppService(app.clone()));
            let endpoints = [Endpoint { listener, limits, proxies, service }].into_iter().chain(metrics);
            engine::run(endpoints.collect(), event_loops, &heartbeats, &shutdown).or_fail("can't serve")?;
        }
    }
    drop(file);
    // All references to the realm end, so that SQLite closes its file and removes the WAL.
    signals.close();
    let _ = links.map(JoinHandle::join);
    let _ = saver.join(); // it doesn't panic, and the next line saves anyway
    app.save(clock::now());
    drop((app, realm));
    Ok(ExitCode::SUCCESS)
}

fn spawn_link_sender(
    command: Option<(LinkCommand, PublicUrl)>,
    queue: Receiver<String>,
    realm: &Arc<Realm>,
    app: &Arc<App>,
    shutdown: &Arc<Shutdown>,
) -> io::Result<Option<JoinHandle<()>>> {
    let Some((command, url)) = command else { return Ok(None) };
    let (realm, app, shutdown) = (realm.clone(), app.clone(), shutdown.clone());
    LinkSender { command, url, realm, app, shutdown }.spawn(queue).map(Some)
}

fn warn_about_unknown_variables() {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for complaint in
        environment::complaints(names.filter(|name| ![RESTARTED, files::FOR_ROOT].contains(&name.as_str())))
    {
        log::notice(complaint);
    }
}

/// Prints the ready line. Errors are ignored: standard output may be closed.
fn announce(name: &str) {
    let line = format!("gatekey: listening on {name}\n");
    // systemd may pass the listening socket as standard output too.
    let _ = if os::is_socket(&io::stdout()) {
        io::stderr().lock().write_all(line.as_bytes())
    } else {
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush())
    };
}
