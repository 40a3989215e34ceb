//! The table of commands.

use super::options::{self, Opt};
use super::settings::Settings;
use super::{Failure, backup, key, serve, throttle, token, user};
use alloc::string::String;
use std::process::ExitCode;

/// One command: how it is called, what it says of itself, what it does.
pub(super) struct Command {
    /// The words that name it.
    pub(super) words: &'static [&'static str],
    /// The operands it needs, every one of them.
    pub(super) operands: &'static [&'static str],
    /// What it does, in a sentence.
    pub(super) summary: &'static str,
    /// What one should know besides.
    pub(super) details: &'static str,
    /// One way to use it.
    pub(super) example: &'static str,
    /// The options it takes.
    pub(super) options: &'static [&'static Opt],
    pub(super) run: fn(&Settings<'_>, &[String]) -> Result<ExitCode, Failure>,
}

/// What opens the data.
const DATA: [&Opt; 2] = [&options::DATA, &options::KEY_FILE];

/// What opens the data and makes a new password.
const NEW_PASSWORD: [&Opt; 6] = [
    &options::DATA,
    &options::KEY_FILE,
    &options::SCRYPT,
    &options::MAX_HASH_MEMORY,
    &options::MIN_PASSWORD_LENGTH,
    &options::PASSWORD_STDIN,
];

/// Every command, in the order in which help shows them.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        words: &["serve"],
        operands: &[],
        summary: "Serve users, tokens and the guarded resource over HTTP.",
        details: "The first start makes the data directory with its database and signing key. SIGTERM and SIGINT end \
                  it when what is being answered is answered; SIGHUP reads the signing keys again.",
        example: "gatekey serve --listen 127.0.0.1:5000 --data /var/lib/gatekey",
        options: &[
            &options::LISTEN,
            &options::DATA,
            &options::KEY_FILE,
            &options::TOKEN_LIFETIME,
            &options::MAX_SESSION,
            &options::SCRYPT,
            &options::MAX_HASH_MEMORY,
            &options::HASH_SLOTS,
            &options::HASH_QUEUE,
            &options::PASSWORD_CACHE,
            &options::REGISTRATION,
            &options::MIN_PASSWORD_LENGTH,
            &options::PUBLIC_URL,
            &options::USER_LOOKUP,
            &options::THROTTLE,
            &options::GUESSES_PER_ADDRESS,
            &options::GUESSES_PER_USER,
            &options::GUESSES_PER_USER_AND_ADDRESS,
            &options::REGISTRATIONS_PER_ADDRESS,
            &options::LOOKUPS_PER_ADDRESS,
            &options::TRUSTED_PROXY,
            &options::ALLOW_CLEARTEXT,
            &options::LOOP,
            &options::MAX_CONNECTIONS,
            &options::MAX_CONNECTIONS_PER_ADDRESS,
            &options::REQUEST_TIMEOUT,
            &options::IDLE_TIMEOUT,
            &options::MAX_HEAD,
            &options::MAX_BODY,
            &options::LOG,
        ],
        run: serve::serve,
    },
    Command {
        words: &["user", "add"],
        operands: &["USERNAME"],
        summary: "Add a user, also while registration is closed.",
        details: "Asks for the password twice, without echo. Makes the data directory if there is none.",
        example: "gatekey user add alice",
        options: &NEW_PASSWORD,
        run: user::add,
    },
    Command {
        words: &["user", "list"],
        operands: &[],
        summary: "List all users.",
        details: "One line a user: id, state, when added, name.",
        example: "gatekey user list --data /var/lib/gatekey",
        options: &DATA,
        run: user::list,
    },
    Command {
        words: &["user", "passwd"],
        operands: &["USERNAME"],
        summary: "Set a user's password; every token of the user dies.",
        details: "Asks for the new password twice, without echo.",
        example: "echo 'correct horse battery staple' | gatekey user passwd alice --password-stdin",
        options: &NEW_PASSWORD,
        run: user::passwd,
    },
    Command {
        words: &["user", "disable"],
        operands: &["USERNAME"],
        summary: "Keep a user out; every token of the user dies.",
        details: "The user, the name and the password stay as they are.",
        example: "gatekey user disable alice",
        options: &DATA,
        run: user::disable,
    },
    Command {
        words: &["user", "enable"],
        operands: &["USERNAME"],
        summary: "Let a disabled user in again.",
        details: "Tokens issued before stay dead.",
        example: "gatekey user enable alice",
        options: &DATA,
        run: user::enable,
    },
    Command {
        words: &["user", "revoke"],
        operands: &["USERNAME"],
        summary: "Sign a user out everywhere: every token of the user dies.",
        details: "The password stays as it is.",
        example: "gatekey user revoke alice",
        options: &DATA,
        run: user::revoke,
    },
    Command {
        words: &["user", "delete"],
        operands: &["USERNAME"],
        summary: "Delete a user.",
        details: "The name becomes free; the id is never used again.",
        example: "gatekey user delete alice",
        options: &DATA,
        run: user::delete,
    },
    Command {
        words: &["token", "issue"],
        operands: &["USERNAME"],
        summary: "Print a new token for a user.",
        details: "Whoever may read the signing keys may act as anybody; this is how.",
        example: "gatekey token issue alice --token-lifetime 1h",
        options: &[&options::DATA, &options::KEY_FILE, &options::TOKEN_LIFETIME, &options::MAX_SESSION],
        run: token::issue,
    },
    Command {
        words: &["token", "inspect"],
        operands: &[],
        summary: "Say whether a token from standard input is valid, and what it says.",
        details: "Prints one JSON object. \"verdict\" is ok, expired, bad_signature, malformed or unsupported, by form, \
                  signature and time alone; \"header\" and \"payload\" are shown when the signature holds; \"user\" \
                  says what the database knows, if there is one. Needs only the key file. Exit status 0 for ok, else 1.",
        example: "gatekey token issue alice | gatekey token inspect",
        options: &[&options::DATA, &options::KEY_FILE, &options::MAX_SESSION, &options::AT],
        run: token::inspect,
    },
    Command {
        words: &["key", "list"],
        operands: &[],
        summary: "List the signing keys, oldest first; never their secrets.",
        details: "One line a key: its fingerprint; whether it signs or only verifies; since when it is in use and since \
                  when retired; the longest lifetime of tokens served under it, in seconds; when it may be pruned; and \
                  whether it is weak or stands in print. With --json an array of objects, times in Unix seconds. What \
                  the database doesn't know is a dash, or null.",
        example: "gatekey key list --json",
        options: &[&options::DATA, &options::KEY_FILE, &options::MAX_SESSION, &options::JSON],
        run: key::list,
    },
    Command {
        words: &["key", "rotate"],
        operands: &[],
        summary: "Make a new signing key, which signs from now on.",
        details: "Nobody is signed out: the older keys verify what they signed, until they are pruned. Running servers \
                  take the new key up within a second. If a secret may have become known, say --compromised.",
        example: "gatekey key rotate --data /var/lib/gatekey",
        options: &[&options::DATA, &options::KEY_FILE, &options::COMPROMISED],
        run: key::rotate,
    },
    Command {
        words: &["key", "add"],
        operands: &[],
        summary: "Take an existing secret from standard input, such as a Flask app's SECRET_KEY.",
        details: "Its exact bytes, less one line feed at the end, are the key; a secret that ends with a line feed needs one \
                  more. It verifies the tokens that were signed with it elsewhere. On a terminal the secret is asked for, \
                  without echo.",
        example: "printf %s \"$SECRET_KEY\" | gatekey key add",
        options: &[&options::DATA, &options::KEY_FILE, &options::SIGN, &options::WEAK, &options::FORCE],
        run: key::add,
    },
    Command {
        words: &["key", "prune"],
        operands: &[],
        summary: "Remove the keys whose last token has expired.",
        details: "A key may go when it has been retired for longer than the longest lifetime ever served under it; one \
                  that never signed here, when it has verified for --max-session: say longer where the tokens that were \
                  signed elsewhere live longer. Where all must stay, it says until when and ends with 1.",
        example: "gatekey key prune --data /var/lib/gatekey",
        options: &[&options::DATA, &options::KEY_FILE, &options::MAX_SESSION],
        run: key::prune,
    },
    Command {
        words: &["throttle", "list"],
        operands: &[],
        summary: "List users for whose names wrong passwords are counted.",
        details: "One line a user: how many wrong passwords count, how many may, when all are forgotten. Past that many, \
                  the user logs in only from where that user has logged in before. Of a running server, these are the \
                  counters it saved last, up to 10 s ago; give the same --guesses-per-user as the server. Addresses are \
                  kept only as hashes and can't be listed, nor what was wrong at one from which that user has logged in \
                  before: whoever is not in the list may still be answered 429. The server's log says why.",
        example: "gatekey throttle list --data /var/lib/gatekey",
        options: &[&options::DATA, &options::KEY_FILE, &options::GUESSES_PER_USER],
        run: throttle::list,
    },
    Command {
        words: &["throttle", "clear"],
        operands: &[],
        summary: "Forget every wrong password, registration and look-up that was counted.",
        details: "Whoever was answered 429 may try again. A running server sees it at the next login.",
        example: "gatekey throttle clear --data /var/lib/gatekey",
        options: &DATA,
        run: throttle::clear,
    },
    Command {
        words: &["backup"],
        operands: &["FILE"],
        summary: "Copy the database into a new file, also while a server runs.",
        details: "The copy is one moment's, was read again, and is on the disk when the command ends; an existing file is \
                  never replaced. In it: names, password hashes, and hashes of addresses from which users logged in. \
                  Not in it: the signing keys. Keep a copy of those apart: whoever has both can act as anybody.",
        example: "gatekey backup /var/backups/gatekey-$(date +%F).sqlite3 --data /var/lib/gatekey",
        options: &DATA,
        run: backup::back_up,
    },
    Command {
        words: &["restore"],
        operands: &["FILE"],
        summary: "Put a backup in the database's place, while no server runs.",
        details: "Users, passwords and who is disabled are then as in the backup; everybody must log in again, so that no \
                  token lives again that was revoked since. Ids given since are not given again. The old database is \
                  kept beside the new one. The signing keys stay as they are; on a new machine, put their file there \
                  first, or a new key is made.",
        example: "gatekey restore /var/backups/gatekey-2026-11-23.sqlite3 --data /var/lib/gatekey",
        options: &DATA,
        run: backup::restore,
    },
];
