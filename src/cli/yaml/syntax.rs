//! Where kubectl is stricter than YAML, and where it takes more.

use super::Mistake;

/// Refuses what kubectl refuses of a document before it parses it: text after `---`, and control characters.
///
/// # Errors
/// The line and the reason.
pub(super) fn check(part: &str) -> Result<(), Mistake> {
    for (index, line) in part.lines().enumerate() {
        if line.starts_with("---") && !is_separator(line) {
            let text = "kubectl takes only a comment after `---`: write the document on the next lines".to_owned();
            return Err((index + 1, text));
        }
        if let Some(found) = line.chars().find(|found| !is_printable(*found)) {
            return Err((
                index + 1,
                format!("no YAML: the control character U+{:04X} is not allowed", u32::from(found)),
            ));
        }
    }
    Ok(())
}

/// Whether a line of `---` ends a document.
pub(super) fn is_separator(line: &str) -> bool {
    let after = line.strip_prefix("---").map(str::trim_start);
    after.is_some_and(|after| after.is_empty() || after.starts_with('#'))
}

/// YAML 1.1, "Character Set".
fn is_printable(found: char) -> bool {
    matches!(found, '\t' | '\n' | '\r' | '\u{85}' | '\u{feff}')
        || !found.is_control() && !matches!(found, '\u{fffe}' | '\u{ffff}')
}

/// The text with spaces in place of the tabs between a key and its value, which kubectl takes; none if there are none.
pub(super) fn without_tabs(part: &str) -> Option<String> {
    let line = |line: &str| -> Option<String> {
        let (key, value) = line.split_once(':')?;
        let rest = value.trim_start_matches([' ', '\t']);
        let blank = value.len() - rest.len();
        let is_key = !key.contains(['"', '\'', '#', '{', '[']) && value[..blank].contains('\t');
        is_key.then(|| format!("{key}:{}{rest}", " ".repeat(blank)))
    };
    let mut changed = false;
    let lines = part.split_inclusive('\n').map(|text| match line(text) {
        Some(text) => {
            changed = true;
            text
        }
        None => text.to_owned(),
    });
    let text: String = lines.collect();
    changed.then_some(text)
}
