//! The faults of a run: one after the other, at random, each for a few seconds.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use ebb_tests::random::Random;
use ebb_tests::replicas::Replicas;
use ebb_tests::world::World;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9` of a replica, which is started again.
    Kill(usize),
    /// SIGSTOP of a replica, and SIGCONT; often longer than its lease.
    Freeze(usize),
    /// A part of the test cluster is stopped, or killed where that is worse, and started again.
    Away(&'static str),
    /// A part of the test cluster stands still: its connections stay open and nothing answers.
    Hang(&'static str),
    /// The Secret with the certificates is deleted.
    NoCertificates,
    /// It is damaged.
    BadCertificates,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(replica) => write!(formatter, "kill -9 of replica {replica}"),
            Self::Freeze(replica) => write!(formatter, "SIGSTOP of replica {replica}"),
            Self::Away(part) => write!(formatter, "{part} is killed"),
            Self::Hang(part) => write!(formatter, "{part} hangs"),
            Self::NoCertificates => formatter.write_str("the Secret with the certificates is deleted"),
            Self::BadCertificates => formatter.write_str("the Secret with the certificates is damaged"),
        }
    }
}

/// A time in which something was wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The fault.
    pub(crate) fault: Fault,
    /// From here
    pub(crate) begin: DateTime<Utc>,
    /// to here, when all was started again.
    pub(crate) end: DateTime<Utc>,
}

/// The replicas that are killed. The last one lives through everything, so that what it keeps is seen in its memory.
const MORTAL: &[usize] = &[0, 1];
const REPLICAS: &[usize] = &[0, 1, 2];

impl Fault {
    fn random(random: &mut Random) -> Self {
        let replica = |random: &mut Random, of: &[usize]| random.one_of(of).unwrap_or(0);
        match random.below(20) {
            0..5 => Self::Kill(replica(random, MORTAL)),
            5..10 => Self::Freeze(replica(random, REPLICAS)),
            10 | 11 => Self::Away("rabbitmq"),
            12 => Self::Hang("rabbitmq"),
            13 => Self::Away("kafka"),
            14 => Self::Away("kafka-2"),
            15 => Self::Hang("kafka-2"),
            16 | 17 => Self::Away("kube-apiserver"),
            18 => Self::NoCertificates,
            _ => Self::BadCertificates,
        }
    }

    /// Makes it so for a while, and then well again.
    async fn strike(self, world: &World, replicas: &Replicas, length: Duration) -> Result<()> {
        match self {
            Self::Kill(replica) => {
                replicas.kill(replica)?;
                sleep(length).await;
                replicas.launch(replica)
            }
            Self::Freeze(replica) => {
                replicas.freeze(replica)?;
                sleep(length).await;
                replicas.thaw(replica)
            }
            Self::Away(part) => {
                world.bed.kill_part(part).await?;
                sleep(length).await;
                world.bed.start_part(part).await
            }
            Self::Hang(part) => {
                world.bed.pause_part(part).await?;
                sleep(length).await;
                world.bed.resume_part(part).await
            }
            Self::NoCertificates => {
                secrets(world).delete("ebb-certs", &DeleteParams::default()).await?;
                Ok(())
            }
            Self::BadCertificates => {
                let patch = Patch::Merge(json!({"stringData": {"tls.crt": "rubbish"}}));
                secrets(world).patch("ebb-certs", &PatchParams::default(), &patch).await?;
                Ok(())
            }
        }
    }
}

fn secrets(world: &World) -> Api<Secret> {
    Api::namespaced(world.bed.client.clone(), ebb_tests::ebb::NAMESPACE)
}

/// Faults one after the other until the time is over. Gives the faults with their times.
pub(crate) async fn rage(
    world: &World,
    replicas: &Replicas,
    random: &mut Random,
    span: Duration,
    say: impl Fn(String),
) -> Result<Vec<Span>> {
    let begin = Instant::now();
    let mut spans = Vec::new();
    while begin.elapsed() < span {
        let fault = Fault::random(random);
        let length = Duration::from_millis(500 + 500 * random.below(25) as u64);
        let pause = Duration::from_millis(500 + 500 * random.below(8) as u64);
        let at = Utc::now();
        let struck = fault.strike(world, replicas, length).await;
        let end = Utc::now();
        say(format!("{fault}, for {:.1} s", (end - at).as_seconds_f64()));
        spans.push(Span { fault, begin: at, end });
        struck.with_context(|| fault.to_string())?;
        sleep(pause).await;
    }
    Ok(spans)
}
