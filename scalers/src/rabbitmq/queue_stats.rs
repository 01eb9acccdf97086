//! The broker's counts about queues, and the sum of several queues. Pure.

/// The figures of one queue, or of several put together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QueueStats {
    /// Messages that are ready or unacknowledged.
    pub messages: f64,
    /// Messages that are ready.
    pub ready: f64,
    /// Messages published a second.
    pub publish_rate: f64,
    /// Messages delivered or fetched a second.
    pub deliver_get_rate: f64,
    /// The source of the two rates.
    pub rates: Rates,
}

/// The source of a queue's rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rates {
    /// The broker's statistics name them.
    #[default]
    Counted,
    /// The broker's statistics name none, and they are 0: nothing has happened, or no rates are kept.
    Unnamed,
    /// There are no statistics: the two rates mean nothing.
    Missing,
}

impl Rates {
    /// The source of the rates of two queues together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Missing, _) | (_, Self::Missing) => Self::Missing,
            (Self::Unnamed, Self::Unnamed) => Self::Unnamed,
            _ => Self::Counted,
        }
    }
}

impl QueueStats {
    /// Messages in the hands of consumers.
    pub fn unacknowledged(&self) -> f64 {
        (self.messages - self.ready).max(0.0)
    }

    fn with(self, other: Self, join: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            messages: join(self.messages, other.messages),
            ready: join(self.ready, other.ready),
            publish_rate: join(self.publish_rate, other.publish_rate),
            deliver_get_rate: join(self.deliver_get_rate, other.deliver_get_rate),
            rates: self.rates.and(other.rates),
        }
    }
}

/// How the figures of all queues that a pattern matches become one (`operation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Operation {
    /// Of all together.
    #[default]
    Sum,
    /// Of one on average; a fraction where KEDA drops it.
    Avg,
    /// The highest of each figure.
    Max,
}

impl Operation {
    /// The operation called `word`.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "sum" => Some(Self::Sum),
            "avg" => Some(Self::Avg),
            "max" => Some(Self::Max),
            _ => None,
        }
    }
}

/// The figures of the queues that a pattern matches.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Matches {
    /// Queues that have figures.
    known: u32,
    /// Queues that the broker has no statistics for yet.
    unknown: u32,
    sum: QueueStats,
    max: QueueStats,
}

impl Matches {
    /// Takes in one queue; `None` when the broker has no statistics for it.
    pub fn add(&mut self, queue: Option<QueueStats>) {
        match queue {
            None => self.unknown += 1,
            Some(figures) => {
                if self.known == 0 {
                    // The queues alone know the source of the rates.
                    (self.sum.rates, self.max.rates) = (figures.rates, figures.rates);
                }
                self.known += 1;
                self.sum = self.sum.with(figures, |a, b| a + b);
                self.max = self.max.with(figures, f64::max);
            }
        }
    }

    /// Whether there is no queue.
    pub fn is_empty(&self) -> bool {
        self.known + self.unknown == 0
    }

    /// The statistics of all queues as one. `None` when the broker has statistics for fewer than half of the queues, as
    /// after its start: from so few the result would be a guess.
    pub fn figures(&self, operation: Operation) -> Option<QueueStats> {
        if self.known < self.unknown {
            return None;
        }
        Some(match operation {
            Operation::Sum => self.sum,
            Operation::Max => self.max,
            Operation::Avg => self.sum.with(self.sum, |sum, _| sum / f64::from(self.known.max(1))),
        })
    }

    /// How many queues there are, and how many of them have no statistics.
    pub fn counts(&self) -> (u32, u32) {
        (self.known + self.unknown, self.unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(messages: f64, publish_rate: f64) -> QueueStats {
        QueueStats { messages, ready: messages - 1.0, publish_rate, deliver_get_rate: 0.5, rates: Rates::Counted }
    }

    #[test]
    fn queues_become_one_by_each_operation() {
        let mut matches = Matches::default();
        assert!(matches.is_empty());
        for figures in [queue(3.0, 0.0), queue(4.0, 2.5)] {
            matches.add(Some(figures));
        }
        for (operation, messages, ready, publish_rate, deliver_get_rate) in [
            (Operation::Sum, 7.0, 5.0, 2.5, 1.0),
            (Operation::Avg, 3.5, 2.5, 1.25, 0.5),
            (Operation::Max, 4.0, 3.0, 2.5, 0.5),
        ] {
            let expected = QueueStats { messages, ready, publish_rate, deliver_get_rate, rates: Rates::Counted };
            assert_eq!(matches.figures(operation), Some(expected), "{operation:?}");
        }
    }

    #[test]
    fn one_queue_without_statistics_leaves_the_rates_of_all_unknown() {
        use Rates::{Counted, Missing, Unnamed};
        for (queues, rates) in [
            (vec![Counted, Unnamed], Counted),
            (vec![Unnamed, Counted, Unnamed], Counted),
            (vec![Unnamed, Unnamed], Unnamed),
            (vec![Unnamed], Unnamed),
            (vec![Counted, Missing], Missing),
            (vec![Missing, Unnamed], Missing),
            (vec![Missing], Missing),
        ] {
            let mut matches = Matches::default();
            for rates in &queues {
                matches.add(Some(QueueStats { rates: *rates, ..queue(1.0, 0.0) }));
            }
            for operation in [Operation::Sum, Operation::Avg, Operation::Max] {
                assert_eq!(matches.figures(operation).unwrap().rates, rates, "{queues:?} {operation:?}");
            }
        }
    }

    #[test]
    fn a_queue_without_statistics_among_others_adds_nothing_and_most_without_them_are_no_answer() {
        let mut matches = Matches::default();
        matches.add(Some(queue(3.0, 0.0)));
        matches.add(None);
        assert_eq!(matches.figures(Operation::Avg), Some(queue(3.0, 0.0)));
        matches.add(None);
        assert_eq!(matches.figures(Operation::Sum), None);
        assert_eq!(matches.counts(), (3, 2));
    }
}
