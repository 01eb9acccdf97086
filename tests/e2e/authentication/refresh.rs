//! A changed Secret, ConfigMap, TriggerAuthentication or file takes effect within two seconds, for its users alone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{CLUSTER, OWN, authentication, config_map, counts, ebbs_own, secret, trigger};
use crate::story;

/// The promised time.
const SOON: Duration = secs(2);

/// One way from a ScaledObject to its broker's URL.
#[derive(Clone, Copy, Debug)]
enum Way {
    Secret,
    ConfigMap,
    OwnSecretOfCluster,
    EnvFromSecret,
    EnvFromConfigMap,
    OtherSecret,
    OtherClusterSecret,
    File,
}

const WAYS: [(&str, Way); 8] = [
    ("auth-new-secret", Way::Secret),
    ("auth-new-config-map", Way::ConfigMap),
    ("auth-new-cluster-secret", Way::OwnSecretOfCluster),
    ("auth-new-env-secret", Way::EnvFromSecret),
    ("auth-new-env-config-map", Way::EnvFromConfigMap),
    ("auth-new-reference", Way::OtherSecret),
    ("auth-new-cluster-reference", Way::OtherClusterSecret),
    ("auth-new-file", Way::File),
];

impl Way {
    /// Makes the URL the one that is to be used.
    async fn set(self, world: &World, user: &Sandbox, name: &str, url: &str) -> Result<()> {
        let data = json!({"url": url});
        match self {
            Self::Secret | Self::EnvFromSecret => user.apply(&secret(name, &data)).await.map(drop),
            Self::ConfigMap | Self::EnvFromConfigMap => user.apply(&config_map(name, &data)).await.map(drop),
            Self::OwnSecretOfCluster => ebbs_own(world).apply(&secret(name, &data)).await.map(drop),
            Self::OtherSecret | Self::OtherClusterSecret => {
                let cluster = matches!(self, Self::OtherClusterSecret);
                let place = if cluster { ebbs_own(world) } else { user.clone() };
                let other = format!("{name}-{}", if url.contains("-old:") { "old" } else { "new" });
                place.apply(&secret(&other, &data)).await?;
                let kind = if cluster { CLUSTER } else { OWN };
                user.apply(&authentication(kind, name, &json!({"secretTargetRef": from(&other)}))).await.map(drop)
            }
            Self::File => {
                // As a mounted Secret changes: the new file takes the old one's place at once.
                let (path, fresh) = (world.ebb.files.join(name), world.ebb.files.join(format!("{name}.new")));
                std::fs::write(&fresh, json!({"host": url}).to_string())?;
                Ok(std::fs::rename(fresh, path)?)
            }
        }
    }

    /// Makes the parts that stay as they are: the authentication and the Deployment. Gives the trigger.
    async fn prepare(self, user: &Sandbox, name: &str) -> Result<Value> {
        let mut target = deployment(name, 0, &[]);
        let container = &mut target["spec"]["template"]["spec"]["containers"][0];
        let spec = match self {
            Self::EnvFromSecret => {
                let reference = json!({"secretKeyRef": {"name": name, "key": "url"}});
                container["env"] = json!([{"name": "URL", "valueFrom": reference}]);
                None
            }
            Self::EnvFromConfigMap => {
                container["envFrom"] = json!([{"prefix": "MY_", "configMapRef": {"name": name}}]);
                None
            }
            Self::Secret => Some((OWN, json!({"secretTargetRef": from(name)}))),
            Self::ConfigMap => Some((OWN, json!({"configMapTargetRef": from(name)}))),
            Self::OwnSecretOfCluster => Some((CLUSTER, json!({"secretTargetRef": from(name)}))),
            Self::File => Some((CLUSTER, json!({"filePath": name}))),
            Self::OtherSecret => return self.with_target(user, name, &target, OWN).await,
            Self::OtherClusterSecret => return self.with_target(user, name, &target, CLUSTER).await,
        };
        let Some((kind, spec)) = spec else {
            user.apply(&target).await?;
            let variable = if matches!(self, Self::EnvFromSecret) { "URL" } else { "MY_url" };
            return Ok(trigger(name, json!({"hostFromEnv": variable}), &Value::Null));
        };
        user.apply(&authentication(kind, name, &spec)).await?;
        self.with_target(user, name, &target, kind).await
    }

    async fn with_target(self, user: &Sandbox, name: &str, target: &Value, kind: &str) -> Result<Value> {
        user.apply(target).await?;
        Ok(trigger(name, json!({}), &json!({"kind": kind, "name": name})))
    }
}

fn from(name: &str) -> Value {
    json!([{"parameter": "host", "name": name, "key": "url"}])
}

/// Two users of the broker: one that goes and one that comes.
async fn url(world: &World, name: &str, which: &str) -> Result<String> {
    let user = format!("{name}-{which}");
    world.rabbit.add_user(&user, "secret").await?;
    Ok(world.rabbit.url_of(&user, "secret"))
}

/// How often the triggers of a ScaledObject were built.
fn built(world: &World, user: &Sandbox, name: &str) -> Result<usize> {
    let object = format!("scaled_object={}/{name} ", user.name);
    let log = std::fs::read_to_string(&world.ebb.log)?;
    Ok(log.lines().filter(|line| line.contains("built the triggers") && line.contains(&object)).count())
}

/// Readings of a ScaledObject that failed.
async fn failures(world: &World, user: &Sandbox, name: &str) -> Result<f64> {
    let labels = [format!("namespace=\"{}\"", user.name), format!("scaledObject=\"{name}\"")];
    let metrics = world.ebb.metrics().await?;
    let line = metrics
        .lines()
        .filter(|line| line.starts_with("keda_scaler_detail_errors_total{"))
        .find(|line| labels.iter().all(|label| line.contains(label)))
        .with_context(|| format!("no series of {name}"))?;
    Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
}

#[test]
fn a_change_takes_effect_in_two_seconds_before_the_old_value_is_revoked() -> Outcome {
    story(async |world| {
        let user = world.sandbox("auth-new").await?;
        try_join_all(WAYS.map(async |(name, way)| {
            world.rabbit.declare(name).await?;
            world.rabbit.publish(name, 1).await?;
            let trigger = way.prepare(&user, name).await?;
            way.set(world, &user, name, &url(world, name, "old").await?).await?;
            let spec = json!({"pollingInterval": 1, "triggers": [trigger]});
            user.apply(&scaled_object(name, spec)).await?;
            user.wait_ready(name).await?;
            counts(&user, name, name, 1.0).await
        }))
        .await?;
        // A neighbour that uses none of the changed objects.
        let neighbour = "auth-new-neighbour";
        Way::Secret.set(world, &user, neighbour, &world.rabbit.url()).await?;
        let trigger = Way::Secret.prepare(&user, neighbour).await?;
        world.rabbit.declare(neighbour).await?;
        user.apply(&scaled_object(neighbour, json!({"triggers": [trigger]}))).await?;
        user.wait_ready(neighbour).await?;
        let before = built(world, &user, neighbour)?;
        ensure!(before >= 1, "the log does not say what is built");

        for (name, way) in WAYS {
            let failed = failures(world, &user, name).await?;
            let built_before = built(world, &user, name)?;
            let fresh = url(world, name, "new").await?;
            way.set(world, &user, name, &fresh).await?;
            let begun = Instant::now();
            // The old user stays valid for the promised time, and not a moment longer.
            tokio::time::sleep_until((begun + SOON).into()).await;
            world.rabbit.remove_user(&format!("{name}-old")).await?;
            world.rabbit.publish(name, 1).await?;
            counts(&user, name, name, 2.0).await.with_context(|| format!("{way:?}"))?;
            // A second look, in which an interrupted connection would show.
            tokio::time::sleep(secs(1)).await;
            counts(&user, name, name, 2.0).await.with_context(|| format!("{way:?}"))?;
            let failed = failures(world, &user, name).await? - failed;
            ensure!(failed < 0.5, "{way:?}: {failed} readings failed, so the old value was used for too long");
            let built = built(world, &user, name)? - built_before;
            ensure!(built == 1, "{way:?}: the triggers were built {built} times");
        }
        ensure!(built(world, &user, neighbour)? == before, "the neighbour was built again");
        Ok(())
    })
}

#[test]
fn a_revoked_password_is_replaced_within_two_seconds_of_the_new_one() -> Outcome {
    story(async |world| {
        let (name, way) = ("auth-revoked", Way::Secret);
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        let trigger = way.prepare(&user, name).await?;
        way.set(world, &user, name, &url(world, name, "old").await?).await?;
        // It is asked at each poll only: nothing but the change of the Secret makes it look sooner.
        user.apply(&scaled_object(name, json!({"triggers": [trigger]}))).await?;
        user.wait_ready(name).await?;
        counts(&user, name, name, 0.0).await?;

        world.rabbit.remove_user("auth-revoked-old").await?;
        user.wait_condition(name, "Ready", "False").await?;
        let fresh = url(world, name, "new").await?;
        world.rabbit.publish(name, 3).await?;
        way.set(world, &user, name, &fresh).await?;
        let begun = Instant::now();
        counts(&user, name, name, 3.0).await?;
        let took = begun.elapsed();
        println!("a new password took effect after {took:.2?}");
        ensure!(took < SOON, "a new password took effect only after {took:.2?}");
        user.wait_ready(name).await
    })
}

#[test]
fn a_secret_that_comes_later_is_noticed_at_once() -> Outcome {
    story(async |world| {
        let (name, way) = ("auth-later", Way::Secret);
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 1).await?;
        let trigger = way.prepare(&user, name).await?;
        user.apply(&scaled_object(name, json!({"triggers": [trigger]}))).await?;
        let ready = user.wait_condition(name, "Ready", "False").await?;
        ensure!(ready.message.contains("Secret auth-later/auth-later not found"), "{ready:?}");
        // Long enough for the pauses between checks to have grown longer than the measured time.
        tokio::time::sleep(secs(8)).await;

        way.set(world, &user, name, &world.rabbit.url()).await?;
        let begun = Instant::now();
        wait::until("the first reading", secs(10), async || {
            let value = user.metric(name, &format!("s0-rabbitmq-{name}")).await?;
            ensure!((value - 1.0).abs() < 1e-9, "it is {value}");
            Ok(())
        })
        .await?;
        let took = begun.elapsed();
        println!("a Secret that came later took effect after {took:.2?}");
        ensure!(took < SOON, "only after {took:.2?}");
        Ok(())
    })
}
