//! Brokers that keep no statistics (`management.disable_stats`, `management_agent.disable_metrics_collector`) or no
//! rates (`management.rates_mode`).
//!
//! Without statistics an answer about one queue has no figures, and a list of queues has the numbers of messages where
//! it is asked for totals. So one queue is then asked about by a list of one, and the same figure comes from either
//! way.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::answer::Switches;
use super::{About, Client, Failure, LARGEST_PAGE, encoded};
use crate::pool::SingleFlight;
use crate::rabbitmq::queue_stats::{QueueStats, Rates};
use crate::scaler::ReadError;

/// A broker that kept no statistics is asked for them again after this long.
const OFF_FOR: Duration = Duration::from_mins(1);
/// The time for which the broker's switches are remembered: they change with a restart only.
const SWITCHES_KNOWN_FOR: Duration = Duration::from_secs(10);
/// The words in errors about a broker without statistics.
const OFF: &str = "the broker keeps no statistics (management.disable_stats or \
                   management_agent.disable_metrics_collector is true)";

/// The switches of a broker's statistics, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    off_until: Mutex<Option<Instant>>,
    switches: Mutex<Option<(Instant, Switches)>>,
    asking: SingleFlight<(), Result<Switches, ReadError>>,
}

impl Statistics {
    /// Whether the broker said a while ago that it keeps none.
    pub(super) fn are_off(&self) -> bool {
        self.off_until.lock().is_some_and(|until| until > Instant::now())
    }

    /// The query of a list where there are no statistics: totals, also from a broker whose
    /// `management.enable_queue_totals` is not set.
    pub(super) fn filter(&self) -> &'static str {
        if self.are_off() { "&disable_stats=true&enable_queue_totals=true" } else { "" }
    }
}

impl Client {
    /// Fails where `figures` have no rates, or where they are 0 because the broker keeps none.
    ///
    /// # Errors
    /// Names the broker's switches, or says that it cannot be asked for them.
    pub(in crate::rabbitmq) async fn check_rates(
        self: &Arc<Self>,
        about: About<'_>,
        figures: &QueueStats,
    ) -> Result<(), ReadError> {
        match figures.rates {
            Rates::Missing => {
                Err(self.refused(about, &format!("{OFF} and so no rates: set it to false, or use mode QueueLength")))
            }
            Rates::Unnamed if self.switches().await?.rates_mode == "none" => Err(self.refused(
                about,
                "the broker keeps no rates (management.rates_mode is none): set it to basic, or use mode QueueLength",
            )),
            Rates::Counted | Rates::Unnamed => Ok(()),
        }
    }

    /// Why a number of queues that match a pattern have no figures.
    pub fn why_unknown(&self) -> String {
        if self.statistics.are_off() {
            format!("{OFF}, and a list of queues has no number of messages for them either: set it to false")
        } else {
            "the broker has no statistics for them yet".into()
        }
    }

    /// Whether the broker said a while ago that it keeps no statistics.
    pub fn has_no_statistics(&self) -> bool {
        self.statistics.are_off()
    }

    /// Asks the broker whether it keeps statistics, unless it said a while ago that it does not.
    pub(super) async fn keeps_no_statistics(self: &Arc<Self>) -> Result<bool, ReadError> {
        if self.statistics.are_off() {
            return Ok(true);
        }
        let off = self.switches().await?.disable_stats;
        if off {
            *self.statistics.off_until.lock() = Some(Instant::now() + OFF_FOR);
        }
        Ok(off)
    }

    /// The figures of one queue from a list of it. The caller holds no permit.
    pub(super) async fn total(&self, vhost: &str, queue: &str) -> Result<QueueStats, ReadError> {
        let about = About::Queue { vhost, queue };
        let filter = format!("&use_regex=true&name={}", encoded(&exactly(queue)));
        let mut found = None;
        let pages = self.pages(about, vhost, LARGEST_PAGE, &filter, |row| {
            if row.name == queue {
                found = Some(row.figures());
            }
        });
        pages.await.map_err(|failure| self.note(failure))?;
        let figures = found.ok_or_else(|| self.refused(about, "there is no such queue"))?;
        figures.ok_or_else(|| {
            let what = format!(
                "{OFF} and has no number of messages for it without them: set it to false, or give an amqp:// host"
            );
            self.refused(about, &what)
        })
    }

    /// The broker's switches. A broker that does not show them has the defaults.
    async fn switches(self: &Arc<Self>) -> Result<Switches, ReadError> {
        let known = self.statistics.switches.lock().clone();
        if let Some((_, switches)) = known.filter(|(at, _)| at.elapsed() < SWITCHES_KNOWN_FOR) {
            return Ok(switches);
        }
        let client = Arc::clone(self);
        self.statistics.asking.join(&(), async move { client.ask_for_switches().await }).await
    }

    async fn ask_for_switches(&self) -> Result<Switches, ReadError> {
        let path = format!("overview?columns={}", Switches::COLUMNS);
        let permit = self.connections.acquire().await;
        let answer = self.get(&path, About::Broker).await;
        drop(permit);
        let switches = match answer {
            Ok(switches) => switches,
            Err(Failure::Refused(_) | Failure::PageOutOfRange) => Switches::default(),
            Err(failure) => return Err(self.note(failure)),
        };
        *self.statistics.switches.lock() = Some((Instant::now(), switches.clone()));
        Ok(switches)
    }
}

/// A regular expression that matches `name` alone, but for upper and lower case, which are the same to the broker.
fn exactly(name: &str) -> String {
    let mut expression = String::from("^");
    for letter in name.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() {
            expression.push('\\');
        }
        expression.push(letter);
    }
    expression + "$"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_regular_expression_of_itself() {
        for (name, expression) in
            [("jobs2", "^jobs2$"), ("a.b*(c)|[d]", "^a\\.b\\*\\(c\\)\\|\\[d\\]$"), ("\\E ü", "^\\\\E\\ ü$")]
        {
            assert_eq!(exactly(name), expression);
        }
    }
}
