//! The order of the measurements of one contender.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use ebb_tests::audit;
use ebb_tests::wait::{self, secs};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::contender::{Contender, Role};
use crate::figures::{Figures, Unit};
use crate::lister;
use crate::percentile::percentile;
use crate::proxy::Traffic;
use crate::queries::{Way, questions};
use crate::requests::{Span, by_verb_and_code, last_write};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::usage::{self, Usage};
use crate::wake;
use crate::workloads::{AT_ONCE, FAST, SLOW};

/// How long nothing is done before something is measured at rest.
const SETTLE: Duration = secs(5);
/// How long nothing must have been written before a contender counts as at rest, and how long that may take to come.
const QUIET: Duration = secs(10);
const QUIET_LIMIT: Duration = secs(600);
/// How long rest, and activity, are measured.
const SPAN: Duration = secs(30);
/// How long after a lister it is seen what remains.
const AFTERMATH: Duration = secs(60);
/// How long questions are asked each time.
const ASKING: Duration = secs(5);
/// How many clients ask.
const CLIENTS: [usize; 3] = [1, 16, 64];
/// How long a contender may take to serve everything again.
const RESTART: Duration = secs(300);

const TIME: &str = "time";
const MEMORY: &str = "resident memory";
const CPU: &str = "CPU, of one processor";
const BROKERS: &str = "brokers";
const API: &str = "API server";
const LISTER: &str = "while somebody lists all ScaledObjects twice a second";
const AGGREGATED: &str = "external metrics, through the aggregator";
const DIRECT: &str = "external metrics, directly";

/// The outcome of a contender: its figures, and the measurements that failed, with the reason.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) figures: Figures,
    pub(crate) failures: Vec<String>,
}

/// The measurements, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Ready,
    Rest,
    Lister,
    Queries,
    Wake,
    Active,
    Restart,
    End,
}

impl Step {
    const ALL: [Self; 9] = [
        Self::Start,
        Self::Ready,
        Self::Rest,
        Self::Lister,
        Self::Queries,
        Self::Wake,
        Self::Active,
        Self::Restart,
        Self::End,
    ];

    fn describe(self) -> &'static str {
        match self {
            Self::Start => "it starts",
            Self::Ready => "all ScaledObjects become Ready",
            Self::Rest => "nothing happens",
            Self::Lister => "somebody lists all ScaledObjects twice a second",
            Self::Queries => "external metrics are asked for",
            Self::Wake => "workloads are woken one by one",
            Self::Active => "workloads are active",
            Self::Restart => "it is killed and starts again",
            Self::End => "it ends",
        }
    }
}

/// Measures one contender on servers of its own. A failed step is noted, and the rest is measured all the same.
pub(crate) async fn measure(settings: &Settings, role: Role, command: &str) -> Result<Outcome> {
    let limit = settings.limit();
    let measured = timeout(limit, measure_all(settings, role, command)).await;
    measured.with_context(|| format!("{} was not measured within {limit:?}", role.name()))?
}

async fn measure_all(settings: &Settings, role: Role, command: &str) -> Result<Outcome> {
    let begin = Instant::now();
    let say = |what: &str| eprintln!("[{} {:5.1} s] {what}", role.name(), begin.elapsed().as_secs_f64());
    say("the control plane and the brokers start on 127.0.0.1");
    let stage = Stage::set(settings, role).await?;
    let contender = Contender::install(&stage.bed, role, command).await?;
    say(&format!("{} Deployments are made", settings.count));
    stage.fill().await?;
    // After the stage, so that it ends before the servers do.
    let mut run = Run { settings, stage: &stage, contender, figures: Figures::default(), spans: Vec::new() };
    let mut failures = Vec::new();
    for step in Step::ALL {
        say(step.describe());
        if let Err(error) = run.step(step).await {
            say(&format!("failed: {error:#}"));
            failures.push(format!("{}: {}: {error:#}", role.name(), step.describe()));
        }
        if let Err(ended) = run.contender.check() {
            say(&format!("{ended:#}"));
            failures.push(format!("{}: {ended:#}", role.name()));
            break;
        }
    }
    say("done");
    Ok(Outcome { figures: run.figures, failures })
}

/// A running contender, with its measurements so far.
struct Run<'a> {
    settings: &'a Settings,
    stage: &'a Stage,
    figures: Figures,
    /// The spans to look up in the audit log: a name, a time, and whether requests are counted for each second.
    spans: Vec<(&'static str, Span, Option<Duration>)>,
    contender: Contender,
}

/// The state at the beginning of a measurement.
struct Before {
    at: Instant,
    time: DateTime<Utc>,
    usage: Usage,
    traffic: Vec<(&'static str, Traffic)>,
}

impl Run<'_> {
    async fn start(&mut self) -> Result<()> {
        let begin = Instant::now();
        self.contender.launch()?;
        self.contender.wait_served(&self.stage.bed).await?;
        self.figures.seconds(TIME, "start to an available APIService", begin.elapsed());
        sleep(SETTLE).await;
        self.figures.memory(MEMORY, "before, without ScaledObjects", self.contender.usage()?.resident_kb);
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Start => self.start().await,
            Step::Ready => self.ready().await,
            Step::Rest => self.rest().await,
            Step::Lister => match self.settings.lister {
                Some(span) => self.lister(span).await,
                None => Ok(()),
            },
            Step::Queries => self.queries().await,
            Step::Wake => self.wake().await,
            Step::Active => self.active().await,
            Step::Restart => self.restart().await,
            Step::End => self.end().await,
        }
    }

    fn before(&self) -> Result<Before> {
        let traffic = self.stage.traffic();
        Ok(Before { at: Instant::now(), time: Utc::now(), usage: self.contender.usage()?, traffic })
    }

    /// Notes the CPU, and in the audit log what is to be counted, since then.
    fn note(&mut self, before: &Before, what: &'static str, each_second: bool) -> Result<()> {
        let (span, now) = (before.at.elapsed(), self.contender.usage()?);
        self.figures.add(CPU, what, Unit::Percent, usage::percent(before.usage, now, span));
        let requests = Span { from: before.time, to: Utc::now() };
        self.spans.push((what, requests, each_second.then_some(span)));
        for ((broker, before), (_, now)) in before.traffic.iter().zip(self.stage.traffic()) {
            let (name, requests) = (format!("requests to {broker}, {what}"), now.requests - before.requests);
            if each_second {
                self.figures.rate(BROKERS, name, requests, span);
            } else {
                self.figures.count(BROKERS, name, requests);
            }
        }
        Ok(())
    }

    async fn ready(&mut self) -> Result<()> {
        let workloads = &self.stage.workloads;
        let objects: Vec<_> = workloads.iter().map(|one| one.scaled_object(&self.stage.addresses)).collect();
        let before = self.before()?;
        self.create(&objects).await?;
        let applied = Instant::now();
        self.figures.seconds(TIME, "all ScaledObjects applied", applied - before.at);
        self.stage.user.wait_all_ready(objects.len(), self.settings.ready_limit()).await?;
        self.figures.seconds(TIME, "all ScaledObjects Ready", before.at.elapsed());
        self.figures.seconds(TIME, "all Ready after the last creation", applied.elapsed());
        self.note(&before, "until all Ready", false)
    }

    /// Creates the objects, evenly over the time that the settings give.
    async fn create(&self, objects: &[Value]) -> Result<()> {
        let Some(over) = self.settings.over else { return self.stage.user.apply_all(objects).await };
        let chunks = objects.chunks(AT_ONCE);
        let pause = over / u32::try_from(chunks.len()).unwrap_or(u32::MAX).max(1);
        let mut beat = tokio::time::interval(pause);
        for chunk in chunks {
            beat.tick().await;
            self.stage.user.apply_all(chunk).await?;
        }
        Ok(())
    }

    /// Waits until it has written nothing for a while: what nobody waits for, such as events, comes after all
    /// are Ready.
    async fn quiet(&self) -> Result<DateTime<Utc>> {
        let user = self.contender.role.user();
        wait::until("it to write nothing more", QUIET_LIMIT, async || {
            sleep(SETTLE).await;
            let written =
                last_write(&audit::requests(&self.stage.bed.dir)?, &user).context("it has written nothing")?;
            ensure!(Utc::now() - written > chrono::Duration::from_std(QUIET)?, "the last write was at {written}");
            Ok(written)
        })
        .await
    }

    async fn rest(&mut self) -> Result<()> {
        let written = self.quiet().await?;
        let (_, ready, _) = self.spans.first().context("not all became Ready")?;
        let took = (written - ready.from).to_std().unwrap_or_default();
        self.figures.seconds(TIME, "the last write that follows from it", took);
        let before = self.before()?;
        sleep(SPAN).await;
        self.note(&before, "at rest", true)?;
        self.figures.memory(MEMORY, "at rest", self.contender.usage()?.resident_kb);
        for (broker, traffic) in self.stage.traffic() {
            self.figures.count(BROKERS, format!("connections to {broker}, open at rest"), traffic.open);
            self.figures.count(BROKERS, format!("connections to {broker}, opened until then"), traffic.opened);
        }
        Ok(())
    }

    /// Measures the cost of a client that lists more than the API server can keep up with.
    async fn lister(&mut self, span: Duration) -> Result<()> {
        let (before, log) = (self.before()?, self.contender.log_lines()?);
        let lists = lister::list_for(&self.stage.bed.client, span).await?;
        let (time, now) = (Span { from: before.time, to: Utc::now() }, self.contender.usage()?);
        let share = usage::percent(before.usage, now, before.at.elapsed());
        let lines = self.contender.log_lines()? - log;
        sleep(AFTERMATH).await;
        let user = self.contender.role.user();
        let (written, unready) = lister::statuses_written(&audit::requests(&self.stage.bed.dir)?, &user, time);
        let (later, figures) = (self.contender.usage()?, &mut self.figures);
        for (name, count) in [
            ("lists answered", lists.answered),
            ("lists failed or left out", lists.failed),
            ("statuses written", written),
            ("statuses written that say that a ScaledObject is not Ready", unready),
            ("lines in the log", lines),
        ] {
            figures.count(LISTER, name, count);
        }
        figures.add(LISTER, "CPU", Unit::Percent, share);
        figures.memory(LISTER, "resident memory before", before.usage.resident_kb);
        figures.memory(LISTER, "resident memory at its end", now.resident_kb);
        figures.memory(LISTER, "resident memory a minute later", later.resident_kb);
        Ok(())
    }

    async fn queries(&mut self) -> Result<()> {
        let paths = questions(&self.stage.user, "").await?;
        let (aggregated, direct) =
            (Way::aggregated(self.stage).await?, Way::direct(self.stage, &self.contender).await?);
        for (section, way) in [(AGGREGATED, aggregated), (DIRECT, direct)] {
            for clients in CLIENTS {
                let before = self.before()?;
                let mut answers = way.drive(&paths, clients, ASKING).await?;
                let share = usage::percent(before.usage, self.contender.usage()?, before.at.elapsed());
                let traffic = self.stage.traffic();
                let plural = if clients == 1 { "" } else { "s" };
                let of = |what: &str| format!("{clients} client{plural}: {what}");
                self.figures.rate(section, of("answers"), answers.good(), answers.span);
                for percent in [50, 99] {
                    if let Some(took) = answers.percentile(percent) {
                        self.figures.milliseconds(section, of(&format!("p{percent}")), took);
                    }
                }
                self.figures.count(section, of("errors"), answers.errors);
                self.figures.add(section, of("CPU"), Unit::Percent, share);
                for ((broker, before), (_, now)) in before.traffic.iter().zip(traffic) {
                    let requests = now.requests - before.requests;
                    self.figures.rate(section, of(&format!("requests to {broker}")), requests, answers.span);
                }
            }
        }
        Ok(())
    }

    async fn wake(&mut self) -> Result<()> {
        let sample = self.settings.sample();
        let (fast, others) = self.stage.workloads.split_at(sample);
        for (workloads, interval) in [(fast, FAST), (&others[..sample], SLOW)] {
            // Over one interval, so that it does not matter where in the interval a message comes.
            let apart = secs(interval.into()) / u32::try_from(sample)?;
            let mut took = wake::one_by_one(self.stage, workloads, apart).await?;
            for (name, percent) in [("median", 50), ("max", 100)] {
                let name = format!("0 to 1 at pollingInterval {interval}, {name} of {sample}");
                if let Some(took) = percentile(&mut took, percent) {
                    self.figures.seconds(TIME, name, took);
                }
            }
        }
        Ok(())
    }

    async fn active(&mut self) -> Result<()> {
        let (woken, active) = (2 * self.settings.sample(), self.settings.active());
        let took = wake::at_once(self.stage, &self.stage.workloads[woken..active], active).await?;
        self.figures.seconds(TIME, format!("0 to 1, {} at once", active - woken), took);
        sleep(SETTLE).await;
        let before = self.before()?;
        sleep(SPAN).await;
        self.note(&before, "while active", true)?;
        let usage = self.contender.usage()?;
        self.figures.memory(MEMORY, "at the peak", usage.peak_kb);
        self.figures.memory(MEMORY, "after all of it", usage.resident_kb);
        Ok(())
    }

    async fn restart(&mut self) -> Result<()> {
        // The metric of a cron trigger has another name once its window is another: it is woken, and not asked for.
        let last = self.stage.workloads.last().context("there is no workload")?;
        let paths = questions(&self.stage.user, &last.name).await?;
        let (aggregated, direct) =
            (Way::aggregated(self.stage).await?, Way::direct(self.stage, &self.contender).await?);
        self.contender.kill()?;
        let begin = Instant::now();
        self.contender.launch()?;
        let answered = async |way: &Way, paths: &Arc<[String]>| {
            way.all_answered(paths, CLIENTS[1], RESTART).await.map(|()| Instant::now())
        };
        let (woken, through, past) = tokio::try_join!(
            wake::whenever(self.stage, last, RESTART),
            answered(&aggregated, &paths),
            answered(&direct, &paths),
        )?;
        let full = woken.max(through).max(past);
        for (name, at) in [
            ("all external metrics answered directly", past),
            ("all external metrics answered through the aggregator", through),
            ("a new message scales 0 to 1", woken),
            ("full service, the last of these", full),
        ] {
            self.figures.seconds(TIME, format!("restart to: {name}"), at - begin);
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        self.count_requests()?;
        self.contender.stop().await
    }

    /// Counts the requests of the API server in each of the spans.
    fn count_requests(&mut self) -> Result<()> {
        let (requests, user) = (audit::requests(&self.stage.bed.dir)?, self.contender.role.user());
        for (what, span, each_second) in &self.spans {
            let counts = by_verb_and_code(&requests, &user, *span);
            let all = counts.values().sum();
            match each_second {
                None => {
                    self.figures.count(API, format!("requests {what}"), all);
                    for (verb, count) in counts {
                        self.figures.count(API, format!("requests {what}: {verb}"), count);
                    }
                }
                Some(length) => {
                    self.figures.rate(API, format!("requests {what}"), all, *length);
                    for (verb, count) in counts {
                        self.figures.rate(API, format!("requests {what}: {verb}"), count, *length);
                    }
                }
            }
        }
        Ok(())
    }
}
