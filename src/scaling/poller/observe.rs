//! The loop of a ScaledObject that Ebb only observes. It drives the same machine as the loop of a served one, but what it reads and
//! sets are the replicas of the shadow ([`ebb_plan::shadow`]). The target is only read, for the comparison.

use std::sync::Arc;

use futures::future::join_all;
use tokio::time::sleep_until;

use super::{Poller, poll_readings, readings, rules, samples, tick_view};
use crate::clock;
use crate::scaling::changes::{changed, needs_poll};
use crate::store::record::{Record, Serving};
use ebb_plan::readings::TriggerReading;
use ebb_plan::simulate::explain::Circumstances;
use ebb_plan::tick::Effect;
use ebb_plan::trail::TickView;

impl Poller {
    /// Observes until another specification is in force.
    pub(super) async fn observe(&self, record: &Record, serving: &Arc<Serving>) {
        let mut is_called = true;
        while record.serving().is_some_and(|present| Arc::ptr_eq(&present, serving)) {
            let now = clock::moment().steady;
            if is_called || record.poll.next_wakeup().is_none_or(|wakeup| wakeup.at <= now) {
                Box::pin(self.tick_of_shadow(record, serving)).await;
            }
            Box::pin(self.look(record, serving)).await;
            is_called = wait(record, serving).await;
        }
    }

    /// One tick, whose effects are on the shadow.
    async fn tick_of_shadow(&self, record: &Record, serving: &Serving) {
        let is_poll = record.poll.is_poll_due();
        let samples = samples(serving, is_poll).await;
        let readings = readings(serving, &samples);
        let (rules, now) = (rules(record, serving), clock::moment());
        let all = poll_readings(serving, &samples, readings.clone(), is_poll);
        let error = all.errors.first().map(|(_, error)| error.clone());
        let known = circumstances(serving, &readings, error.as_deref());
        let (mut tick, mut effect) = record.poll.on_readings(&rules, all);
        let report = loop {
            let (next, _) = match effect {
                Effect::Report(report) => break report,
                Effect::ReadReplicas => {
                    let Some(replicas) = record.shadow.replicas() else { return };
                    record.poll.on_replicas(&mut tick, &rules, Ok(replicas), true)
                }
                Effect::SetReplicas(change) => {
                    record.shadow.on_scaled(change, &known, now);
                    record.poll.on_set(&mut tick, &rules, Ok(()))
                }
            };
            effect = next;
        };
        let view = TickView { leads: false, ..tick_view(serving, &readings, &report, None) };
        record.shadow.on_tick(&view, &known);
        record.trail.on_tick(&[], &TickView { would_be: record.shadow.would_be(), ..view });
        self.report(record, *report, &samples).await;
    }

    /// A look at the target, and that of the shadow's HPA if it is due.
    async fn look(&self, record: &Record, serving: &Serving) {
        let count = self.read(record, serving).await.ok().map(|scale| scale.replicas);
        let now = clock::moment();
        if let Some(count) = count {
            record.metrics.set_replicas(Some(count));
            record.shadow.on_count(count, now);
        }
        if record.shadow.next_look().is_some_and(|look| look <= now.steady) {
            let samples = join_all(serving.triggers.iter().map(|trigger| trigger.answer())).await;
            let readings = readings(serving, &samples);
            let error = samples.iter().find_map(|sample| sample.as_ref().err()).map(ToString::to_string);
            record.shadow.look(count, &circumstances(serving, &readings, error.as_deref()), now);
        }
        if let Some(replicas) = record.shadow.replicas() {
            record.metrics.set_shadow(Some(replicas));
            record.poll.replicas_seen(replicas, now.steady);
        }
        record.trail.on_look(count, record.shadow.would_be());
    }
}

/// Waits for the next tick or look. True: a change calls for a tick before its time.
async fn wait(record: &Record, serving: &Serving) -> bool {
    let Some(wakeup) = record.poll.next_wakeup() else { return true };
    let compared = record.trail.next_look().map(|within| clock::moment().steady + within);
    let stops = [Some(wakeup.at), record.shadow.next_look(), compared];
    let due = clock::instant(stops.into_iter().flatten().fold(wakeup.poll, std::time::Duration::min));
    record.expect_poll(Some(clock::instant(wakeup.poll)));
    loop {
        tokio::select! {
            biased;
            () = record.woken() => return true,
            () = sleep_until(due) => return false,
            triggers = changed(&serving.triggers), if wakeup.is_idle => {
                if Box::pin(needs_poll(serving, &triggers)).await {
                    return true;
                }
            }
        }
    }
}

fn circumstances<'a>(
    serving: &'a Serving,
    readings: &'a [TriggerReading<'a>],
    error: Option<&'a str>,
) -> Circumstances<'a> {
    Circumstances {
        at: clock::now(),
        triggers: &serving.trigger_infos,
        readings,
        policy: &serving.policy,
        fallback: serving.fallback.as_ref(),
        modifiers: serving.modifiers.as_deref(),
        error,
    }
}
