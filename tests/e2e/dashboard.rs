//! Every query of the Grafana dashboard, asked of a real Prometheus that scrapes the real Ebb.
//!
//! There is no Grafana here: this shows that the queries find something, not how it looks.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::PrometheusFacts;
use ebb_tests::paths;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

#[test]
fn every_query_finds_something() -> Outcome {
    story(async |world| {
        let dashboard = dashboard()?;
        let name = "dashboard";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 3).await?;
        let url = world.rabbit.url();
        for (app, queue) in [("my-app", name), ("broken", "dashboard-no-such-queue")] {
            user.apply(&deployment(app, 0, &[("RABBITMQ_URL", &url)])).await?;
            let spec = json!({"pollingInterval": 1, "triggers": [rabbitmq(queue)]});
            user.apply(&scaled_object(app, spec)).await?;
        }
        user.wait_ready("my-app").await?;

        let prometheus = scraping(world).await?;

        let mut asked = 0;
        for panel in panels(&dashboard)? {
            for target in panel["targets"].as_array().context("a panel without queries")? {
                let expression = target["expr"].as_str().context("a query without an expression")?;
                let query = concrete(expression, name);
                wait::until(&format!("an answer to {query}"), secs(30), async || {
                    let found = ask(&prometheus.url, "query", &[("query", &query)]).await?;
                    let found = found["result"].as_array().map_or(0, Vec::len);
                    // Those of kube-state-metrics are right if Prometheus can read them.
                    ensure!(found > 0 || query.contains("kube_horizontalpodautoscaler_"), "nothing found");
                    Ok(())
                })
                .await
                .with_context(|| format!("panel {}", panel["title"]))?;
                asked += 1;
            }
        }
        ensure!(asked >= 10, "only {asked} queries");

        for variable in dashboard["templating"]["list"].as_array().context("no variables")? {
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (series, label) = inner.and_then(|inner| inner.rsplit_once(", ")).context("not label_values")?;
            let matching = [("match[]", concrete(series, name))];
            let matching = matching.each_ref().map(|(key, value)| (*key, value.as_str()));
            let values = ask(&prometheus.url, &format!("label/{label}/values"), &matching).await?;
            let wanted = if label == "namespace" { name } else { "my-app" };
            let there = values.as_array().is_some_and(|values| values.iter().any(|value| value == wanted));
            ensure!(there, "no {wanted} among the values of {label}: {values}");
        }
        Ok(())
    })
}

/// What the panels and variables of KEDA's own dashboard (2.20) ask of KEDA's series.
const KEDAS_PANELS: [&str; 4] = [
    "sum by(job) (rate(keda_scaler_detail_errors_total{}[10s]))",
    "sum by(scaler) (rate(keda_scaler_detail_errors_total{namespace=~\"$namespace\", scaledObject=~\"broken\", scaler=~\"rabbitMQScaler\"}[10s]))",
    "sum by(scaledObject) (rate(keda_scaled_object_errors_total{namespace=~\"$namespace\", scaledObject=~\"broken\"}[10s]))",
    "sum by(metric) (keda_scaler_metrics_value{namespace=~\"$namespace\", metric=~\"s0-rabbitmq-kedas-dashboard\"})",
];
const KEDAS_VARIABLES: [(&str, &str, &str); 4] = [
    ("keda_scaled_object_errors_total", "namespace", "kedas-dashboard"),
    ("keda_scaled_object_errors_total{namespace=\"$namespace\"}", "scaledObject", "my-app"),
    ("keda_scaler_detail_errors_total{namespace=\"$namespace\"}", "scaler", "rabbitMQScaler"),
    ("keda_scaler_detail_errors_total{namespace=\"$namespace\"}", "metric", "s0-rabbitmq-kedas-dashboard"),
];

#[test]
fn kedas_own_dashboard_finds_what_it_asks_for_and_nothing_of_what_is_gone() -> Outcome {
    story(async |world| {
        let name = "kedas-dashboard";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 3).await?;
        let url = world.rabbit.url();
        for (app, queue) in [("my-app", name), ("broken", "kedas-dashboard-no-such-queue")] {
            user.apply(&deployment(app, 0, &[("RABBITMQ_URL", &url)])).await?;
            let spec = json!({"pollingInterval": 1, "triggers": [rabbitmq(queue)]});
            user.apply(&scaled_object(app, spec)).await?;
        }
        let prometheus = scraping(world).await?;
        for query in KEDAS_PANELS {
            let query = concrete(query, name);
            wait::until(&format!("an answer to {query}"), secs(30), async || {
                let found = ask(&prometheus.url, "query", &[("query", &query)]).await?;
                let value = found["result"][0]["value"][1].as_str().context("nothing found")?.parse::<f64>()?;
                ensure!(value > 0.0, "it is {value}");
                Ok(())
            })
            .await?;
        }
        for (series, label, wanted) in KEDAS_VARIABLES {
            let matching = [("match[]", concrete(series, name))];
            let matching = matching.each_ref().map(|(key, value)| (*key, value.as_str()));
            let values = ask(&prometheus.url, &format!("label/{label}/values"), &matching).await?;
            let there = values.as_array().is_some_and(|values| values.iter().any(|value| value == wanted));
            ensure!(there, "no {wanted} among the values of {label} of {series}: {values}");
        }

        // Errors only ever add up.
        let resets = format!("sum(resets(keda_scaler_detail_errors_total{{namespace=\"{name}\"}}[1m]))");
        let found = ask(&prometheus.url, "query", &[("query", &resets)]).await?;
        ensure!(found["result"][0]["value"][1] == "0", "{found}");

        user.delete_all("ScaledObject").await?;
        let everything =
            format!("{{namespace=\"{name}\", __name__=~\"(keda|ebb)_.*\", __name__!~\".*_registered_total\"}}");
        wait::until("Prometheus to see nothing of what is gone", secs(20), async || {
            let found = ask(&prometheus.url, "query", &[("query", &everything)]).await?;
            ensure!(found["result"].as_array().is_some_and(Vec::is_empty), "{found}");
            Ok(())
        })
        .await
    })
}

/// The Prometheus of the test bed, told to scrape Ebb each second.
async fn scraping(world: &World) -> Result<&PrometheusFacts> {
    let prometheus = world.bed.facts.prometheus.as_ref().context("no Prometheus")?;
    let scrape = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: ebb\n    static_configs:\n      - targets: ['{}']\n",
        world.ebb.metrics_address()
    );
    fs::write(&prometheus.config, scrape)?;
    reqwest::Client::new().post(format!("{}/-/reload", prometheus.url)).send().await?.error_for_status()?;
    Ok(prometheus)
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() -> Result<()> {
    let dashboard = dashboard()?;
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard)? {
        let title = &panel["title"];
        ensure!(ids.insert(panel["id"].to_string()), "{title} has the id of another panel");
        ensure!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} has no description");
        ensure!(panel["datasource"]["uid"] == "${datasource}", "{title} is bound to one data source");
        let at = |key: &str| panel["gridPos"][key].as_u64().with_context(|| format!("{title} has no {key}"));
        let (x, y, width, height) = (at("x")?, at("y")?, at("w")?, at("h")?);
        ensure!(x + width <= 24, "{title} is wider than the page");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            ensure!(taken.insert(cell), "{title} overlaps another panel");
        }
    }
    Ok(())
}

fn dashboard() -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(paths::root().join("deploy/grafana/ebb.json"))?)?)
}

fn panels(dashboard: &Value) -> Result<&Vec<Value>> {
    dashboard["panels"].as_array().context("no panels")
}

/// A query with Grafana's variables filled in.
fn concrete(query: &str, namespace: &str) -> String {
    query.replace("$namespace", namespace).replace("$scaledObject", ".*").replace("$__rate_interval", "10s")
}

async fn ask(url: &str, page: &str, parameters: &[(&str, &str)]) -> Result<Value> {
    let mut url = reqwest::Url::parse(&format!("{url}/api/v1/{page}"))?;
    url.query_pairs_mut().extend_pairs(parameters);
    let answer: Value = reqwest::get(url).await?.json().await?;
    ensure!(answer["status"] == "success", "{answer}");
    Ok(answer["data"].clone())
}
