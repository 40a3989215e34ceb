//! Options of the throttle: what is counted, and how much of it is let through.

use super::opt::Opt;

pub(in crate::cli) const THROTTLE: Opt = Opt {
    name: "throttle",
    value: Some("on|off"),
    default: Some("on"),
    help: "Rate limiting: whether failed passwords, registrations and look-ups are counted, and answered 429 \
           beyond the limits. Tokens are never limited. Nor is a user's correct password at an address from \
           which that user has logged in before, whatever others do.",
};
pub(in crate::cli) const GUESSES_PER_ADDRESS: Opt = Opt {
    name: "guesses-per-address",
    value: Some("BURST/EVERY"),
    default: Some("100/1m"),
    help: "Rate limit of failed passwords per address (IPv6: per /64): a burst, then one more each interval. \
           A /48 of IPv6 has sixteen times as many. The default allows 1540 on the first day, then 1440 a \
           day.",
};
pub(in crate::cli) const GUESSES_PER_USER: Opt = Opt {
    name: "guesses-per-user",
    value: Some("BURST/EVERY"),
    default: Some("100/5m"),
    help: "Rate limit of failed passwords per user name, for all addresses together except those from which \
           that user has logged in before. The default allows 388 on the first day, then 288 a day, even \
           from ten thousand addresses.",
};
pub(in crate::cli) const GUESSES_PER_USER_AND_ADDRESS: Opt = Opt {
    name: "guesses-per-user-and-address",
    value: Some("BURST/EVERY"),
    default: Some("10/10m"),
    help: "Rate limit of failed passwords per user name and address. The default allows 154 on the first \
           day, then 144 a day.",
};
pub(in crate::cli) const REGISTRATIONS_PER_ADDRESS: Opt = Opt {
    name: "registrations-per-address",
    value: Some("BURST/EVERY"),
    default: Some("20/1m"),
    help: "Rate limit of registrations per address, including those rejected because the name is taken. A \
           /48 of IPv6 has sixteen times as many.",
};
pub(in crate::cli) const LOOKUPS_PER_ADDRESS: Opt = Opt {
    name: "lookups-per-address",
    value: Some("BURST/EVERY"),
    default: Some("300/1s"),
    help: "Rate limit of GET /api/users/ID per address. A /48 of IPv6 has sixteen times as many.",
};
