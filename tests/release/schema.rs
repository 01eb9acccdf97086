//! kubeconform reads the schemas that `ebb schema` prints, and finds mistakes with them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ebb_tests::paths;
use serde_json::Value;

use crate::tool::{Output, Tool};

const KINDS: [&str; 3] = ["ScaledObject", "TriggerAuthentication", "ClusterTriggerAuthentication"];

/// A folder with a schema for each kind, written by the program.
fn schemas() -> Result<PathBuf> {
    let folder = paths::work("tmp/schemas");
    fs::create_dir_all(&folder)?;
    for kind in KINDS {
        let output = Command::new(paths::bin("ebb")?).args(["schema", kind]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(folder.join(format!("{}_v1alpha1.json", kind.to_lowercase())), output.stdout)?;
    }
    Ok(folder)
}

/// Gives kubeconform files, or `-` with `stdin`, and only these schemas. Objects of other kinds are left out.
fn kubeconform(files: &[&str], stdin: &str) -> Result<Output> {
    let location = schemas()?.join("{{.ResourceKind}}_{{.ResourceAPIVersion}}.json");
    let location = location.to_str().context("the path is no text")?;
    let options = ["-strict", "-summary", "-output", "json", "-ignore-missing-schemas", "-schema-location", location];
    Tool::Kubeconform.output(&[&options, files].concat(), stdin, None)
}

#[test]
fn kubeconform_takes_the_manifests_of_this_repository() -> Result<()> {
    let files = ["deploy/examples/my-app.yaml", "deploy/examples/jobs-worker.yaml"];
    let output = kubeconform(&files, "")?;
    ensure!(output.ok, "{output:?}");
    let report: Value = serde_json::from_str(&output.stdout)?;
    ensure!(report["summary"]["valid"] == 2, "a ScaledObject in each file: {report}");
    Ok(())
}

#[test]
fn kubeconform_finds_mistakes() -> Result<()> {
    let whole = fs::read_to_string(paths::root().join("deploy/examples/my-app.yaml"))?;
    for (right, wrong, named) in [
        ("queueName: jobs", "queueNam: jobs", "queueNam"),
        ("queueLength: \"5\"", "queueLength: 5", "queueLength"),
        ("timezone: Europe/London, ", "", "timezone"),
        ("maxReplicaCount: 50", "maxReplicas: 50", "maxReplicas"),
        ("- type: cron", "- type: corn", "type"),
    ] {
        ensure!(whole.contains(right), "the example has no {right:?}");
        let output = kubeconform(&["-"], &whole.replace(right, wrong))?;
        ensure!(!output.ok && output.stdout.contains(named), "{wrong:?}: {output:?}");
    }
    Ok(())
}
