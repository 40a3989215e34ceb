//! Checks of the machine: disk space, descriptors, the time and memory of a hash.

use super::super::values::Engine;
use super::finding::Finding;
use super::installation::Installation;
use crate::os::{self, FileSystem};
use crate::password::Cost;
use crate::server::descriptors::reserved_descriptors;
use core::time::Duration;
use std::fs;

const MIB: u64 = 1 << 20;
/// With less, writes fail soon.
const LEAST_FREE: u64 = 16 * MIB;
/// With less, the operator should make room. A backup takes as much as the database.
const ENOUGH_FREE: u64 = 128 * MIB;

/// A slower hash delays logins, and a few concurrent ones use all cores.
const SLOWEST: Duration = Duration::from_secs(1);
/// A faster hash makes offline guessing cheap.
const FASTEST: Duration = Duration::from_millis(20);

/// Checks free space, and whether SQLite's locks work on the file system.
pub(super) fn space(installation: &Installation) -> Vec<Finding> {
    let directory = installation.data_dir.directory();
    if !directory.exists() {
        return vec![Finding::ok("not looked at: there is no data directory yet")];
    }
    let database = fs::metadata(installation.data_dir.database()).map_or(0, |metadata| metadata.len());
    match os::file_system_of(directory) {
        Ok(found) => judge_space(found, database),
        Err(error) => {
            let says = format!("can't ask how much is free: {error}");
            vec![Finding::warning(says, "run gatekey doctor as the user who serves")]
        }
    }
}

fn judge_space(file_system: FileSystem, database_bytes: u64) -> Vec<Finding> {
    let FileSystem { name, has_only_local_locks, free_bytes, is_read_only, network } = file_system;
    let on = name.map(|name| format!(" on {name}")).unwrap_or_default();
    let (free, needed) = (free_bytes / MIB, ENOUGH_FREE.max(database_bytes.saturating_mul(2)));
    let finding = if is_read_only {
        let says = format!("nothing can be written{on}: the file system is read-only");
        Finding::failure(says, "mount it for writing")
    } else if free_bytes < LEAST_FREE {
        Finding::failure(format!("{free} MiB are free{on}: registrations will fail"), "make room")
    } else if free_bytes < needed {
        let says = format!("{free} MiB are free{on}; {} MiB are for comfort and a backup", needed / MIB);
        Finding::warning(says, "make room")
    } else {
        Finding::ok(format!("{free} MiB are free{on}"))
    };
    let network = network.map(|name| {
        if has_only_local_locks {
            return Finding::failure(
                format!("file locks don't work on {name} with its mount options (nolock): two machines would corrupt the data"),
                "put it on a disk of this machine, or mount without nolock and local_lock",
            );
        }
        Finding::warning(
            format!("the data lies on {name}: SQLite's locks and shared memory don't hold over a network"),
            "put it on a disk of this machine",
        )
    });
    [finding].into_iter().chain(network).collect()
}

/// Checks the descriptor limit against `--max-connections`.
pub(super) fn limits(installation: &Installation) -> Vec<Finding> {
    let (asked, limit) = (installation.config.limits.max_connections, os::max_descriptors());
    [match limit {
        _ if installation.config.engine == Engine::TinyHttp => {
            Finding::ok("the loop tiny-http has no limit of its own on connections")
        }
        Some(limit) => {
            judge_limits(limit, asked as u64, reserved_descriptors(installation.config.event_loops))
        }
        None => Finding::ok(format!("descriptors without limit, connections: {asked}")),
    }]
    .into_iter()
    .chain(os::system_descriptors().and_then(|(open, max)| judge_system(open, max, asked as u64)))
    .collect()
}

/// Descriptors of the whole system, which other processes use up too.
fn judge_system(open: u64, max: u64, asked: u64) -> Option<Finding> {
    let left = max.saturating_sub(open);
    (left < asked).then(|| {
        Finding::warning(
            format!("the whole system has {left} descriptors left of {max}, fewer than {asked} connections"),
            "raise fs.file-max (sysctl), or end what has so many files open: lsof",
        )
    })
}

fn judge_limits(limit: u64, asked: u64, reserved: u64) -> Finding {
    let (needed, spare) = (asked.saturating_add(reserved), limit.saturating_sub(reserved));
    if needed <= limit {
        return Finding::ok(format!("descriptors: {limit}, connections: {asked}"));
    }
    Finding::warning(
        format!(
            "this process may open {limit} descriptors, so {} connections are served, not {asked}",
            spare.max(1)
        ),
        format!(
            "where the server's limit is this one too: ulimit -n {needed}, in a systemd unit LimitNOFILE={needed}, or \
             --max-connections {}",
            spare.max(1)
        ),
    )
}

/// Checks the time of a hash, and the memory of all concurrent ones.
pub(super) fn hashing(installation: &Installation) -> Vec<Finding> {
    let (cost, slots) = (installation.config.cost, installation.slots as u64);
    let available = os::available_memory();
    if let Some(finding) = available.and_then(|available| judge_memory(cost, slots, available)) {
        return vec![finding]; // a hash would need that memory
    }
    vec![match installation.time_hash() {
        Some(time) => judge_time(cost, time),
        None => Finding::failure("no password can be hashed", "see that the system has random bytes"),
    }]
}

fn judge_memory(cost: Cost, slots: u64, available: u64) -> Option<Finding> {
    let needed = cost.memory_bytes().saturating_mul(slots);
    (needed > available).then(|| {
        let (each, needed, available) = (cost.memory_bytes() / MIB, needed / MIB, available / MIB);
        Finding::warning(
            format!("{slots} hashes at once of {each} MiB are {needed} MiB; {available} MiB are to be had"),
            format!("gatekey tune --memory {}M says what fits", available / 2),
        )
    })
}

fn judge_time(cost: Cost, time: Duration) -> Finding {
    let says = format!("a hash at {cost} takes {} ms", time.as_millis());
    if time > SLOWEST {
        Finding::warning(format!("{says}: logins are slow"), "gatekey tune says what suits this machine")
    } else if time < FASTEST {
        let says = format!("{says}: after a database leak, an offline brute-force attack is cheap");
        Finding::warning(says, "gatekey tune says what suits this machine")
    } else {
        Finding::ok(says)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn room_is_judged_by_what_is_written_and_what_a_backup_takes() {
        let judge = |free, network, database| {
            let file_system = FileSystem {
                name: None,
                has_only_local_locks: false,
                free_bytes: free * MIB,
                is_read_only: false,
                network,
            };
            let found = judge_space(file_system, database * MIB);
            found.into_iter().map(|finding| finding.severity).collect::<Vec<_>>()
        };
        assert_eq!(judge(15, None, 0), [Severity::Failure]);
        assert_eq!(judge(16, None, 0), [Severity::Warning]);
        assert_eq!(judge(127, None, 0), [Severity::Warning]);
        assert_eq!(judge(128, None, 64), [Severity::Ok]);
        assert_eq!(judge(128, None, 65), [Severity::Warning]);
        assert_eq!(judge(128, Some("NFS"), 0), [Severity::Ok, Severity::Warning]);
        let read_only = FileSystem {
            name: Some("iso9660".into()),
            has_only_local_locks: false,
            free_bytes: 1 << 40,
            is_read_only: true,
            network: None,
        };
        let found = judge_space(read_only, 0).remove(0);
        assert_eq!(found.says, "nothing can be written on iso9660: the file system is read-only");
        let nolock = FileSystem {
            name: None,
            has_only_local_locks: true,
            free_bytes: 1 << 40,
            is_read_only: false,
            network: Some("NFS"),
        };
        assert_eq!(judge_space(nolock, 0).remove(1).severity, Severity::Failure);
    }

    #[test]
    fn connections_need_descriptors_and_some_to_spare() {
        assert_eq!(judge_limits(320, 256, 64), Finding::ok("descriptors: 320, connections: 256"));
        let finding = judge_limits(319, 256, 64);
        assert_eq!(
            finding.says,
            "this process may open 319 descriptors, so 255 connections are served, not 256"
        );
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(judge_system(744, 1_000, 256), None);
        let finding = judge_system(745, 1_000, 256).unwrap();
        assert_eq!(
            finding.says,
            "the whole system has 255 descriptors left of 1000, fewer than 256 connections"
        );
        assert!(judge_limits(3, 256, 64).advice.unwrap().ends_with("--max-connections 1"));
    }

    #[test]
    fn a_hash_is_neither_slow_nor_cheap_nor_larger_than_memory() {
        let time = |millis| judge_time(Cost::DEFAULT, Duration::from_millis(millis)).severity;
        assert_eq!(
            [19, 20, 1_000, 1_001].map(time),
            [Severity::Warning, Severity::Ok, Severity::Ok, Severity::Warning]
        );
        assert_eq!(judge_memory(Cost::DEFAULT, 4, 64 * MIB), None);
        let finding = judge_memory(Cost::DEFAULT, 4, 63 * MIB).unwrap();
        assert_eq!(finding.says, "4 hashes at once of 16 MiB are 64 MiB; 63 MiB are to be had");
        assert_eq!(finding.advice.unwrap(), "gatekey tune --memory 31M says what fits");
    }
}
