//! Error messages for password hashes: they name the scheme, but no part of salt or hash.

use crate::hashing::HashError;
use crate::password::StoredHashError;

const MAX_NAME_CHARS: usize = 32;
const MIB: u64 = 1 << 20;

pub(super) fn of_hash(error: &HashError, hash: &str) -> String {
    match error {
        HashError::Stored(StoredHashError::UnknownScheme) => match scheme(hash) {
            _ if hash.starts_with('!') => {
                "there is no usable password, only Django's mark for that (!): leave the user out by --skip-bad, \
                 and add it by gatekey user add"
                    .into()
            }
            Some(scheme) => format!("{error}: {scheme}"),
            None => format!("{error}, and names none"),
        },
        HashError::TooMuchMemory { bytes, .. } => {
            let mib = bytes.div_ceil(MIB);
            format!("{error}; --max-hash-memory {mib}M allows it, here and for gatekey serve")
        }
        error => error.to_string(),
    }
}

/// The scheme of a hash: `$y$`, `{SHA}`, `md5`, `pbkdf2:sha3_256`.
fn scheme(hash: &str) -> Option<&str> {
    let end = if hash.starts_with('{') {
        hash.find('}')?.checked_add(1)?
    } else if let Some(rest) = hash.strip_prefix('$') {
        rest.find('$')?.checked_add(2)?
    } else {
        let name = hash.split('$').next().filter(|name| name.len() < hash.len())?;
        // Werkzeug's parameters.
        let parameter = |(at, _): &(usize, &str)| {
            name.get(at.saturating_add(1)..)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        name.match_indices(':').find(parameter).map_or(name.len(), |(at, _)| at)
    };
    let name = hash.get(..end).filter(|name| name.len() <= MAX_NAME_CHARS)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "${}:_-".contains(c);
    name.chars().all(is_name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_is_named_and_nothing_else_of_the_hash() {
        for (hash, expected) in [
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", Some("{SHA}")),
            ("$y$j9T$salt$hash", Some("$y$")),
            ("$argon2d$v=19$m=8,t=1,p=1$salt$hash", Some("$argon2d$")),
            ("md5$salt$hash", Some("md5")),
            ("pbkdf2:sha3_256:1000$salt$hash", Some("pbkdf2:sha3_256")),
            ("5f4dcc3b5aa765d61d8327deb882cf99", None),
            ("rqXexS6ZhobKA", None),
            ("my secret$1", None),
            ("$", None),
            ("", None),
        ] {
            assert_eq!(scheme(hash), expected, "{hash}");
        }
    }
}
