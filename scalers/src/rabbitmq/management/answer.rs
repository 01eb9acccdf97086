//! The management API's answers about queues, as far as they are asked for.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::LARGEST_PAGE;
use crate::net::body::LONGEST_REFUSAL;
use crate::net::peer::said;
use crate::rabbitmq::queue_stats::{QueueStats, Rates};

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
    /// Present where the broker keeps statistics, in every state of the queue.
    messages_details: Option<IgnoredAny>,
    #[serde(default)]
    message_stats: OrEmpty<Stats>,
}

/// A page of queues.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) page_count: u32,
    #[serde(deserialize_with = "rows")]
    pub(super) items: Vec<OrEmpty<Row>>,
}

/// Reads no more queues than a page may have: three bytes of an answer are one.
fn rows<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<OrEmpty<Row>>, D::Error> {
    struct Rows;

    impl<'de> Visitor<'de> for Rows {
        type Value = Vec<OrEmpty<Row>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {LARGEST_PAGE} queues")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut rows = Vec::new();
            while let Some(row) = items.next_element()? {
                if rows.len() >= LARGEST_PAGE as usize {
                    return Err(A::Error::custom("more queues than a page has"));
                }
                rows.push(row);
            }
            Ok(rows)
        }
    }

    from.deserialize_seq(Rows)
}

/// An object; where it would have no fields the broker writes an empty list. It is not buffered before its type is
/// known. Serde's untagged enums do that, which takes many times its size.
#[derive(Default)]
pub(super) enum OrEmpty<T> {
    Object(T),
    #[default]
    Empty,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OrEmpty<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or an empty list")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(OrEmpty::Object)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                match items.next_element::<IgnoredAny>()? {
                    None => Ok(OrEmpty::Empty),
                    Some(_) => Err(A::Error::custom("a list that is not empty")),
                }
            }
        }

        from.deserialize_any(Either(PhantomData))
    }
}

impl<T> OrEmpty<T> {
    pub(super) fn object(&self) -> Option<&T> {
        match self {
            Self::Object(object) => Some(object),
            Self::Empty => None,
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
    pub(super) fn figures(&self) -> Option<QueueStats> {
        let rate = |which: fn(&Stats) -> &OrEmpty<Rate>| {
            self.message_stats.object().and_then(|stats| which(stats).object()).map_or(0.0, |rate| rate.rate.max(0.0))
        };
        match (self.messages, self.messages_ready) {
            (Some(messages), Some(ready)) if messages >= 0.0 && ready >= 0.0 => Some(QueueStats {
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

/// The API's error about a request.
#[derive(Deserialize, Default)]
pub(super) struct Complaint {
    #[serde(default)]
    error: Option<Words>,
    #[serde(default)]
    reason: Option<Words>,
}

/// A text, or the sign of anything else.
struct Words(String);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("words")
            }

            fn visit_str<E>(self, words: &str) -> Result<Words, E> {
                Ok(Words(said(words)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Words, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Words("{…}".into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Words("[…]".into()))
            }
        }

        from.deserialize_any(Text)
    }
}

impl Complaint {
    /// Reads a refusing answer. An answer in another form has no error text.
    pub(super) fn read(answer: &[u8]) -> Self {
        let whole = answer.len() <= LONGEST_REFUSAL;
        whole.then(|| serde_json::from_slice(answer).ok()).flatten().unwrap_or_default()
    }

    /// The words that follow a status.
    pub(super) fn words(&self) -> String {
        let words = match (&self.error, &self.reason) {
            (None, None) => return String::new(),
            (Some(Words(words)), None) | (None, Some(Words(words))) => format!("{words:?}"),
            (Some(Words(error)), Some(Words(reason))) => format!("{error:?}: {reason:?}"),
        };
        format!(": {}", said(words))
    }
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

    fn figures(messages: f64, ready: f64, publish_rate: f64, deliver_get_rate: f64, rates: Rates) -> QueueStats {
        QueueStats { messages, ready, publish_rate, deliver_get_rate, rates }
    }

    #[test]
    fn what_is_read_is_no_larger_than_what_came() {
        // Each of these is small on the wire and would be some fifteen to forty times as large as a tree of values.
        let lists = format!("{{\"page_count\": 1, \"items\": [[{}]]}}", vec!["[]"; 100_000].join(","));
        assert!(serde_json::from_str::<Page>(&lists).is_err(), "a queue is no list of lists");
        let rows = |count| format!("{{\"page_count\": 1, \"items\": [{}]}}", vec!["{}"; count].join(","));
        assert_eq!(serde_json::from_str::<Page>(&rows(500)).unwrap().items.len(), 500);
        let error = serde_json::from_str::<Page>(&rows(501)).err().unwrap();
        assert!(error.to_string().contains("more queues than a page has"), "{error}");
        let unknown =
            format!("{{\"messages\": 1, \"messages_ready\": 1, \"other\": [{}]}}", vec!["0"; 100_000].join(","));
        let row: OrEmpty<Row> = serde_json::from_str(&unknown).unwrap();
        assert_eq!(row.object().and_then(Row::figures), Some(figures(1.0, 1.0, 0.0, 0.0, Rates::Missing)));
    }

    #[test]
    fn complaints_are_repeated_as_far_as_they_are_words() {
        for (answer, words) in [
            (r#"{"error": "not_authorised", "reason": "Login failed"}"#, r#": "not_authorised": "Login failed""#),
            (r#"{"error": "bad_request"}"#, r#": "bad_request""#),
            (r#"{"error": null, "reason": "no\nsuch"}"#, r#": "no\\nsuch""#),
            (r#"{"error": {"a": [1, 2]}, "reason": ["b", {"c": 1}]}"#, r#": "{…}": "[…]""#),
            (r#"{"error": 7}"#, ""),
            ("<html>", ""),
            ("{}", ""),
        ] {
            assert_eq!(Complaint::read(answer.as_bytes()).words(), words, "{answer}");
        }
        let long = format!(r#"{{"error": "{}", "reason": "{}"}}"#, "x".repeat(1_000), "y".repeat(1_000));
        assert!(Complaint::read(long.as_bytes()).words().chars().count() <= 202);
        assert_eq!(Complaint::read(&vec![b' '; LONGEST_REFUSAL + 1]).words(), "");
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
