//! The queries of Grafana dashboards, Ebb's and KEDA's, asked of a [`Prometheus`] as Grafana would.
//!
//! There is no Grafana here: this shows that the queries find the right numbers, not how they look. The namespace in
//! question has two ScaledObjects with one RabbitMQ trigger each: `my-app`, which is active, and `broken`, whose queue does
//! not exist.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::paths;
use crate::prometheus::Prometheus;
use crate::wait::{self, secs};

/// What Ebb's panels with a single number show of that namespace.
const NUMBERS: [(&str, f64); 3] = [("ScaledObjects", 2.0), ("Active triggers", 1.0), ("Paused", 0.0)];

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

/// Ebb's dashboard.
pub fn ebbs() -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(paths::root().join("deploy/grafana/ebb.json"))?)?)
}

/// The panels of a dashboard.
pub fn panels(dashboard: &Value) -> Result<&Vec<Value>> {
    dashboard["panels"].as_array().context("no panels")
}

/// Asks everything that Ebb's dashboard asks about a namespace. `value`: the metric of `my-app`.
pub async fn check_ebbs(prometheus: &Prometheus, namespace: &str, value: f64) -> Result<()> {
    let dashboard = ebbs()?;
    let mut asked = 0;
    for panel in panels(&dashboard)? {
        let title = panel["title"].as_str().context("a panel without a title")?;
        for target in panel["targets"].as_array().context("a panel without queries")? {
            let query = target["expr"].as_str().context("a query without an expression")?;
            check_query(prometheus, title, query, namespace, value)
                .await
                .with_context(|| format!("panel {title}, scraped as by {:?}", prometheus.scraping))?;
            asked += 1;
        }
    }
    ensure!(asked >= 10, "only {asked} queries");
    for variable in dashboard["templating"]["list"].as_array().context("no variables")? {
        // The data source is no query.
        let Some(query) = variable["query"]["query"].as_str() else { continue };
        let label = variable["name"].as_str().context("a variable without a name")?;
        let inner = query.strip_prefix("query_result(").and_then(|rest| rest.strip_suffix(')'));
        let inner = inner.context("not query_result")?;
        // Grafana applies this to results such as `{namespace="shop"} 2 1700000000000`.
        ensure!(variable["regex"] == format!("/{label}=\"([^\"]+)\"/"), "{label}: {}", variable["regex"]);
        let found = prometheus.query(&filled(inner, namespace)).await?;
        let wanted = if label == "namespace" { namespace } else { "my-app" };
        let there = found.iter().any(|(labels, _)| labels.get(label).is_some_and(|value| value == wanted));
        ensure!(there, "no {wanted} among the values of {label} ({:?}): {found:?}", prometheus.scraping);
    }
    Ok(())
}

/// Asks a panel's query of one namespace, of all, and of one that does not exist.
async fn check_query(prometheus: &Prometheus, title: &str, query: &str, namespace: &str, value: f64) -> Result<()> {
    let mine = filled(query, namespace);
    wait::until(&format!("an answer to {mine}"), secs(30), async || {
        let found = prometheus.query(&mine).await?;
        ensure!(!found.is_empty(), "nothing found");
        for (labels, number) in &found {
            let whose = labels.get("namespace").filter(|_| query.contains("by (namespace"));
            ensure!(whose.is_none_or(|whose| whose == namespace), "{whose:?} in {found:?}");
            let wanted = NUMBERS.iter().find(|(name, _)| *name == title).map(|(_, wanted)| *wanted);
            let wanted = wanted.or((title == "Metric value").then_some(value));
            ensure!(wanted.is_none_or(|wanted| same(wanted, *number)), "{number} instead of {wanted:?} in {found:?}");
        }
        ensure!(title != "Errors in the last hour" || found[0].1 > 0.0, "no errors: {found:?}");
        Ok(())
    })
    .await?;
    ensure!(!prometheus.query(&filled(query, ".*")).await?.is_empty(), "nothing found in all namespaces");
    if query.contains("$namespace") {
        let elsewhere = prometheus.query(&filled(query, "no-such-namespace")).await?;
        ensure!(elsewhere.iter().all(|(_, number)| same(*number, 0.0)), "found elsewhere: {elsewhere:?}");
    }
    Ok(())
}

/// Asks everything that KEDA's dashboard asks of KEDA's series, in its own words where Ebb is scraped by a ServiceMonitor,
/// which is how KEDA's chart has it. `value`: the metric of `my-app`, `s0-rabbitmq-<queue>`.
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
    query.replace("$namespace", namespace).replace("$scaledObject", ".*").replace("$__rate_interval", "10s")
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}
