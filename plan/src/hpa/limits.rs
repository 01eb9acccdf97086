//! The limits that `behavior` of an HPA puts on one change, with the API server's defaults
//! (`pkg/apis/autoscaling/v2/defaults.go`).

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::{HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerBehavior};

/// The rules of both directions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Behavior {
    pub(crate) up: Direction,
    pub(crate) down: Direction,
}

/// The rules of one direction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Direction {
    /// `stabilizationWindowSeconds`. None: the controller's flag.
    pub(crate) window: Option<Duration>,
    select: Select,
    policies: Vec<Policy>,
}

/// `selectPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Select {
    /// The policy that changes most.
    Max,
    /// The policy that changes least.
    Min,
    /// Nothing is done.
    Disabled,
}

/// The most that a period may change.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Policy {
    amount: Amount,
    period: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Amount {
    Pods(i32),
    Percent(i32),
}

impl Behavior {
    pub(crate) fn of(behavior: &HorizontalPodAutoscalerBehavior) -> Self {
        let period = Duration::from_secs(15);
        let up = [Amount::Pods(4), Amount::Percent(100)].map(|amount| Policy { amount, period });
        let up = Direction { window: Some(Duration::ZERO), select: Select::Max, policies: up.into() };
        let down = vec![Policy { amount: Amount::Percent(100), period }];
        let down = Direction { window: None, select: Select::Max, policies: down };
        Self { up: up.with(behavior.scale_up.as_ref()), down: down.with(behavior.scale_down.as_ref()) }
    }
}

impl Direction {
    /// The same with the user's values.
    fn with(self, rules: Option<&HPAScalingRules>) -> Self {
        let Some(rules) = rules else { return self };
        let window = rules.stabilization_window_seconds.and_then(|window| window.try_into().ok());
        let select = rules.select_policy.as_deref().map(|policy| match policy {
            "Disabled" => Select::Disabled,
            "Min" => Select::Min,
            _ => Select::Max,
        });
        let policies = rules.policies.as_ref().map(|policies| policies.iter().map(Policy::of).collect());
        Self {
            window: window.map(Duration::from_secs).or(self.window),
            select: select.unwrap_or(self.select),
            policies: policies.unwrap_or(self.policies),
        }
    }

    /// The longest period of a policy.
    pub(crate) fn longest(&self) -> Duration {
        self.policies.iter().map(|policy| policy.period).max().unwrap_or_default()
    }

    /// The count to which one look may go up.
    pub(crate) fn highest(
        &self,
        now: Duration,
        replicas: i32,
        added: &[(Duration, i32)],
        removed: &[(Duration, i32)],
    ) -> i32 {
        let counts =
            self.policies.iter().map(|policy| policy.amount.above(policy.began(now, replicas, added, removed)));
        match self.select {
            Select::Disabled => replicas,
            Select::Max => counts.max().unwrap_or(i32::MIN),
            Select::Min => counts.min().unwrap_or(i32::MAX),
        }
    }

    /// The count to which one look may go down.
    pub(crate) fn lowest(
        &self,
        now: Duration,
        replicas: i32,
        added: &[(Duration, i32)],
        removed: &[(Duration, i32)],
    ) -> i32 {
        let counts =
            self.policies.iter().map(|policy| policy.amount.below(policy.began(now, replicas, added, removed)));
        match self.select {
            Select::Disabled => replicas,
            Select::Max => counts.min().unwrap_or(i32::MAX),
            Select::Min => counts.max().unwrap_or(i32::MIN),
        }
    }
}

impl Amount {
    /// The count that is this amount above `began`.
    fn above(self, began: i32) -> i32 {
        match self {
            Self::Pods(pods) => began.saturating_add(pods),
            Self::Percent(percent) => whole((f64::from(began) * (1.0 + f64::from(percent) / 100.0)).ceil()),
        }
    }

    /// The count that is this amount below `began`.
    fn below(self, began: i32) -> i32 {
        match self {
            Self::Pods(pods) => began.saturating_sub(pods),
            Self::Percent(percent) => whole(f64::from(began) * (1.0 - f64::from(percent) / 100.0)),
        }
    }
}

impl Policy {
    fn of(policy: &HPAScalingPolicy) -> Self {
        let amount = if policy.type_ == "Percent" { Amount::Percent(policy.value) } else { Amount::Pods(policy.value) };
        Self { amount, period: Duration::from_secs(policy.period_seconds.try_into().unwrap_or_default()) }
    }

    /// The count at the beginning of its period.
    fn began(&self, now: Duration, replicas: i32, added: &[(Duration, i32)], removed: &[(Duration, i32)]) -> i32 {
        let within = |changes: &[(Duration, i32)]| -> i32 {
            changes.iter().filter(|(at, _)| *at + self.period > now).map(|(_, change)| change).sum()
        };
        replicas - within(added) + within(removed)
    }
}

/// A count without its fraction. A conversion into an integer stops at its bounds.
#[allow(clippy::cast_possible_truncation)]
fn whole(count: f64) -> i32 {
    count as i32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_remembered_for_the_longest_period_of_a_policy() {
        let policy = |seconds: i32| json!({"type": "Pods", "value": 1, "periodSeconds": seconds});
        let behavior = json!({"scaleUp": {"policies": [policy(60), policy(180)]}});
        let Behavior { up, down } = Behavior::of(&serde_json::from_value(behavior).unwrap());
        assert_eq!((up.longest(), down.longest()), (Duration::from_mins(3), Duration::from_secs(15)));
    }
}
