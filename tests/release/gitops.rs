//! The promises of `docs/operate/gitops.md`: Argo CD's health of ScaledObjects, and the fields that GitOps tools
//! ignore.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Bed;
use ebb_tests::ebb::{self, API_SERVICE, DECISIONS_API_SERVICE, Ebb, NAMESPACE};
use ebb_tests::paths;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use crate::on_cluster;

/// A value as an expression of Lua, as Argo CD gives it to a script: null is left out.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            let mut quoted = String::from("\"");
            for byte in text.bytes() {
                let _ = write!(quoted, "\\{byte:03}");
            }
            quoted + "\""
        }
        Value::Array(items) => format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(key, value)| format!("[{}] = {}", lua(&json!(key)), lua(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The health and its message that Argo CD would show.
fn health(object: &Value) -> Result<(String, String)> {
    let script = std::fs::read_to_string(paths::root().join("deploy/argocd/health.lua"))?;
    let program = format!(
        "obj = {}\nlocal health = (function()\n{script}\nend)()\nprint(health.status)\nprint(health.message)\n",
        lua(object)
    );
    let mut command = Command::new("lua5.1");
    command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("lua5.1 is not installed: tests/release/tools.sh")?;
    child.stdin.take().context("no standard input")?.write_all(program.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (status, message) = text.split_once('\n').context("no message")?;
    Ok((status.to_owned(), message.trim_end().to_owned()))
}

async fn is_healthy(user: &Sandbox, name: &str, wanted: &str, message: &str) -> Result<()> {
    wait::until(&format!("{name} to be {wanted}"), secs(20), async || {
        let found = health(&user.get("ScaledObject", name).await?)?;
        ensure!(found.0 == wanted && found.1.contains(message), "{found:?}");
        Ok(())
    })
    .await
}

async fn healths(ebb: &Ebb, user: &Sandbox) -> Result<()> {
    let open = json!({"maxReplicaCount": 3, "triggers": [cron("0 0 * * *", "59 23 * * *", "2")]});
    for name in ["shop", "paused", "gone"] {
        user.apply(&deployment(name, 1, &[])).await?;
        user.apply(&scaled_object(name, open.clone())).await?;
        is_healthy(user, name, "Healthy", "ready for scaling").await?;
    }
    user.annotate("paused", "autoscaling.keda.sh/paused=true").await?;
    is_healthy(user, "paused", "Suspended", "paused").await?;
    user.apply(&scaled_object("lonely", open.clone())).await?;
    is_healthy(user, "lonely", "Degraded", "not found").await?;
    user.delete("Deployment", "gone").await?;
    is_healthy(user, "gone", "Degraded", "not found").await?;

    // While nobody looks.
    ebb.stop().await?;
    user.apply(&scaled_object("shop", json!({"maxReplicaCount": 4, "triggers": open["triggers"]}))).await?;
    is_healthy(user, "shop", "Progressing", "waiting for Ebb").await?;
    user.apply(&scaled_object("new", open)).await?;
    is_healthy(user, "new", "Progressing", "waiting for Ebb").await?;
    user.delete("ScaledObject", "paused").await?;
    is_healthy(user, "paused", "Progressing", "finalizer").await?;
    ebb.restart().await?;
    user.wait_gone("ScaledObject", "paused").await?;
    is_healthy(user, "shop", "Healthy", "ready for scaling").await
}

/// The fields of an object that Ebb has written, as the API server records them: those of nobody else.
async fn written_by_ebb(bed: &Bed, object: &str) -> Result<Vec<String>> {
    let text = bed.kubectl().run(&["get", object, "--show-managed-fields", "-o", "json"]).await?;
    let object: Value = serde_json::from_str(&text)?;
    let entries = object["metadata"]["managedFields"].as_array().context("no managed fields")?;
    let mut found = Vec::new();
    // The API server writes conditions, and kubectl what the tests apply and patch.
    let others = ["kubectl", "kube-apiserver"];
    let is_ebbs = |entry: &&Value| {
        entry["manager"].as_str().is_some_and(|name| !others.iter().any(|other| name.starts_with(other)))
    };
    for entry in entries.iter().filter(is_ebbs) {
        leaves(&entry["fieldsV1"], String::new(), &mut found);
    }
    Ok(found)
}

fn leaves(fields: &Value, path: String, found: &mut Vec<String>) {
    let below = fields.as_object().into_iter().flatten().filter(|(key, _)| *key != ".");
    let below: Vec<_> = below.collect();
    if below.is_empty() {
        found.push(path);
        return;
    }
    for (key, fields) in below {
        leaves(fields, format!("{path}/{}", key.trim_start_matches("f:")), found);
    }
}

async fn ignored_fields(bed: &Bed) -> Result<()> {
    for name in [API_SERVICE, DECISIONS_API_SERVICE] {
        let api_service = written_by_ebb(bed, &format!("apiservice/{name}")).await?;
        ensure!(api_service == ["/spec/caBundle"], "{name}: {api_service:?}");
    }
    let webhook = written_by_ebb(bed, "validatingwebhookconfiguration/keda-admission").await?;
    ensure!(!webhook.is_empty() && webhook.iter().all(|path| path.ends_with("/clientConfig/caBundle")), "{webhook:?}");
    Ok(())
}

#[test]
fn argo_cd_sees_how_scaled_objects_are_and_ebb_writes_only_what_is_ignored() -> Outcome {
    on_cluster(async |bed| {
        let ebb = Ebb::start(bed, false).await?;
        let user = Sandbox::create(bed, "gitops").await?;
        healths(&ebb, &user).await?;
        ignored_fields(bed).await?;
        user.delete_all("ScaledObject").await?;
        ebb.stop().await?;
        let manifest = paths::root().join(ebb::MANIFEST);
        bed.kubectl().run(&["delete", "--wait", "--timeout=90s", "-f", &manifest.to_string_lossy()]).await?;
        ensure!(user.get("ScaledObject", "shop").await.is_err(), "{NAMESPACE} and the kinds are gone");
        Ok(())
    })
}

#[test]
fn the_health_script_knows_every_state() -> Result<()> {
    let condition = |kind: &str, status: &str, reason: Option<&str>| json!({"type": kind, "status": status, "reason": reason, "message": format!("{kind} is {status}"), "observedGeneration": 3});
    let ready = condition("Ready", "True", Some("ScaledObjectReady"));
    let unseen = {
        let mut unseen = ready.clone();
        unseen["observedGeneration"] = json!(2);
        unseen
    };
    let kedas = {
        let mut kedas = ready.clone();
        kedas["observedGeneration"] = Value::Null;
        kedas
    };
    for (conditions, wanted, message) in [
        (json!(null), "Progressing", "waiting for Ebb to check this ScaledObject"),
        (json!([]), "Progressing", "waiting for Ebb to check this ScaledObject"),
        (json!([condition("Ready", "Unknown", None)]), "Progressing", "waiting for Ebb to check this ScaledObject"),
        (json!([unseen]), "Progressing", "waiting for Ebb to check this ScaledObject"),
        (json!([kedas]), "Healthy", "Ready is True"),
        (json!([ready]), "Healthy", "Ready is True"),
        (json!([ready, condition("Fallback", "False", None)]), "Healthy", "Ready is True"),
        (json!([ready, condition("Fallback", "True", Some("FallbackExists"))]), "Degraded", "Fallback is True"),
        (json!([ready, condition("Paused", "True", Some("ScaledObjectPaused"))]), "Suspended", "Paused is True"),
        (json!([condition("Ready", "False", Some("TriggerError"))]), "Degraded", "Ready is False"),
        (json!([condition("Ready", "Unknown", Some("PartialTriggerError"))]), "Degraded", "Ready is Unknown"),
    ] {
        let object = json!({"metadata": {"generation": 3}, "status": {"conditions": conditions}});
        ensure!(health(&object)? == (wanted.to_owned(), message.to_owned()), "{object:#}: {:?}", health(&object)?);
    }
    let new = health(&json!({"metadata": {"generation": 1}}))?;
    ensure!(new.0 == "Progressing", "{new:?}");
    Ok(())
}
