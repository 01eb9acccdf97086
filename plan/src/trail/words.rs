//! Decisions in words.

use std::fmt::Write as _;

use chrono::SecondsFormat;

use super::decision::{Actor, Bound, Decision, Reason, TriggerInfo};

impl Decision {
    /// See [`sentence`].
    pub(crate) fn sentence(&self) -> String {
        sentence(self)
    }
}

/// The decision in one sentence without its counts: `trigger orders (rabbitmq) is active: 120 is above 5`.
pub(super) fn sentence(decision: &Decision) -> String {
    let cause = cause(decision);
    match decision.reason {
        Reason::Differs | Reason::Agrees => cause,
        _ if decision.is_scaling() => cause + &beside(decision),
        _ => format!("stays: {cause}"),
    }
}

fn cause(decision: &Decision) -> String {
    match decision.reason {
        Reason::Activated if decision.by == Actor::Autoscaler => "the other autoscaler woke it up".to_owned(),
        Reason::Deactivated if decision.by == Actor::Autoscaler => "the other autoscaler put it to sleep".to_owned(),
        Reason::Differs => differs(decision),
        Reason::Agrees => format!("Ebb would have {} again, too", counted(decision.to)),
        Reason::Activated => activated(decision),
        Reason::ActivatedToTarget => activated(decision) + "; " + &asked(decision) + &held(decision),
        Reason::Forced => {
            "an annotation, or the lack of triggers other than cpu and memory, makes it active".to_owned()
        }
        Reason::Deactivated => "no trigger is active, and the cooldown is over".to_owned(),
        Reason::Fallback => format!("the fallback is in effect, as {}", unread(decision)),
        Reason::RaisedToMinimum => "the count was below minReplicaCount".to_owned(),
        Reason::MetricsAboveTarget | Reason::MetricsBelowTarget => asked(decision) + &held(decision),
        Reason::ChangedElsewhere => "another writer set the count, neither Ebb nor the HPA".to_owned(),
        Reason::NoTriggerActive => "no trigger is active".to_owned(),
        Reason::Cooldown => cooldown(decision),
        Reason::TriggerFailed => unread(decision),
        Reason::FormulaFailed => error_or(decision, "the formula has no value"),
        Reason::Paused if decision.is_scaling() => {
            "the annotation autoscaling.keda.sh/paused-replicas sets the count".to_owned()
        }
        Reason::Paused => "scaling is paused by an annotation".to_owned(),
        Reason::ScaleOutPaused => {
            "the annotation autoscaling.keda.sh/paused-scale-out keeps replicas from being added".to_owned()
        }
        Reason::ScaleInPaused => {
            "the annotation autoscaling.keda.sh/paused-scale-in keeps replicas from being taken away".to_owned()
        }
        Reason::MaxReplicas => format!("maxReplicaCount is reached; {}", asked(decision)),
        Reason::MinReplicas => format!("minReplicaCount is reached; {}", asked(decision)),
        Reason::Stabilized => format!("the HPA's stabilization window is not over; {}", asked(decision)),
        Reason::BehaviorLimit => format!("a policy of the HPA's behavior holds the count; {}", asked(decision)),
        Reason::OnTarget if decision.bounds.has(Bound::Tolerance) => {
            format!("the metrics are within the HPA's tolerance of their targets; {}", asked(decision))
        }
        Reason::OnTarget => format!("the metrics ask for this count; {}", asked(decision)),
        Reason::HpaCannotRead => "the HPA cannot read a metric".to_owned(),
        Reason::TargetFailed => error_or(decision, "the target cannot be read or scaled"),
    }
}

/// The difference between the real count and the one that Ebb would have.
fn differs(decision: &Decision) -> String {
    let who = match decision.by {
        Actor::Hpa => "the HPA",
        Actor::Autoscaler | Actor::Ebb | Actor::Other => "the other autoscaler",
    };
    let Some(would_be) = &decision.would_be else { return format!("{who} left it at {}", decision.to) };
    let (count, because) = (would_be.replicas, cause(&would_be.because));
    format!("would have differed: {who} left it at {}, Ebb would have {count}, because {because}", decision.to)
}

/// Beside a change of the real count: whether Ebb would have made it, too, and how much earlier.
fn beside(decision: &Decision) -> String {
    let Some(would_be) = decision.would_be.as_ref().filter(|would_be| would_be.replicas == decision.to) else {
        return String::new();
    };
    let earlier = (decision.at - would_be.since).num_seconds();
    if decision.from.is_some() && earlier > 0 {
        format!("; Ebb would have had {} {earlier} s before", counted(decision.to))
    } else {
        format!("; Ebb would have {}, too", counted(decision.to))
    }
}

fn counted(replicas: i32) -> String {
    if replicas == 1 { "1 replica".to_owned() } else { format!("{replicas} replicas") }
}

fn error_or(decision: &Decision, otherwise: &str) -> String {
    decision.error.as_deref().unwrap_or(otherwise).to_owned()
}

/// The trigger's name, as users know it.
pub(super) fn trigger(info: &TriggerInfo) -> String {
    match &info.name {
        Some(name) => format!("trigger {name} ({})", info.kind),
        None => format!("trigger {} ({})", info.index, info.kind),
    }
}

fn activated(decision: &Decision) -> String {
    if let Some(value) = decision.formula {
        return format!("the formula's value {} is above its activationTarget", number(value));
    }
    let active = decision.triggers.iter().zip(&decision.states).filter(|(_, state)| state.active);
    let mut active = active.filter_map(|(info, state)| Some((info, state.value?)));
    let Some((info, value)) = active.next() else { return "a trigger is active".to_owned() };
    let others = match active.count() {
        0 => String::new(),
        1 => ", and so is another".to_owned(),
        others => format!(", and so are {others} others"),
    };
    let (value, activation) = (number(value), number(info.metric.activation));
    format!("{} is active: {value} is above {activation}{others}", trigger(info))
}

fn unread(decision: &Decision) -> String {
    // The error names its trigger.
    error_or(decision, "a trigger cannot be read")
}

fn asked(decision: &Decision) -> String {
    if let Some(value) = decision.formula {
        return format!("the formula's value is {}", number(value));
    }
    let winner = decision.winner().and_then(|place| {
        let (info, state) = (decision.triggers.get(place)?, decision.states.get(place)?);
        Some((info, state.value?, decision.asked().nth(place)??))
    });
    match winner {
        None if decision.triggers.is_empty() => "only cpu and memory decide".to_owned(),
        None => "no trigger asks for replicas".to_owned(),
        Some((info, value, wanted)) => {
            let (value, target) = (number(value), number(info.metric.target));
            format!("{} asks for {}: its value is {value}, its target {target}", trigger(info), counted(wanted))
        }
    }
}

fn held(decision: &Decision) -> String {
    let mut text = String::new();
    for (bound, words) in [
        (Bound::MaxReplicas, "maxReplicaCount bounds it"),
        (Bound::MinReplicas, "minReplicaCount bounds it"),
        (Bound::ScaleUpLimit, "the HPA's scale-up policy bounds it"),
        (Bound::ScaleDownLimit, "the HPA's scale-down policy bounds it"),
        (Bound::ScaleUpStabilized, "the HPA's stabilization window bounds it"),
        (Bound::ScaleDownStabilized, "the HPA's stabilization window bounds it"),
    ] {
        if decision.bounds.has(bound) {
            // Writing to a string cannot fail.
            let _ = write!(text, "; {words}");
        }
    }
    text
}

fn cooldown(decision: &Decision) -> String {
    let ends = decision.until.map(|until| until.to_rfc3339_opts(SecondsFormat::Secs, true));
    ends.map_or_else(
        || "the cooldown is not over".to_owned(),
        |ends| format!("no trigger is active; the cooldown ends at {ends}"),
    )
}

/// A number with at most three digits after the point.
pub(super) fn number(value: f64) -> String {
    let rounded = format!("{value:.3}");
    rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
}
