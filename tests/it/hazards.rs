//! What a hostile or unlucky client does, sent over real sockets: the client gets a response, every other client is
//! served meanwhile, and afterwards the server has no thread, no descriptor and no memory more than before.
//!
//! Each test ends in the number of its hazard:
//!
//! | | | | |
//! |---|---|---|---|
//! | H1, H2 | absurd lengths | H13 | folded lines, space before the colon |
//! | H3 | HTTP/2 | H14 | broken chunks, bodies cut short |
//! | H4 | no descriptors left | H15 | bare CR and LF, NUL |
//! | H5 | many connections at once | H16 | `TE` weights that are no numbers |
//! | H6 | bodies that never come, `Expect`, `Upgrade` | H17 | resets |
//! | H7 | answers that are not read | H18, H19, H20 | odd targets, hosts, methods |
//! | H8 | floods of pipelined requests | H21 | crowds |
//! | H9 | endless heads | H22 | one byte a packet |
//! | H10 | silence, and trickling | H23 | long answers |
//! | H11, H12 | other codings, ambiguous lengths | H24, H27 | `faults/`: disk, locks, standard error |
//! | H25, H26 | answers not read, connections that linger | H28, H29 | bodies that are not read |
//! | H30 | logins that crowd out others | | |
//!
//! The strict server withstands them all; where the tiny_http server does too, the test runs over both, and
//! where it doesn't, a comment says why.

mod bodies;
mod crowds;
mod ending;
mod flood;
mod framing;
mod heads;
mod hogs;
mod lines;
mod owners;
mod siege;
mod slow;
pub mod watch;
mod yielding;

pub use watch::SetAtEnd;

use std::fs;
use std::path::Path;

/// A hazard without a test would be a promise without a proof.
#[test]
fn every_hazard_has_a_test_that_is_named_for_it() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let code: String = ["hazards", "faults"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(tests.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let named = |number| code.contains(&format!("_h{number}() {{"));
    let missing: Vec<u32> = (1..=30).filter(|number| !named(*number)).collect();
    assert_eq!(missing, Vec::<u32>::new());
}
