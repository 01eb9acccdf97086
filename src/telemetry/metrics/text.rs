//! The text of a scrape: the families that a replica exports at that moment, and their series.

use prometheus::proto::MetricFamily;
use prometheus::{Encoder as _, TextEncoder};

use super::decisions::SHADOW_REPLICAS;
use super::exchanges::DURATION_BUCKETS;
use super::process::{BROKER_CLIENTS, CERTIFICATE_EXPIRY};
use super::series::{Family, newest};
use super::{
    ACTIVE, CONDITION, CONDITION_LABELS, CONDITIONS, EMPTY, EMPTY_LABELS, ERRORS, LATENCY, LEADER, LOOP_LABELS,
    LOOP_LATENCY, MAX_REPLICAS, MIN_REPLICAS, Metrics, NEXT_CHANGE, OBJECT_ERRORS, OBJECT_LABELS, ObjectMetrics,
    PAUSED, REPLICAS, REQUEST_DURATION, REQUEST_LABELS, REQUESTS, TARGET, TRIGGER_LABELS, TriggerLabels,
    TriggerMetrics, VALUE, decisions,
};

/// A trigger's figure of a family.
type FigureOf = fn(&TriggerMetrics) -> f64;
/// A ScaledObject's figure of a family.
type ObjectFigureOf = fn(&ObjectMetrics) -> f64;

impl Metrics {
    /// The series that are exported at this moment, in Prometheus's text format.
    ///
    /// # Errors
    /// A series that cannot be written.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.process.gather(), &mut text)?;
        let leads = self.leadership.is_leader();
        write(&mut text, LEADER.of([], std::iter::once(([], f64::from(u8::from(leads))))))?;
        write(&mut text, CERTIFICATE_EXPIRY.of([], self.own.certificate_expiry().into_iter().map(|at| ([], at))))?;
        let clients = self.own.broker_clients();
        write(&mut text, BROKER_CLIENTS.of(["type"], clients.iter().map(|(kind, count)| ([*kind], *count))))?;
        if self.leadership.speaks() {
            TextEncoder::new().encode(&self.scaled_objects.gather(), &mut text)?;
            self.write_triggers(&mut text)?;
            self.write_objects(&mut text)?;
        }
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    fn write_triggers(&self, text: &mut Vec<u8>) -> Result<(), prometheus::Error> {
        let triggers = self.triggers.living();
        let triggers = newest(&triggers, |trigger| &trigger.labels);
        let indices: Vec<_> = triggers.iter().map(|trigger| trigger.labels.index.to_string()).collect();
        let families: [(Family, FigureOf); 6] = [
            (VALUE, |trigger| trigger.value.get()),
            (TARGET, |trigger| trigger.target.get()),
            (LATENCY, |trigger| trigger.latency.get()),
            (ACTIVE, |trigger| trigger.active.get()),
            (NEXT_CHANGE, |trigger| trigger.next_change.get()),
            (ERRORS, |trigger| trigger.errors.get()),
        ];
        for (family, figure) in families {
            let series = triggers
                .iter()
                .zip(&indices)
                .map(|(trigger, index)| (trigger_values(&trigger.labels, index), figure(trigger)));
            write(text, family.of(TRIGGER_LABELS, series.filter(|(_, number)| !number.is_nan())))?;
        }
        let empty = triggers.iter().flat_map(|trigger| {
            let counts = ["false", "true"].into_iter().zip(&trigger.empty);
            counts.map(|(ignored, count)| (empty_values(&trigger.labels, ignored), count.get()))
        });
        write(text, EMPTY.of(EMPTY_LABELS, empty.filter(|(_, count)| *count > 0.0)))?;
        let requests: Vec<_> = triggers
            .iter()
            .flat_map(|trigger| trigger.traffic.all().into_iter().map(|exchanges| (&trigger.labels, exchanges)))
            .map(|(labels, exchanges)| (labels, exchanges.status_code(), exchanges))
            .collect();
        // Counts are far below 2^53.
        #[expect(clippy::cast_precision_loss)]
        let counts =
            requests.iter().map(|(labels, code, exchanges)| (request_values(labels, code), exchanges.count as f64));
        write(text, REQUESTS.of(REQUEST_LABELS, counts))?;
        let durations = requests.iter().filter_map(|(labels, code, exchanges)| {
            Some((request_values(labels, code), exchanges.durations.as_deref()?))
        });
        let family = Family::gauge(REQUEST_DURATION.0, REQUEST_DURATION.1);
        write(text, family.spread(REQUEST_LABELS, &DURATION_BUCKETS, durations))
    }

    fn write_objects(&self, text: &mut Vec<u8>) -> Result<(), prometheus::Error> {
        let objects = self.objects.living();
        let objects = newest(&objects, |object| &object.key);
        let by_object = |number: ObjectFigureOf| {
            objects
                .iter()
                .map(move |object| ([object.key.namespace.as_str(), object.key.name.as_str()], number(object)))
        };
        write(text, OBJECT_ERRORS.of(OBJECT_LABELS, by_object(|object| object.errors.get())))?;
        write(text, PAUSED.of(OBJECT_LABELS, by_object(|object| object.paused.get())))?;
        let bounds: [(Family, ObjectFigureOf); 4] = [
            (REPLICAS, |object| object.replicas.get()),
            (SHADOW_REPLICAS, |object| object.shadow.get()),
            (MIN_REPLICAS, |object| object.bounds[0].get()),
            (MAX_REPLICAS, |object| object.bounds[1].get()),
        ];
        for (family, number) in bounds {
            write(text, family.of(OBJECT_LABELS, by_object(number).filter(|(_, number)| !number.is_nan())))?;
        }
        let conditions = objects.iter().flat_map(|object| {
            let states = CONDITIONS.into_iter().zip(&object.conditions);
            states.map(|(name, state)| ([name, &*object.key.namespace, &*object.key.name], state.get()))
        });
        write(text, CONDITION.of(CONDITION_LABELS, conditions.filter(|(_, number)| !number.is_nan())))?;
        write(text, decisions::family(objects.iter().map(|object| &***object)))?;
        let loops = by_object(|object| object.loop_latency.get()).filter(|(_, number)| !number.is_nan());
        let loops = loops.map(|([namespace, name], number)| ([namespace, name, "scaledobject"], number));
        write(text, LOOP_LATENCY.of(LOOP_LABELS, loops))
    }
}

/// One family at a time: all of them at once would take a multiple of the text's memory.
fn write(text: &mut Vec<u8>, family: MetricFamily) -> Result<(), prometheus::Error> {
    if family.get_metric().is_empty() { Ok(()) } else { TextEncoder::new().encode(&[family], text) }
}

fn trigger_values<'a>(labels: &'a TriggerLabels, index: &'a str) -> [&'a str; 6] {
    [&labels.metric, &labels.scaled_object.namespace, &labels.scaled_object.name, &labels.scaler, index, "scaledobject"]
}

fn empty_values<'a>(labels: &'a TriggerLabels, ignored: &'a str) -> [&'a str; 6] {
    let name = if labels.named { &*labels.scaler } else { "" };
    let object = &labels.scaled_object;
    [ignored, &labels.metric, &object.namespace, "ScaledObject", &object.name, name]
}

fn request_values<'a>(labels: &'a TriggerLabels, status_code: &'a str) -> [&'a str; 6] {
    // KEDA has the trigger's type here, and its name apart.
    let name = if labels.named { &*labels.scaler } else { "" };
    [&labels.metric, &labels.scaled_object.namespace, &labels.scaled_object.name, labels.kind, status_code, name]
}
