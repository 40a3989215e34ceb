//! Published secrets: any reader of the article can sign with its secret.

use crate::signer::SigningKey;

/// Secrets in tutorials and documentation of Flask apps with such tokens.
const PUBLISHED: [&[u8]; 9] = [
    b"the quick brown fox jumps over the lazy dog", // the article's own app
    b"hard to guess string",                        // Grinberg's book
    b"you-will-never-guess",                        // Grinberg's Mega-Tutorial
    b"top secret!",                                 // Grinberg's later examples
    b"_5#y2L\"F4Q8z\n\xec]/",                       // Flask's quick start
    b"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf", // Flask's quick start, later
    b"A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",              // Flask's quick start, earlier
    b"your-256-bit-secret",                         // a popular token debugger
    b"dev",                                         // Flask's tutorial
];

/// Whether a key's secret is in this list of published ones.
pub fn is_published(key: &SigningKey) -> bool {
    let fingerprint = key.fingerprint();
    PUBLISHED
        .iter()
        .any(|secret| SigningKey::new_weak(secret).is_ok_and(|key| key.fingerprint() == fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_articles_secret_is_known_and_a_new_one_is_not() {
        for secret in PUBLISHED {
            assert!(is_published(&SigningKey::new_weak(secret).unwrap()));
        }
        assert!(!is_published(&SigningKey::new(b"the quick brown fox jumps over the lazy cat").unwrap()));
    }
}
