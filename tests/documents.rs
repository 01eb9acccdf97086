//! The documents agree with each other and with the tree: links lead somewhere, the table of contents has every page,
//! `docs/develop/evidence.md` has a row for each difference from KEDA, the files that it names exist, and the reference
//! has each event, reason and right.
// A document that cannot be read fails the test.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

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
    let mut found: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(PathBuf::from).into();
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

/// The places that a page links to, from the root of the repository, without headings.
fn links(page: &Path) -> BTreeSet<PathBuf> {
    let text = prose(&read(page));
    let links = text.match_indices("](").map(|(at, _)| text[at + 2..].split([')', '#']).next().unwrap());
    let targets = links.filter(|link| !link.contains("://") && !link.is_empty());
    targets.map(|link| normal(&page.parent().unwrap().join(link))).collect()
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

#[test]
fn the_table_of_contents_has_every_page() {
    let contents = Path::new("docs/SUMMARY.md");
    let mut pages = pages();
    pages.retain(|page| page != contents);
    let listed = links(contents);
    let missing: Vec<_> = pages.iter().filter(|page| !listed.contains(*page)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:#?}");
}

/// The words in backticks with which the rows of a page's tables begin.
fn described(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let words = rows.flat_map(|row| row.split(" | ").take(2).flat_map(|cell| cell.split('`').skip(1).step_by(2)));
    words.map(ToOwned::to_owned).collect()
}

/// The texts in a source file, before its unit tests, that look like a reason: `ScaledObjectReady`.
fn reasons(source: &str) -> BTreeSet<String> {
    let text = read(source);
    let code = text.split("#[cfg(test)]").next().unwrap();
    let texts = code.split('"').skip(1).step_by(2);
    let reasons = texts.filter(|text| {
        text.starts_with(char::is_uppercase) && text.len() > 8 && text.chars().all(char::is_alphanumeric)
    });
    reasons.map(ToOwned::to_owned).collect()
}

#[test]
fn the_reference_has_every_event_and_every_reason_of_a_condition() {
    let described = described(&read("docs/reference/events.md"));
    let mut wanted = BTreeSet::new();
    for source in ["plan/src/events/reason.rs", "plan/src/status.rs", "plan/src/tick/inputs.rs"] {
        let found = reasons(source);
        assert!(!found.is_empty(), "{source} has no reason: this test has fallen behind");
        wanted.extend(found);
    }
    let missing: Vec<_> = wanted.difference(&described).collect();
    assert!(wanted.len() > 30 && missing.is_empty(), "docs/reference/events.md lacks {missing:#?} of {}", wanted.len());
}

/// The words of a list in YAML's flow style.
fn flow(list: &str) -> Vec<&str> {
    let words = list.trim().trim_start_matches('[').trim_end_matches(']').split(", ");
    words.map(|word| word.trim_matches('"')).collect()
}

#[test]
fn the_reference_has_every_right_of_the_manifest() {
    let page = read("docs/reference/rights.md");
    let manifest = read("deploy/ebb.yaml");
    let documents = manifest.split("\n---\n");
    let roles = documents.filter(|text| {
        text.contains("kind: ClusterRole\nmetadata:\n  name: ebb\n")
            || text.contains("kind: Role\nmetadata:\n  name: ebb\n")
    });
    let (mut rows, mut missing) = (0, Vec::new());
    for role in roles {
        let (mut group, mut resources) = (String::new(), String::new());
        for line in role.lines().map(|line| line.trim_start().trim_start_matches("- ")) {
            let Some((key, value)) = line.split_once(": ") else { continue };
            match key {
                "apiGroups" => group = flow(value).concat(),
                "resources" => {
                    resources = flow(value).iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                }
                "verbs" => {
                    let group = if group.is_empty() { "core".to_owned() } else { format!("`{group}`") };
                    let row = format!("| {group} | {resources} | {} |", flow(value).join(", "));
                    rows += 1;
                    if !page.contains(&row) {
                        missing.push(row);
                    }
                }
                _ => {}
            }
        }
    }
    assert!(rows > 20, "{rows} rules: this test has fallen behind");
    assert!(missing.is_empty(), "docs/reference/rights.md lacks {missing:#?}");
}
