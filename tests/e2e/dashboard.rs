//! Every query of the Grafana dashboard, asked of a real Prometheus that scrapes the real Ebb.
//!
//! There is no Grafana here: this shows that the queries find something, not how it looks.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use ebb_tests::paths;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
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

        let prometheus = world.bed.facts.prometheus.as_ref().context("no Prometheus")?;
        let scrape = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: ebb\n    static_configs:\n      - targets: ['{}']\n",
            world.ebb.metrics_address()
        );
        fs::write(&prometheus.config, scrape)?;
        reqwest::Client::new().post(format!("{}/-/reload", prometheus.url)).send().await?.error_for_status()?;

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
