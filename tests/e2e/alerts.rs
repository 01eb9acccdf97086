//! The alerting rules: promtool accepts them and plays their cases, each has its section in the documentation, and each
//! asks for series that a real Ebb exports.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::slice;

use anyhow::{Context, Result, ensure};
use ebb_tests::ebb::manifest;
use ebb_tests::paths;
use ebb_tests::prometheus::{Prometheus, Scraping};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use crate::story;

const RULES: &str = "deploy/alerts/rules.yaml";
const CASES: &str = "tests/alerts/rules_test.yaml";

/// The groups of the rule file.
fn groups() -> Result<Value> {
    let file = manifest(RULES)?.into_iter().next().context("no document")?;
    Ok(file["groups"].clone())
}

fn rules() -> Result<Vec<Value>> {
    let groups = groups()?;
    let groups = groups.as_array().context("no groups")?;
    Ok(groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten().cloned()).collect())
}

fn text<'a>(rule: &'a Value, path: &str) -> Result<&'a str> {
    rule.pointer(path).and_then(Value::as_str).with_context(|| format!("no {path} in {rule}"))
}

fn promtool(arguments: &[&str]) -> Result<()> {
    let run = Command::new("promtool").current_dir(paths::root()).args(arguments).output().context("promtool")?;
    let said = || format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    ensure!(run.status.success(), "promtool {arguments:?}: {}", said());
    Ok(())
}

#[test]
fn promtool_accepts_the_rules_and_their_cases() -> Result<()> {
    promtool(&["check", "rules", RULES])?;
    promtool(&["test", "rules", CASES])
}

#[test]
fn each_alert_has_a_case_that_fires_one_that_does_not_and_a_section() -> Result<()> {
    let rules = rules()?;
    ensure!(rules.len() >= 11, "{} rules", rules.len());
    let cases = manifest(CASES)?.into_iter().next().context("no document")?;
    let checks = cases["tests"].as_array().context("no cases")?.iter();
    let checks: Vec<_> = checks.flat_map(|case| case["alert_rule_test"].as_array().into_iter().flatten()).collect();
    let page = fs::read_to_string(paths::root().join("docs/alerts.md"))?;
    for rule in &rules {
        let name = text(rule, "/alert")?;
        for fires in [true, false] {
            let is_case = |check: &&&Value| {
                let fired = check["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
                check["alertname"] == name && fired == fires
            };
            ensure!(checks.iter().any(|check| is_case(&check)), "no case in which {name} fires: {fires}");
        }
        let anchor = name.to_lowercase();
        ensure!(text(rule, "/annotations/runbook_url")? == format!("docs/alerts.md#{anchor}"), "the link of {name}");
        let section = page.split(&format!("\n## {name}\n")).nth(1).and_then(|rest| rest.split("\n## ").next());
        let section = section.with_context(|| format!("docs/alerts.md has no section {name}"))?;
        for part in ["**Meaning.**", "**Likely causes.**", "**What to do.**"] {
            ensure!(section.contains(part), "{part} of {name}");
        }
        let row = format!("| [{name}](#{anchor}) | {} |", text(rule, "/labels/severity")?);
        ensure!(page.contains(&row), "docs/alerts.md has no row {row}");
    }
    Ok(())
}

#[test]
fn the_operators_object_has_the_same_rules() -> Result<()> {
    let object = manifest("deploy/alerts/prometheusrule.yaml")?.into_iter().next().context("no document")?;
    ensure!(object["kind"] == "PrometheusRule", "{}", object["kind"]);
    ensure!(object["spec"]["groups"] == groups()?, "rules.yaml and prometheusrule.yaml differ");
    Ok(())
}

/// The names of series in an expression that begin like Ebb's.
fn own_series(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| ["ebb_", "keda_", "rest_client_"].iter().any(|start| word.starts_with(start))).collect()
}

#[test]
fn alerts_find_what_is_broken_and_nothing_else() -> Outcome {
    story(async |world| {
        let name = "alerts";
        let user = world.app(name, 1, 3, json!({"pollingInterval": 1})).await?;
        user.apply(&deployment("broken", 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let spec = json!({"pollingInterval": 1, "triggers": [rabbitmq("alerts-no-such-queue")]});
        user.apply(&scaled_object("broken", spec)).await?;
        user.wait_ready("my-app").await?;
        // A series is exported from its first event on.
        user.wait_metric("my-app", &format!("s0-rabbitmq-{name}"), 3.0).await?;
        let exported = world.ebb.metrics().await?;
        for scraping in Scraping::ALL {
            let prometheus = Prometheus::start(scraping, slice::from_ref(&world.ebb), name).await?;
            for rule in rules()? {
                let (alert, expression) = (text(&rule, "/alert")?, text(&rule, "/expr")?);
                for series in own_series(expression) {
                    let family = series.trim_end_matches("_bucket");
                    ensure!(exported.contains(&format!("\n# TYPE {family} ")), "{alert} asks for {series}");
                }
                let wanted = ["EbbScaledObjectNotReady", "EbbTriggerFailing"].contains(&alert);
                let found = async || {
                    let all = prometheus.query(expression).await?;
                    let label = scraping.namespace_label();
                    let ours =
                        all.into_iter().filter(|(labels, _)| labels.get(label).is_some_and(|value| value == name));
                    Ok::<_, anyhow::Error>(
                        ours.filter_map(|(mut labels, _)| labels.remove("scaledObject")).collect::<Vec<_>>(),
                    )
                };
                if wanted {
                    wait::until(&format!("{alert} ({scraping:?})"), secs(20), async || {
                        let found = found().await?;
                        ensure!(found == ["broken"], "{found:?}");
                        Ok(())
                    })
                    .await?;
                } else {
                    let found = found().await.with_context(|| alert.to_owned())?;
                    ensure!(found.is_empty(), "{alert} of {found:?}");
                }
            }
        }
        Ok(())
    })
}
