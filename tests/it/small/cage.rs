//! A hard memory limit: a control group, version 1 or 2, for a process and its children.
//!
//! Version 2 is a tree of directories with `memory.max` (kernel: admin-guide/cgroup-v2.rst), version 1 one with
//! `memory.limit_in_bytes` (admin-guide/cgroup-v1/memory.rst). Where neither is mounted, one is, in a directory of
//! the test's own; that takes root, and so does making a group.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// How often an empty group may still be busy: the kernel lets go of a process a moment after its end was told.
const REMOVALS: usize = 100_000;

pub struct Cage {
    group: PathBuf,
    version: Version,
    _mount: Option<Mount>,
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Cage {
    /// An empty one, or why there can't be one.
    pub fn new(limit_bytes: u64) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (top, version, mount) = hierarchy()?;
        let name = format!("gatekey-test-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let group = top.join(name);
        fs::create_dir(&group)
            .map_err(|error| format!("can't make a control group, run as root: {error}"))?;
        let cage = Self { group, version, _mount: mount };
        let limit = limit_bytes.to_string();
        match version {
            Version::One => {
                cage.write("memory.limit_in_bytes", &limit)?;
                // Memory and swap together, where swap is counted at all.
                if cage.group.join("memory.memsw.limit_in_bytes").exists() {
                    cage.write("memory.memsw.limit_in_bytes", &limit)?;
                }
            }
            Version::Two => {
                cage.write("memory.max", &limit)?;
                if cage.group.join("memory.swap.max").exists() {
                    cage.write("memory.swap.max", "0")?;
                }
            }
        }
        Ok(cage)
    }

    /// A script for `sh -c`, which goes in and becomes the program that its arguments are.
    pub fn enter(&self) -> String {
        format!("echo $$ >'{}/cgroup.procs' && exec \"$0\" \"$@\"", self.group.display())
    }

    pub fn holds(&self, pid: u32) -> bool {
        self.read("cgroup.procs").lines().any(|line| line == pid.to_string())
    }

    /// How many processes the kernel has ended in it because memory was out.
    pub fn killed(&self) -> u64 {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = self.read(file);
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap().parse().unwrap()
    }

    /// The most memory that was in use at a time, files that the kernel kept in mind included.
    pub fn peak_bytes(&self) -> u64 {
        let file = match self.version {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        };
        self.read(file).trim_end().parse().unwrap()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.group.join(file)).unwrap()
    }

    fn write(&self, file: &str, value: &str) -> Result<(), String> {
        fs::write(self.group.join(file), value).map_err(|error| format!("can't set {file}: {error}"))
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let is_gone = (0..REMOVALS).any(|_| fs::remove_dir(&self.group).is_ok());
        assert!(is_gone || std::thread::panicking(), "{} is left", self.group.display());
    }
}

/// A hierarchy that limits memory: its top, and who has to undo what was mounted for it.
fn hierarchy() -> Result<(PathBuf, Version, Option<Mount>), String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
    // proc_pid_mountinfo(5): the fifth column is the place; after a hyphen stand type, source and options.
    for line in mounts.lines() {
        let Some((place, kind)) = line.split_once(" - ") else { continue };
        let place = Path::new(place.split(' ').nth(4).unwrap_or_default());
        let mut kind = kind.split(' ');
        let (kind, options) = (kind.next().unwrap_or_default(), kind.nth(1).unwrap_or_default());
        if kind == "cgroup" && options.split(',').any(|option| option == "memory") {
            return Ok((place.into(), Version::One, None));
        }
        if kind == "cgroup2" && gives_memory_on(place) {
            return Ok((place.into(), Version::Two, None));
        }
    }
    if let Ok(mount) = Mount::new(&["-t", "cgroup2"])
        && gives_memory_on(mount.place.path())
    {
        return Ok((mount.place.path().into(), Version::Two, Some(mount)));
    }
    let mount = Mount::new(&["-t", "cgroup", "-o", "memory"])?;
    Ok((mount.place.path().into(), Version::One, Some(mount)))
}

/// Whether groups below this one of version 2 have the files for memory, now at least.
fn gives_memory_on(top: &Path) -> bool {
    let has = |file: &str| {
        fs::read_to_string(top.join(file))
            .is_ok_and(|text| text.split_whitespace().any(|name| name == "memory"))
    };
    let given_on = "cgroup.subtree_control";
    has("cgroup.controllers") && (has(given_on) || fs::write(top.join(given_on), "+memory").is_ok())
}

/// Something mounted in a directory of our own, as long as this lives.
struct Mount {
    place: TempDir,
}

impl Mount {
    fn new(options: &[&str]) -> Result<Self, String> {
        let place = tempfile::tempdir().map_err(|error| error.to_string())?;
        let output = Command::new("mount").args(options).arg("none").arg(place.path()).output();
        let output = output.map_err(|error| format!("can't run mount: {error}"))?;
        let why = String::from_utf8_lossy(&output.stderr);
        let refused = format!("no control group for memory is to be had, run as root: {}", why.trim_end());
        if output.status.success() { Ok(Self { place }) } else { Err(refused) }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.place.path()).status(); // or else the directory says that it is busy
    }
}
