//! Simulations on a page: of an edited ScaledObject beside what happened, and of ten days in a report.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use ebb_tests::browser::{Browser, Ui};
use ebb_tests::ebb::command;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use crate::story;

/// Where the YAML is edited.
const EDITOR: &str = "textarea";

/// The words of the chart of replicas.
const REPLICAS: &str = "document.querySelector('[role=img][aria-label^=Replicas]')?.getAttribute('aria-label')";

/// Waits until the chart of replicas says this. The page simulates anew when there are readings of half a minute more.
async fn wait_chart(browser: &Browser, says: &str) -> Result<()> {
    wait::until(&format!("the chart of replicas to say {says:?}"), secs(90), async || {
        let label = browser.step(json!({"do": "evaluate", "code": REPLICAS})).await?;
        ensure!(label.as_str().is_some_and(|label| label.contains(says)), "it says {label}");
        Ok(())
    })
    .await
}

/// The lines of `ebb check` about a manifest that it refuses.
fn refusals(manifest: &str) -> Result<Vec<String>> {
    let checked = command(&["check", "-"], manifest.as_bytes())?;
    let lines = String::from_utf8(checked.stdout)?;
    let errors = lines.lines().filter(|line| line.contains(": error: "));
    let errors: Vec<_> = errors.map(|line| line.replace("standard input:", "my-app.yaml:")).collect();
    ensure!(!errors.is_empty(), "ebb check refuses nothing: {lines}");
    Ok(errors)
}

#[test]
fn an_edit_is_simulated_beside_what_happened_and_nothing_is_written() -> Outcome {
    story(async |world| {
        let name = "ui-what-if";
        let spec = json!({"pollingInterval": 1, "cooldownPeriod": 3, "maxReplicaCount": 6});
        let user = world.app(name, 0, 0, spec).await?;
        wait::until("readings at zero", secs(20), async || {
            // What stays the same is one point.
            let readings = user.readings("my-app").await?;
            ensure!(readings["points"][0]["seconds"].as_u64().is_some_and(|seconds| seconds >= 2), "{readings}");
            Ok(())
        })
        .await?;
        world.rabbit.publish(name, 20).await?;
        user.wait_replicas("my-app", "4", secs(40), |replicas| replicas == 4).await?;
        let ui = Ui::start(&world.bed.facts.kubeconfig, &["--namespace", name]).await?;
        let browser = Browser::start()?;
        browser.open(&ui.url).await?;
        browser.wait_text(".foot", "1 ScaledObject", secs(20)).await?;
        browser.step(json!({"do": "click", "of": ".row:not(.head) a"})).await?;
        browser.wait_text(".replicas.large b", "4", secs(20)).await?;
        let before = user.get("ScaledObject", "my-app").await?;

        browser.step(json!({"do": "click", "of": ".tabs a:text-is(\"What if\")"})).await?;
        browser.wait_text("table.summary", "happened", secs(20)).await?;
        let yaml = browser.step(json!({"do": "value", "of": EDITOR})).await?;
        let yaml = yaml.as_str().context("no YAML")?;
        let edited = |max: &str| yaml.replace("maxReplicaCount: 6", &format!("maxReplicaCount: {max}"));
        browser.step(json!({"do": "fill", "of": EDITOR, "with": edited("2")})).await?;
        wait_chart(&browser, "edited between 0 and 2").await?;
        wait_chart(&browser, "happened between 0 and 4").await?;
        browser.wait_text(".diff", "+   maxReplicaCount: 2", secs(5)).await?;
        browser.is_accessible().await?;

        let wrong = edited("-1");
        browser.step(json!({"do": "fill", "of": EDITOR, "with": &wrong})).await?;
        let said = browser.wait_text(".notice.bad", "maxReplicaCount", secs(20)).await?;
        for line in refusals(&wrong)? {
            ensure!(said.contains(&line), "the page says {said:?}, and ebb check {line:?}");
        }
        browser.is_accessible().await?;

        let after = user.get("ScaledObject", "my-app").await?;
        let written = |object: &Value| (object["spec"].clone(), object["metadata"]["generation"].clone());
        ensure!(written(&before) == written(&after), "nothing is written: {after:#}");
        // The browser logs each answer that is an error.
        browser.no_complaints(&["422"]).await
    })
}

/// A queue of ten days, a value a minute: it fills by day, and is empty at night.
fn ten_days() -> String {
    let mut trace = "time,orders\n".to_owned();
    for minute in 0..14_400_i32 {
        let of_day = minute % 1_440;
        let value = (600 - (of_day - 840).abs()).max(0) / 4 + minute % 7;
        // Writing into a string cannot fail.
        let _ = writeln!(trace, "{},{}", minute * 60, if value < 8 { 0 } else { value });
    }
    trace
}

#[test]
fn a_simulation_of_ten_days_is_a_page_with_everything() -> Outcome {
    story(async |world| {
        let manifest = |max: u32| {
            format!(
                "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: orders}}\nspec:\n  \
                 scaleTargetRef: {{name: orders}}\n  maxReplicaCount: {max}\n  triggers:\n  \
                 - type: rabbitmq\n    name: orders\n    metadata: {{queueName: orders, mode: QueueLength, value: \"10\", host: \"amqp://rabbit\"}}\n  \
                 - type: cron\n    metadata: {{timezone: UTC, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: \"3\"}}\n"
            )
        };
        let path = |name: &str| world.bed.dir.join(name).to_string_lossy().into_owned();
        let [trace, before, after, page] = ["ten-days.csv", "so.yaml", "so-new.yaml", "report.html"].map(path);
        fs::write(&trace, ten_days())?;
        fs::write(&before, manifest(10))?;
        fs::write(&after, manifest(16))?;
        let arguments = ["simulate", &before, "--against", &after, "--trace", &trace, "--out", &page];
        let done = command(&[&arguments[..], &["--start", "2026-11-16T00:00:00Z"]].concat(), b"")?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

        let browser = Browser::start()?;
        let begin = Instant::now();
        browser.open(&format!("file://{page}")).await?;
        browser.wait_text("h1", "so.yaml against so-new.yaml", secs(10)).await?;
        wait_chart(&browser, "so.yaml between 0 and 10; so-new.yaml between 0 and 16").await?;
        println!("the report of ten days was drawn {:.2?} after it was opened", begin.elapsed());
        browser.wait_text(".top", "10 d from", secs(5)).await?;
        ensure!(browser.count(".chart canvas").await? == 3, "a chart each for the queue, the window and the replicas");
        browser.wait_text("table.summary", "Replica-hours", secs(5)).await?;
        browser.step(json!({"do": "click", "of": "summary"})).await?;
        browser.wait_text(".plain-decisions", "trigger orders (rabbitmq) is active: 8 is above 0", secs(5)).await?;
        browser.is_accessible().await?;
        browser.no_complaints(&[]).await
    })
}
