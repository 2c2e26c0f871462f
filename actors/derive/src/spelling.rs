//! Finds the word that was meant.
//!
//! Pure.

/// The candidate nearest to `word`, when it is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between `left` and `right`.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for line in 1..=left.len() {
        let mut row = vec![line];
        for column in 1..=right.len() {
            let replaced = usize::from(left[line - 1] != right[column - 1]);
            let mut best = (rows[line - 1][column] + 1)
                .min(row[column - 1] + 1)
                .min(rows[line - 1][column - 1] + replaced);
            let is_swap = line > 1
                && column > 1
                && left[line - 1] == right[column - 2]
                && left[line - 2] == right[column - 1];
            if is_swap {
                best = best.min(rows[line - 2][column - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["name", "reply", "idempotent", "crate"];

    #[test]
    fn a_slip_finds_its_word() {
        for (word, meant) in [
            ("nme", "name"),
            ("names", "name"),
            ("replay", "reply"),
            ("idempotant", "idempotent"),
            ("craet", "crate"),
        ] {
            assert_eq!(nearest(word, KNOWN), Some(meant));
        }
    }

    #[test]
    fn another_word_finds_nothing() {
        for word in ["stream", "timeout", "", "x"] {
            assert_eq!(nearest(word, KNOWN), None, "{word}");
        }
    }
}
