//! Texts of a peer, as Ebb's own texts may repeat them: of a bounded length, and without characters that act on a
//! display.
//!
//! A broker chooses its error texts, its host names, its certificate. Such a text becomes a condition, an event, a line
//! of the log, and stays in memory with the error. Every kind of trigger passes it through [`said`].

use std::fmt::Display;

/// The most characters of a peer's text that are repeated.
pub const LONGEST: usize = 200;
/// The most characters of an error of a trigger as a whole. Ebb's own text and a user's are in it beside a peer's.
pub const LONGEST_ERROR: usize = 2_000;

/// The first [`LONGEST`] characters of a peer's text. Control characters are shown escaped.
///
/// Only the shown characters are looked at, so that a text of megabytes costs no more than a short one.
pub fn said(words: impl Display) -> String {
    cut(words, LONGEST)
}

/// The same for bytes that are meant to be a text.
pub fn said_bytes(words: &[u8]) -> String {
    // No character takes more than four bytes.
    said(String::from_utf8_lossy(&words[..words.len().min(4 * (LONGEST + 1))]))
}

/// The first `most` characters of a text, with control characters escaped.
pub(crate) fn cut(words: impl Display, most: usize) -> String {
    let mut shown = Cut { text: String::new(), left: most };
    // It ends early where the text is too long.
    if std::fmt::write(&mut shown, format_args!("{words}")).is_err() {
        shown.text.pop();
        shown.text.push('…');
    }
    shown.text
}

/// Takes characters until there are enough, and then fails.
struct Cut {
    text: String,
    left: usize,
}

impl Cut {
    fn push(&mut self, letter: char) -> std::fmt::Result {
        self.left = self.left.checked_sub(1).ok_or(std::fmt::Error)?;
        self.text.push(letter);
        Ok(())
    }
}

impl std::fmt::Write for Cut {
    fn write_str(&mut self, words: &str) -> std::fmt::Result {
        words.chars().try_for_each(|letter| {
            if acts(letter) {
                letter.escape_default().try_for_each(|letter| self.push(letter))
            } else {
                self.push(letter)
            }
        })
    }
}

/// Whether a character does something in place of being seen: control characters, line and paragraph separators, and
/// those that turn the direction of a text around or have no width (Unicode Standard Annex 9; general category Cf).
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shown_up_to_a_length_and_do_nothing() {
        for (words, shown) in [
            ("", ""),
            ("no such queue 'größe'", "no such queue 'größe'"),
            ("one\r\ntwo\tthree\0", "one\\r\\ntwo\\tthree\\u{0}"),
            ("\u{1b}[31mred\u{7f}\u{85}", "\\u{1b}[31mred\\u{7f}\\u{85}"),
            ("user\u{202e}drowssap", "user\\u{202e}drowssap"),
            ("a\u{2028}b\u{200b}c\u{feff}", "a\\u{2028}b\\u{200b}c\\u{feff}"),
        ] {
            assert_eq!(said(words), shown, "{words:?}");
        }
        assert_eq!(said("ü".repeat(200)), "ü".repeat(200));
        assert_eq!(said("ü".repeat(201)), format!("{}…", "ü".repeat(199)));
        assert_eq!(said("\0".repeat(1_000)).chars().count(), LONGEST);
    }

    #[test]
    fn bytes_are_shown_as_far_as_they_are_a_text() {
        assert_eq!(said_bytes(b"AMQP\0\0\x09\x01"), "AMQP\\u{0}\\u{0}\\t\\u{1}");
        assert_eq!(said_bytes(&[0xff; 3]), "\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(said_bytes(&vec![b'x'; 1 << 20]), format!("{}…", "x".repeat(199)));
        assert_eq!(said_bytes("𝄞".repeat(1_000).as_bytes()), format!("{}…", "𝄞".repeat(199)));
    }

    #[test]
    fn a_long_text_costs_no_more_than_what_is_shown() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                loop {
                    f.write_str("and on ")?;
                }
            }
        }
        assert_eq!(said(Endless).chars().count(), LONGEST);
    }
}
