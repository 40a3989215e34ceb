//! Options of password hashing: its cost, and how much of it at once.

use super::opt::Opt;

pub(in crate::cli) const SCRYPT: Opt = Opt {
    name: "scrypt",
    value: Some("PARAMETERS"),
    default: Some("ln=14,r=8,p=5"),
    help: "The cost of password hashes. One takes 128 * r * 2^ln bytes. Hashes of another cost are replaced \
           at login.",
};
pub(in crate::cli) const MAX_HASH_MEMORY: Opt = Opt {
    name: "max-hash-memory",
    value: Some("SIZE"),
    default: Some("64M"),
    help: "Stored hashes that need more memory than this are rejected: bytes, or with K, M, G.",
};
pub(in crate::cli) const HASH_SLOTS: Opt = Opt {
    name: "hash-slots",
    value: Some("NUMBER"),
    default: None,
    help: "Threads of the hash pool: concurrent password hashes, 1 to 64. Each takes the memory of one hash. \
           Default: the number of cores.",
};
pub(in crate::cli) const HASH_QUEUE: Opt = Opt {
    name: "hash-queue",
    value: Some("NUMBER"),
    default: Some("64"),
    help: "Length of the hash pool's queue, up to 1024. At most 2 requests of one address wait (any number \
           from this machine). Users at addresses from which they logged in before have a queue of the same \
           length, where at most 2 requests of one user wait. More are answered 503. With --loop tiny-http at \
           most 2 requests hash or wait.",
};
pub(in crate::cli) const PASSWORD_CACHE: Opt = Opt {
    name: "password-cache",
    value: Some("DURATION"),
    default: Some("60s"),
    help: "How long a correct password needs no hash when the same client shows it again; 0 turns the cache \
           off. A password change takes effect at once all the same.",
};
