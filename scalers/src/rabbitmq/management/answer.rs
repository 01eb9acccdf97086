//! The management API's answers about queues, as far as they are asked for.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::rabbitmq::figures::{Figures, Rates};

/// The columns that are asked for: without them the broker sends some kilobytes for each queue.
pub(super) const COLUMNS: &str = "name,messages,messages_ready,messages_details.rate,\
                                  message_stats.publish_details.rate,message_stats.deliver_get_details.rate";

/// One queue.
#[derive(Deserialize)]
pub(super) struct Row {
    #[serde(default)]
    pub(super) name: String,
    messages: Option<f64>,
    messages_ready: Option<f64>,
    /// There where the broker keeps statistics, whatever has happened to the queue.
    messages_details: Option<IgnoredAny>,
    #[serde(default)]
    message_stats: OrEmpty<Stats>,
}

/// A page of queues.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) page_count: u32,
    pub(super) items: Vec<OrEmpty<Row>>,
}

/// An object; where it would have no fields the broker writes an empty list.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OrEmpty<T> {
    Object(T),
    Empty([(); 0]),
}

impl<T> Default for OrEmpty<T> {
    fn default() -> Self {
        Self::Empty([])
    }
}

impl<T> OrEmpty<T> {
    pub(super) fn object(&self) -> Option<&T> {
        match self {
            Self::Object(object) => Some(object),
            Self::Empty(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Stats {
    #[serde(default)]
    publish_details: OrEmpty<Rate>,
    #[serde(default)]
    deliver_get_details: OrEmpty<Rate>,
}

#[derive(Deserialize)]
struct Rate {
    #[serde(default)]
    rate: f64,
}

impl Row {
    /// The figures, once the broker has them: a queue declared a moment ago is not the same as an empty one.
    pub(super) fn figures(&self) -> Option<Figures> {
        let rate = |which: fn(&Stats) -> &OrEmpty<Rate>| {
            self.message_stats.object().and_then(|stats| which(stats).object()).map_or(0.0, |rate| rate.rate.max(0.0))
        };
        match (self.messages, self.messages_ready) {
            (Some(messages), Some(ready)) if messages >= 0.0 && ready >= 0.0 => Some(Figures {
                messages,
                ready,
                publish_rate: rate(|stats| &stats.publish_details),
                deliver_get_rate: rate(|stats| &stats.deliver_get_details),
                rates: self.rates(),
            }),
            _ => None,
        }
    }

    fn rates(&self) -> Rates {
        let named =
            |stats: &Stats| [&stats.publish_details, &stats.deliver_get_details].iter().any(|of| of.object().is_some());
        match &self.messages_details {
            _ if self.message_stats.object().is_some_and(named) => Rates::Counted,
            Some(_) => Rates::Unnamed,
            None => Rates::Missing,
        }
    }
}

/// The switches of the broker that say which figures there are, as `/api/overview` shows them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Switches {
    /// `management.disable_stats` or `management_agent.disable_metrics_collector`.
    #[serde(default)]
    pub(super) disable_stats: bool,
    /// `management.rates_mode`.
    #[serde(default)]
    pub(super) rates_mode: String,
}

impl Switches {
    /// The columns that are asked for.
    pub(super) const COLUMNS: &str = "disable_stats,rates_mode";
}

/// All figures that the management API's answer about a queue or a page of queues gives, for `make fuzz`.
#[cfg(fuzzing)]
pub fn figures(answer: &[u8]) -> Vec<f64> {
    let row = serde_json::from_slice::<OrEmpty<Row>>(answer).ok().and_then(|row| row.object().and_then(Row::figures));
    let page = serde_json::from_slice::<Page>(answer).map(|page| page.items).unwrap_or_default();
    let all = row.into_iter().chain(page.iter().filter_map(|row| row.object().and_then(Row::figures)));
    all.flat_map(|of| [of.messages, of.ready, of.publish_rate, of.deliver_get_rate]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(messages: f64, ready: f64, publish_rate: f64, deliver_get_rate: f64, rates: Rates) -> Figures {
        Figures { messages, ready, publish_rate, deliver_get_rate, rates }
    }

    #[test]
    fn no_figures_yet_is_not_the_same_as_an_empty_queue() {
        use Rates::{Counted, Missing, Unnamed};
        for (answer, found) in [
            // From a list of a broker that keeps no statistics.
            (r#"{"messages": 7, "messages_ready": 5}"#, Some(figures(7.0, 5.0, 0.0, 0.0, Missing))),
            (
                r#"{"messages": 0, "messages_ready": 0, "message_stats": []}"#,
                Some(figures(0.0, 0.0, 0.0, 0.0, Missing)),
            ),
            (
                r#"{"messages": 0, "messages_ready": 0, "messages_details": {"rate": 0.0}}"#,
                Some(figures(0.0, 0.0, 0.0, 0.0, Unnamed)),
            ),
            (r#"{"messages": 0}"#, None),
            (r#"{"messages": -1, "messages_ready": 0}"#, None),
            (r#"{"name": "q"}"#, None),
            ("{}", None),
            ("[]", None),
            (
                r#"{"messages": 1, "messages_ready": 1, "message_stats": {"publish_details": {"rate": 2.5}}}"#,
                Some(figures(1.0, 1.0, 2.5, 0.0, Counted)),
            ),
            (
                r#"{"messages": 1, "messages_ready": 1, "messages_details": {"rate": 1.5}, "message_stats": {"publish_details": [], "deliver_get_details": {"rate": 0.4}}}"#,
                Some(figures(1.0, 1.0, 0.0, 0.4, Counted)),
            ),
        ] {
            let row: OrEmpty<Row> = serde_json::from_str(answer).unwrap();
            assert_eq!(row.object().and_then(Row::figures), found, "{answer}");
        }
    }
}
