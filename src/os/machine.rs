//! File systems and available memory.

use rustix::fs::StatVfsMountFlags;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::{env, io};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Type, such as `ext4` or `fuse.sshfs`; `None` without /proc.
    pub(crate) name: Option<String>,
    /// Whether file locks are local to this machine, or missing: NFS with `nolock`.
    pub(crate) has_only_local_locks: bool,
    /// Free bytes for unprivileged users.
    pub(crate) free_bytes: u64,
    pub(crate) is_read_only: bool,
    /// Kind of a network file system, whose locks and shared memory are not sufficient for a database.
    pub(crate) network: Option<&'static str>,
}

pub(crate) fn file_system_of(path: &Path) -> io::Result<FileSystem> {
    let (room, kind) = (rustix::fs::statvfs(path)?, rustix::fs::statfs(path)?.f_type);
    // Magic numbers of statfs(2), as digits: the type of the number depends on the processor.
    let network = match format!("{kind:x}").as_str() {
        "6969" => Some("NFS"),
        "517b" | "fe534d42" | "ff534d42" => Some("SMB"),
        "1021997" => Some("9P"),
        "c36400" => Some("Ceph"),
        _ => None,
    };
    let (name, options) = mount_of(path).unzip();
    Ok(FileSystem {
        name,
        has_only_local_locks: options.is_some_and(|options| has_only_local_locks(&options)),
        free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
        is_read_only: room.f_flag.contains(StatVfsMountFlags::RDONLY),
        network,
    })
}

pub(crate) fn is_in_read_only_mount(file: &File) -> bool {
    rustix::fs::fstatvfs(file).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY))
}

pub(crate) fn name_of_file_system(path: &Path) -> Option<String> {
    mount_of(path).map(|(name, _)| name)
}

fn mount_of(path: &Path) -> Option<(String, String)> {
    let device = fs::metadata(path).ok()?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    mount_of_device(&fs::read_to_string("/proc/self/mountinfo").ok()?, &device)
}

/// `36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/sda rw` (proc_pid_mountinfo(5))
fn mount_of_device(mounts: &str, device: &str) -> Option<(String, String)> {
    let mounts = mounts.lines().filter(|line| line.split(' ').nth(2) == Some(device));
    let mut described = mounts.filter_map(|line| {
        let mut rest = line.split_once(" - ")?.1.split(' ');
        Some((rest.next()?.into(), rest.nth(1).unwrap_or_default().into()))
    });
    described.next_back()
}

/// `nolock`, or `local_lock=` with anything but `none` (nfs(5)).
fn has_only_local_locks(options: &str) -> bool {
    options.split(',').any(|option| match option.split_once('=') {
        Some(("local_lock", which)) => which != "none",
        _ => option == "nolock",
    })
}

/// Available memory in bytes: the kernel's estimate, or the lowest limit of this process's control groups
/// (version 2).
pub(crate) fn available_memory() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_of(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| limit_of_group(&text));
    system.into_iter().chain(group).min()
}

/// `MemAvailable:   12345678 kB`
fn available_of(meminfo: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// `0::/system.slice/gatekey.service`: the lowest limit of the group and its ancestors.
fn limit_of_group(cgroup: &str) -> Option<u64> {
    let group = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let groups = Path::new("/sys/fs/cgroup").join(group);
    let limit = |group: &Path| -> Option<String> { fs::read_to_string(group.join("memory.max")).ok() };
    groups.ancestors().filter_map(|group| limit(group)?.trim().parse().ok()).min()
}

/// Whether this process is in a container: the marks of Docker and Podman, and the variable that Podman,
/// systemd-nspawn and LXC set.
pub(crate) fn is_in_container() -> bool {
    let has_mark = ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists());
    has_mark || ["container", "KUBERNETES_SERVICE_HOST"].iter().any(|name| env::var_os(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_in_kib_in_meminfo() {
        let text = "MemTotal:       16000000 kB\nMemFree:          100 kB\nMemAvailable:    8000 kB\n";
        assert_eq!(available_of(text), Some(8_192_000));
        assert_eq!(available_of("MemTotal: 1 kB\n"), None);
        assert_eq!(available_of("MemAvailable: x kB\n"), None);
    }

    #[test]
    fn a_file_system_is_found_by_its_device_with_its_options() {
        let mounts =
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:45 / /mnt rw shared:7 - nfs4 host:/ rw,nolock\n";
        let found = |device| mount_of_device(mounts, device);
        assert_eq!(found("0:45"), Some(("nfs4".into(), "rw,nolock".into())));
        assert_eq!(found("8:1"), Some(("ext4".into(), "rw".into())));
        assert_eq!(found("8:2"), None);
        assert!(
            has_only_local_locks("rw,vers=3,nolock,local_lock=none")
                && has_only_local_locks("local_lock=all")
        );
        assert!(!has_only_local_locks("rw,vers=4.2,local_lock=none"));
    }

    #[test]
    fn every_directory_is_on_a_file_system() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!file_system_of(directory.path()).unwrap().is_read_only, "something was just made there");
        let missing = file_system_of(&directory.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
