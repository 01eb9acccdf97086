//! Each scenario of values, applied with server-side apply to a namespace that enforces Pod Security `restricted`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Bed;
use ebb_tests::kubectl::Kubectl;
use ebb_tests::world::Outcome;
use ebb_tests::{ebb, paths};
use serde_json::{Value, json};

use crate::chart::{CHART, objects};
use crate::on_cluster;
use crate::tool::Tool;

/// The kinds of other projects that scenarios use: group, version, plural, kind.
const FOREIGN: [(&str, &str, &str, &str); 6] = [
    ("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor"),
    ("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"),
    ("monitoring.coreos.com", "v1", "prometheusrules", "PrometheusRule"),
    ("cert-manager.io", "v1", "issuers", "Issuer"),
    ("cert-manager.io", "v1", "certificates", "Certificate"),
    ("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy"),
];

/// The definition of a kind of another project. It takes any field, as the real ones are not at hand.
fn definition((group, version, plural, kind): (&str, &str, &str, &str)) -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": open}}],
        },
    })
}

/// A namespace that enforces `restricted`, and warns of what it would not admit.
pub(crate) fn restricted(name: &str) -> Value {
    let labels = ["enforce", "warn"].map(|mode| (format!("pod-security.kubernetes.io/{mode}"), json!("restricted")));
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": BTreeMap::from(labels)}})
}

/// The files with the values of the scenarios.
fn scenarios() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["deploy/values", "tests/release/values"] {
        let entries = fs::read_dir(paths::root().join(folder))?.map(|entry| entry.map(|entry| entry.path()));
        files.extend(entries.collect::<Result<Vec<_>, _>>()?);
    }
    files.sort();
    ensure!(files.len() > 10, "{files:?}");
    Ok(files)
}

/// These objects in the cluster, without what controllers and the API server write into them.
async fn snapshot(kubectl: &Kubectl, objects: &str) -> Result<Vec<Value>> {
    let output = kubectl.output(&["get", "-f", "-", "-o", "json"], Some(objects)).await?;
    ensure!(output.ok, "{}", output.stderr);
    let mut list: Value = serde_json::from_str(&output.stdout)?;
    let mut items = list["items"].as_array_mut().map(std::mem::take).context("no list")?;
    for item in &mut items {
        item["status"] = Value::Null;
        item["metadata"]["resourceVersion"] = Value::Null;
        item["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = Value::Null;
    }
    Ok(items)
}

/// Server-side apply, without a word of warning.
async fn apply(kubectl: &Kubectl, objects: &str) -> Result<()> {
    let output = kubectl.output(&["apply", "--server-side", "-f", "-"], Some(objects)).await?;
    ensure!(output.ok && output.stderr.is_empty(), "{}", output.stderr);
    Ok(())
}

/// Applies the objects twice, and waits until the pods of the Deployments run.
async fn apply_twice(kubectl: &Kubectl, objects: &str) -> Result<()> {
    apply(kubectl, objects).await?;
    let list: Value = serde_json::from_str(objects)?;
    let items = list["items"].as_array().context("no list")?;
    for deployment in items.iter().filter(|object| object["kind"] == "Deployment") {
        let name = deployment["metadata"]["name"].as_str().context("no name")?;
        let namespace = deployment["metadata"]["namespace"].as_str().context("no namespace")?;
        let wait = ["rollout", "status", "deployment", name, "-n", namespace, "--timeout=60s"];
        kubectl.run(&wait).await?;
    }
    let before = snapshot(kubectl, objects).await?;
    apply(kubectl, objects).await?;
    let after = snapshot(kubectl, objects).await?;
    for (before, after) in before.iter().zip(&after) {
        ensure!(before == after, "the second apply changes {} {}", before["kind"], before["metadata"]["name"]);
    }
    Ok(())
}

/// Deletes the objects, but no definition of a kind.
async fn delete(kubectl: &Kubectl, objects: &str) -> Result<()> {
    let delete = ["delete", "--wait", "--ignore-not-found", "-f", "-", "-l", "app.kubernetes.io/component!=crd"];
    let output = kubectl.output(&delete, Some(objects)).await?;
    ensure!(output.ok, "{}", output.stderr);
    Ok(())
}

#[test]
fn each_scenario_is_applied_without_a_warning_and_a_second_time_changes_nothing() -> Outcome {
    on_cluster(async |bed: &Bed| {
        let kubectl = bed.kubectl();
        let mut known: Vec<Value> = FOREIGN.map(definition).into();
        known.extend(["team-a", "team-b"].map(restricted));
        apply(&kubectl, &ebb::list(&known)).await?;
        let wait = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
        kubectl.run(&wait).await?;
        // A second Ebb uses the PriorityClass of the first.
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "ebb"}, "value": 900_000_000,
        });
        for file in scenarios()? {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let namespace = format!("release-{name}");
            apply(&kubectl, &ebb::list(&[restricted(&namespace)])).await?;
            let path = file.to_string_lossy();
            let render = ["template", "ebb", CHART, "--namespace", &namespace, "--values", &path];
            for helm in Tool::HELM {
                let rendered = objects(&helm.run(&render, "", None)?)?;
                let needs_class = name == "second";
                if needs_class {
                    apply(&kubectl, &ebb::list(std::slice::from_ref(&class))).await?;
                }
                let list = ebb::list(&rendered);
                apply_twice(&kubectl, &list).await.with_context(|| format!("{name}, {helm:?}"))?;
                if helm == Tool::Helm4 {
                    delete(&kubectl, &list).await?;
                    if needs_class {
                        delete(&kubectl, &ebb::list(std::slice::from_ref(&class))).await?;
                    }
                }
            }
            kubectl.run(&["delete", "namespace", &namespace, "--wait=false"]).await?;
        }
        Ok(())
    })
}

#[test]
fn the_manifest_and_every_component_are_applied_without_a_warning() -> Outcome {
    on_cluster(async |bed: &Bed| {
        let kubectl = bed.kubectl();
        let mut known: Vec<Value> = FOREIGN.map(definition).into();
        known.extend(["team-a", "team-b"].map(restricted));
        apply(&kubectl, &ebb::list(&known)).await?;
        let manifest = fs::read_to_string(paths::root().join(ebb::MANIFEST))?;
        apply_twice(&kubectl, &ebb::list(&objects(&manifest)?)).await?;
        for component in ["any-target", "monitoring", "namespaced", "no-webhook", "second"] {
            let built = crate::manifests::build(&[component])?;
            apply_twice(&kubectl, &ebb::list(&built)).await.with_context(|| component.to_owned())?;
        }
        let built = crate::manifests::build(&["any-target", "monitoring", "namespaced", "second"])?;
        delete(&kubectl, &ebb::list(&built)).await?;
        // `namespaced` leaves some objects of the manifest out.
        delete(&kubectl, &ebb::list(&objects(&manifest)?)).await
    })
}
