//! `deploy/ebb.yaml` and the components of kustomize are as the chart renders them, and build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ebb_tests::{ebb, paths};
use serde_json::{Value, json};

use crate::chart::{CHART, find, has, objects};
use crate::tool::Tool;

/// The files that `deploy/generate.sh` writes.
const GENERATED: [&str; 5] = [
    "ebb.yaml",
    "components/any-target/rbac.yaml",
    "components/monitoring/monitoring.yaml",
    "components/namespaced/rbac.yaml",
    "components/second/ebb.yaml",
];

/// An empty folder for one test.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = paths::work("release-tests").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The objects of the base with components.
pub(crate) fn build(components: &[&str]) -> Result<Vec<Value>> {
    let folder = folder(&format!("kustomize-{}", components.join("-")))?;
    let up = "../../../deploy";
    let components: Vec<_> = components.iter().map(|name| format!("{up}/components/{name}")).collect();
    let overlay = json!({"resources": [up], "components": components});
    fs::write(folder.join("kustomization.yaml"), overlay.to_string())?;
    objects(&Tool::Kustomize.run(&["build", &folder.to_string_lossy()], "", None)?)
}

fn deployment<'a>(objects: &'a [Value], name: &str) -> Result<&'a Value> {
    find(objects, &format!("Deployment/{name}")).with_context(|| format!("no Deployment {name}"))
}

fn container(objects: &[Value]) -> Result<&Value> {
    Ok(&deployment(objects, "ebb")?["spec"]["template"]["spec"]["containers"][0])
}

#[test]
fn the_chart_is_without_a_complaint_of_helm() -> Result<()> {
    for helm in Tool::HELM {
        let report = helm.run(&["lint", "--strict", CHART], "", None)?;
        ensure!(!report.contains("[WARNING]") && !report.contains("[ERROR]"), "{helm:?}: {report}");
    }
    Ok(())
}

#[test]
fn the_chart_has_the_version_of_ebb() -> Result<()> {
    let chart: Value = serde_saphyr::from_str(&fs::read_to_string(paths::root().join(CHART).join("Chart.yaml"))?)?;
    for key in ["version", "appVersion"] {
        ensure!(chart[key] == env!("CARGO_PKG_VERSION"), "{key} is {}", chart[key]);
    }
    Ok(())
}

#[test]
fn the_manifests_are_what_the_chart_renders() -> Result<()> {
    let out = folder("generated")?;
    let status = Command::new(paths::root().join("deploy/generate.sh")).arg(&out).status()?;
    ensure!(status.success(), "deploy/generate.sh: {status}");
    let read = |root: &Path, file: &str| fs::read_to_string(root.join(file)).with_context(|| file.to_owned());
    for file in GENERATED {
        let (there, wanted) = (read(&paths::root().join("deploy"), file)?, read(&out, file)?);
        ensure!(there == wanted, "deploy/{file} is not what the chart renders; run: make manifests");
    }
    Ok(())
}

#[test]
fn the_base_is_the_manifest() -> Result<()> {
    let (base, manifest) = (build(&[])?, ebb::manifest(ebb::MANIFEST)?);
    ensure!(base.len() == manifest.len(), "{} objects, and {} in the manifest", base.len(), manifest.len());
    for object in &manifest {
        let name = format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        ensure!(base.contains(object), "{name} differs");
    }
    Ok(())
}

#[test]
fn without_the_webhook_nothing_of_it_is_left() -> Result<()> {
    let objects = build(&["no-webhook"])?;
    ensure!(find(&objects, "ValidatingWebhookConfiguration/keda-admission").is_none(), "the configuration is there");
    let container = container(&objects)?;
    ensure!(has(&container["args"], &json!(["--webhook-port=0"])), "{container}");
    ensure!(!has(&container["ports"], &json!([{"name": "webhook"}])), "{container}");
    let service = find(&objects, "Service/ebb").context("no Service")?;
    ensure!(service["spec"]["ports"].as_array().map(Vec::len) == Some(2), "{service}");
    Ok(())
}

#[test]
fn for_some_namespaces_no_right_is_for_all() -> Result<()> {
    let objects = build(&["namespaced"])?;
    for role in ["ebb", "ebb-trigger-kinds"] {
        ensure!(find(&objects, &format!("ClusterRoleBinding/{role}")).is_none(), "{role} is bound everywhere");
        let bound = objects.iter().filter(|object| object["kind"] == "RoleBinding");
        let bound =
            bound.filter(|object| object["roleRef"]["kind"] == "ClusterRole" && object["roleRef"]["name"] == role);
        let bound: Vec<_> = bound.map(|object| &object["metadata"]["namespace"]).collect();
        ensure!(bound == ["team-a", "team-b"], "{role} is bound in {bound:?}");
    }
    let environment = &container(&objects)?["env"];
    ensure!(has(environment, &json!([{"name": "WATCH_NAMESPACE", "value": "team-a,team-b"}])), "{environment}");
    Ok(())
}

#[test]
fn the_components_go_together() -> Result<()> {
    let objects = build(&["any-target", "monitoring", "second", "no-webhook"])?;
    for wanted in
        ["ClusterRoleBinding/ebb-any-target", "ServiceMonitor/ebb", "PrometheusRule/ebb", "Namespace/ebb-beside"]
    {
        ensure!(find(&objects, wanted).is_some(), "no {wanted}");
    }
    let annotations = &deployment(&objects, "ebb")?["spec"]["template"]["metadata"]["annotations"];
    ensure!(annotations["prometheus.io/scrape"].is_null(), "{annotations}");
    let first = &container(&objects)?["env"];
    ensure!(has(first, &json!([{"name": "WATCH_LABEL_SELECTOR", "value": "ebb!=beside"}])), "{first}");
    let second = &deployment(&objects, "ebb-beside")?["spec"]["template"]["spec"]["containers"][0]["env"];
    ensure!(has(second, &json!([{"name": "WATCH_LABEL_SELECTOR", "value": "ebb=beside"}])), "{second}");
    Ok(())
}
