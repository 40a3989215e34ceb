//! Envoy from PyPI, by `deploy/envoy/envoy.yaml`.

use super::Ground;
use crate::python::{self, Venv};
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

pub(super) fn start(ground: &Ground, test: &str) -> Option<Child> {
    let program = python::program(Venv::Proxies, "envoy", test)?;
    let [file, log] = ["envoy.yaml", "log"].map(|name| ground.directory.join(name));
    // The tests send more headers than the 100 that Envoy takes by default.
    let limits = "stat_prefix: https\n                common_http_protocol_options: {max_headers_count: 500}";
    let port = |port: u16| format!("address: 127.0.0.1, port_value: {port}}}");
    let shipped = ground
        .shipped("envoy/envoy.yaml")
        .replace("stat_prefix: https", limits)
        .replace("address: 0.0.0.0, port_value: 443}", &port(ground.port))
        .replace("address: 127.0.0.1, port_value: 5000}", &port(ground.gatekey.port()))
        .replace("address: 127.0.0.1, port_value: 8000}", &port(ground.app.port()));
    fs::write(&file, shipped).unwrap();
    let mut command = Command::new(program);
    command.args(["--concurrency", "2", "--disable-hot-restart", "-c"]).arg(file);
    Some(command.stdout(Stdio::null()).stderr(File::create(log).unwrap()).spawn().unwrap())
}
