//! Traefik from PyPI, by `deploy/traefik/traefik.yml` and `dynamic.yml`.

use super::Ground;
use crate::python::{self, Venv};
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

pub(super) fn start(ground: &Ground, test: &str) -> Option<Child> {
    let program = python::program(Venv::Proxies, "traefik", test)?;
    let [fixed, dynamic, log] = ["traefik.yml", "dynamic.yml", "log"].map(|name| ground.directory.join(name));
    let listen = format!("127.0.0.1:{}", ground.port);
    let shipped = ground.shipped("traefik/traefik.yml").replace(":443", &listen);
    fs::write(&fixed, shipped.replace("/etc/traefik/dynamic.yml", dynamic.to_str().unwrap())).unwrap();
    fs::write(&dynamic, ground.shipped("traefik/dynamic.yml")).unwrap();
    let log = File::create(log).unwrap();
    let mut command = Command::new(program);
    command.arg("--configFile").arg(fixed);
    Some(command.stdout(log).stderr(Stdio::null()).spawn().unwrap())
}
