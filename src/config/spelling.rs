//! Finds the word that was meant.
//!
//! Pure.

/// The candidate nearest to `word`, when it is near enough to be what was meant.
pub(super) fn nearest(
    word: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    // The distance costs the product of the lengths, and a word may come from anywhere.
    if word.len() > LONGEST_WORD {
        return None;
    }
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(4))
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

/// Twice the longest flag.
const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(word: &str) -> Option<&'static str> {
        nearest(word, ["registry", "registry-address", "mdns", "p2c"].into_iter())
    }

    #[test]
    fn a_slip_finds_its_word() {
        assert_eq!(meant("regsitry"), Some("registry"));
        assert_eq!(meant("registry-adress"), Some("registry-address"));
        assert_eq!(meant("mdn"), Some("mdns"));
        assert_eq!(meant("mdsn"), Some("mdns"));
        assert_eq!(meant("p2p"), Some("p2c"));
    }

    #[test]
    fn another_word_finds_nothing() {
        for word in ["consul", "", "verbose", "🎭🎭🎭"] {
            assert_eq!(meant(word), None, "{word}");
        }
    }

    #[test]
    fn a_word_without_end_is_not_compared() {
        assert_eq!(meant(&"registry".repeat(1_000_000)), None);
    }
}
