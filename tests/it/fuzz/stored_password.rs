//! Property of stored hashes: one spelling, bounded parameters, and only verifiable hashes are parsed.

use gatekey::encoding::{decode_base64_unpadded, encode_base64_unpadded};
use gatekey::password::{self, AnyHash, StoredHash};
use gatekey::secret::Secret;

/// The bytes are taken for two things. Tells whether the first is a stored password.
///
/// 1. For the string: if it parses, it is written again to the character, its parameters are in their ranges, and a
///    password can be compared with it.
/// 2. For a string of another program's: if it parses, what it asks for is in its bounds.
/// 3. For parameters, salt and hash: their string parses exactly if they are in their ranges.
pub fn holds(bytes: &[u8]) -> bool {
    what_is_in_range_parses(bytes);
    std::str::from_utf8(bytes).inspect(|text| others_are_bounded(text)).ok();
    std::str::from_utf8(bytes).is_ok_and(parses_as_defined)
}

fn parses_as_defined(text: &str) -> bool {
    let Ok(stored) = text.parse::<StoredHash>() else { return false };
    assert_eq!(stored.to_string(), text);
    let bytes_of = |part| decode_base64_unpadded(text.split('$').nth(part).unwrap()).unwrap().len();
    let cost = stored.cost();
    let (log_n, r, p) = (cost.log_n(), cost.r(), cost.p());
    assert!(in_range(log_n.into(), r, p, bytes_of(3), bytes_of(4)), "{text}");
    // The scrypt crate panics on what it doesn't like; some of what is cheap is tried.
    if cost.memory_bytes() <= 64 * 1024 {
        assert!(!password::verify(&Secret::new("python".into()), &stored));
    }
    true
}

/// Every number in the place where rounds, iterations or a cost do is one that we admit.
fn others_are_bounded(text: &str) {
    let Ok(hash) = text.parse::<AnyHash>() else { return };
    assert!(text.len() <= 256 && text.is_ascii(), "{text}");
    let largest = text.split(['$', ':', '=']).take(4).filter_map(|part| part.parse::<u64>().ok()).max();
    if hash.memory_bytes() > 0 {
        assert!(hash.memory_bytes() <= 4 << 30 && !hash.parameters().is_empty(), "{text}");
    } else if text.starts_with("$2") {
        assert!(text.len() == 60 && ("04"..="14").contains(&text.split('$').nth(2).unwrap()), "{text}");
    } else if largest.is_none_or(|number| number <= 5_000) {
        // The crates panic on what they don't like; some of what is cheap is tried.
        assert!(!hash.verify(&Secret::new("no such password".into())));
    }
}

/// The ranges, written down once more.
fn in_range(log_n: u32, r: u32, p: u32, salt_bytes: usize, hash_bytes: usize) -> bool {
    (1..=20).contains(&log_n)
        && (1..=32).contains(&r)
        && (1..=16).contains(&p)
        && log_n < 16 * r
        && (8..=64).contains(&salt_bytes)
        && (16..=64).contains(&hash_bytes)
}

/// The first five bytes are the numbers; each range lies within what they can say.
fn what_is_in_range_parses(bytes: &[u8]) {
    let number = |at: usize| u32::from(bytes.get(at).copied().unwrap_or_default()) % 80;
    let length = |at| usize::try_from(number(at)).unwrap();
    let (log_n, r, p) = (number(0), number(1), number(2));
    let (salt, hash) = (vec![0x5A; length(3)], vec![0xA5; length(4)]);
    let [salt64, hash64] = [&salt, &hash].map(encode_base64_unpadded);
    let text = format!("$scrypt$ln={log_n},r={r},p={p}${salt64}${hash64}");
    assert_eq!(text.parse::<StoredHash>().is_ok(), in_range(log_n, r, p, salt.len(), hash.len()), "{text}");
}
