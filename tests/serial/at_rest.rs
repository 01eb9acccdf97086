//! Ebb writes nothing while nothing changes.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ebb_tests::audit::{self, Request};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::json;

use crate::story;

/// How often each write was asked for since the control plane was started, as its audit log says.
fn writes(world: &World) -> Result<BTreeMap<String, usize>> {
    let mut writes = BTreeMap::new();
    for write in audit::writes(&world.bed)? {
        ensure!(write.user == "system:serviceaccount:ebb-system:ebb", "{write:?}");
        if !write.is_question() {
            *writes.entry(write.display()).or_default() += 1;
        }
    }
    Ok(writes)
}

#[test]
fn what_does_not_change_is_not_written() -> Outcome {
    story(async |world| {
        let name = "at-rest";
        let user = world.sandbox(name).await?;
        let url = world.rabbit.url();
        let mut http = rabbitmq("at-rest-busy");
        http["metadata"] = json!({
            "queueName": "at-rest-busy", "mode": "QueueLength", "value": "5", "host": world.rabbit.http_url(),
        });
        let always = cron("0 0 * * *", "59 23 * * *", "2");
        let busy = rabbitmq("at-rest-busy");
        world.rabbit.declare("at-rest-busy").await?;
        world.rabbit.publish("at-rest-busy", 10).await?;
        world.rabbit.declare("at-rest-empty").await?;
        // Active, idle, held, paused, broken: each says the same again and again.
        let mut apps = vec![
            ("http", json!([http]), vec![]),
            ("cron", json!([always]), vec![]),
            ("several", json!([busy, rabbitmq("at-rest-empty"), always]), vec![]),
            ("empty", json!([rabbitmq("at-rest-empty")]), vec![]),
            ("forced", json!([rabbitmq("at-rest-empty")]), vec![("force-activation", "true")]),
            ("held", json!([busy]), vec![("paused-scale-in", "true")]),
            ("paused", json!([busy]), vec![("paused", "true")]),
            ("paused-at", json!([busy]), vec![("paused-replicas", "3")]),
            ("broken", json!([rabbitmq("at-rest-no-such-queue")]), vec![]),
            ("half-broken", json!([busy, rabbitmq("at-rest-no-such-queue")]), vec![]),
        ];
        for active in ["active-1", "active-2", "active-3", "active-4", "active-5"] {
            apps.push((active, json!([busy]), vec![]));
        }
        for (app, triggers, annotations) in &apps {
            user.apply(&deployment(app, 1, &[("RABBITMQ_URL", &url)])).await?;
            let mut object = scaled_object(app, json!({"pollingInterval": 1, "triggers": triggers}));
            for (key, value) in annotations {
                object["metadata"]["annotations"][format!("autoscaling.keda.sh/{key}")] = json!(value);
            }
            user.apply(&object).await?;
        }
        user.wait_replicas("active-5", "2", secs(60), |replicas| replicas == 2).await?;
        // One that has no target, and so none of the above.
        user.apply(&scaled_object("lost", json!({"triggers": [busy]}))).await?;
        user.wait_failing("lost", "not found").await?;
        let mut before = writes(world)?;
        wait::until("twenty seconds without a write", secs(120), async || {
            tokio::time::sleep(secs(20)).await;
            let now = writes(world)?;
            let settled = now == before;
            before = now;
            ensure!(settled, "there are more");
            Ok(())
        })
        .await?;
        let ours = before.iter().filter(|(write, _)| write.contains(&format!(" {name}/"))).count();
        ensure!(ours > apps.len() * 2, "the audit log tells of {ours} writes only: {before:#?}");

        // None of them is five minutes old, which is when the time of the last activity is written again.
        tokio::time::sleep(secs(75)).await;
        let after = writes(world)?;
        let new: Vec<_> = after.iter().filter(|(write, count)| before.get(*write) != Some(count)).collect();
        ensure!(new.is_empty(), "{new:#?}");
        // The tests after this one count connections.
        user.delete_all("ScaledObject").await?;
        user.delete_all("Deployment").await
    })
}

/// Each write is work for the API server, for everybody who watches, and for Ebb: it is what a start with many
/// waits for.
#[test]
fn a_new_one_is_written_to_no_more_than_is_needed() -> Outcome {
    const COUNT: usize = 20;
    story(async |world| {
        let name = "at-first";
        let user = world.sandbox(name).await?;
        let apps: Vec<String> = (0..COUNT).map(|number| format!("app-{number}")).collect();
        let never = cron("0 3 1 1 *", "1 3 1 1 *", "2");
        for app in &apps {
            user.apply(&deployment(app, 0, &[])).await?;
        }
        for app in &apps {
            user.apply(&scaled_object(app, json!({"triggers": [never]}))).await?;
        }
        // The last change of each: its HPA has nothing to do at zero.
        for app in &apps {
            user.wait_condition(app, "HPAActive", "True").await?;
        }
        let mut counts = BTreeMap::<&str, usize>::new();
        let writes = audit::writes(&world.bed)?;
        let ours: Vec<_> = writes.iter().filter(|write| write.namespace == name).map(Request::what).collect();
        for what in &ours {
            *counts.entry(what).or_default() += 1;
        }
        let most = |what: &str| match what {
            // The finalizer and the label.
            "patch scaledobjects" | "create horizontalpodautoscalers" => COUNT,
            // The first tick, and the HPA's condition unless that came before.
            "patch scaledobjects/status" => 2 * COUNT,
            "create events" => 3 * COUNT,
            _ => 0,
        };
        ensure!(counts["patch scaledobjects/status"] >= COUNT, "the audit log does not have all: {counts:#?}");
        ensure!(counts.iter().all(|(what, count)| *count <= most(what)), "{counts:#?}");
        user.delete_all("ScaledObject").await?;
        user.delete_all("Deployment").await
    })
}
