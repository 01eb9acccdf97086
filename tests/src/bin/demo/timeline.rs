//! The events of the demo with their times, and whether all of them happened.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use chrono::{DateTime, Utc};

use crate::workload::{Sample, Workload};

/// The way up takes about a minute and the way back about one more.
const LIMIT: Duration = Duration::from_mins(6);
/// The HPA at most doubles the replicas every 15 s (1, 4, 8, 16), and the backlog lasts long enough for this many.
const PEAK: i32 = 10;

/// The course of one demo.
pub(crate) struct Timeline {
    /// When the first message was published.
    pub(crate) begin: Instant,
    // Put off when London's office hours begin or end meanwhile, as the way to the new floor starts then.
    limit_from: Instant,
    tracks: Vec<Track>,
}

/// The course of one workload.
struct Track {
    before: i32,
    floor: i64,
    emptied: Option<Instant>,
    settled: Option<Instant>,
}

impl Timeline {
    /// The messages are about to be published.
    pub(crate) fn begin(workloads: &[Workload<'_>]) -> Self {
        let now = Utc::now();
        let track = |workload: &Workload<'_>| Track {
            before: workload.replicas.now(),
            floor: workload.floor(now),
            emptied: None,
            settled: None,
        };
        let begin = Instant::now();
        Self { begin, limit_from: begin, tracks: workloads.iter().map(track).collect() }
    }

    /// Takes note of what was seen at one moment.
    pub(crate) fn note(&mut self, workloads: &[Workload<'_>], samples: &[Sample], now: DateTime<Utc>) -> Result<()> {
        for ((track, workload), sample) in self.tracks.iter_mut().zip(workloads).zip(samples) {
            let floor = workload.floor(now);
            if floor != track.floor {
                track.floor = floor;
                track.settled = None;
                self.limit_from = Instant::now();
            }
            if track.emptied.is_none() && sample.depth == Some(0) {
                track.emptied = Some(Instant::now());
            }
            let settled = track.emptied.is_some() && i64::from(sample.replicas) == floor;
            if settled && track.settled.is_none() {
                track.settled = Some(workload.replicas.history().last().map_or_else(Instant::now, |last| last.at));
            }
        }
        if self.limit_from.elapsed() > LIMIT {
            bail!("not over after {} s:\n{}", LIMIT.as_secs(), self.table(workloads));
        }
        Ok(())
    }

    /// Whether every queue is empty and every workload is back at its floor.
    pub(crate) fn complete(&self) -> bool {
        self.tracks.iter().all(|track| track.settled.is_some())
    }

    /// The time line, for people.
    pub(crate) fn table(&self, workloads: &[Workload<'_>]) -> String {
        let mut text = "workload      first message → first replica    peak    last message → floor\n".to_owned();
        for (track, workload) in self.tracks.iter().zip(workloads) {
            let first = match self.first_replica(workload) {
                _ if track.before > 0 => format!("{} were there (office hours)", track.before),
                Some(after) => format!("{:.2} s", after.as_secs_f64()),
                None => "never".to_owned(),
            };
            let back = match (track.emptied, track.settled) {
                (Some(emptied), Some(settled)) => {
                    format!("{:.0} s → {}", settled.saturating_duration_since(emptied).as_secs_f64(), track.floor)
                }
                (Some(_), None) => format!("still {} instead of {}", workload.replicas.now(), track.floor),
                (None, _) => "still messages in the queue".to_owned(),
            };
            let peak = workload.replicas.peak();
            let _ = writeln!(text, "{:<13} {first:<32} {peak:>4}    {back}", workload.deployment);
        }
        text
    }

    /// Fails if any part did not happen.
    pub(crate) fn verdict(&self, workloads: &[Workload<'_>]) -> Result<()> {
        for (track, workload) in self.tracks.iter().zip(workloads) {
            let name = workload.deployment;
            let rose = track.before > 0 || self.first_replica(workload).is_some();
            ensure!(rose, "{name} never got a replica: {}", workload.replicas.story());
            let peak = workload.replicas.peak();
            ensure!(peak >= PEAK, "{name} had {peak} replicas at most: {}", workload.replicas.story());
            ensure!(track.settled.is_some(), "{name} did not come back: {}", workload.replicas.story());
        }
        Ok(())
    }

    fn first_replica(&self, workload: &Workload<'_>) -> Option<Duration> {
        Some(workload.replicas.first_since(self.begin, |replicas| replicas > 0)?.at - self.begin)
    }
}
