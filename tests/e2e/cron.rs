//! Windows of time: on a real cluster at their very edges, and as `ebb cron` shows them.

use std::fs;
use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, scaled_object};
use ebb_tests::world::Outcome;
use ebb_tests::{ebb, paths};
use serde_json::{Value, json};

use crate::story;

/// A whole minute that is at least 20 seconds away, so that everything is in place before it.
fn a_minute_to_come() -> Result<DateTime<Utc>> {
    Ok((Utc::now() + TimeDelta::seconds(20)).duration_trunc(TimeDelta::minutes(1))? + TimeDelta::minutes(1))
}

/// A window that opens and closes once a day, at these instants of today.
fn window(start: DateTime<Utc>, end: DateTime<Utc>, replicas: &str) -> Value {
    let daily = |instant: DateTime<Utc>| instant.format("%-M %-H * * *").to_string();
    let mut trigger = cron(&daily(start), &daily(end), replicas);
    trigger["metadata"]["timezone"] = json!("UTC");
    trigger
}

/// The instant of a time of the clock.
fn instant(at: DateTime<Utc>) -> Instant {
    let (now, present) = (Instant::now(), Utc::now());
    now + (at - present).to_std().unwrap_or_default()
}

#[test]
fn windows_open_and_close_within_a_second_of_their_edges() -> Outcome {
    story(async |world| {
        let user = world.sandbox("cron-edges").await?;
        let edge = a_minute_to_come()?;
        let hours = TimeDelta::hours;
        let apps = [
            ("opens", 0, json!([window(edge, edge + hours(2), "3")])),
            ("closes", 1, json!([window(edge - hours(2), edge, "3")])),
            // The window of three closes, the one of two goes on: never less than two.
            ("goes-on", 1, json!([window(edge - hours(2), edge, "3"), window(edge - hours(1), edge + hours(2), "2")])),
        ];
        let mut watches = Vec::new();
        for (name, replicas, triggers) in apps {
            user.apply(&deployment(name, replicas, &[])).await?;
            // The longest interval: only the edge itself can wake the loop.
            let spec = json!({"pollingInterval": 300, "cooldownPeriod": 0, "triggers": triggers});
            user.apply(&scaled_object(name, spec)).await?;
            watches.push(user.watch_replicas(name).await?);
        }
        let [opens, closes, goes_on] = &watches[..] else { unreachable!("three watches") };
        for name in ["opens", "closes", "goes-on"] {
            user.wait_ready(name).await?;
        }
        ensure!(Utc::now() + TimeDelta::seconds(2) < edge, "the stage was set too late");
        ensure!(opens.now() == 0, "{}", opens.story());

        let text = world.ebb.metrics().await?;
        for name in ["opens", "closes", "goes-on"] {
            let line = text
                .lines()
                .filter(|line| line.starts_with("ebb_trigger_next_change_timestamp_seconds{"))
                .filter(|line| line.contains("namespace=\"cron-edges\"") && line.contains("triggerIndex=\"0\""))
                .find(|line| line.contains(&format!("scaledObject=\"{name}\"")))
                .with_context(|| format!("no next change of {name}"))?;
            ensure!(line.ends_with(&format!(" {}", edge.timestamp())), "{edge}: {line}");
        }

        let at = instant(edge);
        tokio::time::sleep_until(at.into()).await;
        let opened = opens.wait_since(at, "1 or more", secs(5), |replicas| replicas >= 1).await?;
        let at_rest = closes.wait_since(at, "0", secs(5), |replicas| replicas == 0).await?;
        for (change, watch) in [(opened, opens), (at_rest, closes)] {
            let late = change.at.saturating_duration_since(at);
            ensure!(late <= secs(1), "{late:?} after the edge: {}", watch.story());
        }
        opens.wait_since(at, "3", secs(30), |replicas| replicas == 3).await?;
        goes_on.wait_since(at, "2", secs(40), |replicas| replicas == 2).await?;
        ensure!(goes_on.history().iter().any(|change| change.at < at && change.replicas == 3), "{}", goes_on.story());
        goes_on.never_since(at, "below the other window's", |replicas| replicas < 2)?;

        user.kubectl.run(&["delete", "so", "--all", "--timeout=20s"]).await?;
        wait::until("the series of what is gone to go too", secs(10), async || {
            let text = world.ebb.metrics().await?;
            let mut left =
                text.lines().filter(|line| line.contains("scaledObject=") && line.contains("\"cron-edges\""));
            ensure!(left.next().is_none(), "they are there");
            Ok(())
        })
        .await
    })
}

/// Runs `ebb cron`.
fn ebb_cron(arguments: &[&str], input: &[u8]) -> Result<Output> {
    ebb::command(&[&["cron"], arguments].concat(), input)
}

#[test]
fn a_batch_answers_the_whole_table_of_windows_at_once() -> Result<()> {
    let table = fs::read_to_string(paths::root().join("scalers/tests/data/cron-windows.tsv"))?;
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split('\t').collect()).collect();
    ensure!(rows.len() == 1_500 && rows.iter().all(|row| row.len() == 7), "the table is not whole");
    let questions: String = rows.iter().map(|row| row[..4].join("\t") + "\n").collect();
    let begin = Instant::now();
    let output = ebb_cron(&["--batch"], questions.as_bytes())?;
    let took = begin.elapsed();
    ensure!(output.status.success(), "{output:?}");
    let answers = String::from_utf8(output.stdout)?;
    ensure!(answers.lines().count() == rows.len(), "{} answers", answers.lines().count());
    for (row, answer) in rows.iter().zip(answers.lines()) {
        ensure!(row[4..].join("\t") == answer, "{row:?}: {answer}");
    }
    ensure!(took < Duration::from_secs(1), "1,500 lines took {took:?}");
    Ok(())
}

#[test]
fn rare_schedules_are_answered_as_quickly() -> Result<()> {
    let question = |start: &str, end: &str| format!("Europe/London\t{start}\t{end}\t2026-03-29T00:30:00Z\n");
    let rare = [
        question("0 0 29 2 *", "0 0 31 * *"),
        question("0 0 30 2 *", "0 0 31 2 *"),
        question("* * 29 2 1", "* * 31 2,4,6,9,11 *"),
        question("0 , * * *", "0 0 1 1 *"),
    ];
    let begin = Instant::now();
    let output = ebb_cron(&["--batch"], rare.concat().repeat(250).as_bytes())?;
    let took = begin.elapsed();
    ensure!(String::from_utf8(output.stdout)?.lines().count() == 1_000, "an answer is missing");
    ensure!(took < Duration::from_secs(1), "1,000 lines took {took:?}");
    Ok(())
}

#[test]
fn exit_codes_tell_usage_from_mistakes_and_a_closed_pipe_is_neither() -> Result<()> {
    let window = |start| ["--timezone", "Europe/London", "--start", start, "--end", "0 18 * * 1-5"];
    let code = |arguments: &[&str]| Ok::<_, anyhow::Error>(ebb_cron(arguments, b"")?.status.code());
    ensure!(code(&window("0 8 * * 1-5"))? == Some(0), "a window");
    ensure!(code(&["--batch"])? == Some(0), "an empty batch");
    ensure!(code(&[])? == Some(2), "no window");
    ensure!(code(&["--batch", "--timezone", "UTC"])? == Some(2), "two questions in one");
    ensure!(code(&[&window("0 8 * * 1-5")[..], &["--at", "noon"]].concat())? == Some(2), "no instant");

    let wrong = ebb_cron(&window("0 8 * *"), b"")?;
    let text = String::from_utf8(wrong.stderr)?;
    ensure!(wrong.status.code() == Some(1), "{:?}", wrong.status);
    ensure!(text.contains("error parsing start schedule: expected exactly 5 fields, found 4: [0 8 * *]"), "{text}");
    ensure!(text.contains("start has five fields"), "{text}");

    // More edges than a pipe holds. Only the first is read.
    let mut child = Command::new(paths::bin("ebb")?)
        .arg("cron")
        .args(window("0 8 * * 1-5"))
        .args(["-n", "100000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut first = [0];
    child.stdout.take().context("no standard output")?.read_exact(&mut first)?;
    let ended = child.wait_with_output()?;
    ensure!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    Ok(())
}
