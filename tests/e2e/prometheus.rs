//! The value of a query, asked of a real Prometheus.

use anyhow::{Result, ensure};
use ebb_tests::ebb;
use ebb_tests::prometheus::Prometheus;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// bcrypt's hash of `pa55`.
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuu.1RsMSAedNVSfplnrdbnW4yCnr7zxq.";

fn trigger(server: &str, query: &str, more: &Value) -> Value {
    let mut metadata = json!({"serverAddress": server, "query": query, "threshold": "5"});
    for (key, value) in more.as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    json!({"type": "prometheus", "metadata": metadata})
}

/// A Deployment and a ScaledObject of this name in `user`.
async fn scale(user: &Sandbox, app: &str, trigger: Value) -> Result<()> {
    user.apply(&deployment(app, 0, &[])).await?;
    let spec = json!({"pollingInterval": 1, "cooldownPeriod": 2, "maxReplicaCount": 4, "triggers": [trigger]});
    user.apply(&scaled_object(app, spec)).await?;
    Ok(())
}

#[test]
fn the_value_of_a_query_takes_a_workload_up_and_down() -> Outcome {
    story(async |world| {
        let name = "prometheus-value";
        let prometheus = Prometheus::with_series(name, None).await?;
        prometheus.record(&[("jobs_waiting", "vector(0)")]).await?;
        let user = world.sandbox(name).await?;
        scale(&user, "my-app", trigger(prometheus.url(), "sum(jobs_waiting)", &json!({"activationThreshold": "2"})))
            .await?;
        user.wait_ready("my-app").await?;
        user.wait_metric("my-app", "s0-prometheus", 0.0).await?;

        prometheus.record(&[("jobs_waiting", "vector(2)")]).await?;
        user.wait_metric("my-app", "s0-prometheus", 2.0).await?;
        ensure!(user.replicas("my-app").await? == 0, "it is not above the activation threshold");

        prometheus.record(&[("jobs_waiting", "vector(12.5)")]).await?;
        user.wait_metric("my-app", "s0-prometheus", 12.5).await?;
        user.wait_replicas("my-app", "3, as each bears 5", secs(30), |replicas| replicas == 3).await?;
        prometheus.record(&[("jobs_waiting", "vector(0)")]).await?;
        user.wait_replicas("my-app", "0", secs(40), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn a_query_without_a_value_reads_zero_or_fails_and_is_counted() -> Outcome {
    story(async |world| {
        let name = "prometheus-empty";
        let prometheus = Prometheus::with_series(name, None).await?;
        prometheus.record(&[("a", "vector(1)"), ("nothing", "vector(0) / vector(0)")]).await?;
        let user = world.sandbox(name).await?;
        let strict = json!({"ignoreNullValues": "false"});
        for (app, query, more) in [
            ("lenient", "no_such_series", &json!({})),
            ("strict", "no_such_series", &strict),
            ("nan", "nothing", &strict),
            ("many", "{__name__=~\"a|nothing\"}", &json!({})),
            ("scalar", "scalar(a)", &json!({})),
            ("broken", "sum(", &json!({})),
        ] {
            scale(&user, app, trigger(prometheus.url(), query, more)).await?;
        }
        user.wait_ready("lenient").await?;
        user.wait_metric("lenient", "s0-prometheus", 0.0).await?;
        for (app, says) in [
            ("strict", "prometheus metrics 'prometheus' target may be lost, the result is empty"),
            ("nan", "prometheus query returns NaN"),
            ("many", "returned multiple elements"),
            ("scalar", "returned a scalar and not a vector"),
            ("broken", "prometheus query api returned error. status: 400: "),
        ] {
            user.wait_failing(app, says).await?;
        }
        for (app, ignored) in [("lenient", "true"), ("strict", "false")] {
            let series = format!(
                "keda_scaler_empty_upstream_responses_total{{ignoreNullValues=\"{ignored}\",metricName=\"s0-prometheus\",\
                 namespace=\"{name}\",resourceType=\"ScaledObject\",scaledResource=\"{app}\",triggerName=\"\"}} "
            );
            counted(world, &series).await?;
        }
        Ok(())
    })
}

async fn counted(world: &World, series: &str) -> Result<()> {
    wait::until(series, secs(10), async || {
        let text = world.ebb.metrics().await?;
        ensure!(text.lines().any(|line| line.starts_with(series)), "{text}");
        Ok(())
    })
    .await
}

#[test]
fn a_server_with_users_lets_in_who_proves_it() -> Outcome {
    story(async |world| {
        let name = "prometheus-users";
        let prometheus = Prometheus::with_series(name, Some(("alice", HASH))).await?;
        let user = world.sandbox(name).await?;
        let basic = json!({"authModes": "basic"});
        for (app, password) in [("right", "pa55"), ("wrong", "hunter2")] {
            user.authenticate(app, &[("username", "alice"), ("password", password)]).await?;
            let mut trigger = trigger(prometheus.url(), "vector(7)", &basic);
            trigger["authenticationRef"] = json!({"name": app});
            scale(&user, app, trigger).await?;
        }
        scale(&user, "stranger", trigger(prometheus.url(), "vector(7)", &json!({}))).await?;
        user.wait_metric("right", "s0-prometheus", 7.0).await?;
        user.wait_ready("right").await?;
        for app in ["wrong", "stranger"] {
            let text = user.wait_failing(app, "prometheus query api returned error. status: 401").await?;
            ensure!(!text.contains("hunter2"), "{text}");
        }
        Ok(())
    })
}

#[test]
fn a_simulation_has_its_history_from_a_server() -> Outcome {
    story(async |_| {
        let prometheus = Prometheus::with_series("prometheus-history", None).await?;
        prometheus.record(&[("jobs_waiting", "vector(40)")]).await?;
        wait::until("a history of ten seconds", secs(30), async || {
            let found = prometheus.query("count_over_time(jobs_waiting[1m])").await?;
            ensure!(found.iter().any(|(_, count)| *count >= 10.0), "{found:?}");
            Ok(())
        })
        .await?;
        let trigger = trigger(prometheus.url(), "sum(jobs_waiting)", &json!({}));
        let object = scaled_object("my-app", json!({"maxReplicaCount": 20, "triggers": [trigger]})).to_string();
        let arguments = ["simulate", "-", "-o", "json", "--for", "1m", "--resolution", "1s", "--hpa-sync-period", "1s"];
        let history = ["--prometheus", prometheus.url(), "--query", "sum(jobs_waiting)"];
        let output = ebb::command(&[&arguments[..], &history].concat(), object.as_bytes())?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{text}");
        let run = &serde_json::from_slice::<Value>(&output.stdout)?["runs"][0];
        // Before the first value the trigger cannot be read.
        ensure!(run["points"][0]["values"] == json!([null]), "{run}");
        ensure!(run["summary"]["peak"] == 8, "40 at 5 a replica: {run}");
        Ok(())
    })
}
