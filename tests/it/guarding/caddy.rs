//! Caddy from PyPI, by `deploy/caddy/Caddyfile`.

use super::Ground;
use crate::python::{self, Venv};
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

pub(super) fn start(ground: &Ground, test: &str) -> Option<Child> {
    let program = python::program(Venv::Proxies, "caddy", test)?;
    let (port, directory) = (ground.port, ground.directory);
    let (file, log) = (directory.join("Caddyfile"), File::create(directory.join("log")).unwrap());
    // Nothing but this port, on this machine alone: no port 80, no UDP, no listener for administration.
    let options = format!(
        "{{\nadmin off\npersist_config off\nauto_https disable_redirects\ndefault_bind 127.0.0.1\nhttps_port {port}\n\
         servers {{\nprotocols h1 h2\n}}\n}}\n"
    );
    fs::write(&file, options + &ground.shipped("caddy/Caddyfile")).unwrap();
    let mut command = Command::new(program);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("XDG_DATA_HOME", directory).env("XDG_CONFIG_HOME", directory);
    Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
}
