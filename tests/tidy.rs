//! The shape of the source: the layers of ARCHITECTURE.md and their one direction, and the sizes of files and
//! functions.
// A file that cannot be read fails the test.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a file, without its unit tests.
const LONGEST_FILE: usize = 400;
/// The most lines of a function.
const LONGEST_FUNCTION: usize = 60;

/// A layer, by the paths of its files, and the words that its code may not contain.
struct Layer {
    paths: &'static [&'static str],
    forbidden: &'static [&'static str],
}

const PROCESS: &[&str] = &["crate::run", "crate::cli"];

const GROUND: &[&str] = &["src/kube_api", "src/leader", "src/https.rs", "src/telemetry", "src/review"];

const ABOVE_STATE: &[&str] = &[
    "crate::controller",
    "crate::scaling",
    "crate::metrics_api",
    "crate::admission",
    "crate::certs",
    "crate::run",
    "crate::cli",
];

/// The words that a decision may not contain: waiting, I/O, the clock, the log.
const IMPURE: &[&str] = &[
    "tokio",
    "tracing",
    "async fn",
    ".await",
    "kube::Client",
    "kube::Api",
    "kube::api",
    "kube::runtime",
    "kube::Error",
    "ebb_scalers",
    "Utc::now",
    "Instant::now",
];

/// The layers of ARCHITECTURE.md.
const LAYERS: &[Layer] = &[
    Layer { paths: &["plan/src/"], forbidden: IMPURE },
    Layer {
        paths: &["plan/src/formula.rs", "plan/src/formula/"],
        forbidden: &["crate::status", "crate::reconcile", "crate::tick", "crate::modifiers", "ebb_params", "ebb_crds"],
    },
    Layer { paths: GROUND, forbidden: ABOVE_STATE },
    Layer { paths: GROUND, forbidden: &["crate::store"] },
    Layer { paths: &["src/store"], forbidden: ABOVE_STATE },
    Layer { paths: &["src/scaling"], forbidden: &["crate::controller", "crate::admission"] },
    Layer { paths: &["src/metrics_api"], forbidden: &["crate::controller", "crate::store", "crate::admission"] },
    Layer {
        paths: &["src/controller", "src/scaling", "src/metrics_api", "src/admission", "src/certs", "src/store"],
        forbidden: PROCESS,
    },
    Layer { paths: &["scalers/params/src/"], forbidden: &["tokio", "kube", "k8s_openapi", "ebb_crds", "ebb_scalers"] },
    Layer { paths: &["scalers/src/"], forbidden: &["kube::", "k8s_openapi", "ebb_crds"] },
    Layer {
        paths: &["scalers/src/pool/", "scalers/src/pool.rs"],
        forbidden: &["crate::kafka", "crate::rabbitmq", "crate::cron", "crate::prometheus"],
    },
    // The only reads of a pass, and its only writes.
    Layer {
        paths: &["src/controller/dereference.rs", "src/controller/gather.rs", "src/controller/lookup.rs"],
        forbidden: &[".patch(", ".patch_status(", ".patch_scale(", ".replace(&", ".create(", ".delete("],
    },
    Layer {
        paths: &["src/controller/reconcile.rs", "src/controller/commit.rs"],
        forbidden: &["kube::Api", "kube::api"],
    },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every Rust file of a folder, relative to the root.
fn sources_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        if root().join(&path).is_dir() {
            sources_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A source file without its unit tests and comments, with the numbers of its lines.
struct Source {
    path: String,
    lines: Vec<(usize, String)>,
}

fn is_test(path: &str) -> bool {
    ["tests.rs", "/tests/", "keda_cases", "simulation", "properties.rs", "testing.rs"]
        .iter()
        .any(|part| path.contains(part))
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        sources_in(Path::new(folder), &mut paths);
    }
    let paths = paths.into_iter().map(|path| path.to_str().unwrap().to_owned()).filter(|path| !is_test(path));
    let source = |path: String| {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned())).collect();
        Source { path, lines }
    };
    paths.map(source).collect()
}

fn production() -> Vec<Source> {
    sources(&["src", "plan/src", "scalers/src", "scalers/params/src", "crds/src"])
}

#[test]
fn each_layer_uses_those_below_it_only() {
    let mut wrong = Vec::new();
    let all = production();
    for Layer { paths, forbidden } in LAYERS {
        let files: Vec<_> = all.iter().filter(|file| paths.iter().any(|path| file.path.starts_with(path))).collect();
        assert!(!files.is_empty(), "no file begins with {paths:?}: the table has fallen behind");
        for file in files {
            for (number, line) in file.lines.iter().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                let found = forbidden.iter().filter(|word| line.contains(**word));
                wrong.extend(found.map(|word| format!("{}:{number}: {word}", file.path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let long = production().into_iter().filter(|file| file.lines.len() > LONGEST_FILE);
    let long: Vec<_> = long.map(|file| format!("{}: {} lines", file.path, file.lines.len())).collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The functions of a file as rustfmt lays them out: name and place.
fn functions(file: &Source) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (place, (_, line)) in file.lines.iter().enumerate() {
        let words: Vec<_> = line.trim_start().split([' ', '(', '<']).collect();
        let Some(at) = words.iter().take(6).position(|word| *word == "fn") else { continue };
        let is_qualifier =
            |word: &&str| word.starts_with("pub") || ["const", "async", "super)", "crate)"].contains(word);
        if words[..at].iter().all(is_qualifier) {
            found.push((words[at + 1].to_owned(), place));
        }
    }
    found
}

#[test]
fn no_function_is_too_long() {
    let mut long = Vec::new();
    for file in production() {
        for (name, place) in functions(&file) {
            let (number, first) = &file.lines[place];
            let end = format!("{}}}", &first[..first.len() - first.trim_start().len()]);
            let length = file.lines[place..].iter().take_while(|(_, line)| *line != end).count() + 1;
            if length > LONGEST_FUNCTION && !is_declared_only(&file, place) {
                long.push(format!("{}:{number}: {name} has {length} lines", file.path));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// A function of a trait without a body, whose parameters may take several lines.
fn is_declared_only(file: &Source, place: usize) -> bool {
    let ends = |line: &str| line.ends_with('{') || line.ends_with(';') || line.ends_with('}');
    let head = file.lines[place..].iter().find(|(_, line)| ends(line));
    head.is_some_and(|(_, line)| line.ends_with(';'))
}

#[test]
fn the_tables_of_the_architecture_name_files_that_exist() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut missing = Vec::new();
    for place in page.split('`').filter(|word| word.starts_with("src/") || word.starts_with("scalers/src/")) {
        if !place.contains(' ') && !root().join(place).exists() {
            missing.push(place.to_owned());
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md names {missing:?}");
}
