//! The queries of Grafana dashboards, Ebb's and KEDA's, asked of a [`Prometheus`] as Grafana would.
//!
//! There is no Grafana here: this shows that the queries find the right numbers, not how they look. The namespace in
//! question has three ScaledObjects: `my-app` with a RabbitMQ trigger, which is active; `broken` with one whose queue
//! does not exist; and [`timed`].

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::paths;
use crate::prometheus::{Prometheus, Sample};
use crate::sandbox::Sandbox;
use crate::wait::{self, secs};
use crate::workload::{cron, deployment, rabbitmq_at, scaled_object};

/// The names of Ebb's dashboards.
const DASHBOARDS: [&str; 3] = ["ebb-overview", "ebb-scaledobject", "ebb-brokers"];

/// The values of Ebb's panels with a single number for that namespace.
const NUMBERS: [(&str, f64); 5] =
    [("ScaledObjects", 3.0), ("Not ready", 1.0), ("Active", 2.0), ("On their fallback", 0.0), ("Paused", 0.0)];

/// Panels that show errors: more than none.
const ERRORS: [&str; 2] = ["Errors in the last hour", "Failing triggers"];

/// The ScaledObjects of that namespace.
const SCALED_OBJECTS: [&str; 3] = ["broken", "my-app", "timed"];

/// Panels with a line for each replica of Ebb. In the others, a line for each replica would show a ScaledObject twice.
const PER_REPLICA: [&str; 4] = ["Memory", "CPU", "Leader", "Release"];

/// What the panels of KEDA's own dashboard (2.20) ask of KEDA's series, in its order: the errors, then the values.
const KEDAS_PANELS: [&str; 4] = [
    "sum by(job) (rate(keda_scaler_detail_errors_total{}[5m]))",
    "sum by(scaler) (rate(keda_scaler_detail_errors_total{exported_namespace=~\"$namespace\", scaledObject=~\"$scaledObject\", scaler=~\"$scaler\"}[5m]))",
    "sum by(scaledObject) (rate(keda_scaled_object_errors_total{exported_namespace=~\"$namespace\", scaledObject=~\"$scaledObject\"}[5m]))",
    "sum by(metric) (keda_scaler_metrics_value{exported_namespace=~\"$namespace\", metric=~\"$metric\"})",
];

/// The variables of KEDA's own dashboard: a selector of series, and the label that has the values.
const KEDAS_VARIABLES: [(&str, &str); 4] = [
    ("keda_scaled_object_errors_total", "exported_namespace"),
    ("keda_scaled_object_errors_total{exported_namespace=\"$namespace\"}", "scaledObject"),
    ("keda_scaler_detail_errors_total{exported_namespace=\"$namespace\"}", "scaler"),
    ("keda_scaler_detail_errors_total{exported_namespace=\"$namespace\"}", "metric"),
];

/// Ebb's dashboards.
pub fn ebbs() -> Result<Vec<Value>> {
    let read = |name: &&str| {
        let path = paths::root().join(format!("deploy/grafana/{name}.json"));
        Ok(serde_json::from_slice(&fs::read(&path).with_context(|| path.display().to_string())?)?)
    };
    DASHBOARDS.iter().map(read).collect()
}

/// The panels of a dashboard.
pub fn panels(dashboard: &Value) -> Result<&Vec<Value>> {
    dashboard["panels"].as_array().context("no panels")
}

/// Applies the ScaledObject `timed`, for the panels about cron windows and HTTP requests. It has a cron trigger that is
/// closed, and reads `queue` through RabbitMQ's management API at `url`.
pub async fn timed(user: &Sandbox, url: &str, queue: &str) -> Result<()> {
    user.apply(&deployment("timed", 1, &[])).await?;
    let mut by_http = rabbitmq_at(url, queue);
    by_http["metadata"]["protocol"] = json!("http");
    // The window is open for an hour of the year.
    let triggers = json!([cron("0 0 1 1 *", "0 1 1 1 *", "1"), by_http]);
    let spec = json!({"pollingInterval": 1, "minReplicaCount": 1, "maxReplicaCount": 1, "triggers": triggers});
    user.apply(&scaled_object("timed", spec)).await.map(drop)
}

/// Asks everything that Ebb's dashboards ask about a namespace. `value`: the metric of `my-app`.
pub async fn check_ebbs(prometheus: &Prometheus, namespace: &str, value: f64) -> Result<()> {
    for dashboard in ebbs()? {
        let name = &dashboard["title"];
        let checked = check(prometheus, &dashboard, namespace, value).await;
        checked.with_context(|| format!("dashboard {name}, scraped as by {:?}", prometheus.scraping))?;
    }
    Ok(())
}

async fn check(prometheus: &Prometheus, dashboard: &Value, namespace: &str, value: f64) -> Result<()> {
    let mut asked = 0;
    for panel in panels(dashboard)? {
        let title = panel["title"].as_str().context("a panel without a title")?;
        for target in panel["targets"].as_array().context("a panel without queries")? {
            let query = target["expr"].as_str().context("a query without an expression")?;
            let checked = check_query(prometheus, title, query, namespace, value).await;
            checked.with_context(|| format!("panel {title}"))?;
            asked += 1;
        }
    }
    ensure!(asked >= 10, "only {asked} queries");
    for mark in dashboard["annotations"]["list"].as_array().context("no annotations")? {
        // There may be nothing to mark at this moment.
        let query = mark["expr"].as_str().context("an annotation without an expression")?;
        prometheus.query(&filled(query, namespace)).await.with_context(|| format!("annotation {}", mark["name"]))?;
    }
    for variable in dashboard["templating"]["list"].as_array().context("no variables")? {
        check_variable(prometheus, variable, namespace).await?;
    }
    Ok(())
}

async fn check_variable(prometheus: &Prometheus, variable: &Value, namespace: &str) -> Result<()> {
    // The data source is no query.
    let Some(query) = variable["query"]["query"].as_str() else { return Ok(()) };
    let label = variable["name"].as_str().context("a variable without a name")?;
    let inner = query.strip_prefix("query_result(").and_then(|rest| rest.strip_suffix(')'));
    let inner = inner.context("not query_result")?;
    // Grafana applies this to results such as `{namespace="shop"} 2 1700000000000`.
    ensure!(variable["regex"] == format!("/{label}=\"([^\"]+)\"/"), "{label}: {}", variable["regex"]);
    let found = prometheus.query(&filled(inner, namespace)).await?;
    let wanted = match label {
        "namespace" => namespace,
        "scaledObject" => "my-app",
        "scaler" => "rabbitMQScaler",
        "metric" => "s0-rabbitmq-",
        other => anyhow::bail!("the variable {other} is not known to this test"),
    };
    let there = found.iter().any(|(labels, _)| labels.get(label).is_some_and(|value| value.starts_with(wanted)));
    ensure!(there, "no {wanted} among the values of {label}: {found:?}");
    Ok(())
}

/// Asks a panel's query of one namespace, of all, and of one that does not exist.
async fn check_query(prometheus: &Prometheus, title: &str, query: &str, namespace: &str, value: f64) -> Result<()> {
    let mine = filled(query, namespace);
    wait::until(&format!("an answer to {mine}"), secs(30), async || {
        let found = prometheus.query(&mine).await?;
        ensure!(!found.is_empty(), "nothing found");
        for (labels, _) in &found {
            let whose = labels.get("namespace").filter(|_| query.contains("by (namespace"));
            ensure!(whose.is_none_or(|whose| whose == namespace), "{whose:?} in {found:?}");
        }
        ensure!(!ERRORS.contains(&title) || found[0].1 > 0.0, "no errors: {found:?}");
        check_lines(title, query, &found, prometheus.replicas)?;
        check_numbers(title, query, &found, value)
    })
    .await?;
    ensure!(!prometheus.query(&filled(query, ".*")).await?.is_empty(), "nothing found in all namespaces");
    if query.contains("$namespace") {
        let elsewhere = prometheus.query(&filled(query, "no-such-namespace")).await?;
        ensure!(elsewhere.iter().all(|(_, number)| same(*number, 0.0)), "found elsewhere: {elsewhere:?}");
    }
    Ok(())
}

/// However many replicas Ebb has, a panel has one line for each ScaledObject that it shows; some have one for each replica.
fn check_lines(title: &str, query: &str, found: &[Sample], replicas: usize) -> Result<()> {
    let instances: BTreeSet<_> = found.iter().filter_map(|(labels, _)| labels.get("instance")).collect();
    if PER_REPLICA.contains(&title) {
        ensure!(found.len() == replicas && instances.len() == replicas, "{replicas} replicas: {found:?}");
        return Ok(());
    }
    ensure!(instances.is_empty(), "lines of single replicas: {found:?}");
    if title == "Registered" && query.contains("keda_resource_registered_total") {
        let objects = found.iter().find(|(labels, _)| labels.get("type").is_some_and(|kind| kind == "scaled_object"));
        ensure!(objects.is_some_and(|(_, number)| same(*number, 3.0)), "not three ScaledObjects: {found:?}");
    }
    let mut names: Vec<_> = found.iter().filter_map(|(labels, _)| Some(labels.get("scaledObject")?.as_str())).collect();
    names.sort_unstable();
    // Other queries choose some of them, or have a line for each trigger.
    let each = query.starts_with("max by (namespace, scaledObject) (");
    ensure!(!each || names == SCALED_OBJECTS, "not a line for each of {SCALED_OBJECTS:?}: {found:?}");
    Ok(())
}

/// The numbers of panels with known ones.
fn check_numbers(title: &str, query: &str, found: &[Sample], value: f64) -> Result<()> {
    let overview = query.starts_with("count(") || query.starts_with("sum(");
    if let Some((_, wanted)) = NUMBERS.iter().find(|(name, _)| *name == title).filter(|_| overview) {
        ensure!(found.len() == 1 && same(*wanted, found[0].1), "{found:?} instead of {wanted}");
    }
    let of_app = |(labels, number): &Sample| (labels.get("scaledObject")? == "my-app").then_some(*number);
    let of_app: Vec<_> = found.iter().filter_map(of_app).collect();
    let wanted = match (title, query) {
        ("Value and target", query) if query.contains("keda_scaler_metrics_value") => value,
        ("Value and target", _) => 5.0,
        ("Value by target", _) => value / 5.0,
        _ => return Ok(()),
    };
    ensure!(of_app.len() == 1 && same(wanted, of_app[0]), "{found:?} instead of {wanted} for my-app");
    Ok(())
}

/// Asks everything that KEDA's dashboard asks of KEDA's series, in its own words where Ebb is scraped by a
/// ServiceMonitor, which is how KEDA's chart has it. `value`: the metric of `my-app`, `s0-rabbitmq-<queue>`.
pub async fn check_kedas(prometheus: &Prometheus, namespace: &str, queue: &str, value: f64) -> Result<()> {
    let metric = format!("s0-rabbitmq-{queue}");
    let words = |query: &str| {
        let query = query.replace("exported_namespace", prometheus.scraping.namespace_label());
        let query = query.replace("$namespace", namespace).replace("$scaledObject", "broken");
        query.replace("$scaler", "rabbitMQScaler").replace("$metric", &metric)
    };
    for query in KEDAS_PANELS {
        let words = words(query);
        let wanted = query.contains("$metric").then_some(value);
        wait::until(&format!("an answer to {words} ({:?})", prometheus.scraping), secs(30), async || {
            let found = prometheus.query(&words).await?;
            ensure!(found.len() == 1, "{found:?}");
            ensure!(wanted.map_or(found[0].1 > 0.0, |wanted| same(wanted, found[0].1)), "{found:?}");
            Ok(())
        })
        .await?;
    }
    for (selector, label) in KEDAS_VARIABLES {
        let label = words(label);
        let values = prometheus.label_values(&words(selector), &label).await?;
        let wanted = match &*label {
            "scaledObject" => "my-app",
            "scaler" => "rabbitMQScaler",
            "metric" => &metric,
            _ => namespace,
        };
        let there = values.iter().any(|value| value == wanted);
        ensure!(there, "no {wanted} among the values of {label} ({:?}): {values:?}", prometheus.scraping);
    }
    Ok(())
}

/// A query with Grafana's variables filled in.
fn filled(query: &str, namespace: &str) -> String {
    let query = query.replace("$namespace", namespace).replace("$scaledObject", ".*");
    query.replace("$scaler", ".*").replace("$metric", ".*").replace("$__rate_interval", "10s")
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}
