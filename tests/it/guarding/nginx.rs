//! nginx from Debian, by `deploy/nginx/gatekey.conf`.

use super::Ground;
use crate::skip::skip;
use std::fs;
use std::process::{Child, Command, Stdio};

pub(super) fn start(ground: &Ground, test: &str) -> Option<Child> {
    let is_there = Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok();
    if !is_there {
        skip(test, "there is no nginx; install it: apt-get install nginx-light openssl");
        return None;
    }
    let listen = format!("listen 127.0.0.1:{} ssl", ground.port);
    let site = ground.shipped("nginx/gatekey.conf").replace("listen 443 ssl", &listen);
    let at = ground.directory.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {at}/{name};\n"))
        .concat();
    let whole = format!(
        "daemon off;\npid {at}/pid;\nerror_log {at}/log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{site}}}\n"
    );
    let whole = if is_root() { format!("user root;\n{whole}") } else { whole };
    fs::write(ground.directory.join("nginx.conf"), whole).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-e").arg(ground.directory.join("log")).arg("-c").arg(ground.directory.join("nginx.conf"));
    Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Its workers must be able to read what the test made.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}
