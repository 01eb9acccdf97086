//! The text of `ebb migrate values` about the values.

use serde_json::Value;

use super::values::{Migration, Note, shown};

/// The longest value that is shown as a whole, in letters.
const LONGEST: usize = 60;

/// A paragraph for each kind of notes, the most important first.
pub(super) fn text(migration: &Migration) -> String {
    let paragraphs = [
        (
            "These values change a behavior of KEDA that Ebb does not have. With them, the installation of Ebb fails. They are left out:",
            list(&migration.refused),
        ),
        ("These values are wrong, and the installation of Ebb fails until you correct them:", list(&migration.wrong)),
        ("Neither KEDA's chart nor Ebb's has these values. They are left out:", list(&migration.unknown)),
        ("These values belong to KEDA's release. They are left out:", list(&migration.left)),
        ("These values have no effect in Ebb. They are left out:", list(&migration.ignored)),
        (
            "These values are KEDA's defaults. They are left out, so that Ebb's own defaults apply:",
            migration.defaults.iter().map(beside).collect(),
        ),
        (
            "These values are taken over, and name KEDA's pods. Ebb's have the label app.kubernetes.io/name: ebb:",
            list(&migration.about_keda),
        ),
    ];
    let paragraphs = paragraphs.into_iter().filter(|(_, notes)| !notes.is_empty());
    paragraphs.flat_map(|(head, notes)| [head.to_owned(), "\n".to_owned(), notes, "\n".to_owned()]).collect()
}

/// A line for each value, and below the last of those with the same reason the reason.
fn list(notes: &[Note]) -> String {
    let item = |(place, note): (usize, &Note)| {
        let next = notes.get(place + 1);
        let is_last = !note.why.is_empty() && next.is_none_or(|next| next.why != note.why);
        let why = if is_last { format!("      {}\n", note.why) } else { String::new() };
        format!("  {}: {}\n{why}", note.name, short(&note.value))
    };
    notes.iter().enumerate().map(item).collect()
}

/// A value with its reason in the same line.
fn beside(Note { name, value, why }: &Note) -> String {
    format!("  {name}: {} ({why})\n", short(value))
}

fn short(value: &Value) -> String {
    let text = shown(value);
    if text.chars().count() > LONGEST { text.chars().take(LONGEST).chain("…".chars()).collect() } else { text }
}
