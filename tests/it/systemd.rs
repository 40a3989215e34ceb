//! The units under a real systemd: a user manager in namespaces of its own, with the units as shipped but for the sandbox and the
//! user. A wrong option and a full disk, with clients that go on connecting: neither leaves a unit failed, and once the cause is
//! gone the service answers without an operator's help.

use crate::process::binary;
use crate::skip::skip;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What a user manager can't do, or what would need the account: the sandbox and where things are.
const LEFT_OUT: [&str; 4] = ["User=", "Group=", "StateDirectory", "LimitNOFILE="];

/// Runs in the namespaces: mounts what systemd wants, starts it, then the scenario. All of it ends with the shell.
const BOOT: &str = r#"
set -u
mount --make-rprivate / && mount -t tmpfs none /run && ip link set lo up || exit 77
mkdir -p /run/systemd/system /run/user "$PLACE/disk"
export XDG_RUNTIME_DIR=/run/user XDG_CONFIG_HOME="$PLACE" HOME="$PLACE" SYSTEMD_LOG_TARGET=console
mount -t tmpfs -o size=1m none "$PLACE/disk" || exit 77
MANAGER=
for path in /usr/lib/systemd/systemd /lib/systemd/systemd; do [ -x $path ] && MANAGER=$path; done
[ -n "$MANAGER" ] || exit 77
$MANAGER --user >"$PLACE/manager.log" 2>&1 &
await() { # a condition, for 30 s at most
    for _ in $(seq 300); do if "$@"; then return 0; fi; sleep 0.1; done
    return 1
}
ctl() { systemctl --user "$@"; }
is_up() { ctl is-system-running >"$PLACE/state" 2>&1; grep -qE 'running|degraded' "$PLACE/state"; }
await is_up || { cat "$PLACE/state" "$PLACE/manager.log"; exit 77; }
health() { curl -s -o /dev/null --max-time 5 http://127.0.0.1:5000/healthz; }
knock() { # clients that come and go, as many as it says; a manager that gave up refuses them
    for _ in $(seq "$1"); do curl -s -o /dev/null --max-time 0.2 http://127.0.0.1:5000/healthz; done
}
state() { ctl show "$1" -p ActiveState -p Result --value | tr '\n' ' '; }
"#;

const WRONG_OPTION: &str = r#"
echo GATEKEY_SCRYPT=wrong >"$PLACE/conf"
ctl start gatekey.socket || exit 1
knock 60
echo "socket: $(state gatekey.socket)"
echo >"$PLACE/conf"
await health && echo served
"#;

const FULL_DISK: &str = r#"
ctl start gatekey.socket && await health || exit 1
ctl stop gatekey.service gatekey.socket
head -c 2m /dev/zero >"$PLACE/disk/filling" 2>/dev/null
ctl start gatekey.socket || exit 1
knock 60
cat "$PLACE/service.log"
echo "socket: $(state gatekey.socket)"
rm "$PLACE/disk/filling"
await health && echo served
"#;

/// Runs a scenario in namespaces of its own; what it printed. `None`, said aloud, where that can't be.
fn run(test: &str, scenario: &str) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    units(&place);
    let script = format!("{BOOT}{scenario}");
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--net", "--fork", "--mount-proc", "--kill-child"]);
    unshare.args(["bash", "-c", &script]).env("PLACE", place.path());
    let Ok(output) = unshare.output() else {
        skip(test, "there is no unshare; install util-linux");
        return None;
    };
    if output.status.code() == Some(77) || output.status.code() == Some(1) && output.stdout.is_empty() {
        skip(
            test,
            &format!(
                "no systemd can be booted here; run as root, with systemd and iproute2: {}",
                text(&output)
            ),
        );
        return None;
    }
    let log = fs::read_to_string(place.path().join("manager.log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{log}", text(&output));
    Some(text(&output))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The units as shipped, less the sandbox and the account.
fn units(place: &TempDir) {
    let user = place.path().join("systemd/user");
    fs::create_dir_all(&user).unwrap();
    let (conf, data) = (place.path().join("conf"), place.path().join("disk/data"));
    for name in ["gatekey.service", "gatekey.socket"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
        let text = fs::read_to_string(path).unwrap();
        let (text, install) = text.split_once("[Install]").unwrap();
        // The sandbox is last, and only in the service.
        let marker = "\n# Sandbox: ";
        assert_eq!(text.contains(marker), name == "gatekey.service");
        let text = text.split(marker).next().unwrap();
        let lines = text.lines().filter(|line| !LEFT_OUT.iter().any(|start| line.starts_with(start)));
        let text = lines.collect::<Vec<_>>().join("\n") + "\n[Install]" + install;
        let text = text
            .replace("/usr/local/bin/gatekey", binary().to_str().unwrap())
            .replace("/etc/gatekey.conf", conf.to_str().unwrap())
            .replace("/var/lib/gatekey", data.to_str().unwrap())
            .replace("=journal", &format!("=append:{}", place.path().join("service.log").display()));
        fs::write(user.join(name), text).unwrap();
    }
}

#[test]
fn a_wrong_option_does_not_fail_the_socket_unit() {
    let test = "a_wrong_option_does_not_fail_the_socket_unit";
    let Some(said) = run(test, WRONG_OPTION) else { return };
    assert!(said.contains("socket: success active"), "{said}");
    assert!(said.ends_with("served\n"), "{said}");
}

#[test]
fn the_service_restarts_after_a_full_disk() {
    let Some(said) = run("the_service_restarts_after_a_full_disk", FULL_DISK) else { return };
    assert!(said.contains("socket: success active"), "{said}");
    assert!(said.contains("no space left on device"), "the log says why: {said}");
    assert!(said.ends_with("served\n"), "{said}");
}
