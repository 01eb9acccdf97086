//! A user's wishes for one ScaledObject, and the edits of them.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use crate::random::Random;
use crate::sandbox::Sandbox;
use crate::workload::{cron, rabbitmq, scaled_object};

/// A user's wishes for one ScaledObject. `spec` holds counts and times as they are written. Beside it are the wanted
/// name of the HPA (`hpa`) and whether an idle count, a fallback and a formula are wanted, where they are possible.
pub(super) struct App {
    /// Its name.
    pub(super) name: String,
    spec: Value,
    /// The triggers by what [`trigger`] calls them.
    triggers: Vec<&'static str>,
    labels: BTreeMap<&'static str, Value>,
    annotations: BTreeMap<&'static str, Value>,
    /// The mistake that is in it.
    pub(super) broken: Option<usize>,
    /// Whether it is deleted and made anew by the edit that is due.
    pub(super) again: bool,
}

fn trigger(which: &str) -> Value {
    let mut trigger = match which {
        "open" => cron("0 0 1 1 *", "59 23 31 12 *", "3"),
        "closed" => cron("0 0 29 2 *", "1 0 29 2 *", "3"),
        "cpu" => json!({"type": "cpu", "metricType": "AverageValue", "metadata": {"value": "500m"}}),
        queue => rabbitmq(&format!("churn-{queue}")),
    };
    trigger["name"] = json!(which);
    trigger
}

impl App {
    /// One with a trigger; every tenth has a mistake.
    pub(super) fn new(number: usize, random: &mut Random) -> Self {
        let spec = json!({"pollingInterval": 1 + number % 3, "cooldownPeriod": 1, "maxReplicaCount": 4 + number % 6});
        let name = format!("app-{number}");
        let (labels, annotations) = (BTreeMap::new(), BTreeMap::new());
        let mut app = Self { name, spec, triggers: Vec::new(), labels, annotations, broken: None, again: false };
        app.toggle_trigger(random);
        app.broken = number.is_multiple_of(10).then(|| random.below(5));
        app
    }

    fn toggle_trigger(&mut self, random: &mut Random) {
        let which = ["full", "some", "empty", "missing", "open", "closed", "cpu"][random.below(7)];
        match self.triggers.iter().position(|present| *present == which) {
            Some(place) if self.triggers.len() > 1 => drop(self.triggers.remove(place)),
            Some(_) => {}
            None => self.triggers.insert(random.below(self.triggers.len() + 1), which),
        }
    }

    fn toggle(map: &mut BTreeMap<&'static str, Value>, key: &'static str, value: Value) {
        if map.remove(key).is_none() {
            map.insert(key, value);
        }
    }

    /// One random edit.
    pub(super) fn edit(&mut self, random: &mut Random) {
        match random.below(15) {
            0 => self.spec["maxReplicaCount"] = json!(4 + random.below(6)),
            1 => self.spec["minReplicaCount"] = json!(random.below(3)),
            2 => self.spec["idle"] = json!(random.below(2) == 0),
            3 => self.spec["pollingInterval"] = json!(1 + random.below(4)),
            4 => self.spec["cooldownPeriod"] = json!(1 + random.below(3)),
            5 | 6 => self.toggle_trigger(random),
            7 => self.triggers.reverse(),
            8 => self.spec["hpa"] = json!(["", "first", "second", "third"][random.below(4)]),
            9 => {
                let (key, value) = [(0, "true"), (1, "2"), (2, "true"), (3, "true"), (4, "true")][random.below(5)];
                Self::toggle(&mut self.annotations, ANNOTATIONS[key], json!(value));
            }
            10 => Self::toggle(&mut self.labels, "team", json!(format!("t{}", random.below(3)))),
            11 => self.broken = if self.broken.is_some() { None } else { Some(random.below(5)) },
            12 => self.again = true,
            13 => self.spec["fallback"] = json!(random.below(2) == 0),
            _ => self.spec["formula"] = json!(random.below(2) == 0),
        }
        // A pause that stays would leave little to look at in the end.
        if random.below(3) == 0 {
            self.annotations.clear();
        }
    }

    /// The ScaledObject.
    pub(super) fn object(&self) -> Value {
        let has = |key: &str| self.spec[key] == true;
        let externals: Vec<&str> = self.triggers.iter().copied().filter(|which| *which != "cpu").collect();
        let only_cpu = externals.is_empty();
        let least = i64::from(only_cpu);
        let min = self.spec["minReplicaCount"].as_i64().unwrap_or(0).max(least);
        let mut hpa = json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}});
        if let Some(name) = self.spec["hpa"].as_str().filter(|name| !name.is_empty()) {
            hpa["name"] = json!(format!("{name}-{}", self.name));
        }
        let mut spec = json!({
            "pollingInterval": self.spec["pollingInterval"], "cooldownPeriod": self.spec["cooldownPeriod"],
            "minReplicaCount": min, "maxReplicaCount": self.spec["maxReplicaCount"],
            "triggers": self.triggers.iter().map(|which| trigger(which)).collect::<Vec<_>>(),
            "advanced": {"horizontalPodAutoscalerConfig": hpa},
        });
        if has("idle") && min > 0 && !only_cpu {
            spec["idleReplicaCount"] = json!(0);
        }
        if has("fallback") && !only_cpu {
            spec["fallback"] = json!({"failureThreshold": 1, "replicas": 2});
        }
        if has("formula") && !only_cpu {
            spec["advanced"]["scalingModifiers"] = json!({"formula": externals.join(" + "), "target": "5"});
        }
        match self.broken {
            None => {}
            Some(0) => spec["triggers"] = json!([{"type": "rabitmq", "metadata": {}}]),
            Some(1) => spec["triggers"] = json!([cron("0 8 * *", "0 18 * * *", "5")]),
            Some(2) => spec["triggers"][0]["authenticationRef"] = json!({"name": "no-such-authentication"}),
            Some(3) => spec["scaleTargetRef"] = json!({"name": "nobody"}),
            Some(_) => spec["triggers"] = json!([trigger("open"), trigger("open")]),
        }
        let mut object = scaled_object(&self.name, spec);
        object["metadata"]["labels"] = json!(self.labels);
        object["metadata"]["annotations"] = json!(self.annotations);
        object
    }

    fn is(&self, annotation: usize) -> bool {
        self.annotations.contains_key(ANNOTATIONS[annotation])
    }

    /// Whether it is paused, in both directions.
    pub(super) fn is_paused(&self) -> bool {
        self.is(0) || self.is(1)
    }

    /// Whether it has an HPA in the end if it never had another specification.
    pub(super) fn is_served(&self) -> bool {
        self.broken.is_none() && !self.is_paused()
    }

    /// Whether its replicas depend on what was before: nothing may be changed, or not all can be read.
    pub(super) fn keeps_replicas(&self) -> bool {
        (0..4).any(|annotation| self.is(annotation))
            || self.triggers.iter().any(|which| ["missing", "cpu"].contains(which))
    }

    /// Applies it as a user would.
    pub(super) async fn apply(&self, user: &Sandbox) -> Result<()> {
        if self.again {
            user.delete("ScaledObject", &self.name).await?;
            user.wait_gone("ScaledObject", &self.name).await?;
        }
        user.apply(&self.object()).await.map(drop)
    }
}

/// By their places here: a pause, a pause at a count, pauses in one direction, a forced activation.
const ANNOTATIONS: [&str; 5] = [
    "autoscaling.keda.sh/paused",
    "autoscaling.keda.sh/paused-replicas",
    "autoscaling.keda.sh/paused-scale-in",
    "autoscaling.keda.sh/paused-scale-out",
    "autoscaling.keda.sh/force-activation",
];
