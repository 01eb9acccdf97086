//! Any parameters of any kind of trigger: an error, or a scaler with a metric that the HPA can use. No password
//! in either.
//!
//! The input is text. Its first line is the kind; each further line is a letter, a key and a value, separated by
//! spaces: `m` for the metadata, `a` for the TriggerAuthentication, `e` for the environment. A line `c` sets
//! `useCachedMetrics`.
#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;

use ebb_scalers::pool::ClientPools;
use ebb_scalers::params::Secret;
use ebb_scalers::{KINDS, Scaler, TriggerConfig};
use libfuzzer_sys::{Corpus, fuzz_target};

/// The value of every secret, which another value replaces for a comparison.
const SECRET: &str = "hunter2";
const OTHER: &str = "pa55w0rd";
/// How many scalers live at the same time, so that clients are shared, too.
const ALIVE: usize = 16;

thread_local! {
    static WORLD: RefCell<(ClientPools, VecDeque<Box<dyn Scaler>>)> = RefCell::default();
}

fuzz_target!(
    init: {
        let _ = rustls::crypto::ring::default_provider().install_default();
    },
    |text: &str| -> Corpus {
        let Some(trigger) = trigger(text) else { return Corpus::Reject };
        WORLD.with_borrow_mut(|(brokers, alive)| {
            let told = build(&trigger, brokers, alive);
            if told.contains(SECRET) {
                // It may be there by chance: a queue of that name. Then it is there without the secret, too.
                let without = build(&with_other_secrets(&trigger), brokers, alive);
                assert!(without.contains(SECRET), "a secret is told: {told}");
            }
        });
        Corpus::Keep
    }
);

/// Builds the scaler, looks at its metric and keeps it for a while. Gives all that can be read of it, or of the error.
fn build(trigger: &TriggerConfig, brokers: &ClientPools, alive: &mut VecDeque<Box<dyn Scaler>>) -> String {
    match ebb_scalers::build(trigger, brokers) {
        Ok(scaler) => {
            let metric = scaler.metric();
            assert!(metric.name.starts_with(&format!("s{}-", trigger.index)), "{}", metric.name);
            assert!(metric.target.is_finite() && metric.target > 0.0, "{}", metric.target);
            let told = format!("{scaler:?}");
            alive.push_back(scaler);
            alive.drain(..alive.len().saturating_sub(ALIVE));
            told
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            format!("{error} {error:?} {}", error.hints().join(" "))
        }
    }
}

/// The same trigger with other secrets: the parameters that are secret as a whole, and the passwords in addresses.
fn with_other_secrets(trigger: &TriggerConfig) -> TriggerConfig {
    let mut other = trigger.clone();
    let params = ebb_scalers::kind(&trigger.kind).map_or(&[][..], |kind| kind.params);
    for param in params {
        for name in param.names() {
            let variable = other.metadata.get(&format!("{name}FromEnv")).cloned().unwrap_or_default();
            let values = [other.metadata.get_mut(name), other.auth.get_mut(name), other.env.get_mut(&variable)];
            for value in values.into_iter().flatten() {
                match param.secret {
                    Secret::No => {}
                    Secret::Whole => *value = value.replace(SECRET, OTHER),
                    Secret::PasswordInUrl => replace_password(value),
                }
            }
        }
    }
    other
}

/// Elsewhere in an address it may be a user's name or a part of the path.
fn replace_password(address: &mut String) {
    if let Some((scheme, rest)) = address.split_once("://")
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric())
        && let Some(rest) = rest.strip_prefix(&format!("u:{SECRET}@"))
    {
        *address = format!("{scheme}://u:{OTHER}@{rest}");
    }
}

fn trigger(text: &str) -> Option<TriggerConfig> {
    let mut lines = text.split('\n');
    let kind = lines.next()?;
    KINDS.iter().find(|known| known.name == kind)?;
    let mut trigger = TriggerConfig { kind: kind.to_owned(), ..TriggerConfig::default() };
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let map = match words.next()? {
            "m" => &mut trigger.metadata,
            "a" => &mut trigger.auth,
            "e" => &mut trigger.env,
            "c" => {
                trigger.use_cached_metrics = true;
                continue;
            }
            _ => continue,
        };
        map.insert(words.next()?.to_owned(), words.next()?.to_owned());
        trigger.index += 1;
    }
    Some(trigger)
}
