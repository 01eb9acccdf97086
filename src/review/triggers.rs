//! Problems of one trigger's parameters while some of their values are not known: those from a TriggerAuthentication,
//! and those from the environment of the target's container.
//!
//! The trigger is built several times with other values in their places: with none, and with samples that they could
//! have. A problem of all builds is reported.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ebb_crds::ScaleTrigger;
use ebb_scalers::params::{Sample, Source};
use ebb_scalers::pool::ClientPools;
use ebb_scalers::{ConfigError, Kind, Param, TriggerConfig};

use super::environment::KnownVariable;
use super::{AuthParams, Environment, Finding};
use ebb_plan::validate;

/// A certificate and its key, which a parameter could hold.
static IDENTITY: LazyLock<Option<(String, String)>> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["sample".to_owned()]).ok()?;
    Some((made.cert.pem(), made.signing_key.serialize_pem()))
});

/// A problem, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    text: String,
    hints: Vec<String>,
}

impl Problem {
    /// The finding at the key that the problem names, or at the whole trigger.
    pub(super) fn at(self, place: &str, trigger: &ScaleTrigger) -> Finding {
        let path = match self.key(trigger) {
            Some(key) => format!("{place}.metadata.{key}"),
            None if self.text.starts_with("no scaler found") => format!("{place}.type"),
            None => format!("{place}.metadata"),
        };
        Finding::warning(path, self.text).with_hints(self.hints)
    }

    /// The key of the trigger's metadata that the problem names.
    fn key<'a>(&self, trigger: &'a ScaleTrigger) -> Option<&'a String> {
        let quoted = |key: &&String| {
            let shown = key.strip_suffix("FromEnv").unwrap_or(key);
            [key.as_str(), shown]
                .iter()
                .any(|key| self.text.contains(&format!("\"{key}\"")) || self.text.contains(&format!("`{key}`")))
        };
        let word = |key: &&String| self.speaks_of(key);
        trigger.metadata.keys().find(quoted).or_else(|| trigger.metadata.keys().find(word))
    }

    /// Whether a word of the text is `name`.
    fn speaks_of(&self, name: &str) -> bool {
        self.text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name)
    }

    /// Whether it is about the missing parameter `name`, which the trigger is not given.
    pub(super) fn misses(&self, name: &str, trigger: &ScaleTrigger) -> bool {
        self.key(trigger).is_none() && self.speaks_of(name)
    }
}

/// Values in place of those that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SampleSet {
    /// No values: parameters that are not known are not given.
    Empty,
    /// The values of this place among each parameter's samples.
    Values(usize),
}

/// The knowledge about a trigger's parameters, and the clients to build it with.
pub(super) struct Known<'a> {
    pub(super) given: &'a AuthParams,
    pub(super) environment: &'a Environment,
    pub(super) brokers: &'a ClientPools,
}

/// The problems of `trigger` with every value of those that are not known.
pub(super) fn problems(index: usize, trigger: &ScaleTrigger, known: &Known<'_>) -> Vec<Problem> {
    let Some(kind) = ebb_scalers::kind(&trigger.type_) else {
        let config = TriggerConfig { index, kind: trigger.type_.clone(), ..TriggerConfig::default() };
        return ebb_scalers::build(&config, known.brokers).err().as_ref().map(alone).unwrap_or_default();
    };
    let mut wrong: Option<Vec<Problem>> = None;
    for set in sample_sets(trigger, kind, known) {
        let config = filled(index, trigger, kind, known, set);
        let Err(error) = ebb_scalers::build(&config, known.brokers) else { return Vec::new() };
        let found = alone(&error);
        wrong = Some(match wrong {
            None => found,
            Some(wrong) => wrong.into_iter().filter_map(|one| in_both(one, &found)).collect(),
        });
    }
    wrong.unwrap_or_default()
}

/// The trigger, built with values that it could have in the place of those that are not known.
///
/// # Errors
/// It cannot be built with any of these values.
pub(super) fn sample(
    index: usize,
    trigger: &ScaleTrigger,
    known: &Known<'_>,
) -> Result<Box<dyn ebb_scalers::Scaler>, ConfigError> {
    let bare = || TriggerConfig { index, kind: trigger.type_.clone(), ..TriggerConfig::default() };
    let Some(kind) = ebb_scalers::kind(&trigger.type_) else { return ebb_scalers::build(&bare(), known.brokers) };
    let mut sets: Vec<_> = sample_sets(trigger, kind, known).collect();
    // A possible value shows more than none.
    sets.sort_by_key(|set| *set == SampleSet::Empty);
    let of = |set| ebb_scalers::build(&filled(index, trigger, kind, known, set), known.brokers);
    let mut built = sets.into_iter().map(of);
    let first = built.next().unwrap_or_else(|| ebb_scalers::build(&bare(), known.brokers));
    first.or_else(|error| built.find_map(Result::ok).ok_or(error))
}

/// The sets of values with which a trigger is tried.
fn sample_sets(trigger: &ScaleTrigger, kind: &Kind, known: &Known<'_>) -> impl Iterator<Item = SampleSet> + use<> {
    let variables = || trigger.metadata.iter().filter(|(key, _)| key.ends_with("FromEnv"));
    let is = |wanted: &[KnownVariable<'_>]| {
        variables().any(|(_, variable)| wanted.contains(&known.environment.variable(variable)))
    };
    let may_be_absent = *known.given == AuthParams::Anything || is(&[KnownVariable::Unknown]);
    let is_open = *known.given != AuthParams::Nothing || is(&[KnownVariable::Unknown, KnownVariable::Set]);
    let empty = (may_be_absent || !is_open).then_some(SampleSet::Empty);
    // A known name of a parameter means that the parameter is there, with an unknown value.
    let values = if is_open { longest_sample(kind) } else { 0 };
    empty.into_iter().chain((0..values).map(SampleSet::Values))
}

/// A problem with the hints that it has in both lists. A hint may speak of a value that is not known.
fn in_both(mut one: Problem, others: &[Problem]) -> Option<Problem> {
    let other = others.iter().find(|other| other.text == one.text)?;
    one.hints.retain(|hint| other.hints.contains(hint));
    Some(one)
}

/// Credentials that the trigger is given and does not use. The names of the given parameters must be known for that.
pub(super) fn unused_credentials(
    kind: &Kind,
    index: usize,
    trigger: &ScaleTrigger,
    given: &AuthParams,
) -> Option<Problem> {
    let names = match given {
        AuthParams::Nothing => None,
        AuthParams::Names(names) => Some(names),
        AuthParams::Anything => return None,
    };
    let metadata = trigger.metadata.clone();
    let config = TriggerConfig { index, kind: trigger.type_.clone(), metadata, ..TriggerConfig::default() };
    let is_given = |key: &str| names.is_some_and(|names| names.contains(key));
    let (text, hint) = kind.unused_credentials(&config, &is_given)?;
    Some(Problem { text, hints: vec![hint] })
}

/// Each problem by itself, with its hints.
fn alone(error: &ConfigError) -> Vec<Problem> {
    let problems = error.problems().iter().enumerate();
    let hints = |place| error.hints_of(place).map(str::to_owned).collect();
    problems.map(|(place, text)| Problem { text: text.clone(), hints: hints(place) }).collect()
}

/// The number of sets that go through every sample of every parameter.
fn longest_sample(kind: &Kind) -> usize {
    let texts = kind.params.iter().map(|param| if let Sample::Texts(texts) = param.sample { texts.len() } else { 1 });
    texts.max().unwrap_or(1)
}

fn filled(index: usize, trigger: &ScaleTrigger, kind: &Kind, known: &Known<'_>, set: SampleSet) -> TriggerConfig {
    let declared = |name: &str| kind.params.iter().find(|param| param.names().any(|known| known == name));
    let auth: BTreeMap<_, _> = match known.given {
        AuthParams::Nothing => BTreeMap::new(),
        AuthParams::Names(names) => {
            // They are there, also where other values are not.
            let set = if set == SampleSet::Empty { SampleSet::Values(0) } else { set };
            let known = names.iter().filter_map(|name| Some((name.clone(), sample_value(declared(name)?, set)?)));
            known.collect()
        }
        AuthParams::Anything => {
            let open = kind.params.iter().filter(|param| {
                param.sources.contains(&Source::Auth)
                    && param.names().all(|name| trigger.metadata.get(name).is_none_or(String::is_empty))
            });
            open.filter_map(|param| Some((param.name.to_owned(), sample_value(param, set)?))).collect()
        }
    };
    let env = trigger.metadata.iter().filter_map(|(key, variable)| {
        let param = declared(key.strip_suffix("FromEnv")?)?;
        let value = match known.environment.variable(variable) {
            KnownVariable::Text(text) => text.to_owned(),
            KnownVariable::Absent => return None,
            KnownVariable::Set if set == SampleSet::Empty => sample_value(param, SampleSet::Values(0))?,
            KnownVariable::Set | KnownVariable::Unknown => sample_value(param, set)?,
        };
        Some((variable.clone(), value))
    });
    TriggerConfig {
        index,
        kind: trigger.type_.clone(),
        metric_type: validate::metric_type(trigger.metric_type.as_deref()).unwrap_or_default(),
        // The check of all triggers together finds the kinds that may not have it.
        use_cached_metrics: false,
        metadata: trigger.metadata.clone(),
        auth,
        env: env.collect(),
    }
}

/// A value that the parameter could have; none where it is left out.
fn sample_value(param: &Param, set: SampleSet) -> Option<String> {
    let SampleSet::Values(place) = set else { return None };
    match param.sample {
        Sample::Texts(texts) => texts.get(place % texts.len().max(1)).map(|text| (*text).to_owned()),
        Sample::Certificate => IDENTITY.as_ref().map(|(cert, _)| cert.clone()),
        Sample::PrivateKey => IDENTITY.as_ref().map(|(_, key)| key.clone()),
        Sample::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ebb_scalers::KINDS;
    use ebb_scalers::params::Absent;

    use super::*;

    /// A trigger whose every required parameter comes from a source that a review cannot read.
    #[test]
    fn a_trigger_of_any_kind_is_not_blamed_for_values_that_are_not_known() {
        for kind in KINDS {
            let mut trigger = ScaleTrigger { type_: kind.name.to_owned(), ..ScaleTrigger::default() };
            let mut from_authentication = BTreeSet::new();
            for param in kind.params.iter().filter(|param| param.absent == Absent::Refused) {
                if param.sources.contains(&Source::Auth) {
                    from_authentication.insert(param.name.to_owned());
                } else if param.sources.contains(&Source::Env) {
                    trigger.metadata.insert(format!("{}FromEnv", param.name), "VARIABLE".to_owned());
                } else if let Some(value) = sample_value(param, SampleSet::Values(0)) {
                    trigger.metadata.insert(param.name.to_owned(), value);
                }
            }
            for given in [AuthParams::Names(from_authentication), AuthParams::Anything] {
                let (environment, brokers) = (Environment::Unknown, ClientPools::default());
                let found =
                    problems(0, &trigger, &Known { given: &given, environment: &environment, brokers: &brokers });
                assert_eq!(found, [], "{} with {given:?}", kind.name);
            }
        }
    }
}
