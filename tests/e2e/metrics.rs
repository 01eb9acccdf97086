//! `/metrics`, `/healthz` and `/readyz`.

use anyhow::{Context, Result, ensure};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

#[test]
fn kedas_series_are_there_with_kedas_labels() -> Outcome {
    story(async |world| {
        let name = "metrics";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 3).await?;
        let env = [("RABBITMQ_URL", world.rabbit.url())];
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        user.apply(&deployment("my-app", 0, &env)).await?;
        user.apply(&deployment("broken", 0, &env)).await?;
        user.apply(&scaled_object("my-app", json!({"pollingInterval": 1, "triggers": [rabbitmq(name)]}))).await?;
        let broken = json!({"pollingInterval": 1, "triggers": [rabbitmq("metrics-no-such-queue")]});
        user.apply(&scaled_object("broken", broken)).await?;
        user.wait_ready("my-app").await?;

        let trigger = |so: &str, queue: &str| {
            vec![
                r#"namespace="metrics""#.to_owned(),
                format!(r#"scaledObject="{so}""#),
                format!(r#"metric="s0-rabbitmq-{queue}""#),
                r#"scaler="rabbitMQScaler""#.to_owned(),
                r#"triggerIndex="0""#.to_owned(),
                r#"type="scaledobject""#.to_owned(),
            ]
        };
        let good = trigger("my-app", name);
        let bad = trigger("broken", "metrics-no-such-queue");
        let object = |so: &str| vec![r#"namespace="metrics""#.to_owned(), format!(r#"scaledObject="{so}""#)];
        wait::until("the series of both ScaledObjects", secs(30), async || {
            let text = world.ebb.metrics().await?;
            let value = |series: &str, labels: &[String]| sample(&text, series, labels);
            let is = |series: &str, labels: &[String], wanted: f64| {
                let value = value(series, labels)?;
                ensure!((value - wanted).abs() < 1e-9, "{series} is {value}");
                Ok(())
            };
            is("keda_scaler_metrics_value", &good, 3.0)?;
            is("keda_scaler_active", &good, 1.0)?;
            ensure!(value("keda_scaler_metrics_latency_seconds", &good)? < 5.0, "a slow broker");
            ensure!(value("keda_scaler_detail_errors_total", &bad)? >= 1.0, "no errors counted");
            ensure!(value("keda_scaled_object_errors_total", &object("broken"))? >= 1.0, "no errors counted");
            is("keda_scaled_object_paused", &object("my-app"), 0.0)?;
            ensure!(value("keda_trigger_registered_total", &[r#"type="rabbitmq""#.to_owned()])? >= 2.0, "triggers");
            let registered = [r#"namespace="metrics""#.to_owned(), r#"type="scaled_object""#.to_owned()];
            is("keda_resource_registered_total", &registered, 2.0)?;
            let resource = [r#"namespace="metrics""#.to_owned(), r#"resource="my-app""#.to_owned()];
            value("keda_internal_scale_loop_latency_seconds", &resource)?;
            is("keda_build_info", &[], 1.0)
        })
        .await?;

        user.kubectl.run(&["delete", "so", "--all", "--timeout=20s"]).await?;
        wait::until("the series of what is gone to go too", secs(10), async || {
            let text = world.ebb.metrics().await?;
            let left: Vec<&str> = text.lines().filter(|line| line.contains(r#"scaledObject="my-app""#)).collect();
            let left: Vec<&&str> = left.iter().filter(|line| line.contains(r#"namespace="metrics""#)).collect();
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await
    })
}

/// The value of the one sample with this name and all of these labels.
fn sample(text: &str, name: &str, labels: &[String]) -> Result<f64> {
    let line = text
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name))
        .find(|line| labels.iter().all(|label| line.contains(label.as_str())))
        .with_context(|| format!("no {name} with {labels:?}"))?;
    let value = line.rsplit(' ').next().context("no value")?;
    value.parse().with_context(|| line.to_owned())
}

#[test]
fn it_is_healthy_and_ready() -> Outcome {
    story(async |world| {
        for page in ["healthz", "readyz"] {
            let (status, text) = world.ebb.health(page).await?;
            ensure!(status == 200, "{page}: {status} {text}");
        }
        Ok(())
    })
}
