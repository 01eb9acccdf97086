//! Every value of KEDA's chart has its effect here, or its line in the notes, or ends the installation with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use ebb_tests::world::Outcome;
use ebb_tests::{ebb, paths};
use serde_json::{Value, json};

use crate::chart::{self, CHART, RENDER, find, has, notes, only, refusal, render, set};
use crate::on_cluster;
use crate::tool::Tool;

/// The values of Ebb's chart that KEDA's does not have.
const OWN: [&str; 6] = [
    "crds.keep",
    "mesh.annotations",
    "priorityClass.create",
    "priorityClass.value",
    "uninstall.enabled",
    "uninstall.purge",
];

/// A line of `honoured.tsv`.
struct Honoured {
    name: String,
    to: Value,
    with: Value,
    object: String,
    pointer: String,
    /// `None`: nothing is there.
    wanted: Option<Value>,
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(paths::root().join(file)).with_context(|| file.to_owned())
}

/// The lines of a file of this folder that are no comments.
fn lines(file: &str) -> Result<Vec<String>> {
    let text = read(&format!("tests/release/{file}"))?;
    Ok(text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

fn honoured() -> Result<Vec<Honoured>> {
    let parse = |line: &String| {
        let cells: Vec<_> = line.split('\t').collect();
        let [name, to, with, object, pointer, wanted] = cells[..] else {
            anyhow::bail!("not six cells: {line}");
        };
        Ok(Honoured {
            name: name.to_owned(),
            to: serde_json::from_str(to)?,
            with: if with.is_empty() { json!({}) } else { serde_json::from_str(with)? },
            object: object.to_owned(),
            pointer: pointer.to_owned(),
            wanted: if wanted == "absent" { None } else { Some(serde_json::from_str(wanted)?) },
        })
    };
    lines("honoured.tsv")?.iter().map(|line| parse(line).with_context(|| line.clone())).collect()
}

/// The values of a file in the chart's `files/keda`: KEDA's default of each, and the reason.
fn listed(file: &str) -> Result<BTreeMap<String, (Value, String)>> {
    let groups: Vec<Value> = serde_saphyr::from_str(&read(&format!("{CHART}/files/keda/{file}.yaml"))?)?;
    let mut listed = BTreeMap::new();
    for group in &groups {
        let why = group["why"].as_str().context("no reason")?;
        for (name, default) in group["values"].as_object().context("no values")? {
            let twice = listed.insert(name.clone(), (default.clone(), why.to_owned()));
            ensure!(twice.is_none(), "{name} is listed twice");
        }
    }
    Ok(listed)
}

/// Another value than this one.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => json!(true),
        Value::Bool(value) => json!(!value),
        Value::Number(number) => json!(number.as_i64().unwrap_or_default() + 1),
        Value::String(text) => json!(format!("other{text}")),
        Value::Array(_) => json!([{"name": "other"}]),
        Value::Object(_) => json!({"other": "value"}),
    }
}

#[test]
fn every_value_of_keda_is_known_and_has_one_meaning() -> Result<()> {
    let mut known: Vec<String> = honoured()?.into_iter().map(|value| value.name).collect();
    known.extend(listed("ignored")?.into_keys());
    known.extend(listed("refused")?.into_keys());
    let wanted: BTreeSet<String> = lines("keda-values.txt")?.into_iter().chain(OWN.map(str::to_owned)).collect();
    let set: BTreeSet<String> = known.iter().cloned().collect();
    ensure!(set.len() == known.len(), "a value has two meanings");
    let missing: Vec<_> = wanted.difference(&set).collect();
    let unknown: Vec<_> = set.difference(&wanted).collect();
    ensure!(missing.is_empty() && unknown.is_empty(), "without a meaning: {missing:?}; not KEDA's: {unknown:?}");
    ensure!(listed("refused")?.len() == 22, "{} values are refused", listed("refused")?.len());
    Ok(())
}

#[test]
fn each_honoured_value_changes_what_is_rendered() -> Result<()> {
    let mut wrong = Vec::new();
    for Honoured { name, to, with, object, pointer, wanted } in honoured()? {
        let mut values = with.clone();
        set(&mut values, &name, to);
        if object == "NOTES" {
            continue;
        }
        let holds = |values: &Value| {
            let objects = render(Tool::Helm3, values).with_context(|| name.clone())?;
            let there = find(&objects, &object).and_then(|object| object.pointer(&pointer)).cloned();
            let holds = match (&there, &wanted) {
                (Some(there), Some(wanted)) => has(there, wanted),
                (None, None) => true,
                _ => false,
            };
            anyhow::Ok((holds, there))
        };
        let (holds_after, there) = holds(&values)?;
        if !holds_after {
            wrong.push(format!("{name}: {object} {pointer} is {there:?}"));
        }
        // A state that is there without the value proves nothing about it. A switch in `with` is set by the value
        // itself.
        let is_switch = with.pointer(&format!("/{}", name.replace('.', "/"))).is_some();
        if !is_switch && holds(&with)?.0 {
            wrong.push(format!("{name}: {object} {pointer} is the same without it"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn each_ignored_value_has_its_line_in_the_notes() -> Outcome {
    on_cluster(async |bed| {
        let ignored = listed("ignored")?;
        let mut values = json!({});
        let mut defaults = json!({});
        for (name, (default, _)) in &ignored {
            set(&mut values, name, other(default));
            set(&mut defaults, name, default.clone());
        }
        for helm in Tool::HELM {
            let all = notes(helm, bed, &values)?;
            for (name, (_, why)) in &ignored {
                ensure!(all.contains(&format!("\n  - {name}\n")), "{helm:?}: no line for {name}: {all}");
                ensure!(all.contains(&format!("{why}:\n")), "{helm:?}: no reason for {name}: {all}");
            }
            // A user who keeps KEDA's whole file of values changes nothing.
            for values in [json!({}), defaults.clone()] {
                let notes = notes(helm, bed, &values)?;
                ensure!(!notes.contains("have no effect"), "{helm:?}: {notes}");
            }
        }
        Ok(())
    })
}

#[test]
fn the_notes_have_a_picture_where_it_is_wanted() -> Outcome {
    on_cluster(async |bed| {
        let without = notes(Tool::Helm3, bed, &only("asciiArt", json!(false)))?;
        let with = notes(Tool::Helm3, bed, &json!({}))?;
        ensure!(with.ends_with(&without) && with.len() > without.len(), "{with}\n{without}");
        Ok(())
    })
}

#[test]
fn one_message_lists_all_refused_values_that_are_set() -> Result<()> {
    let refused = listed("refused")?;
    let mut values = json!({});
    let mut defaults = json!({});
    for (name, (default, _)) in &refused {
        set(&mut values, name, other(default));
        set(&mut defaults, name, default.clone());
    }
    for helm in Tool::HELM {
        let message = refusal(helm, &values)?;
        for (name, (_, why)) in &refused {
            ensure!(message.contains(&format!("\n  - {name}\n")), "{helm:?} does not name {name}: {message}");
            ensure!(message.contains(&format!("\n{why}:\n")), "{helm:?} gives no reason for {name}: {message}");
        }
        render(helm, &defaults)?;
    }
    for (name, (default, _)) in &refused {
        let message = refusal(Tool::Helm3, &only(name, other(default)))?;
        ensure!(message.matches("\n  - ").count() == 1, "{name}: {message}");
    }
    Ok(())
}

#[test]
fn an_image_of_keda_never_runs() -> Result<()> {
    for repository in ["mirror.example/kedacore/keda", "kedacore/keda-metrics-apiserver"] {
        let message = refusal(Tool::Helm3, &only("image.keda.repository", json!(repository)))?;
        ensure!(message.contains("image.keda.repository"), "{message}");
    }
    // A file with all of KEDA's values has KEDA's default.
    for (image, wanted) in [
        (json!({"registry": "ghcr.io", "repository": "kedacore/keda", "tag": "2.20.2"}), "ebb:0.1.0"),
        (json!({"repository": "ghcr.io/kedacore/keda"}), "ebb:0.1.0"),
        (json!({"registry": "mirror.example", "repository": "kedacore/keda"}), "mirror.example/ebb:0.1.0"),
    ] {
        let objects = render(Tool::Helm3, &json!({"image": {"keda": image}}))?;
        let deployment = find(&objects, "Deployment/ebb").context("no Deployment")?;
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        ensure!(image == wanted, "{image}");
    }
    render(Tool::Helm3, &only("image.keda.repository", json!("my-kedacore/keda-like"))).map(drop)
}

#[test]
fn a_name_that_is_not_known_is_an_error() -> Result<()> {
    let names = ["operatr.replicaCount", "operator.replicas", "prometheus.operator.podmonitor.enabled", "http.proxy"];
    for helm in Tool::HELM {
        for name in names {
            let message = refusal(helm, &only(name, json!(true)))?;
            ensure!(message.contains("additional properties"), "{helm:?}: {name}: {message}");
        }
        for (name, wrong) in [
            ("operator.replicaCount", json!("two")),
            ("webhooks.failurePolicy", json!("ignore")),
            ("service.portHttps", json!(0)),
            ("networkPolicy.flavor", json!("calico")),
            ("priorityClass.value", json!(2_000_000_001)),
        ] {
            refusal(helm, &only(name, wrong)).with_context(|| name.to_owned())?;
        }
    }
    Ok(())
}

/// `additionalLabels:` without a value is common in files of values.
#[test]
fn a_value_without_content_is_not_set() -> Result<()> {
    let required = [
        "operator.name",
        "image.keda.repository",
        "certificates.secretName",
        "service.portHttps",
        "service.portHttpsTarget",
        "prometheus.operator.port",
    ];
    let mut values = json!({});
    for name in lines("keda-values.txt")?.iter().filter(|name| !required.contains(&name.as_str())) {
        set(&mut values, name, Value::Null);
        // One by one, as one that switches others off would hide them.
        render(Tool::Helm3, &only(name, Value::Null)).with_context(|| name.clone())?;
    }
    render(Tool::Helm4, &values)?;
    for name in required {
        let message = refusal(Tool::Helm3, &only(name, Value::Null))?;
        ensure!(message.contains("missing property"), "{name}: {message}");
    }
    Ok(())
}

#[test]
fn both_versions_of_helm_render_the_same() -> Result<()> {
    let mut values = json!({});
    for Honoured { name, to, .. } in honoured()? {
        // With these, others have no effect.
        if !name.ends_with("enabled") && !name.ends_with("create") && name != "prometheus.operator.podMonitor.enabled" {
            set(&mut values, &name, to);
        }
    }
    for values in [json!({}), values] {
        ensure!(chart::render(Tool::Helm3, &values)? == chart::render(Tool::Helm4, &values)?, "not with {values}");
    }
    Ok(())
}

/// The values that the first column of a table of `docs/install.md` names. `a.{b,c}.*` are all below `a.b` and `a.c`.
fn documented(heading: &str) -> Result<Vec<String>> {
    let page = read("docs/install.md")?;
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).with_context(|| heading.to_owned())?;
    let part = rest.split("\n## ").next().unwrap_or_default();
    let cells = part.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    Ok(names.flat_map(alternatives).collect())
}

/// `a.{b,c}` as `a.b` and `a.c`.
fn alternatives(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else { return vec![name.to_owned()] };
    let (inside, after) = rest.split_once('}').unwrap_or((rest, ""));
    inside.split(',').flat_map(|word| alternatives(&format!("{before}{word}{after}"))).collect()
}

#[test]
fn the_tables_of_the_documentation_have_every_value_once() -> Result<()> {
    let honoured: Vec<_> = honoured()?.into_iter().map(|value| value.name).collect();
    let ignored: Vec<_> = listed("ignored")?.into_keys().collect();
    let refused: Vec<_> = listed("refused")?.into_keys().collect();
    let mut wrong = Vec::new();
    for (heading, names) in [("Honoured values", honoured), ("Ignored values", ignored), ("Refused values", refused)] {
        let documented = documented(heading)?;
        let covers =
            |row: &str, name: &str| row == name || row.strip_suffix('*').is_some_and(|prefix| name.starts_with(prefix));
        for name in &names {
            let rows = documented.iter().filter(|row| covers(row, name)).count();
            if rows != 1 {
                wrong.push(format!("{heading}: {name} is in {rows} rows"));
            }
        }
        let empty = documented.iter().filter(|row| !names.iter().any(|name| covers(row, name)));
        wrong.extend(empty.map(|row| format!("{heading}: {row} is no such value")));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The values that `ebb migrate values` makes of these, and whether it succeeds.
fn migrated(values: &Value) -> Result<(bool, String)> {
    let output = ebb::command(&["migrate", "values", "-"], values.to_string().as_bytes())?;
    Ok((output.status.success(), String::from_utf8(output.stdout)?))
}

#[test]
fn the_chart_and_the_command_know_the_same_values_and_defaults() -> Result<()> {
    let groups: Vec<Value> = serde_saphyr::from_str(&read(&format!("{CHART}/files/keda/honoured.yaml"))?)?;
    let known: Vec<_> = groups.iter().filter_map(|group| group["values"].as_object()).flatten().collect();
    let names: BTreeSet<_> = known.iter().map(|(name, _)| name.as_str()).collect();
    ensure!(names.len() == known.len(), "a value is in two groups");
    let honoured = honoured()?;
    let wanted: BTreeSet<_> =
        honoured.iter().map(|value| value.name.as_str()).filter(|name| !OWN.contains(name)).collect();
    ensure!(names == wanted, "{:?}", names.symmetric_difference(&wanted).collect::<Vec<_>>());
    let defaults: Value = serde_saphyr::from_str(&read("tests/release/values/keda-defaults.yaml")?)?;
    let mut known: BTreeMap<String, Value> =
        known.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    for file in ["ignored", "refused"] {
        known.extend(listed(file)?.into_iter().map(|(name, (default, _))| (name, default)));
    }
    for (name, default) in &known {
        let there = name.split('.').try_fold(&defaults, |value, key| value.get(key));
        ensure!(there.is_none_or(|there| there == default), "{name}: {default} is not KEDA's default {there:?}");
    }
    Ok(())
}

#[test]
fn the_command_refuses_what_the_chart_refuses() -> Result<()> {
    for (name, (default, _)) in listed("refused")? {
        let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        for value in [other(&default), default.clone(), Value::Null, json!(text), json!("")] {
            let values = only(&name, value);
            let renders = Tool::Helm3.output(&RENDER, &values.to_string(), None)?.ok;
            let (succeeds, rest) = migrated(&values)?;
            ensure!(succeeds == renders, "{values}: the chart renders: {renders}, the command succeeds: {succeeds}");
            render(Tool::Helm3, &serde_saphyr::from_str(&rest)?).with_context(|| format!("{values} becomes {rest}"))?;
        }
    }
    Ok(())
}

/// All of them in one file, and files as teams have them: the chart accepts what the command makes of them.
#[test]
fn the_chart_accepts_what_the_command_prints() -> Result<()> {
    let mut files = vec![];
    for file in ["keda-defaults", "keda-production"] {
        files.push(serde_saphyr::from_str(&read(&format!("tests/release/values/{file}.yaml"))?)?);
    }
    let mut values = json!({});
    for Honoured { name, to, .. } in honoured()? {
        // With these, others have no effect.
        if !name.ends_with("enabled") && !name.ends_with("create") {
            set(&mut values, &name, to);
        }
    }
    files.push(values);
    for values in files {
        let (succeeds, text) = migrated(&values)?;
        ensure!(succeeds, "not with {values}");
        for helm in Tool::HELM {
            let objects = chart::objects(&helm.run(&RENDER, &text, None)?).with_context(|| text.clone())?;
            // In KEDA's namespace, no object of Ebb may have the name of one of KEDA's.
            let names = objects.iter().filter_map(|object| object["metadata"]["name"].as_str());
            let kedas: Vec<_> = names.filter(|name| name.starts_with("keda-") && *name != "keda-admission").collect();
            ensure!(kedas.is_empty(), "{kedas:?} with {text}");
        }
    }
    Ok(())
}
