//! Spelling suggestion: the known word nearest to an unknown one.

/// The nearest candidate, the first of equals; `None` if more than a third of the word differs.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    let near = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    near.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, near)| near)
}

/// The optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(typed: &str, meant: &str) -> usize {
    let meant: Vec<char> = meant.chars().collect();
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=meant.len()).collect();
    let mut previous = None;
    for (row, typed) in typed.chars().enumerate() {
        let mut current = Vec::from([row + 1]);
        for (column, letter) in meant.iter().enumerate() {
            let at = |row: &[usize], column: usize| {
                row.get(column).copied().expect("a row has a cell for each letter")
            };
            let mut fewest = (at(&current, column) + 1).min(at(&last, column + 1) + 1);
            fewest = fewest.min(at(&last, column) + usize::from(*letter != typed));
            let left = column.checked_sub(1).and_then(|left| Some((left, *meant.get(left)?)));
            if let Some((left, neighbour)) = left
                && (Some(*letter), neighbour) == (previous, typed)
            {
                fewest = fewest.min(at(&before_last, left) + 1);
            }
            current.push(fewest);
        }
        previous = Some(typed);
        before_last = core::mem::replace(&mut last, current);
    }
    last.last().copied().expect("a row has a first cell")
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
