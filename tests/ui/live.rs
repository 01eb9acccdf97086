//! The page while the cluster changes.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::browser::{Browser, Ui};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::size;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// A row of the overview.
fn row(name: &str) -> String {
    format!(".row:not(.head):has(a:text-is(\"{name}\"))")
}

async fn opened(world: &World, user: &Sandbox, browser: &Browser) -> Result<Ui> {
    let ui = Ui::start(&world.bed.facts.kubeconfig, &["--namespace", &user.name]).await?;
    browser.open(&ui.url).await?;
    Ok(ui)
}

#[test]
fn a_queue_that_fills_is_seen_as_it_fills() -> Outcome {
    story(async |world| {
        let name = "ui-live";
        let user =
            world.app(name, 0, 0, json!({"pollingInterval": 1, "cooldownPeriod": 3, "maxReplicaCount": 6})).await?;
        let browser = Browser::start()?;
        let _ui = opened(world, &user, &browser).await?;
        let count = format!("{} .cell.count", row("my-app"));
        browser.wait_text(&count, "0 / 6", secs(20)).await?;
        browser.wait_text(".bar .link", "live", secs(10)).await?;

        world.rabbit.publish(name, 20).await?;
        browser.wait_text(&count, "4", secs(30)).await?;
        browser.wait_text(&format!("{} .cell.driver", row("my-app")), "HPA", secs(10)).await?;

        browser.step(json!({"do": "click", "of": row("my-app") + " a"})).await?;
        browser.wait_text("h1", "my-app", secs(10)).await?;
        browser.wait_text(".hpa", &format!("s0-rabbitmq-{name}"), secs(10)).await?;
        browser.wait_text(".events", "KEDAScaleTargetActivated", secs(10)).await?;
        world.rabbit.purge(name).await?;
        browser.wait_text(".replicas.large b", "0", secs(60)).await?;
        browser.wait_text(".events", "KEDAScaleTargetDeactivated", secs(10)).await?;
        browser.no_complaints(&[]).await
    })
}

#[test]
fn the_page_goes_on_after_ebb_was_killed_and_after_ebb_ui_was_killed() -> Outcome {
    story(async |world| {
        let name = "ui-killed";
        let user = world.app(name, 0, 0, json!({"pollingInterval": 1, "maxReplicaCount": 3})).await?;
        let browser = Browser::start()?;
        let ui = opened(world, &user, &browser).await?;
        let count = format!("{} .cell.count", row("my-app"));
        browser.wait_text(&count, "0 / 3", secs(20)).await?;

        world.ebb.kill()?;
        // Status and HPA come from the API server, with or without Ebb.
        user.edit("my-app", json!({"maxReplicaCount": 4})).await?;
        browser.wait_text(&count, "0 / 4", secs(10)).await?;
        world.ebb.restart().await?;
        world.rabbit.publish(name, 5).await?;
        browser.wait_text(&count, "1", secs(40)).await?;

        ui.kill().await?;
        browser.wait_text(".notices", "The connection to ebb ui is lost", secs(20)).await?;
        ensure!(browser.text(&count).await?.contains('1'), "what was known stays");
        browser.is_accessible().await?;
        // The browser logs each connection that failed.
        browser.no_complaints(&["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING"]).await
    })
}

#[test]
fn objects_come_and_go_and_what_is_wrong_is_named() -> Outcome {
    story(async |world| {
        let user = world.sandbox("ui-objects").await?;
        let browser = Browser::start()?;
        let _ui = opened(world, &user, &browser).await?;
        browser.wait_text(".nothing", "There is no ScaledObject in ui-objects", secs(20)).await?;
        user.apply(&deployment("office", 0, &[])).await?;
        let spec =
            json!({"triggers": [cron("0 8 * * 1-5", "0 18 * * 1-5", "5"), cron("0 22 * * *", "0 2 * * *", "2")]});
        user.apply(&scaled_object("office", spec)).await?;
        user.apply(&scaled_object("broken", json!({"triggers": [rabbitmq("none")]}))).await?;
        browser.wait_text(&row("office"), "cron ×2", secs(10)).await?;
        browser.wait_text(&format!("{} .cell.wrong", row("broken")), "broken", secs(30)).await?;
        browser.step(json!({"do": "click", "of": row("office") + " a"})).await?;
        wait::until("the calendar", secs(10), async || {
            let windows = browser.count(".calendar .block").await?;
            ensure!(windows >= 10, "{windows} windows");
            Ok(())
        })
        .await?;
        browser.is_accessible().await?;
        user.delete("ScaledObject", "office").await?;
        browser.wait_text(".nothing", "There is no ScaledObject office", secs(20)).await?;
        browser.step(json!({"do": "press", "keys": "Escape"})).await?;
        browser.wait_text(".foot", "1 ScaledObject", secs(10)).await?;
        browser.no_complaints(&[]).await
    })
}

#[test]
fn a_thousand_objects_are_listed_and_scrolled() -> Outcome {
    story(async |world| {
        let count = size::choose(300, 1000);
        let user = world.sandbox("ui-many").await?;
        let object = |number| {
            let mut object =
                scaled_object(&format!("app-{number:04}"), json!({"triggers": [cron("0 8 * * *", "0 18 * * *", "1")]}));
            // Nobody works on them: the page is what is looked at.
            object["metadata"]["annotations"] = json!({"autoscaling.keda.sh/paused": "true"});
            object
        };
        let objects: Vec<Value> = (0..count).map(object).collect();
        user.apply_all(&objects).await?;
        let browser = Browser::start()?;
        let begin = Instant::now();
        let _ui = opened(world, &user, &browser).await?;
        browser.wait_text(".foot", &format!("{count} ScaledObjects"), secs(20)).await?;
        println!("{count} ScaledObjects were listed {:.2?} after the start", begin.elapsed());
        ensure!(browser.count(".row:not(.head)").await? < 60, "only rows in sight exist");
        // The cost of scrolling is measured in ui/test, in time of a core: frames also wait for whatever else runs here.
        let scroll = "document.querySelector('.grid').scrollTop = 1e9";
        browser.step(json!({"do": "evaluate", "code": scroll})).await?;
        let last = row(&format!("app-{:04}", count - 1));
        wait::until("the last row", secs(10), async || {
            ensure!(browser.count(&last).await? == 1, "it is not there");
            Ok(())
        })
        .await?;
        ensure!(browser.count(".row:not(.head)").await? < 60, "only rows in sight exist");
        browser.step(json!({"do": "fill", "of": "input[type=search]", "with": "app-0007"})).await?;
        browser.wait_text(".foot", "1 of", secs(5)).await?;
        browser.no_complaints(&[]).await?;
        user.delete_all("ScaledObject").await
    })
}

#[test]
fn a_report_is_one_file_with_everything() -> Outcome {
    story(async |world| {
        let name = "ui-export";
        let user = world.app(name, 0, 3, json!({"pollingInterval": 1})).await?;
        user.wait_replicas("my-app", "1", secs(20), |replicas| replicas >= 1).await?;
        let file = world.bed.dir.join("page.html");
        let path = file.to_string_lossy().into_owned();
        let config = world.bed.facts.kubeconfig.to_string_lossy().into_owned();
        let arguments = ["ui", "--kubeconfig", &config, "--namespace", name, "--export", &path];
        let done = ebb_tests::ebb::command(&arguments, b"")?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let browser = Browser::start()?;
        browser.open(&format!("file://{path}#/so/{name}/my-app")).await?;
        browser.wait_text(".bar .link", "Report of", secs(5)).await?;
        browser.wait_text("h1", "my-app", secs(5)).await?;
        browser.wait_text(".hpa", &format!("s0-rabbitmq-{name}"), secs(5)).await?;
        browser.is_accessible().await?;
        browser.no_complaints(&[]).await
    })
}
