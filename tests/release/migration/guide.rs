//! The commands of the page, taken out of it and run.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Bed;
use ebb_tests::paths;
use serde_json::{Value, json};
use tokio::process::Command;

use super::NAMESPACE;
use crate::tool::Tool;

const PAGE: &str = "docs/migrate/from-keda.md";
/// The kinds of KEDA that Ebb does not have: group, plural, kind, short name, scope.
const OTHERS: [(&str, &str, &str, &str, &str); 3] = [
    ("keda.sh", "scaledjobs", "ScaledJob", "sj", "Namespaced"),
    ("eventing.keda.sh", "cloudeventsources", "CloudEventSource", "ces", "Namespaced"),
    ("eventing.keda.sh", "clustercloudeventsources", "ClusterCloudEventSource", "cces", "Cluster"),
];

/// The page, and a folder to follow it in: with this project's `deploy/`, KEDA's chart, and programs.
pub(super) struct Guide {
    page: String,
    tool: Tool,
    folder: PathBuf,
    chart: String,
    kubeconfig: PathBuf,
}

impl Guide {
    pub(super) fn new(tool: Tool, bed: &Bed) -> Result<Self> {
        let folder = bed.dir.with_extension(format!("migration-{tool:?}").to_lowercase());
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let (programs, chart) = (folder.join("bin"), folder.join("keda"));
        fs::create_dir_all(&programs)?;
        symlink(paths::root().canonicalize()?.join("deploy"), folder.join("deploy"))?;
        let home = paths::work("tools").join("helm-home");
        let homes = ["CACHE", "CONFIG", "DATA"].map(|word| format!("export HELM_{word}_HOME='{}'\n", home.display()));
        let helm = tool.path()?;
        script(&programs.join("helm"), &homes.concat(), &helm)?;
        script(&programs.join("kubectl"), "", &bed.facts.kubectl)?;
        script(&programs.join("ebb"), "", &paths::bin("ebb")?)?;
        make_chart(&chart)?;
        Ok(Self {
            page: fs::read_to_string(paths::root().join(PAGE))?,
            tool,
            folder,
            chart: chart.to_string_lossy().into_owned(),
            kubeconfig: bed.facts.kubeconfig.clone(),
        })
    }

    /// KEDA's chart.
    pub(super) fn chart(&self) -> &str {
        &self.chart
    }

    /// Helm, outside of the page.
    pub(super) fn helm(&self, arguments: &[&str]) -> Result<String> {
        self.tool.run(arguments, "", Some(&self.kubeconfig))
    }

    /// Runs all commands of a section.
    pub(super) async fn run(&self, section: &str) -> Result<()> {
        for block in self.blocks(section)? {
            self.run_block(&block).await.with_context(|| section.to_owned())?;
        }
        Ok(())
    }

    /// The blocks of commands of a section, without those of sections below it.
    pub(super) fn blocks(&self, section: &str) -> Result<Vec<String>> {
        let begins = |line: &str| line.starts_with('#') && line.trim_start_matches('#').trim() == section;
        let lines = self.page.lines().skip_while(|line| !begins(line)).skip(1);
        let blocks = blocks(lines.take_while(|line| !line.starts_with('#')));
        ensure!(!blocks.is_empty(), "{PAGE} has no commands in {section:?}");
        Ok(blocks)
    }

    /// Runs a block with the variables that a reader has set.
    pub(super) async fn run_block(&self, block: &str) -> Result<()> {
        let preamble = blocks(self.page.lines().take_while(|line| !line.starts_with("## ")));
        let names = ["release", "namespace", "chart", "version", "server", "force"];
        let variables = preamble.last().context("no variables")?;
        let set: Vec<_> = variables.lines().filter_map(|line| line.split('=').next()).collect();
        ensure!(set == names, "{PAGE} sets {set:?}");
        let helm4 = if self.tool == Tool::Helm4 {
            "server=--server-side=true force=--force-conflicts"
        } else {
            "server= force="
        };
        let chart = &self.chart;
        let variables = format!("release=keda namespace={NAMESPACE} chart='{chart}' version=2.20.2 {helm4}\n");
        let path = std::env::var("PATH").unwrap_or_default();
        let run = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &(variables + block)])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", self.folder.join("bin").display()))
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .output();
        let output = run.await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(output.status.success(), "{block}\n{}{}", text(&output.stdout), text(&output.stderr));
        Ok(())
    }
}

/// Lines of code, by blocks.
fn blocks<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut within = false;
    for line in lines {
        match line.strip_prefix("    ") {
            Some(code) if within => {
                blocks.last_mut().into_iter().for_each(|block| block.extend([code, "\n"]));
            }
            Some(code) => blocks.push(format!("{code}\n")),
            None => {}
        }
        within = line.starts_with("    ");
    }
    blocks
}

/// A program that runs another.
fn script(path: &Path, environment: &str, program: &Path) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{environment}exec '{}' \"$@\"\n", program.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// The chart of the folder `keda` beside this file, with KEDA's kinds.
fn make_chart(folder: &Path) -> Result<()> {
    let source = paths::root().join("tests/release/keda");
    for part in ["", "templates"] {
        fs::create_dir_all(folder.join(part))?;
        for entry in fs::read_dir(source.join(part))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), folder.join(part).join(entry.file_name()))?;
            }
        }
    }
    fs::create_dir_all(folder.join("kinds"))?;
    let mut kinds: Vec<Value> = OTHERS.map(definition).into();
    for entry in fs::read_dir(paths::root().join("crds/yaml"))? {
        kinds.push(serde_saphyr::from_str(&fs::read_to_string(entry?.path())?)?);
    }
    for kind in kinds {
        let name = kind["metadata"]["name"].as_str().context("no name")?;
        fs::write(folder.join("kinds").join(format!("{name}.json")), kind.to_string())?;
    }
    Ok(())
}

fn definition((group, plural, kind, short, scope): (&str, &str, &str, &str, &str)) -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let names = json!({"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "shortNames": [short]});
    let version = json!({"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": open}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": scope, "names": names, "versions": [version]},
    })
}
