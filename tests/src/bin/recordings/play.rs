//! One scenario on the test cluster, and its recording.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::World;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::scenarios::{Scenario, Step, TARGET};

/// Half of the HPA controller's period.
const HALF_PERIOD: Duration = Duration::from_millis(7500);
/// How often the counts are read.
const GLANCE: Duration = Duration::from_secs(1);

/// Plays a scenario and gives its recording as JSON.
pub(crate) async fn play(world: &World, scenario: &Scenario) -> Result<Value> {
    let namespace = format!("recording-{}", scenario.name);
    let user = world.sandbox(&namespace).await?;
    let queues: Vec<_> = (0..scenario.triggers.len()).map(|index| format!("{namespace}-{index}")).collect();
    for (_, queue, step) in scenario.steps.iter().filter(|(at, ..)| *at == 0) {
        set(world, &queues[*queue], *step).await?;
    }
    user.apply(&deployment("my-app", scenario.replicas, &[])).await?;
    user.apply(&scaled_object("my-app", spec(world, scenario, &queues))).await?;
    user.wait_ready("my-app").await?;
    wait::until("the HPA to be looked at", secs(60), async || {
        let hpa = user.get("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        ensure!(hpa["status"]["conditions"].is_array(), "it has no conditions");
        Ok(())
    })
    .await?;
    // The steps of the scenarios are between two looks, so that it is certain which look sees them first.
    sleep(HALF_PERIOD).await;
    let begin = Instant::now();
    let (counts, values) = tokio::try_join!(watch(&user, scenario, begin), act(world, scenario, &queues, begin))?;
    user.delete("ScaledObject", "my-app").await?;
    let [replicas, desired] = counts;
    Ok(json!({
        "name": scenario.name, "spec": scenario.spec, "target": TARGET,
        "metricTypes": scenario.triggers, "length": scenario.length,
        "values": values, "replicas": replicas, "desired": desired,
    }))
}

fn spec(world: &World, scenario: &Scenario, queues: &[String]) -> Value {
    let mut spec = scenario.spec.clone();
    let trigger = |(queue, metric_type): (&String, &&str)| {
        let metadata =
            json!({"queueName": queue, "mode": "QueueLength", "value": TARGET.to_string(), "host": world.rabbit.url()});
        json!({"type": "rabbitmq", "metricType": metric_type, "metadata": metadata})
    };
    spec["triggers"] = queues.iter().zip(&scenario.triggers).map(trigger).collect();
    spec
}

/// The changes of a number, each with its second since the start.
type Changes = Vec<(f64, Value)>;

/// Changes the queues as the scenario says, and gives the changes of each.
async fn act(world: &World, scenario: &Scenario, queues: &[String], begin: Instant) -> Result<Vec<Changes>> {
    let mut values: Vec<Changes> = vec![Vec::new(); queues.len()];
    for (at, queue, step) in &scenario.steps {
        if *at > 0 {
            sleep((begin + Duration::from_secs(*at)).saturating_duration_since(Instant::now())).await;
            set(world, &queues[*queue], *step).await?;
        }
        let value = if let Step::Hold(messages) = step { json!(messages) } else { Value::Null };
        let second = if *at > 0 { since(begin) } else { 0.0 };
        values[*queue].push((second, value));
    }
    Ok(values)
}

async fn set(world: &World, queue: &str, step: Step) -> Result<()> {
    let Step::Hold(messages) = step else { return world.rabbit.delete(queue).await };
    world.rabbit.declare(queue).await?;
    let present = usize::try_from(world.rabbit.depth(queue).await?)?;
    if present > messages {
        world.rabbit.work_off(queue, present - messages, |_| ()).await?;
    } else {
        world.rabbit.publish(queue, messages - present).await?;
    }
    Ok(())
}

/// The replicas, and those that the HPA desires, until the end.
async fn watch(user: &Sandbox, scenario: &Scenario, begin: Instant) -> Result<[Changes; 2]> {
    let mut seen: [Changes; 2] = [Vec::new(), Vec::new()];
    while begin.elapsed() < Duration::from_secs(scenario.length) {
        let replicas = user.replicas("my-app").await?;
        let hpa = user.get("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        // Zero is left out.
        let desired = hpa["status"]["desiredReplicas"].as_i64().unwrap_or(0);
        for (changes, count) in seen.iter_mut().zip([replicas, desired]) {
            if changes.last().is_none_or(|(_, last)| *last != count) {
                changes.push((if changes.is_empty() { 0.0 } else { since(begin) }, json!(count)));
            }
        }
        sleep(GLANCE).await;
    }
    ensure!(!seen[0].is_empty(), "nothing was seen");
    Ok(seen)
}

/// Seconds with one decimal.
fn since(begin: Instant) -> f64 {
    (begin.elapsed().as_secs_f64() * 10.0).round() / 10.0
}
