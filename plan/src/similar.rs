//! A search for the known word that a misspelled one was meant to be.

/// The word of `known` that `word` is a misspelling of: the same in another case, or one or two letters away. None if
/// several are as near.
pub fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = if word.chars().count() > 5 { 2 } else { 1 };
    let near = |other: &&str| *other != word && !other.is_empty();
    let mut found: Vec<_> = known
        .into_iter()
        .filter(near)
        .map(|other| (distance(word, other), other))
        .filter(|(distance, other)| *distance <= bound && other.len() > 2)
        .collect();
    found.sort_unstable();
    match found[..] {
        [(_, only)] => Some(only),
        [(first, nearest), (second, _), ..] if first < second => Some(nearest),
        _ => None,
    }
}

/// The edits from one word to the other, in any case: a letter added, removed, replaced, or exchanged with the next
/// (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    // No misspelling is that far off, and the comparison stays cheap.
    if one.chars().count().abs_diff(other.chars().count()) > 2 || one.chars().count() > 64 {
        return usize::MAX;
    }
    strsim::osa_distance(&one.to_ascii_lowercase(), &other.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_known_and_another_word_is_not() {
        let known = ["queueName", "queueLength", "host", "hostFromEnv", "value", "mode", "vhostName"];
        for (word, meant) in [
            ("queueNam", Some("queueName")),
            ("queuename", Some("queueName")),
            ("quueeName", Some("queueName")),
            ("quename", Some("queueName")),
            ("hots", Some("host")),
            ("Host", Some("host")),
            ("valeu", Some("value")),
            ("queue", None),
            ("queueName", None),
            ("topic", None),
            ("", None),
        ] {
            assert_eq!(similar(word, known), meant, "{word}");
        }
        assert_eq!(similar("ab", ["aa", "bb"]), None);
    }
}
