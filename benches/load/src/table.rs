//! The one table of a run: a figure in each row, the contenders beside each other, and the ratio of the two.

use serde::Serialize;
use serde_json::{Value, json};

use crate::figures::{Figure, Figures, Unit};

/// A row. A figure that could not be had is nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// The part of the table.
    pub(crate) section: &'static str,
    /// The name of the figure.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: Unit,
    /// Ebb's.
    pub(crate) ebb: Option<f64>,
    /// The other's.
    pub(crate) peer: Option<f64>,
    /// The other's for each of Ebb's.
    pub(crate) ratio: Option<f64>,
}

/// The rows of both: sections in the order in which they come first, and what only one has at the end of its section.
pub(crate) fn rows(ebb: &Figures, peer: Option<&Figures>) -> Vec<Row> {
    let none = Figures::default();
    let peer = peer.unwrap_or(&none);
    let mut sections: Vec<&str> = Vec::new();
    let mut keys: Vec<&Figure> = Vec::new();
    for figure in ebb.0.iter().chain(&peer.0) {
        if !sections.contains(&figure.section) {
            sections.push(figure.section);
        }
        if !keys.iter().any(|known| same(known, figure)) {
            keys.push(figure);
        }
    }
    keys.sort_by_key(|figure| sections.iter().position(|section| *section == figure.section));
    let of = |figures: &Figures, key: &Figure| figures.0.iter().find(|one| same(one, key)).map(|one| one.value);
    let row = |key: &&Figure| {
        let (ebb, peer) = (of(ebb, key), of(peer, key));
        let ratio = ebb.zip(peer).filter(|(ebb, _)| *ebb > 0.0).map(|(ebb, peer)| peer / ebb);
        Row { section: key.section, name: key.name.clone(), unit: key.unit, ebb, peer, ratio }
    };
    keys.iter().map(row).collect()
}

fn same(one: &Figure, other: &Figure) -> bool {
    one.section == other.section && one.name == other.name
}

/// The table for people. Without a peer there are two columns.
pub(crate) fn text(rows: &[Row], peer: bool) -> String {
    let show = |row: &Row, value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| row.unit.show(value));
    let mut lines = vec![[String::new(), "Ebb".to_owned(), "peer".to_owned(), "peer/Ebb".to_owned()]];
    let mut section = "";
    for row in rows {
        if row.section != section {
            section = row.section;
            lines.push([section.to_owned(), String::new(), String::new(), String::new()]);
        }
        let ratio = row.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        lines.push([format!("  {}", row.name), show(row, row.ebb), show(row, row.peer), ratio]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = (1..if peer { 4 } else { 2 }).map(|column| format!("  {:>1$}", line[column], widths[column]));
        let shown = format!("{:<1$}", line[0], widths[0]) + &cells.collect::<Vec<_>>().concat();
        text += shown.trim_end();
        text += "\n";
    }
    text
}

/// The same for programs: `about` says what was measured where.
pub(crate) fn document(rows: &[Row], about: Value) -> Value {
    let mut document = about;
    document["figures"] = json!(rows);
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(all: &[(&'static str, &str, f64)]) -> Figures {
        let mut figures = Figures::default();
        for (section, name, value) in all {
            figures.add(section, *name, Unit::Seconds, *value);
        }
        figures
    }

    #[test]
    fn what_only_one_has_is_at_the_end_of_its_section() {
        let ebb = figures(&[("time", "ready", 2.0), ("time", "only Ebb", 1.0), ("requests", "get", 0.0)]);
        let peer = figures(&[("requests", "list", 1.0), ("time", "ready", 5.0), ("requests", "get", 3.0)]);
        let rows = rows(&ebb, Some(&peer));
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["ready", "only Ebb", "get", "list"]);
        assert_eq!((rows[0].ebb, rows[0].peer, rows[0].ratio), (Some(2.0), Some(5.0), Some(2.5)));
        assert_eq!((rows[1].peer, rows[1].ratio), (None, None));
        // Nothing is a multiple of zero.
        assert_eq!((rows[2].ebb, rows[2].peer, rows[2].ratio), (Some(0.0), Some(3.0), None));
    }

    #[test]
    fn columns_stand_below_each_other() {
        let (ebb, peer) =
            (figures(&[("time", "ready", 2.0)]), figures(&[("time", "ready", 50.0), ("time", "more", 1.0)]));
        assert_eq!(
            text(&rows(&ebb, Some(&peer)), true),
            "            Ebb     peer  peer/Ebb\ntime\n  ready  2.00 s  50.00 s     25.00\n  more        –   1.00 s         –\n"
        );
        assert_eq!(text(&rows(&ebb, None), false), "            Ebb\ntime\n  ready  2.00 s\n");
    }

    #[test]
    fn a_document_has_the_same_rows() {
        let rows = rows(&figures(&[("time", "ready", 2.0)]), None);
        let document = document(&rows, json!({"kind": "kafka"}));
        assert_eq!(document["kind"], "kafka");
        let row = json!({"section": "time", "name": "ready", "unit": "s", "ebb": 2.0, "peer": null, "ratio": null});
        assert_eq!(document["figures"], json!([row]));
    }
}
