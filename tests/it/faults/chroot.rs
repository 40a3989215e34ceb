//! A chroot without `/dev`, and a failing getrandom(2).

use crate::harness::CHEAP;
use crate::process::{self, Server, gatekey_by, run, status, written};
use crate::skip;
use rustix::process::geteuid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies the binary into an otherwise empty directory, and the shared libraries that it needs, if any.
fn copy_binary_into(root: &Path) {
    fs::copy(process::binary(), root.join("gatekey")).unwrap();
    let output = Command::new("ldd").arg(process::binary()).output().unwrap(); // fails for a static binary
    let text = String::from_utf8(output.stdout).unwrap();
    for library in text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from) {
        let copy = root.join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&library, copy).unwrap();
    }
}

#[test]
fn a_server_in_a_chroot_without_dev_hashes_passwords_and_issues_tokens() {
    if !geteuid().is_root() {
        let test = "a_server_in_a_chroot_without_dev_hashes_passwords_and_issues_tokens";
        return skip::skip(test, "only root may chroot; run the tests as root");
    }
    let root = tempfile::tempdir().unwrap();
    copy_binary_into(root.path());
    let mut command = Command::new("chroot");
    command.arg(root.path()).arg("/gatekey");
    let server = Server::start_as(command, "/data".into(), &["--scrypt", CHEAP]);
    assert!(!root.path().join("dev").exists());
    assert_eq!(status(&server.register("ok", "python")), 201);
    let basic = format!("Authorization: {}", crate::harness::basic("ok", "python"));
    assert_eq!(status(&server.request("GET /api/token", &[&basic], "")), 200);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_failing_getrandom_is_named_and_no_option_is_blamed() {
    let inject = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=getrandom:error=ENOSYS"];
    let can = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        let test = "a_failing_getrandom_is_named_and_no_option_is_blamed";
        return skip::skip(test, "strace can't trace here; install strace, and allow ptrace");
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data").into_os_string().into_string().unwrap();
    let mut command = gatekey_by("strace", &inject);
    command.args(["user", "add", "ok", "--password-stdin", "--data", &data]);
    let (code, _, message) = written(&run(&mut command, "python\n"));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("random bytes") && message.contains("getrandom"), "{message}");
    assert!(!message.contains("--"), "an option is blamed: {message}");
}
