//! The documentation agrees with the code: every kind of trigger has its page and its row in the README, and the page's
//! table of keys names each parameter with its sources and its default.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ebb_scalers::params::{Absent, Source};
use ebb_scalers::{KINDS, Param};

/// The rows of the tables whose first column has this heading, by the word in backticks that they begin with: the other
/// cells.
fn rows(page: &str, heading: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut inside = false;
    for line in page.lines() {
        // A bar inside a cell is written `\|`.
        let line = line.replace("\\|", "\u{0}");
        let Some(row) = line.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
            inside = false;
            continue;
        };
        let mut cells = row.split('|').map(|cell| cell.trim().replace('\u{0}', "|"));
        let first = cells.next().unwrap_or_default();
        inside |= first == heading;
        // `[`word`](link)` or `word`.
        let word = first.trim_start_matches('[').strip_prefix('`').and_then(|rest| rest.split_once('`'));
        if let Some((word, _)) = word.filter(|_| inside) {
            assert!(found.insert(word.to_owned(), cells.collect()).is_none(), "{word} has two rows");
        }
    }
    found
}

/// A page, empty if there is none.
fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap_or_default()
}

/// The text of the second cell of a key's row, in full.
fn sources(param: &Param) -> String {
    let word = |source: &Source| match source {
        Source::Metadata => "metadata",
        Source::Auth => "authentication",
        Source::Env => "env",
    };
    param.sources.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// The beginning of the third cell.
fn default(param: &Param) -> String {
    match param.absent {
        Absent::Refused => "required".to_owned(),
        Absent::Nothing => "none".to_owned(),
        Absent::Default(value) => format!("`{value}`"),
    }
}

#[test]
fn every_kind_has_a_page_with_every_key_its_sources_and_its_default() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let page = format!("docs/triggers/{}.md", kind.name);
        let mut found = rows(&read(&page), "key");
        for key in kind.params {
            let (from, default) = (sources(key), default(key));
            let right = |cells: &Vec<String>| cells.len() == 3 && cells[0] == from && cells[1].starts_with(&default);
            match found.remove(key.name).filter(right) {
                None => wrong.push(format!("{page} lacks the row: | `{}` | {from} | {default} | … |", key.name)),
                Some(cells) => wrong.extend(
                    key.aliases
                        .iter()
                        .filter(|alias| !cells[2].contains(&format!("`{alias}`")))
                        .map(|alias| format!("{page}: the row of `{}` does not name its alias `{alias}`", key.name)),
                ),
            }
        }
        wrong.extend(found.keys().map(|key| format!("{page} describes {key}, which the code does not read")));
    }
    assert!(wrong.is_empty(), "in the table with the heading `| key | from | default | … |`\n{}", wrong.join("\n"));
}

#[test]
fn the_readme_has_a_row_for_every_kind_with_a_link_to_its_page() {
    let readme = read("README.md");
    let found = rows(&readme, "type");
    assert_eq!(found.keys().collect::<Vec<_>>(), KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>());
    for kind in KINDS {
        let link = format!("| [`{0}`](docs/triggers/{0}.md) |", kind.name);
        assert!(readme.contains(&link), "README.md lacks a row that begins with {link}");
    }
}
