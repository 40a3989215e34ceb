//! Rate limiter against brute force: limits how often passwords may be guessed, users registered and looked
//! up.
//!
//! A password check is charged before it runs, in one step with the decision, so that concurrent checks can't
//! exceed a limit. A correct password, or a check without a result, is refunded. **Failed** checks stay
//! charged.
//!
//! Each check is charged to several buckets, and every one must have room:
//!
//! | bucket | limits | default | attempts on the first day, then |
//! |---|---|---|---|
//! | client address (IPv6: /64) | one client that tries many names | 100, one a minute | 1540, 1440 |
//! | IPv6 network (/48) | the same with 65536 prefixes, which cost nothing | sixteen times that | 24640, 23040 |
//! | user name, known or not | many clients that try one name | 100, one in 5 minutes | 388, 288 |
//! | address and name | one client that tries one name | 10, one in 10 minutes | 154, 144 |
//!
//! So one address gets 154 attempts at an account on the first day, and ten thousand addresses together get
//! 388.
//!
//! The bucket of the name alone would let any client lock a user out. Hence **remembered addresses**: at an
//! address from which the user has logged in before, only a bucket of that user at that address applies (as
//! the last line), in a table that only such requests reach. The user at an address has one limit in total:
//! `promoted.rs` carries the failures over when the address becomes remembered, and each 401 is charged, also
//! where identical checks share one hash. At most eight addresses are remembered for a name; each adds 154
//! attempts. Tokens are never limited.
//!
//! Registrations and user look-ups are charged per address in the same way, successful ones too.
//!
//! Memory is fixed (`table.rs`). A hash collision can delay a password check of an address
//! that isn't remembered. It never delays a token, nor a user at a remembered address because of other
//! addresses; a client with thousands of accounts of its own, each at its limit, may delay a few remembered
//! users.
//!
//! Buckets run on monotonic time. They are saved every 10 seconds, at shutdown, and within a second when one
//! becomes full. A killed server therefore loses at most 10 seconds of charges, and no rejection.
//!
//! Known limitation: a client that has used up the limit of an address that it shares with others can tell by
//! a 401 instead of a 429 which names have logged in from there.
//!
//! | file | content |
//! |---|---|
//! | `charge.rs` | the [`Limiter`]: checks, charges and refunds |
//! | `rules.rs` | the limits |
//! | `table.rs` | leaky buckets of one kind, in a count-min sketch |
//! | `promoted.rs` | addresses that become remembered |
//! | `saved.rs` | serialization of all tables |

mod charge;
mod promoted;
mod rules;
mod saved;
mod table;

pub use charge::{Charged, Count, Limiter, PasswordAttempt, RateLimited};
pub use rules::{RateLimit, Rules};
pub use saved::SavedError;
