//! Problems of one trigger's parameters while some of their values are not known: those from a TriggerAuthentication, and
//! those from the environment of the target's container.
//!
//! The trigger is built several times, each time with other values in their places: none at all, and ones that it could
//! have. What is wrong every time is wrong.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ebb_crds::ScaleTrigger;
use ebb_scalers::broker::Brokers;
use ebb_scalers::config::Source;
use ebb_scalers::{ConfigError, Kind, TriggerConfig};

use super::{Finding, Given};
use crate::plan::validate;

/// A certificate and its key, which a parameter could hold.
static IDENTITY: LazyLock<Option<(String, String)>> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["sample".to_owned()]).ok()?;
    Some((made.cert.pem(), made.signing_key.serialize_pem()))
});

/// A line of what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    text: String,
    cures: Vec<String>,
}

impl Problem {
    /// The finding at the key that it speaks of, or at the whole trigger.
    pub(super) fn at(self, place: &str, trigger: &ScaleTrigger) -> Finding {
        let quoted =
            |key: &&String| self.text.contains(&format!("\"{key}\"")) || self.text.contains(&format!("`{key}`"));
        let word =
            |key: &&String| self.text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == key.as_str());
        let key = trigger.metadata.keys().find(quoted).or_else(|| trigger.metadata.keys().find(word));
        let path = match key {
            Some(key) => format!("{place}.metadata.{key}"),
            None if self.text.starts_with("no scaler found") => format!("{place}.type"),
            None => format!("{place}.metadata"),
        };
        Finding::warning(path, self.text).with_cures(self.cures)
    }
}

/// What the places of unknown values are filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    /// Nothing.
    Bare,
    /// Values that go with AMQP.
    Amqp,
    /// Values that go with HTTP.
    Http,
}

/// All that is wrong with `trigger`, whatever the values are that are not known.
pub(super) fn problems(index: usize, trigger: &ScaleTrigger, given: &Given, brokers: &Brokers) -> Vec<Problem> {
    let Some(kind) = ebb_scalers::kind(&trigger.type_) else {
        let config = TriggerConfig { index, kind: trigger.type_.clone(), ..TriggerConfig::default() };
        return ebb_scalers::build(&config, brokers).err().as_ref().map(alone).unwrap_or_default();
    };
    let from_env = trigger.metadata.keys().any(|key| key.ends_with("FromEnv"));
    let worlds: &[World] = match given {
        Given::Nothing if !from_env => &[World::Bare],
        // They are there, whatever they hold.
        Given::Names(_) if !from_env => &[World::Amqp, World::Http],
        _ => &[World::Bare, World::Amqp, World::Http],
    };
    let mut wrong: Option<Vec<Problem>> = None;
    for world in worlds {
        let config = filled(index, trigger, kind, given, *world);
        let Err(error) = ebb_scalers::build(&config, brokers) else { return Vec::new() };
        let found = alone(&error);
        wrong = Some(match wrong {
            None => found,
            Some(wrong) => wrong.into_iter().filter(|one| found.iter().any(|other| one.text == other.text)).collect(),
        });
    }
    wrong.unwrap_or_default()
}

/// Credentials that the trigger is given and does not use. What is given must be known for that.
pub(super) fn unused_credentials(kind: &Kind, index: usize, trigger: &ScaleTrigger, given: &Given) -> Option<Problem> {
    let names = match given {
        Given::Nothing => None,
        Given::Names(names) => Some(names),
        Given::Anything => return None,
    };
    let metadata = trigger.metadata.clone();
    let config = TriggerConfig { index, kind: trigger.type_.clone(), metadata, ..TriggerConfig::default() };
    let is_given = |key: &str| names.is_some_and(|names| names.contains(key));
    let (text, cure) = kind.unused_credentials(&config, &is_given)?;
    Some(Problem { text, cures: vec![cure] })
}

/// Each problem by itself. The cures belong to all of them together; they are with the last.
fn alone(error: &ConfigError) -> Vec<Problem> {
    let problems = error.problems().iter().map(|text| Problem { text: text.clone(), cures: Vec::new() });
    let mut problems: Vec<_> = problems.collect();
    if let Some(last) = problems.last_mut() {
        last.cures = error.cures().to_vec();
    }
    problems
}

fn filled(index: usize, trigger: &ScaleTrigger, kind: &Kind, given: &Given, world: World) -> TriggerConfig {
    let sampled = |names: &mut dyn Iterator<Item = &str>| -> BTreeMap<String, String> {
        names.filter_map(|name| Some((name.to_owned(), sample(name, world)?.to_owned()))).collect()
    };
    let auth = match given {
        Given::Nothing => BTreeMap::new(),
        Given::Names(names) => sampled(&mut names.iter().map(String::as_str)),
        Given::Anything => {
            let open = kind.keys.iter().filter(|key| {
                key.sources.contains(&Source::Auth) && trigger.metadata.get(key.name).is_none_or(String::is_empty)
            });
            sampled(&mut open.map(|key| key.name))
        }
    };
    let env = trigger.metadata.iter().filter_map(|(key, variable)| {
        let value = sample(key.strip_suffix("FromEnv")?, world)?;
        Some((variable.clone(), value.to_owned()))
    });
    TriggerConfig {
        index,
        kind: trigger.type_.clone(),
        metric_type: validate::metric_type(trigger.metric_type.as_deref()).unwrap_or_default(),
        // Which kinds may have it is checked of all triggers together.
        use_cached_metrics: false,
        metadata: trigger.metadata.clone(),
        auth,
        env: env.collect(),
    }
}

/// A value that the parameter could have. None where it is left out: what it holds would be read, and only a true one can be.
fn sample(parameter: &str, world: World) -> Option<&'static str> {
    if world == World::Bare {
        return None;
    }
    match parameter {
        "ca" | "keyPassword" | "workloadIdentityResource" | "kerberosDisableFAST" => None,
        "cert" => IDENTITY.as_ref().map(|(cert, _)| cert.as_str()),
        "key" => IDENTITY.as_ref().map(|(_, key)| key.as_str()),
        "host" if world == World::Amqp => Some("amqp://broker"),
        "host" | "managementHost" => Some("http://broker"),
        "protocol" => Some("auto"),
        "tls" if world == World::Amqp => Some("enable"),
        "tls" => Some("disable"),
        "sasl" => Some("none"),
        "saslTokenProvider" => Some("bearer"),
        "oauthTokenURI" | "oauthTokenEndpointUri" => Some("https://tokens/token"),
        "oauthExtensions" | "endpointParams" => Some("a=b"),
        "bootstrapServers" => Some("broker:9092"),
        _ => Some("x"),
    }
}
