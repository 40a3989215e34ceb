//! Random sequences of all that changes tokens, users, keys, databases and clocks, against a model: a token that was
//! revoked, or whose user was deleted, is never accepted again, and no token is ever accepted as another user's.

use super::Place;
use crate::harness::CHEAP;
use crate::process::{gatekey, run, written};
use gatekey::client::Client;
use gatekey::clock::{self, Now, UnixTime};
use gatekey::credentials::Credentials;
use gatekey::data_dir::{DataDir, DataDirError};
use gatekey::hashing::Hasher;
use gatekey::realm::{Policy, Principal, Realm};
use gatekey::secret::Secret;
use gatekey::store::{self, CopyError};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const SEQUENCES: u64 = 24;
const STEPS: usize = 40;

/// A token, and what must hold of it.
struct Issued {
    token: String,
    /// Names are never used twice, so the name is the user.
    username: String,
    is_dead: bool,
}

struct World {
    place: Place,
    random: u64,
    /// The data directories are named by numbers; this one is in use.
    data: usize,
    last_name: usize,
    /// What the clock says, which may be wrong.
    now: UnixTime,
    tokens: Vec<Issued>,
    backups: Vec<PathBuf>,
    exports: Vec<PathBuf>,
    /// What was done, for who reads that it failed.
    log: Vec<String>,
    accepted: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            place: Place::new(),
            random: seed,
            data: 0,
            last_name: 0,
            now: clock::now().unix,
            tokens: Vec::new(),
            backups: Vec::new(),
            exports: Vec::new(),
            log: Vec::new(),
            accepted: 0,
        }
    }

    /// `SplitMix64`: a number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }

    fn directory(&self) -> PathBuf {
        self.place.path(&self.data.to_string())
    }

    fn data_dir(&self) -> DataDir {
        DataDir::new(self.directory())
    }

    fn reading(&self) -> Now {
        Now { unix: self.now, monotonic: clock::monotonic() }
    }

    fn open(&self) -> Realm {
        let (store, keys) = self.data_dir().open_or_create().unwrap();
        let hasher = Hasher::new(CHEAP.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
        let long = Duration::from_secs(400 * 86_400); // a token that has expired shows nothing
        let policy =
            Policy { rate_limits: None, token_lifetime: long, max_session: long, ..Policy::default() };
        let realm = Realm::open(store, keys, hasher, policy, self.reading()).unwrap();
        realm.record_key_use(self.reading());
        realm
    }

    fn show(&self, realm: &Realm, token: &str) -> Option<Principal> {
        let credentials = Credentials::Token(Secret::new(token.into()));
        realm.authenticate(&credentials, Client::Local, self.reading()).ok()
    }

    /// Some user who is there.
    fn any_user(&mut self, realm: &Realm) -> Option<store::User> {
        let users = realm.list_users(None, 100).unwrap();
        if users.is_empty() { None } else { Some(users[self.below(users.len())].clone()) }
    }

    fn issue(&mut self, realm: &Realm, principal: &Principal) {
        let token = realm.issue_token(principal, self.reading()).unwrap().token;
        assert!(self.show(realm, &token).is_some(), "a new token is not accepted: {:?}", self.log);
        self.tokens.push(Issued { token, username: principal.username.clone(), is_dead: false });
    }

    fn kill(&mut self, is_dead: impl Fn(&Issued) -> bool) {
        self.tokens.iter_mut().for_each(|token| token.is_dead |= is_dead(token));
    }

    fn change(&mut self, step: &str) {
        let realm = self.open();
        if step == "register" {
            self.last_name += 1;
            let name = format!("user {}", self.last_name);
            realm.add_user(&name, &Secret::new("python".into()), self.now).unwrap();
        }
        let Some(user) = self.any_user(&realm) else { return };
        let name = user.username.clone();
        match step {
            "log in" | "register" => {
                let credentials =
                    Credentials::Password { username: name, password: Secret::new("python".into()) };
                let principal = realm.authenticate(&credentials, Client::Local, self.reading()).unwrap();
                self.issue(&realm, &principal);
            }
            "renew" => {
                let last = self.tokens.last().map(|last| last.token.clone());
                if let Some(principal) = last.and_then(|token| self.show(&realm, &token)) {
                    self.issue(&realm, &principal);
                }
            }
            "revoke" => {
                realm.revoke_tokens(user.id).unwrap();
                self.kill(|token| token.username == name);
            }
            "revoke all" => {
                let wait = realm.revoke_all_tokens(self.reading()).unwrap();
                self.kill(|_| true);
                self.now = self.now.saturating_add(wait);
            }
            "delete" => {
                realm.delete_user(user.id).unwrap();
                self.kill(|token| token.username == name);
            }
            _ => unreachable!("{step}"),
        }
        realm.save(self.reading());
    }

    /// A new data directory with the same keys: `fill` makes its database. The old one is lost.
    fn move_to_new_machine(&mut self, keys_first: bool, fill: impl FnOnce(&Self)) {
        let old = self.directory();
        self.data += 1;
        if keys_first {
            super::copy_keys(&old, &self.directory());
        }
        fill(self);
        super::copy_keys(&old, &self.directory());
    }

    fn command(&self, words: &[&str]) -> String {
        let output = run(gatekey().args(words).arg("--data").arg(self.directory()), "");
        let (code, out, message) = written(&output);
        assert_eq!(code, Some(0), "{words:?}: {message}");
        out
    }

    /// Does what needs the data directory alone. A program that another test is just starting has copies of our descriptors
    /// for a moment, and their locks: so this tries again, and waits until the last copy of its own lock is closed.
    fn alone(&self, is_done: impl Fn() -> bool) {
        while !is_done() {
            thread::yield_now();
        }
        File::open(self.directory()).unwrap().lock_shared().unwrap();
    }

    fn restore(&self, file: &Path) {
        self.alone(|| match self.data_dir().restore(file, self.now) {
            Err(DataDirError::Copy(CopyError::InUse(_))) => false,
            restored => restored.is_ok() || panic!("not restored"),
        });
    }

    fn copy(&mut self, step: &str) {
        let number = self.backups.len() + self.exports.len();
        let some = |world: &mut Self, files: &[PathBuf]| files[world.below(files.len())].clone();
        let (backups, exports) = (self.backups.clone(), self.exports.clone());
        match step {
            "back up" => {
                let file = self.place.path(&format!("backup {number}"));
                self.data_dir().back_up(&file).unwrap();
                self.backups.push(file);
            }
            "restore" if !backups.is_empty() => {
                let file = some(self, &backups);
                self.restore(&file);
            }
            "restore elsewhere" if !backups.is_empty() => {
                let file = some(self, &backups);
                self.move_to_new_machine(true, |world| world.restore(&file));
            }
            "export" => {
                let file = self.place.path(&format!("export {number}"));
                fs::write(&file, self.command(&["user", "export"])).unwrap();
                self.exports.push(file);
            }
            "import" if !exports.is_empty() => {
                let file = some(self, &exports);
                let keys_first = self.below(2) == 0;
                let words = ["user", "import", file.to_str().unwrap(), "--new-database"];
                self.move_to_new_machine(keys_first, |world| drop(world.command(&words)));
            }
            _ => {}
        }
    }

    fn take(&mut self, step: &str) {
        self.log.push(format!("{step} at {} in {}", self.now.seconds(), self.data));
        match step {
            "rotate" => drop(self.command(&["key", "rotate"])),
            "compromised" => {
                self.command(&["key", "rotate", "--compromised"]);
                self.kill(|_| true);
            }
            "reset clock" => self.alone(|| match self.data_dir().reset_clock(self.now) {
                Err(DataDirError::Copy(CopyError::InUse(_))) => false,
                reset => reset.is_ok() || panic!("not reset"),
            }),
            "clock back" => self.now = UnixTime::new(self.now.seconds() - 100_000).unwrap(),
            "clock forward" => self.now = self.now.saturating_add(Duration::from_secs(100_010)),
            "back up" | "restore" | "restore elsewhere" | "export" | "import" => self.copy(step),
            step => self.change(step),
        }
        let realm = self.open();
        for issued in &self.tokens {
            let Some(principal) = self.show(&realm, &issued.token) else { continue };
            assert!(!issued.is_dead, "a dead token of {:?} is accepted: {:#?}", issued.username, self.log);
            assert_eq!(principal.username, issued.username, "{:#?}", self.log);
            self.accepted += 1;
        }
    }
}

#[test]
fn known_sequences_revive_no_revoked_token() {
    const WAYS: [&str; 6] = [
        "register, back up, log in, revoke, restore, reset clock",
        "register, back up, revoke, log in, revoke, restore, reset clock, log in",
        "register, back up, clock forward, log in, revoke, clock back, restore elsewhere, clock forward",
        "register, back up, clock forward, register, clock back, restore elsewhere, register, clock forward",
        "register, log in, export, revoke, import, log in",
        "register, register, log in, delete, export, delete, import, register, register",
    ];
    for way in WAYS {
        let mut world = World::new(1);
        way.split(", ").for_each(|step| world.take(step));
    }
}

#[test]
fn no_sequence_of_operations_revives_a_token_or_changes_its_user() {
    const OFTEN: [&str; 6] = ["register", "log in", "log in", "renew", "back up", "export"];
    const SELDOM: [&str; 14] = [
        "revoke",
        "revoke",
        "delete",
        "delete",
        "clock back",
        "clock forward",
        "rotate",
        "restore",
        "restore elsewhere",
        "import",
        "import",
        "revoke all",
        "compromised",
        "reset clock",
    ];
    let mut accepted = 0;
    for seed in 0..SEQUENCES {
        let mut world = World::new(seed);
        world.take("register");
        for _ in 0..STEPS {
            let step = if world.below(5) < 3 { OFTEN[world.below(6)] } else { SELDOM[world.below(14)] };
            world.take(step);
        }
        accepted += world.accepted;
    }
    assert!(accepted > 1_000, "hardly any token was alive: {accepted}");
}
