//! Options of the throttle: what is counted, and how much of it is let through.

use super::Opt;

pub(in crate::cli) const THROTTLE: Opt = Opt {
    name: "throttle",
    value: Some("on|off"),
    default: Some("on"),
    help: "Whether wrong passwords, registrations and look-ups are counted, and too many of them answered 429. Tokens \
           never are, nor is a user's right password at an address from which that user has logged in before because \
           of what others do.",
};
pub(in crate::cli) const GUESSES_PER_ADDRESS: Opt = Opt {
    name: "guesses-per-address",
    value: Some("BURST/EVERY"),
    default: Some("100/1m"),
    help: "Wrong passwords from one address, of IPv6 from one /64: so many at once, then one more each time so long \
           has passed. A /48 of IPv6 has sixteen times as many. The default is 1540 on the first day, then 1440 a day.",
};
pub(in crate::cli) const GUESSES_PER_USER: Opt = Opt {
    name: "guesses-per-user",
    value: Some("BURST/EVERY"),
    default: Some("100/5m"),
    help: "Wrong passwords for one user name from all addresses together, except those from which that user has \
           logged in before. The default is 388 on the first day, then 288 a day, were it from ten thousand addresses.",
};
pub(in crate::cli) const GUESSES_PER_USER_AND_ADDRESS: Opt = Opt {
    name: "guesses-per-user-and-address",
    value: Some("BURST/EVERY"),
    default: Some("10/10m"),
    help: "Wrong passwords for one user name from one address. The default is 154 on the first day, then 144 a day.",
};
pub(in crate::cli) const REGISTRATIONS_PER_ADDRESS: Opt = Opt {
    name: "registrations-per-address",
    value: Some("BURST/EVERY"),
    default: Some("20/1m"),
    help: "Registrations from one address, those refused for a taken name included; a /48 of IPv6 has sixteen times \
           as many.",
};
pub(in crate::cli) const LOOKUPS_PER_ADDRESS: Opt = Opt {
    name: "lookups-per-address",
    value: Some("BURST/EVERY"),
    default: Some("300/1s"),
    help: "Requests for GET /api/users/ID from one address; a /48 of IPv6 has sixteen times as many.",
};
