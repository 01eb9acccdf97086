//! Every mistake is named in the Ready condition and in an event, and harms nobody else.

use anyhow::{Result, bail, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::secs;
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::story;

/// One mistake: a ScaledObject, and what its Ready condition and an event must say.
struct Mistake {
    name: &'static str,
    spec: Value,
    says: &'static [&'static str],
}

/// The event that goes with a mistake has one of these reasons.
const REASONS: [&str; 3] = ["KEDAScalerFailed", "ScaledObjectCheckFailed", "KEDAMetricSourceFailed"];

/// Never to be repeated in a message.
const WRONG_PASSWORD: &str = "not-the-password";

fn mistakes(world: &World) -> Vec<Mistake> {
    let triggers = |trigger: Value| json!({"triggers": [trigger]});
    let rabbit_at = |host: &str| {
        let metadata = json!({"queueName": "bad-input", "mode": "QueueLength", "value": "5", "host": host});
        triggers(json!({"type": "rabbitmq", "metadata": metadata}))
    };
    let from_env = |variable: &str| {
        let metadata = json!({"queueName": "bad-input", "mode": "QueueLength", "value": "5", "hostFromEnv": variable});
        triggers(json!({"type": "rabbitmq", "metadata": metadata}))
    };
    let named = |name: &str| {
        let mut trigger = cron("0 8 * * *", "0 18 * * *", "2");
        trigger["name"] = json!(name);
        trigger
    };
    let mut nowhere = cron("0 8 * * *", "0 18 * * *", "5");
    nowhere["metadata"]["timezone"] = json!("Mars/Olympus");
    let mut secret = rabbitmq("bad-input");
    secret["metadata"] = json!({"queueName": "bad-input", "mode": "QueueLength", "value": "5"});
    secret["authenticationRef"] = json!({"name": "points-to-nothing"});
    let mut no_authentication = secret.clone();
    no_authentication["authenticationRef"] = json!({"name": "no-such-authentication"});

    let mistake = |name, spec, says| Mistake { name, spec, says };
    vec![
        mistake("unknown-type", triggers(json!({"type": "rabitmq", "metadata": {}})), &["rabitmq"]),
        mistake(
            "missing-target",
            json!({"scaleTargetRef": {"name": "nobody"}, "triggers": [rabbitmq("bad-input")]}),
            &["nobody", "not found"],
        ),
        mistake(
            "target-without-scale",
            json!({
                "scaleTargetRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt"},
                "triggers": [rabbitmq("bad-input")],
            }),
            &["ConfigMap", "scale"],
        ),
        mistake("no-queue", triggers(rabbitmq("no-such-queue")), &["no-such-queue"]),
        mistake("wrong-password", rabbit_at(&world.rabbit.url_of("ebb", WRONG_PASSWORD)), &["ACCESS_REFUSED"]),
        mistake("unreachable-host", rabbit_at("amqp://guest:guest@127.0.0.1:1/"), &["127.0.0.1:1"]),
        mistake("unknown-time-zone", triggers(nowhere), &["Mars/Olympus"]),
        mistake(
            "malformed-cron",
            triggers(cron("0 8 * *", "0 18 * * *", "5")),
            &["error parsing start schedule: expected exactly 5 fields, found 4: [0 8 * *]"],
        ),
        mistake(
            "start-is-end",
            triggers(cron("0 8 * * *", "0 8 * * *", "5")),
            &["start and end can not have exactly same time input"],
        ),
        mistake("no-replicas", triggers(cron("0 8 * * *", "0 18 * * *", "0")), &["desiredReplicas"]),
        mistake("many-replicas", triggers(cron("0 8 * * *", "0 18 * * *", "many")), &["desiredReplicas", "many"]),
        mistake("same-names", json!({"triggers": [named("twice"), named("twice")]}), &["twice"]),
        mistake("no-variable", from_env("NOT_THERE"), &["NOT_THERE"]),
        mistake("no-secret", triggers(secret), &["no-such-secret"]),
        mistake("no-authentication", triggers(no_authentication), &["no-such-authentication"]),
        mistake("variable-of-no-secret", from_env("FROM_SECRET"), &["no-such-secret"]),
    ]
}

#[test]
fn each_mistake_is_named_and_a_healthy_neighbour_goes_on() -> Outcome {
    story(async |world| {
        let user = world.sandbox("bad-input").await?;
        world.rabbit.declare("bad-input-neighbour").await?;
        world.rabbit.declare("bad-input").await?;
        let url = world.rabbit.url();
        user.apply(&deployment("neighbour", 0, &[("RABBITMQ_URL", &url)])).await?;
        let trigger = json!({"pollingInterval": 5, "triggers": [rabbitmq("bad-input-neighbour")]});
        user.apply(&scaled_object("neighbour", trigger)).await?;
        user.wait_ready("neighbour").await?;
        user.apply(&json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
            "metadata": {"name": "points-to-nothing"},
            "spec": {"secretTargetRef": [{"parameter": "host", "name": "no-such-secret", "key": "url"}]},
        }))
        .await?;

        let mistakes = mistakes(world);
        for mistake in &mistakes {
            let mut target = deployment(mistake.name, 2, &[("RABBITMQ_URL", &url)]);
            let from_secret = json!({"secretKeyRef": {"name": "no-such-secret", "key": "url"}});
            let env = &mut target["spec"]["template"]["spec"]["containers"][0]["env"];
            if let Some(env) = env.as_array_mut() {
                env.push(json!({"name": "FROM_SECRET", "valueFrom": from_secret}));
            }
            user.apply(&target).await?;
            user.apply(&scaled_object(mistake.name, mistake.spec.clone())).await?;
        }
        let failures: Vec<String> = join_all(mistakes.iter().map(|mistake| named_everywhere(&user, mistake)))
            .await
            .into_iter()
            .filter_map(|result| result.err().map(|error| format!("{error:#}")))
            .collect();
        if !failures.is_empty() {
            bail!("{} of {} mistakes:\n\n{}", failures.len(), mistakes.len(), failures.join("\n\n"));
        }

        user.wait_ready("neighbour").await?;
        world.rabbit.publish("bad-input-neighbour", 1).await?;
        user.wait_replicas("neighbour", "1", secs(5), |replicas| replicas == 1).await?;
        Ok(())
    })
}

async fn named_everywhere(user: &Sandbox, mistake: &Mistake) -> Result<()> {
    let Mistake { name, says, .. } = mistake;
    let ready = user.wait_condition(name, "Ready", "False").await?;
    for text in *says {
        ensure!(ready.message.contains(text), "Ready of {name} does not say {text:?}: {ready:?}");
    }
    let what = format!("a Warning about {name} that says {says:?}");
    let event = ebb_tests::wait::until(&what, secs(15), async || {
        let events = user.events(name).await?;
        let fits = |event: &&ebb_tests::sandbox::Event| {
            event.kind == "Warning" && says.iter().all(|text| event.message.contains(text))
        };
        let found = events.iter().find(fits).cloned();
        found.ok_or_else(|| anyhow::anyhow!("{events:?}"))
    })
    .await?;
    ensure!(REASONS.contains(&event.reason.as_str()), "{name}: {event:?}");
    ensure!(!format!("{ready:?}{event:?}").contains(WRONG_PASSWORD), "a password is shown: {ready:?} {event:?}");
    if *name != "missing-target" {
        ensure!(user.replicas(name).await? == 2, "the target of {name} was scaled");
    }
    Ok(())
}
