//! The measure of a trigger (`mode`): from a queue's figures to the metric and whether it asks for a replica. Pure.

use super::queue_stats::QueueStats;
use crate::scaler::Reading;

/// keda.sh/docs, "RabbitMQ Queue", `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    QueueLength,
    MessageRate,
    DeliverGetRate,
    PublishedToDeliveredRatio,
    ExpectedQueueConsumptionTime,
}

impl Mode {
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("QueueLength", Self::QueueLength),
        ("MessageRate", Self::MessageRate),
        ("DeliverGetRate", Self::DeliverGetRate),
        ("PublishedToDeliveredRatio", Self::PublishedToDeliveredRatio),
        ("ExpectedQueueConsumptionTime", Self::ExpectedQueueConsumptionTime),
    ];

    pub(super) fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, mode)| *mode)
    }

    /// Whether it needs rates, which only the management API knows.
    pub(super) fn needs_rates(self) -> bool {
        self != Self::QueueLength
    }

    /// The metric of `figures`. `messages` is the trigger's count: with or without the unacknowledged.
    ///
    /// Where a rate to divide by is zero while there is something to do, the value is `activation` and the trigger is
    /// active, as in KEDA: one replica starts, and from then on there is a rate.
    pub(super) fn reading(self, figures: &QueueStats, messages: f64, activation: f64) -> Reading {
        let QueueStats { publish_rate: publish, deliver_get_rate: deliver, .. } = *figures;
        let above = |value: f64| (value, value > activation);
        let (value, active) = match self {
            Self::QueueLength => above(messages),
            Self::MessageRate => (publish, publish > activation || messages > activation),
            Self::DeliverGetRate => above(deliver),
            Self::PublishedToDeliveredRatio if publish > 0.0 && deliver <= 0.0 => (activation, true),
            Self::PublishedToDeliveredRatio if publish <= 0.0 => above(0.0),
            Self::PublishedToDeliveredRatio => above(publish / deliver),
            Self::ExpectedQueueConsumptionTime if deliver <= 0.0 && messages > 0.0 => (activation, true),
            Self::ExpectedQueueConsumptionTime if deliver <= 0.0 => above(0.0),
            Self::ExpectedQueueConsumptionTime => above((publish - deliver) / deliver + messages / deliver),
        };
        // A queue that empties faster than it fills has less than no time to go.
        Reading { value: value.max(0.0), active }
    }
}

#[cfg(test)]
mod tests {
    use super::Mode::{
        DeliverGetRate, ExpectedQueueConsumptionTime, MessageRate, PublishedToDeliveredRatio, QueueLength,
    };
    use super::*;

    #[test]
    fn each_mode_has_kedas_value_and_activation() {
        for (mode, messages, publish, deliver, activation, value, active) in [
            (QueueLength, 0.0, 9.0, 9.0, 0.0, 0.0, false),
            (QueueLength, 1.0, 0.0, 0.0, 0.0, 1.0, true),
            (QueueLength, 5.0, 0.0, 0.0, 5.0, 5.0, false),
            (QueueLength, 5.5, 0.0, 0.0, 5.25, 5.5, true),
            (MessageRate, 0.0, 0.4, 0.0, 0.0, 0.4, true),
            (MessageRate, 3.0, 0.0, 0.0, 2.0, 0.0, true),
            (MessageRate, 2.0, 2.0, 9.0, 2.0, 2.0, false),
            (DeliverGetRate, 9.0, 9.0, 0.0, 0.0, 0.0, false),
            (DeliverGetRate, 0.0, 0.0, 1.5, 1.0, 1.5, true),
            (PublishedToDeliveredRatio, 9.0, 0.0, 0.0, 0.0, 0.0, false),
            (PublishedToDeliveredRatio, 9.0, 0.0, 4.0, 0.0, 0.0, false),
            (PublishedToDeliveredRatio, 0.0, 3.0, 0.0, 0.5, 0.5, true),
            (PublishedToDeliveredRatio, 0.0, 3.0, 2.0, 1.0, 1.5, true),
            (PublishedToDeliveredRatio, 0.0, 1.0, 2.0, 1.0, 0.5, false),
            (ExpectedQueueConsumptionTime, 0.0, 0.0, 0.0, 0.0, 0.0, false),
            (ExpectedQueueConsumptionTime, 7.0, 0.0, 0.0, 2.0, 2.0, true),
            (ExpectedQueueConsumptionTime, 10.0, 4.0, 2.0, 5.0, 6.0, true),
            (ExpectedQueueConsumptionTime, 1.0, 1.0, 2.0, 0.0, 0.0, false),
            (ExpectedQueueConsumptionTime, 0.0, 0.0, 2.0, 0.0, 0.0, false),
        ] {
            let figures = QueueStats {
                messages,
                ready: messages,
                publish_rate: publish,
                deliver_get_rate: deliver,
                ..QueueStats::default()
            };
            let reading = mode.reading(&figures, messages, activation);
            assert_eq!(reading, Reading { value, active }, "{mode:?} of {figures:?} above {activation}");
        }
    }

    #[test]
    fn modes_are_found_by_their_names() {
        for (name, mode) in Mode::ALL {
            assert_eq!(Mode::named(name), Some(mode));
        }
        assert_eq!(Mode::named("queueLength"), None);
    }
}
