//! Root in another user's data directory: symbolic links that the user planted lead to nothing of root's, because root becomes
//! that user first. The user is a real second one, so these tests run as root.

mod inputs;
mod relay;

use crate::harness::CHEAP;
use crate::process::{Server, gatekey, gatekey_by, run, written};
use crate::skip::skip;
use rustix::process::geteuid;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;

/// The service's user; no account is needed.
const SERVICE: u32 = 54_321;
/// Another one.
const OTHER: u32 = 54_322;
const HASH: &str = "$2b$05$eL6GoUW8rNDhmOdNFJL0O.ykUp58oVFBz/iTVou0NQClgBj22Xbrq";

/// What SQLite and gatekey keep in a data directory.
const DATABASE: &str = "gatekey.sqlite3";
const FILES: [&str; 4] = [DATABASE, "gatekey.sqlite3-wal", "gatekey.sqlite3-shm", "signing-keys"];

/// A data directory of the service's user, beside a directory of root's.
struct Place(TempDir);

impl Place {
    /// `None`, said aloud, where the tests don't run as root.
    fn new(test: &str) -> Option<Self> {
        if !geteuid().is_root() {
            skip(test, "only root can become another user; run the tests as root");
            return None;
        }
        let place = Self(tempfile::tempdir().unwrap());
        fs::set_permissions(place.0.path(), Permissions::from_mode(0o755)).unwrap();
        place.make("data", 0o700, SERVICE);
        place.make("roots", 0o700, 0);
        Some(place)
    }

    /// With a user `ok`, a backup and files to import.
    fn filled(test: &str) -> Option<Self> {
        let place = Self::new(test)?;
        let added = place.gatekey(&["user", "add", "ok", "--password-stdin", "--scrypt", CHEAP], "python\n");
        assert_eq!(added.0, Some(0), "{}", added.2);
        let backup = place.path("roots/backup");
        assert_eq!(place.gatekey(&["backup", backup.to_str().unwrap()], "").0, Some(0));
        fs::write(place.path("roots/users"), user("imported")).unwrap();
        fs::write(place.path("roots/conf"), "").unwrap();
        Some(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.path("data").join(name)
    }

    fn make(&self, name: &str, mode: u32, uid: u32) {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        chown(path, Some(uid), Some(uid)).unwrap();
    }

    /// A command of root's on the data directory: how it ended, what it wrote and what it complained of.
    fn gatekey(&self, words: &[&str], input: &str) -> (Option<i32>, String, String) {
        self.run(gatekey(), words, input)
    }

    /// The same, for no longer than some seconds.
    fn gatekey_for_a_while(&self, words: &[&str], input: &str) -> (Option<i32>, String, String) {
        self.run(gatekey_by("timeout", &["30"]), words, input)
    }

    fn run(&self, mut command: Command, words: &[&str], input: &str) -> (Option<i32>, String, String) {
        written(&run(command.args(words).arg("--data").arg(self.path("data")), input))
    }

    /// Puts a link to this file in the place of one of the data directory's, which is kept aside.
    fn plant(&self, name: &str, target: &Path) {
        let (link, aside) = (self.data(name), self.data("aside"));
        if link.exists() {
            fs::rename(&link, aside).unwrap();
        }
        symlink(target, link).unwrap();
    }

    fn clear(&self, name: &str) {
        let (link, aside) = (self.data(name), self.data("aside"));
        if link.is_symlink() {
            fs::remove_file(&link).unwrap();
        }
        if aside.exists() {
            fs::rename(aside, &link).unwrap();
        }
    }
}

/// A line of users to import.
fn user(name: &str) -> String {
    gatekey::json::json!({"username": name, "password_hash": HASH}).to_string() + "\n"
}

/// A file of root's, and how it was.
struct Victim {
    path: PathBuf,
    was: (Vec<i64>, Vec<u8>),
}

impl Victim {
    fn new(path: PathBuf, content: &str) -> Self {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        Self { was: Self::look(&path), path }
    }

    fn look(path: &Path) -> (Vec<i64>, Vec<u8>) {
        let found = fs::symlink_metadata(path).unwrap();
        let owner = [found.uid(), found.gid(), found.mode()].map(i64::from);
        let file =
            [found.ino().cast_signed(), found.nlink().cast_signed(), found.ctime(), found.ctime_nsec()];
        ([&owner[..], &file].concat(), fs::read(path).unwrap())
    }

    #[track_caller]
    fn assert_untouched(&self, what: &str) {
        assert!(Self::look(&self.path) == self.was, "{what}: {:?}", fs::symlink_metadata(&self.path));
    }
}

/// Every command that uses the data directory, with what it needs.
fn commands(place: &Place) -> Vec<(Vec<String>, &'static str)> {
    let roots = |name: &str| place.path("roots").join(name).to_str().unwrap().to_owned();
    let _ = fs::remove_file(roots("new-backup"));
    let of = |words: &str| words.split(' ').map(String::from).collect::<Vec<_>>();
    let with = |words: &str, name: &str| [of(words), vec![roots(name)]].concat();
    vec![
        (of("serve --listen 127.0.0.1:0"), ""),
        (of("user add late --password-stdin --scrypt ln=1,r=1,p=1"), "python\n"),
        (of("user invite guest --public-url https://a.example --scrypt ln=1,r=1,p=1"), ""),
        (of("user reset ok --public-url https://a.example"), ""),
        (of("user group add ok staff"), ""),
        (of("user group remove ok staff"), ""),
        (of("user group list ok"), ""),
        (of("user list"), ""),
        (of("user show ok"), ""),
        (of("user passwd ok --password-stdin --scrypt ln=1,r=1,p=1"), "python\n"),
        (of("user disable ok"), ""),
        (of("user enable ok"), ""),
        (of("user revoke ok"), ""),
        (of("user delete absent"), ""),
        (with("user import", "users"), ""),
        (of("user export"), ""),
        (of("token issue ok"), ""),
        (of("token list ok"), ""),
        (of("token revoke ok AAAAAAAAAAAAAAAAAAAAAA"), ""),
        (of("token inspect"), "x"),
        (of("key list"), ""),
        (of("key rotate --compromised"), ""),
        (of("key add --sign"), "a secret of sixteen bytes or more"),
        (of("key prune"), ""),
        (of("throttle list"), ""),
        (of("throttle clear"), ""),
        (with("backup", "new-backup"), ""),
        (with("restore", "backup"), ""),
        (with("doctor --env-file", "conf"), ""),
        (of("doctor --reset-clock"), ""),
    ]
}

#[test]
fn every_command_on_the_data_directory_is_tried_against_planted_links() {
    let Some(place) = Place::new("every_command_on_the_data_directory_is_tried_against_planted_links") else {
        return;
    };
    let (_, help, _) = written(&gatekey().arg("help").output().unwrap());
    let tried = commands(&place);
    let (begin, end) = (help.find("Commands:").unwrap(), help.find("\n\nEvery option").unwrap());
    for line in help[begin..end].lines().skip(1) {
        let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
        let words: Vec<_> = line.split_whitespace().take_while(is_word).map(String::from).collect();
        let (_, about, _) = written(&gatekey().arg("help").args(&words).output().unwrap());
        let is_tried = tried.iter().any(|(command, _)| command.starts_with(&words));
        assert_eq!(about.contains("--data DIR"), is_tried, "{words:?}");
    }
}

#[test]
fn no_command_of_roots_follows_a_link_that_the_service_user_planted() {
    let test = "no_command_of_roots_follows_a_link_that_the_service_user_planted";
    let Some(place) = Place::filled(test) else { return };
    let empty = Victim::new(place.path("empty"), "");
    let secret = Victim::new(place.path("secret"), "root's own secret, of sixteen bytes or more");
    for name in FILES {
        for victim in [&empty, &secret] {
            for (words, input) in commands(&place) {
                place.plant(name, &victim.path);
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                let (code, _, message) = place.gatekey_for_a_while(&words, input);
                victim.assert_untouched(&format!("{name}, {words:?}: {message}"));
                assert_ne!(code, Some(0), "{name}, {words:?} followed a link");
                assert_ne!(code, Some(124), "{name}, {words:?} did not end: {message}");
                place.clear(name);
            }
        }
    }
    let names: Vec<_> = fs::read_dir(place.path("data")).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(names.iter().all(|entry| entry.metadata().unwrap().uid() == SERVICE), "root made {names:?}");
    let (code, out, message) = place.gatekey(&["user", "list"], "");
    assert_eq!((code, message.as_str()), (Some(0), ""), "the data are as they were");
    assert!(out.contains(" ok\n"), "{out}");
}

#[test]
fn a_link_in_the_data_directory_is_named_in_the_error() {
    let Some(place) = Place::filled("a_link_in_the_data_directory_is_named_in_the_error") else { return };
    let victim = Victim::new(place.path("empty"), "");
    for name in FILES {
        place.plant(name, &victim.path);
        let (code, _, message) = place.gatekey(&["user", "list"], "");
        let expected = format!("{} is a symbolic link, expected a regular file", place.data(name).display());
        assert!(code == Some(1) && message.contains(&expected), "{message}");
        place.clear(name);
    }
}

#[test]
fn a_race_for_the_names_in_the_data_directory_wins_nothing_from_a_restore() {
    const RESTORES: usize = 12;
    let test = "a_race_for_the_names_in_the_data_directory_wins_nothing_from_a_restore";
    let Some(place) = Place::filled(test) else { return };
    let victim = Victim::new(place.path("shadow"), "root:$6$...");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let names = [DATABASE, "gatekey.sqlite3.restoring", "signing-keys"].map(|name| place.data(name));
            while !is_over.load(Ordering::Relaxed) {
                for name in &names {
                    let planted = name.with_extension("planted");
                    if name.exists() && symlink(&victim.path, &planted).is_ok() {
                        fs::rename(planted, name).unwrap();
                    }
                }
            }
        });
        for _ in 0..RESTORES {
            let backup = place.path("roots/backup");
            let _ = place.gatekey_for_a_while(&["restore", backup.to_str().unwrap()], "");
            victim.assert_untouched("restore");
            for name in FILES {
                let _ = fs::remove_file(place.data(name));
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_root_makes_in_the_service_users_directory_is_that_users() {
    let test = "what_root_makes_in_the_service_users_directory_is_that_users";
    let Some(place) = Place::filled(test) else { return };
    let (backup, users) = (place.path("roots/backup"), place.path("roots/users"));
    assert_eq!(fs::metadata(&backup).unwrap().uid(), 0, "a backup in root's directory is root's");
    let done = place.gatekey(&["user", "import", users.to_str().unwrap()], "");
    assert_eq!((done.0, done.1.as_str()), (Some(0), "imported 1 user\n"), "{}", done.2);
    let done = place.gatekey(&["restore", backup.to_str().unwrap()], "");
    assert_eq!(done.0, Some(0), "{}", done.2);
    for entry in fs::read_dir(place.path("data")).unwrap() {
        let metadata = entry.unwrap().metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (SERVICE, SERVICE, 0o600));
    }
    let taken = place.gatekey(&["backup", backup.to_str().unwrap()], "");
    assert_eq!(taken.0, Some(1));
    assert!(taken.2.contains("exists; give a name that is free"), "{}", taken.2);
}

#[test]
fn a_database_in_wal_mode_that_only_root_can_read_is_imported() {
    let test = "a_database_in_wal_mode_that_only_root_can_read_is_imported";
    let Some(place) = Place::new(test) else { return };
    let original = place.path("roots/db.sqlite");
    let app = rusqlite::Connection::open(&original).unwrap();
    app.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT); \
         INSERT INTO users VALUES (7, 'miguel', '{HASH}')"
    ))
    .unwrap();
    let done = place.gatekey(&["user", "import", original.to_str().unwrap()], "");
    assert_eq!((done.0, done.1.as_str()), (Some(0), "imported 1 user\n"), "{}", done.2);
    drop(app);
}

#[test]
fn root_serves_as_the_owner_of_the_data_directory_without_groups() {
    let test = "root_serves_as_the_owner_of_the_data_directory_without_groups";
    let Some(place) = Place::new(test) else { return };
    let server = Server::start_in(place.path("data"), &["--scrypt", CHEAP]);
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<u32>>()
    };
    assert_eq!([field("Uid:"), field("Gid:")], [vec![SERVICE; 4], vec![SERVICE; 4]]);
    assert_eq!(field("Groups:"), [0; 0]);
}

#[test]
fn root_refuses_a_data_directory_whose_path_several_users_control() {
    let test = "root_refuses_a_data_directory_whose_path_several_users_control";
    let Some(place) = Place::new(test) else { return };
    place.make("home", 0o755, OTHER);
    for (name, uid) in [("home/service", SERVICE), ("home/root", 0)] {
        place.make(name, 0o755, uid);
        let mut add = gatekey();
        add.args(["user", "add", "ok", "--password-stdin", "--scrypt", CHEAP, "--data"])
            .arg(place.path(name));
        let (code, _, message) = written(&run(&mut add, "python\n"));
        assert!(code == Some(1) && message.contains("several users control the path"), "{message}");
        assert_eq!(fs::read_dir(place.path(name)).unwrap().count(), 0);
    }
}

#[test]
fn a_first_start_of_roots_in_a_users_directory_makes_a_directory_of_that_user() {
    let test = "a_first_start_of_roots_in_a_users_directory_makes_a_directory_of_that_user";
    let Some(place) = Place::new(test) else { return };
    let data = place.path("data/new");
    let mut add = gatekey();
    add.args(["user", "add", "ok", "--password-stdin", "--scrypt", CHEAP, "--data"]).arg(&data);
    let (code, _, message) = written(&run(&mut add, "python\n"));
    assert_eq!(code, Some(0), "{message}");
    for path in [data.clone(), data.join(DATABASE), data.join("signing-keys")] {
        assert_eq!(fs::metadata(path).unwrap().uid(), SERVICE);
    }
}

#[test]
fn root_opens_no_input_file_that_the_service_user_chooses() {
    let Some(place) = Place::filled("root_opens_no_input_file_that_the_service_user_chooses") else { return };
    symlink(place.path("roots/users"), place.data("users")).unwrap();
    let users = place.data("users");
    let (code, _, message) = place.gatekey(&["user", "import", users.to_str().unwrap()], "");
    assert!(code == Some(1) && message.contains("Permission denied"), "{message}");
    assert!(message.contains("(as user 54321, who owns the data directory)"), "{message}");
}

#[test]
fn root_changes_a_key_file_of_its_own_through_a_link_and_leaves_the_data_directory_alone() {
    let test = "root_changes_a_key_file_of_its_own_through_a_link_and_leaves_the_data_directory_alone";
    let Some(place) = Place::filled(test) else { return };
    place.make("secrets", 0o755, 0);
    let (key_file, link) = (place.path("secrets/keys"), place.path("secrets/link"));
    fs::copy(place.data("signing-keys"), &key_file).unwrap();
    fs::set_permissions(&key_file, Permissions::from_mode(0o640)).unwrap();
    chown(&key_file, Some(0), Some(SERVICE)).unwrap();
    symlink(&key_file, &link).unwrap();
    let rotate = ["key", "rotate", "--key-file", link.to_str().unwrap()];
    let (code, out, message) = place.gatekey(&rotate, "");
    assert_eq!(code, Some(0), "{message}");
    assert!(out.contains("older keys kept: 1"), "{out}");
    let metadata = fs::metadata(&key_file).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (0, SERVICE, 0o640));
    assert!(link.is_symlink());

    // In a directory of the service user's, such a link is that user's choice.
    let victim = Victim::new(place.path("roots/secret"), "root's own secret, of sixteen bytes or more");
    place.make("theirs", 0o755, SERVICE);
    let planted = place.path("theirs/keys");
    symlink(&victim.path, &planted).unwrap();
    for words in ["key rotate --compromised", "key add", "key prune"] {
        let words: Vec<_> = words.split(' ').chain(["--key-file", planted.to_str().unwrap()]).collect();
        let (code, _, message) = place.gatekey(&words, "a secret of sixteen bytes or more");
        assert_ne!(code, Some(0), "{message}");
        victim.assert_untouched(&message);
    }
}
