//! Whole histories of random ScaledObjects, through the pure core and a model of the HPA. The properties hold for every
//! specification, every reading and every event in between (ARCHITECTURE.md, "What must always hold").

mod world;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::simulate::hpa::ControllerFlags;
use super::status;
use world::{Change, Edit, Event, Fault, STEP, Settings, Who, World};

const BEHAVIORS: &[&str] =
    &["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers"];
const FORMULAS: &[&str] =
    &["a + b", "a - b", "max(a, b)", "a / b", "(a ?? 3) + b", "b > 1 ? a : 0", "count([a, b], # > 1)"];
const ANNOTATIONS: &[(&str, &str)] = &[
    ("paused", "true"),
    ("paused", "false"),
    ("paused-replicas", "0"),
    ("paused-replicas", "4"),
    ("paused-scale-in", "true"),
    ("paused-scale-out", "true"),
    ("force-activation", "true"),
    ("activate-to", "target"),
];

const FAULTS: &[Fault] = &[Fault::Lost, Fault::AnswerLost, Fault::Conflict, Fault::Refused];

fn any_bounds() -> impl Strategy<Value = (i32, i32, Option<i32>)> {
    (1_i32..20, 0_i32..20, proptest::option::weighted(0.3, 0_i32..20)).prop_map(|(max, min, idle)| {
        let min = min.min(max);
        (min, max, idle.map(|idle| idle.min(min.max(1) - 1)))
    })
}

fn any_fallback() -> impl Strategy<Value = Option<(i32, i32, &'static str)>> {
    proptest::option::of((0_i32..4, 0_i32..15, proptest::sample::select(BEHAVIORS)))
}

fn any_annotations() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec(proptest::sample::select(ANNOTATIONS), 1..3),
    ]
}

fn any_reading() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        3 => Just(Some(0.0)),
        4 => (1_i32..200).prop_map(|reading| Some(f64::from(reading))),
        1 => (1_i32..40).prop_map(|reading| Some(f64::from(reading) / 8.0)),
        3 => Just(None),
    ]
}

prop_compose! {
    fn any_settings()(
        bounds in any_bounds(), cooldown in 0_i32..600, initial_cooldown in 0_i32..300, polling in 1_i32..60,
        fallback in any_fallback(), triggers in prop::collection::vec((1_i32..20, any::<bool>()), 2..4),
        formula in proptest::option::weighted(0.3, proptest::sample::select(FORMULAS)), annotations in any_annotations(),
    ) -> Settings {
        let (min, max, idle) = bounds;
        Settings { min, max, idle, cooldown, initial_cooldown, polling, fallback, triggers, formula, annotations }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let edit = prop_oneof![
        any_bounds().prop_map(|(min, max, idle)| Edit::Bounds { min, max, idle }),
        (0_i32..600).prop_map(Edit::Cooldown),
        any_fallback().prop_map(Edit::Fallback),
        any_annotations().prop_map(Edit::Annotate),
    ];
    prop_oneof![
        8 => (1_u8..60).prop_map(Event::Wait),
        6 => (0_usize..3, any_reading()).prop_map(|(trigger, reading)| Event::Read(trigger, reading)),
        1 => Just(Event::Restart),
        2 => edit.prop_map(Event::Edit),
        1 => (0_i32..25).prop_map(Event::Scale),
        2 => proptest::sample::select(FAULTS).prop_map(Event::Fault),
    ]
}

/// The time within which a workload comes to rest: the cooldown, the time between looks, and the HPA's windows. With a
/// metric of type Value the HPA goes down by as little as a replica in each.
fn rest(settings: &Settings) -> u32 {
    let seconds = settings.cooldown.max(settings.initial_cooldown) + 5 * settings.polling + 120;
    let window = TimeDelta::from_std(ControllerFlags::default().downscale_stabilization).unwrap();
    let time = TimeDelta::seconds(seconds.into()) + window * 14;
    u32::try_from(time.num_seconds() / STEP.num_seconds()).unwrap()
}

/// An idle count of zero. The HPA knows no idle count above zero and raises it to the minimum, and Ebb takes it back,
/// without an end: as KEDA's documentation says, only zero works.
fn idle_at_zero(settings: &Settings) -> Edit {
    Edit::Bounds { min: settings.min, max: settings.max, idle: settings.idle.map(|_| 0) }
}

fn wait(world: &mut World, steps: u32) {
    for _ in 0..steps {
        world.happens(&Event::Wait(1));
    }
}

fn after(world: &World, since: usize) -> &[Change] {
    &world.changes[since..]
}

/// The number of histories for each property: `EBB_HISTORIES`, or 300.
fn histories() -> ProptestConfig {
    let given = std::env::var("EBB_HISTORIES").ok().and_then(|text| text.parse().ok());
    ProptestConfig::with_cases(given.unwrap_or(300))
}

proptest! {
    #![proptest_config(histories())]

    /// The world itself asserts the invariants at each decision of Ebb and at each look of the HPA.
    #[test]
    fn whatever_happens_every_decision_is_right(
        settings in any_settings(), replicas in 0_i32..25, events in prop::collection::vec(any_event(), 1..60),
    ) {
        let mut world = World::new(settings, replicas);
        for event in &events {
            let (paused, before) = (world.paused(), world.changes.len());
            world.happens(event);
            if paused && world.paused() && !matches!(event, Event::Edit(_) | Event::Restart) {
                prop_assert_eq!(after(&world, before), &[][..], "changed while paused");
            }
            prop_assert!(world.status.last_active_time.as_ref().is_none_or(|time| status::instant(time) <= world.now));
        }
    }

    /// Ebb and the HPA do not fight: once nothing changes outside, the replicas come to rest, and on the way there they
    /// go up and down at most once.
    #[test]
    fn what_stays_the_same_comes_to_rest(
        settings in any_settings(), replicas in 0_i32..25, events in prop::collection::vec(any_event(), 0..20),
    ) {
        let mut world = World::new(settings, replicas);
        for event in &events {
            world.happens(event);
        }
        world.happens(&Event::Edit(idle_at_zero(&world.settings)));
        world.faults.clear();
        let began = world.changes.len();
        let steps = rest(&world.settings);
        wait(&mut world, steps);
        let turns = after(&world, began).windows(2).filter(|pair| (pair[0].to > pair[0].from) != (pair[1].to > pair[1].from));
        prop_assert!(turns.count() <= 2, "{:?} {:#?}", after(&world, began), world);
        let (rested, writes) = (world.changes.len(), world.writes);
        wait(&mut world, 200);
        prop_assert_eq!(after(&world, rested), &[][..], "still changing: {:#?}", world);
        // 1,000 s at rest: lastActiveTime alone is written, every five minutes.
        prop_assert!(world.writes - writes <= 4, "{} writes at rest", world.writes - writes);
    }

    /// While an active workload is at rest it has the HPA's count, which is never below the minimum, and never zero.
    #[test]
    fn an_active_workload_has_its_minimum(
        settings in any_settings(), replicas in 0_i32..25, reading in 1_i32..100,
    ) {
        let mut world = World::new(Settings { annotations: Vec::new(), formula: None, ..settings }, replicas);
        world.happens(&Event::Read(0, Some(f64::from(reading))));
        let steps = rest(&world.settings);
        wait(&mut world, steps);
        prop_assert!(world.replicas >= world.policy.active_floor() && world.replicas <= world.policy.max);
    }

    /// Without activity it returns to zero, the idle count or the minimum; but while a trigger fails it does not.
    #[test]
    fn an_inactive_workload_returns_to_its_floor(
        settings in any_settings(), replicas in 0_i32..25, failing in any::<bool>(),
    ) {
        let settings = Settings { annotations: Vec::new(), formula: None, fallback: None, ..settings };
        let mut world = World::new(settings, replicas);
        world.happens(&Event::Edit(idle_at_zero(&world.settings)));
        if failing {
            world.happens(&Event::Read(0, None));
        }
        let steps = rest(&world.settings);
        wait(&mut world, steps);
        let within = replicas.min(world.policy.max);
        if failing {
            prop_assert!(world.replicas >= within, "{:#?}", world);
        } else {
            prop_assert_eq!(world.replicas, world.policy.floor(), "{:#?}", world);
        }
    }

    /// When no trigger can be read the fallback's count is reached, as near as the HPA's tolerance goes.
    #[test]
    fn a_fallback_comes_to_its_count(settings in any_settings(), replicas in 0_i32..25, fallback in any_fallback()) {
        let Some((threshold, wanted, behavior)) = fallback else { return Ok(()) };
        let formula = settings.formula.map(|_| "a + b");
        let settings = Settings { annotations: Vec::new(), formula, fallback, idle: settings.idle.map(|_| 0), ..settings };
        prop_assume!(formula.is_none() || behavior != "scalingModifiers");
        let mut world = World::new(settings, replicas);
        for trigger in 0..world.readings.len() {
            world.happens(&Event::Read(trigger, None));
        }
        let steps = rest(&world.settings) + u32::try_from(threshold * world.settings.polling).unwrap();
        wait(&mut world, steps);
        let (low, high) = (world.policy.min.max(1), world.policy.max);
        let wanted = match behavior {
            "currentReplicas" => replicas,
            "currentReplicasIfHigher" => wanted.max(replicas),
            "currentReplicasIfLower" => wanted.min(replicas),
            _ => wanted,
        };
        if replicas == 0 && wanted == 0 {
            // Nothing is known and nothing is asked for: the count stays.
            prop_assert_eq!(world.replicas, 0);
            return Ok(());
        }
        let wanted = f64::from(wanted.clamp(low, high));
        let off = (f64::from(world.replicas) - wanted).abs();
        prop_assert!(off <= wanted * 0.12, "{} instead of {wanted}: {:#?}", world.replicas, world);
    }

    /// A pause changes nothing but for the count that it asks for, and its end begins where it stands.
    #[test]
    fn a_pause_holds_the_count(
        settings in any_settings(), replicas in 0_i32..25, at in proptest::option::of(Just("4")),
        events in prop::collection::vec(any_event(), 0..20),
    ) {
        let pause = at.map_or(("paused", "true"), |at| ("paused-replicas", at));
        let mut world = World::new(Settings { annotations: vec![pause], ..settings }, replicas);
        let outside = events.iter().filter(|event| matches!(event, Event::Wait(_) | Event::Read(..) | Event::Restart));
        for event in outside {
            world.happens(event);
        }
        prop_assert_eq!(world.replicas, at.map_or(replicas, |_| 4));
        let by: BTreeSet<bool> = world.changes.iter().map(|change| change.who == Who::Pause).collect();
        prop_assert!(!by.contains(&false), "{:?}", world.changes);
    }
}
