//! Every query of the Grafana dashboards, Ebb's and KEDA's, asked of a real Prometheus that scrapes the real Ebb.

use std::collections::BTreeSet;
use std::process::Command;
use std::slice;

use anyhow::{Context, Result, ensure};
use ebb_tests::dashboard::{check_ebbs, check_kedas, ebbs, panels, timed};
use ebb_tests::paths;
use ebb_tests::prometheus::{Prometheus, Scraping};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use crate::story;

#[test]
fn the_dashboards_find_what_they_ask_for_however_ebb_is_scraped() -> Outcome {
    story(async |world| {
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
        timed(&user, &world.rabbit.http_url(), name).await?;
        user.wait_ready("my-app").await?;
        for scraping in Scraping::ALL {
            let prometheus = Prometheus::start(scraping, slice::from_ref(&world.ebb), name).await?;
            check_ebbs(&prometheus, name, 3.0).await?;
            check_kedas(&prometheus, name, name, 3.0).await?;
        }
        Ok(())
    })
}

#[test]
fn errors_only_add_up_and_what_is_gone_has_no_series() -> Outcome {
    story(async |world| {
        let name = "dashboard-gone";
        let user = world.app(name, 0, 3, json!({"pollingInterval": 1})).await?;
        user.apply(&deployment("broken", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let spec = json!({"pollingInterval": 1, "triggers": [rabbitmq("dashboard-gone-no-such-queue")]});
        user.apply(&scaled_object("broken", spec)).await?;
        let prometheus = Prometheus::start(Scraping::ServiceMonitor, slice::from_ref(&world.ebb), name).await?;
        let errors =
            format!("keda_scaler_detail_errors_total{{exported_namespace=\"{name}\", scaledObject=\"broken\"}}");
        wait::until("errors", secs(30), async || {
            let found = prometheus.query(&errors).await?;
            ensure!(found.first().is_some_and(|(_, errors)| *errors > 3.0), "{found:?}");
            Ok(())
        })
        .await?;
        let resets = prometheus.query(&format!("sum(resets({errors}[1m]))")).await?;
        ensure!(resets.first().is_some_and(|(_, resets)| *resets < 0.5), "{resets:?}");

        user.delete_all("ScaledObject").await?;
        let everything = format!(
            "{{exported_namespace=\"{name}\", __name__=~\"(keda|ebb)_.*\", __name__!~\".*_registered_total\"}}"
        );
        wait::until("Prometheus to see nothing of what is gone", secs(20), async || {
            let found = prometheus.query(&everything).await?;
            ensure!(found.is_empty(), "{found:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() -> Result<()> {
    for dashboard in ebbs()? {
        laid_out(&dashboard).with_context(|| dashboard["title"].to_string())?;
    }
    Ok(())
}

fn laid_out(dashboard: &Value) -> Result<()> {
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(dashboard)? {
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

#[test]
fn the_dashboards_are_what_their_script_writes() -> Result<()> {
    let script = paths::root().join("deploy/grafana/generate.py");
    let made = Command::new("python3").arg(script).arg("--check").output().context("python3")?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}
