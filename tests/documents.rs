//! The documents agree with each other and with the tree: links lead somewhere, `docs/develop/evidence.md` has a row for each
//! difference from KEDA, and the files that it names exist.
// A document that cannot be read fails the test.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Every Markdown file below `folder`, relative to the root.
fn pages_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        if root().join(&path).is_dir() {
            pages_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn pages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    for folder in ["deploy", "docs"] {
        pages_in(Path::new(folder), &mut found);
    }
    found
}

/// The text without fenced and indented code.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with("    ") {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.to_lowercase();
            let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = prose(&read(&page));
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let found = root().join(&target).exists()
                && anchor.is_none_or(|anchor| anchors(&prose(&read(&target))).contains(anchor));
            if !found {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links without a target:\n{}", wrong.join("\n"));
}

/// The first cells of the tables between two headings of the second level.
fn first_cells(page: &str, from: &str, to: Option<&str>) -> BTreeSet<String> {
    let (_, rest) = page.split_once(&format!("\n{from}\n")).unwrap();
    let part = to.map_or(rest, |to| rest.split_once(&format!("\n{to}\n")).unwrap().0);
    let rows = part.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.map(|row| row.split(" | ").next().unwrap().to_owned());
    cells.filter(|cell| cell != "what" && cell != "difference").collect()
}

#[test]
fn every_difference_from_keda_has_its_evidence() {
    let differences = first_cells(&read("docs/keda-differences.md"), "## Readings and scaling", Some("## Additions"));
    let evidence = first_cells(&read("docs/develop/evidence.md"), "## Differences from KEDA", Some("### Additions"));
    assert!(differences.len() > 100, "{}", differences.len());
    let missing: Vec<_> = differences.difference(&evidence).collect();
    let unknown: Vec<_> = evidence.difference(&differences).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without evidence: {missing:#?}; without a row: {unknown:#?}");
}

#[test]
fn every_file_that_the_evidence_names_exists() {
    let page = read("docs/develop/evidence.md");
    let named = page.split('`').skip(1).step_by(2).map(Path::new);
    let named = named.filter(|name| name.extension().is_some_and(|extension| extension == "rs" || extension == "tsv"));
    let missing: BTreeSet<_> = named.filter(|name| !root().join(name).is_file()).collect();
    assert!(missing.is_empty(), "docs/develop/evidence.md names files that are not there: {missing:#?}");
}
