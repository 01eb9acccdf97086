//! The decision of one tick: from the triggers' readings to the replicas of the target.
//!
//! Between 1 and the maximum the HPA decides; this module decides between zero (or `idleReplicaCount`) and 1
//! (keda.sh/docs, "Scaling Deployments").

use chrono::{DateTime, TimeDelta, Utc};

use super::fallback::Fallback;
use super::policy::Policy;

/// The observations of one tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// `spec.replicas` of the target.
    pub replicas: i32,
    /// How many triggers are active.
    pub active: usize,
    /// How many triggers could not be read.
    pub failed: usize,
    /// The fallback, if it is in effect for one of them.
    pub fallback: Option<Fallback>,
    /// The replicas that the readings ask for, as the HPA would count them at one replica.
    pub wanted: i32,
    /// When a trigger was last active, if ever.
    pub last_active: Option<DateTime<Utc>>,
    /// The present.
    pub now: DateTime<Utc>,
}

/// The activity of all triggers together: the `Active` condition's reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// At least one trigger asks for replicas.
    Active,
    /// None does.
    Inactive,
    /// None does, and the replicas wait for the end of the cooldown.
    CoolingDown,
}

/// Why the target is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleReason {
    /// From zero or idle, because a trigger is active.
    Activate,
    /// To zero or idle, because none is and the cooldown is over.
    Deactivate,
    /// From zero or idle, because triggers cannot be read and the fallback is in effect.
    FallBack,
    /// Up to `minReplicaCount`, where another writer has set fewer.
    Raise,
}

/// The decision of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The activity of all triggers together.
    pub activity: Activity,
    /// The new count of replicas and why; none when the present one is right.
    pub scale: Option<(i32, ScaleReason)>,
    /// When the cooldown ends, if the replicas wait for it.
    pub cooldown_ends: Option<DateTime<Utc>>,
}

/// Decides one tick.
///
/// A trigger that could not be read never takes replicas away: while none is active and one has failed, the count
/// stays as it is.
pub fn decide(policy: &Policy, observation: &Observation) -> Decision {
    let mut decision = Decision { activity: Activity::Inactive, scale: None, cooldown_ends: None };
    let asleep = observation.replicas == 0 || (policy.idle.is_some() && observation.replicas < policy.min);
    if observation.active > 0 || policy.always_active.is_some() {
        decision.activity = Activity::Active;
        if asleep && !policy.scale_out_paused {
            decision.scale = Some((policy.activation_count(observation.wanted), ScaleReason::Activate));
        }
        return decision;
    }
    if observation.failed > 0 {
        // At zero the HPA is asleep: it can take the workload to the fallback's count only once it is awake.
        let falls_back = observation.fallback.is_some_and(|fallback| fallback.replicas(observation.replicas) > 0);
        if falls_back && asleep && !policy.scale_out_paused {
            decision.scale = Some((policy.activation_count(observation.wanted), ScaleReason::FallBack));
        }
        return decision;
    }
    let floor = policy.floor();
    let above_floor = observation.replicas > floor && (policy.idle.is_some() || policy.min == 0);
    if above_floor {
        let ends = cooldown_ends(policy, observation.last_active);
        if observation.now < ends {
            decision.activity = Activity::CoolingDown;
            decision.cooldown_ends = Some(ends);
        } else if !policy.scale_in_paused {
            decision.scale = Some((floor, ScaleReason::Deactivate));
        }
    } else if observation.replicas < floor {
        // Even while scaling out is paused, as the HPA does above zero.
        decision.scale = Some((floor, ScaleReason::Raise));
    }
    decision
}

fn cooldown_ends(policy: &Policy, last_active: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let (from, pause) = match last_active {
        Some(last_active) => (last_active, policy.cooldown),
        None => (policy.created, policy.initial_cooldown),
    };
    TimeDelta::from_std(pause).ok().and_then(|pause| from.checked_add_signed(pause)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::activate_to::ActivateTo;
    use super::super::policy::Always;
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn policy(min: i32, max: i32, idle: Option<i32>) -> Policy {
        Policy { min, max, idle, ..Policy::example(at(0)) }
    }

    fn observation(replicas: i32, active: usize, failed: usize) -> Observation {
        Observation { replicas, active, failed, fallback: None, wanted: 0, last_active: Some(at(1000)), now: at(2000) }
    }

    #[test]
    fn every_row_of_kedas_tick() {
        use Activity::{Active, CoolingDown, Inactive};
        use ScaleReason::{Activate, Deactivate, Raise};
        let cooling = |observation: Observation| Observation { now: at(1299), ..observation };
        for (name, policy, observation, activity, scale) in [
            ("a message wakes the workload", policy(0, 10, None), observation(0, 1, 0), Active, Some((1, Activate))),
            ("it wakes to its minimum", policy(3, 10, None), observation(0, 1, 0), Active, Some((3, Activate))),
            ("above zero the HPA decides", policy(0, 10, None), observation(2, 1, 0), Active, None),
            (
                "an idle one wakes to its minimum",
                policy(3, 10, Some(1)),
                observation(1, 1, 0),
                Active,
                Some((3, Activate)),
            ),
            (
                "one failed trigger does not hold an active one",
                policy(0, 10, None),
                observation(0, 1, 1),
                Active,
                Some((1, Activate)),
            ),
            ("a failed trigger freezes the count", policy(0, 10, None), observation(4, 0, 1), Inactive, None),
            ("even below the minimum", policy(2, 10, None), observation(1, 0, 1), Inactive, None),
            ("after the cooldown to zero", policy(0, 10, None), observation(4, 0, 0), Inactive, Some((0, Deactivate))),
            ("before its end not", policy(0, 10, None), cooling(observation(4, 0, 0)), CoolingDown, None),
            (
                "after the cooldown to idle",
                policy(3, 10, Some(1)),
                observation(4, 0, 0),
                Inactive,
                Some((1, Deactivate)),
            ),
            ("a minimum is kept by the HPA", policy(2, 10, None), observation(4, 0, 0), Inactive, None),
            ("below the minimum it is raised", policy(2, 10, None), observation(0, 0, 0), Inactive, Some((2, Raise))),
            ("at zero it stays", policy(0, 10, None), observation(0, 0, 0), Inactive, None),
            (
                "an idle count of 0 below 0 wakes to 1",
                policy(0, 10, Some(0)),
                observation(0, 1, 0),
                Active,
                Some((1, Activate)),
            ),
            ("and sleeps at zero", policy(0, 10, Some(0)), observation(1, 0, 0), Inactive, Some((0, Deactivate))),
        ] {
            let decision = decide(&policy, &observation);
            assert_eq!((decision.activity, decision.scale), (activity, scale), "{name}");
        }
    }

    #[test]
    fn an_activation_to_the_target_sets_what_the_readings_ask_for() {
        use ScaleReason::{Activate, FallBack};
        let straight = |policy: Policy| Policy { activate_to: Some(ActivateTo::Target), ..policy };
        let wants = |wanted, observation: Observation| Observation { wanted, ..observation };
        for (name, policy, observation, scale) in [
            ("at once", straight(policy(0, 100, None)), wants(40, observation(0, 1, 0)), Some((40, Activate))),
            ("to the maximum", straight(policy(0, 10, None)), wants(40, observation(0, 1, 0)), Some((10, Activate))),
            ("to the minimum", straight(policy(3, 10, None)), wants(2, observation(0, 1, 0)), Some((3, Activate))),
            ("from idle", straight(policy(3, 10, Some(1))), wants(7, observation(1, 1, 0)), Some((7, Activate))),
            (
                "to the limit of its own scaleUp policy",
                Policy { scale_up_limit: Some(5), ..straight(policy(0, 100, None)) },
                wants(40, observation(0, 1, 0)),
                Some((5, Activate)),
            ),
            ("above zero the HPA decides", straight(policy(0, 10, None)), wants(40, observation(1, 1, 0)), None),
            (
                "to the fallback's count",
                straight(policy(0, 10, None)),
                Observation { fallback: fallback(5, "static"), ..wants(5, observation(0, 0, 1)) },
                Some((5, FallBack)),
            ),
            ("otherwise to the minimum", policy(0, 100, None), wants(40, observation(0, 1, 0)), Some((1, Activate))),
        ] {
            assert_eq!(decide(&policy, &observation).scale, scale, "{name}");
        }
    }

    #[test]
    fn without_any_activity_the_initial_cooldown_counts_from_creation() {
        let policy = Policy { initial_cooldown: Duration::from_mins(1), ..policy(0, 10, None) };
        let never = |now| Observation { last_active: None, now: at(now), ..observation(3, 0, 0) };
        assert_eq!(decide(&policy, &never(59)).cooldown_ends, Some(at(60)));
        assert_eq!(decide(&policy, &never(60)).scale, Some((0, ScaleReason::Deactivate)));
    }

    #[test]
    fn pausing_one_direction_leaves_the_other() {
        let scale_in = Policy { scale_in_paused: true, ..policy(0, 10, None) };
        assert_eq!(decide(&scale_in, &observation(4, 0, 0)).scale, None);
        assert_eq!(decide(&scale_in, &observation(0, 1, 0)).scale, Some((1, ScaleReason::Activate)));
        let scale_out = Policy { scale_out_paused: true, ..policy(0, 10, None) };
        assert_eq!(decide(&scale_out, &observation(0, 1, 0)).scale, None);
        assert_eq!(decide(&scale_out, &observation(4, 0, 0)).scale, Some((0, ScaleReason::Deactivate)));
        let scale_out = Policy { scale_out_paused: true, ..policy(2, 10, None) };
        assert_eq!(decide(&scale_out, &observation(1, 0, 0)).scale, Some((2, ScaleReason::Raise)));
    }

    prop_compose! {
        fn any_policy()(
            max in 1_i32..20, min_share in 0.0..=1.0_f64, idle_share in proptest::option::of(0.0..1.0_f64),
            cooldown in 0_u64..600, initial in 0_u64..600, force in any::<bool>(), to_target in any::<bool>(),
            limit in proptest::option::of(0_i32..40),
        ) -> Policy {
            #[allow(clippy::cast_possible_truncation)]
            let share = |of: i32, share: f64| (f64::from(of) * share).floor() as i32;
            let min = share(max, min_share);
            let idle = idle_share.map(|part| share(min, part).min(min.max(1) - 1));
            Policy {
                cooldown: Duration::from_secs(cooldown),
                initial_cooldown: Duration::from_secs(initial),
                always_active: force.then_some(Always::Forced),
                activate_to: to_target.then_some(ActivateTo::Target),
                scale_up_limit: limit,
                ..policy(min, max, idle)
            }
        }
    }

    fn fallback(replicas: i32, behavior: &str) -> Option<Fallback> {
        let spec = serde_json::json!({
            "scaleTargetRef": {"name": "app"}, "triggers": [],
            "fallback": {"failureThreshold": 0, "replicas": replicas, "behavior": behavior},
        });
        Fallback::of(&serde_json::from_value(spec).unwrap()).unwrap()
    }

    fn any_fallback() -> impl Strategy<Value = Option<Fallback>> {
        let behavior = proptest::sample::select(vec!["static", "currentReplicas", "currentReplicasIfHigher"]);
        proptest::option::of(
            (0_i32..10, behavior).prop_map(|(replicas, behavior)| fallback(replicas, behavior).unwrap()),
        )
    }

    #[test]
    fn a_fallback_wakes_the_workload_and_the_hpa_does_the_rest() {
        for (name, policy, replicas, fallback, scale) in [
            ("from zero", policy(0, 10, None), 0, fallback(5, "static"), Some((1, ScaleReason::FallBack))),
            (
                "from zero to the minimum",
                policy(2, 10, None),
                0,
                fallback(5, "static"),
                Some((2, ScaleReason::FallBack)),
            ),
            ("from idle", policy(3, 10, Some(1)), 1, fallback(5, "static"), Some((3, ScaleReason::FallBack))),
            ("above zero it is the HPA's", policy(0, 10, None), 2, fallback(5, "static"), None),
            ("to the present count, which is zero", policy(0, 10, None), 0, fallback(5, "currentReplicas"), None),
            (
                "to the higher count",
                policy(0, 10, None),
                0,
                fallback(5, "currentReplicasIfHigher"),
                Some((1, ScaleReason::FallBack)),
            ),
            ("to the lower count", policy(0, 10, None), 0, fallback(5, "currentReplicasIfLower"), None),
            ("to none", policy(0, 10, None), 3, fallback(0, "static"), None),
        ] {
            let decision = decide(&policy, &Observation { fallback, ..observation(replicas, 0, 1) });
            assert_eq!((decision.activity, decision.scale), (Activity::Inactive, scale), "{name}");
        }
    }

    prop_compose! {
        fn any_observation()(
            replicas in 0_i32..40, active in 0_usize..3, failed in 0_usize..3, fallback_at in any_fallback(),
            wanted in 0_i32..60, last in proptest::option::of(0_i64..1000), now in 0_i64..2000,
        ) -> Observation {
            Observation { replicas, active, failed, fallback: fallback_at, wanted, last_active: last.map(at), now: at(now) }
        }
    }

    proptest! {
        #[test]
        fn a_decision_never_leaves_the_bounds(policy in any_policy(), observation in any_observation()) {
            if let Some((replicas, _)) = decide(&policy, &observation).scale {
                prop_assert!(replicas >= policy.idle.unwrap_or(0) && replicas <= policy.max);
                prop_assert_ne!(replicas, observation.replicas);
            }
        }

        #[test]
        fn an_error_never_takes_replicas_away(policy in any_policy(), observation in any_observation()) {
            let observation = Observation { failed: observation.failed.max(1), ..observation };
            let after = decide(&policy, &observation).scale.map_or(observation.replicas, |(replicas, _)| replicas);
            prop_assert!(after >= observation.replicas);
        }

        #[test]
        fn replicas_are_never_taken_away_before_the_cooldown(policy in any_policy(), observation in any_observation()) {
            let after = decide(&policy, &observation).scale.map_or(observation.replicas, |(replicas, _)| replicas);
            if after < observation.replicas {
                prop_assert!(observation.now >= cooldown_ends(&policy, observation.last_active));
            }
        }

        #[test]
        fn an_active_trigger_is_never_left_at_zero(policy in any_policy(), observation in any_observation()) {
            let observation = Observation { active: observation.active.max(1), replicas: 0, ..observation };
            let after = decide(&policy, &observation).scale.map(|(replicas, _)| replicas);
            prop_assert!(after.is_some_and(|replicas| replicas >= 1));
        }

        #[test]
        fn what_was_decided_is_final(policy in any_policy(), observation in any_observation()) {
            if let Some((replicas, _)) = decide(&policy, &observation).scale {
                prop_assert_eq!(decide(&policy, &Observation { replicas, ..observation }).scale, None);
            }
        }
    }
}
