//! Spelling suggestion: the known word nearest to an unknown one.

use strsim::osa_distance as distance;

/// The nearest candidate, the first of equals; `None` if more than a third of the word differs.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    let near = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    near.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (typed, meant, slips) in [
            ("", "", 0),
            ("", "user", 4),
            ("user", "", 4),
            ("serve", "serve", 0),
            ("sevre", "serve", 1),
            ("lisen", "listen", 1),
            ("listten", "listen", 1),
            ("lost", "list", 1),
            ("ca", "abc", 3),
            ("kitten", "sitting", 3),
            ("schlüssel", "schlussel", 1),
        ] {
            assert_eq!(distance(typed, meant), slips, "{typed} {meant}");
            assert_eq!(distance(meant, typed), slips, "{meant} {typed}");
        }
    }

    #[test]
    fn the_nearest_is_suggested_and_nothing_far() {
        let words = ["list", "clear", "issue"];
        for (typed, near) in [
            ("lst", Some("list")),
            ("lits", Some("list")),
            ("claer", Some("clear")),
            ("isue", Some("issue")),
            ("frobnicate", None),
            ("", None),
            ("ls", None),
        ] {
            assert_eq!(nearest(typed, words), near, "{typed}");
        }
        assert_eq!(nearest("lit", ["lin", "lip"]), Some("lin"), "the first of equals");
    }
}
