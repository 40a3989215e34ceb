//! Options of password hashing: its cost, and how much of it at once.

use super::Opt;

pub(in crate::cli) const SCRYPT: Opt = Opt {
    name: "scrypt",
    value: Some("PARAMETERS"),
    default: Some("ln=14,r=8,p=5"),
    help: "The cost of password hashes; one takes 128 * r * 2^ln bytes. Hashes of another cost are replaced at login.",
};
pub(in crate::cli) const MAX_HASH_MEMORY: Opt = Opt {
    name: "max-hash-memory",
    value: Some("SIZE"),
    default: Some("64M"),
    help: "Stored hashes that take more memory than this are not verified: bytes, or with K, M, G.",
};
pub(in crate::cli) const HASH_SLOTS: Opt = Opt {
    name: "hash-slots",
    value: Some("NUMBER"),
    default: None,
    help: "How many passwords are hashed at once, 1 to 64; each takes the memory of one hash. Default: the number of \
           cores.",
};
pub(in crate::cli) const HASH_QUEUE: Opt = Opt {
    name: "hash-queue",
    value: Some("NUMBER"),
    default: Some("64"),
    help: "How many may wait to have a password hashed, up to 1024, and 2 of one address (of this machine any number); as \
           many again at addresses from which they logged in before; more are answered 503. With --loop tiny-http no more \
           than 2 hash or wait.",
};
pub(in crate::cli) const PASSWORD_CACHE: Opt = Opt {
    name: "password-cache",
    value: Some("DURATION"),
    default: Some("60s"),
    help: "How long a password that was right needs no hash when the same client shows it again; 0 hashes each time. A \
           changed password counts at once all the same.",
};
