//! Checks of the data directory, its files and the signing keys: existence, owner and mode.

use super::finding::Finding;
use super::installation::Installation;
use crate::chain;
use crate::data_dir;
use crate::keys;
use crate::os;
use crate::shell;
use crate::signer::{KeyRing, SigningKey};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Checks that only the owner can use the directory or replace it.
pub(super) fn directory(installation: &Installation) -> Vec<Finding> {
    let path = installation.data_dir.directory();
    let name = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return vec![Finding::failure(format!("{name} is no directory"), "name another: --data")],
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![Finding::failure(
                format!("there is no {name}"),
                "gatekey serve makes it; if there should be one, say where: --data",
            )];
        }
        Err(error) => {
            return vec![Finding::failure(
                format!("can't look at {name}: {error}"),
                "run gatekey doctor as the user who serves",
            )];
        }
    };
    let mut found: Vec<_> = [owner(path, &metadata), mode(path, &metadata)].into_iter().flatten().collect();
    found.extend(above(path, "data", &[metadata.uid()]));
    if found.is_empty() {
        found.push(Finding::ok(format!("{name} (mode {:04o})", permissions(&metadata))));
    }
    found
}

fn permissions(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

fn owner(path: &Path, metadata: &Metadata) -> Option<Finding> {
    let (uid, _) = os::effective_ids();
    // Root checks the installation of any user.
    (uid != 0 && metadata.uid() != uid).then(|| {
        Finding::failure(
            format!("{} belongs to user {}, this is user {uid}", path.display(), metadata.uid()),
            format!("run gatekey as that user, or: chown -R {uid} {}", shell::quote_path(path)),
        )
    })
}

fn mode(path: &Path, metadata: &Metadata) -> Option<Finding> {
    let (name, mode) = (path.display(), permissions(metadata));
    let advice = format!("chmod 700 {}", shell::quote_path(path));
    if mode & 0o022 != 0 {
        let says = format!("other users can create files in {name} (mode {mode:04o})");
        return Some(Finding::failure(says, advice));
    }
    if mode & 0o700 != 0o700 {
        let says = format!("the owner can't create files in {name} (mode {mode:04o})");
        return Some(Finding::failure(says, advice));
    }
    let says = || format!("other users can access {name} (mode {mode:04o})");
    (mode & 0o077 != 0).then(|| Finding::warning(says(), advice))
}

/// Checks the directories above: a user who can write to one can replace what is in it.
fn above(path: &Path, what: &str, owners: &[u32]) -> Vec<Finding> {
    // A path that can't be resolved is reported by its own check.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    real.ancestors().skip(1).filter_map(|parent| ancestor(parent, what, owners)).collect()
}

fn ancestor(path: &Path, what: &str, owners: &[u32]) -> Option<Finding> {
    const STICKY: u32 = 0o1000;
    let metadata = fs::metadata(path).ok()?;
    let (name, mode, uid) = (path.display(), permissions(&metadata), metadata.uid());
    let is_sticky = mode & STICKY != 0;
    let advice = format!("chmod go-w {}, or move the {what}", shell::quote_path(path));
    if mode & 0o002 != 0 && !is_sticky {
        let says = format!("any user can replace the {what}, by renaming in {name} (mode {mode:04o})");
        return Some(Finding::failure(says, advice));
    }
    if mode & 0o020 != 0 && !is_sticky {
        let says = format!("group {} can replace the {what}, by renaming in {name}", metadata.gid());
        return Some(Finding::warning(says, advice));
    }
    (uid != 0 && !owners.contains(&uid)).then(|| {
        Finding::warning(
            format!("user {uid} can replace the {what}, by renaming in {name}"),
            format!("move the {what} below directories of root or of the user who serves"),
        )
    })
}

/// Checks that only the owner can use the files of the database.
pub(super) fn files(installation: &Installation) -> Vec<Finding> {
    let directory_owner = fs::metadata(installation.data_dir.directory()).ok().map(|metadata| metadata.uid());
    if let Err(error) = installation.data_dir.refuse_links() {
        return vec![Finding::failure(
            chain::describe(&error),
            "if the link is yours, set the real path instead (--data, --key-file); if not, another user can write here",
        )];
    }
    let (mut found, mut count) = (Vec::new(), 0_usize);
    for path in installation.data_dir.database_files() {
        match fs::metadata(&path) {
            Ok(metadata) => {
                count = count.saturating_add(1);
                found.extend(file(&path, &metadata, directory_owner));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let says = format!("can't look at {}: {error}", path.display());
                return vec![Finding::failure(says, "run gatekey doctor as the user who serves")];
            }
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(match count {
            0 => "no database yet".into(),
            _ => format!("database files: {count}, accessible to the owner only"),
        }));
    }
    found
}

fn file(path: &Path, metadata: &Metadata, directory_owner: Option<u32>) -> Vec<Finding> {
    let (name, argument) = (path.display(), shell::quote_path(path));
    let (mode, mut found) = (permissions(metadata), Vec::new());
    if mode & 0o077 != 0 {
        let says = format!("other users can access {name} (mode {mode:04o}), which contains password hashes");
        found.push(Finding::failure(says, format!("chmod 600 {argument}")));
    }
    if mode & 0o600 != 0o600 {
        let says = format!("the owner can't read and write {name} (mode {mode:04o})");
        found.push(Finding::failure(says, format!("chmod 600 {argument}")));
    }
    if let Some(owner) = directory_owner.filter(|owner| *owner != metadata.uid()) {
        let says = format!("{name} belongs to user {}, its directory to user {owner}", metadata.uid());
        found.push(Finding::failure(says, format!("chown -h {owner} {argument}")));
    }
    found
}

/// Checks the key file, and each key for strength.
pub(super) fn keys(installation: &Installation) -> Vec<Finding> {
    let path = installation.data_dir.key_file();
    let ring = match keys::load(path) {
        Ok(ring) => ring,
        Err(error) if error.is_missing() => return vec![missing_keys(installation, path)],
        Err(error) => {
            let advice = if error.is_exposed() {
                "if other users could log in here meanwhile, or a backup contains it, then also: gatekey key rotate \
                 --compromised"
            } else {
                "fix the file: the server does not start, or keeps the keys that it loaded before"
            };
            return vec![Finding::failure(format!("{error}"), advice)];
        }
    };
    let mut found = above_keys(installation, path);
    found.extend(weak_keys(&ring));
    if found.is_empty() {
        let (count, newest) = (ring.keys().count(), ring.newest().fingerprint());
        found.push(Finding::ok(format!("in the ring: {count}, {newest} signs")));
    }
    found
}

/// The keys whose signatures can be forged, or soon.
pub(super) fn weak_keys(ring: &KeyRing) -> Vec<Finding> {
    let mut found = Vec::new();
    for key in ring.keys() {
        let fingerprint = key.fingerprint();
        if keys::is_published(key) {
            found.push(Finding::failure(
                format!("the secret of key {fingerprint} is published: anyone can forge tokens with it"),
                "gatekey key rotate --compromised; all users must then log in again",
            ));
        } else if key.is_weak() {
            found.push(Finding::warning(
                format!(
                    "the key {fingerprint} has under {} bytes (RFC 7518 section 3.2)",
                    SigningKey::STRONG_BYTES
                ),
                "gatekey key rotate; and gatekey key prune when its tokens have expired",
            ));
        }
    }
    found
}

/// Checks above a key file outside the data directory, which has a check of its own.
fn above_keys(installation: &Installation, path: &Path) -> Vec<Finding> {
    let directory = installation.data_dir.directory();
    if path.parent() == Some(directory) {
        return Vec::new();
    }
    let owners: Vec<_> =
        [directory, path].iter().filter_map(|path| Some(fs::metadata(path).ok()?.uid())).collect();
    above(path, "keys", &owners)
}

fn missing_keys(installation: &Installation, path: &Path) -> Finding {
    let name = path.display();
    if installation.data_dir.has_database().is_ok_and(|has_database| !has_database) {
        return Finding::ok(format!("there is no {name} yet; the first start makes it"));
    }
    Finding::failure(
        format!("there is a database, but no key file {name}"),
        format!(
            "put it back from where you keep it, or name it: --key-file; if it is lost, make a new key, which signs \
             out all users: {}",
            data_dir::new_key_command(path)
        ),
    )
}

/// Finds temporary files of an interrupted key command.
pub(super) fn leftovers(installation: &Installation) -> Vec<Finding> {
    let left = match keys::leftovers(installation.data_dir.key_file()) {
        Ok(left) => left,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let says = format!("can't look beside the key file: {error}");
            return vec![Finding::warning(says, "run gatekey doctor as the user who serves")];
        }
    };
    if left.is_empty() {
        return vec![Finding::ok("none beside the key file")];
    }
    let found = left.iter().map(|path| {
        let name = path.display();
        let says = format!("{name} contains unused keys, left by an interrupted command");
        Finding::warning(
            says,
            format!("unless a gatekey key command is running: rm {}", shell::quote_path(path)),
        )
    });
    found.collect()
}
