//! Any parameters of any kind of trigger: an error, or a scaler with a metric that the HPA can use. No password in either.
//!
//! The input is text. Its first line is the kind; each further line is a letter, a key and a value, separated by spaces:
//! `m` for the metadata, `a` for the TriggerAuthentication, `e` for the environment. A line `c` sets `useCachedMetrics`.
#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;

use ebb_scalers::broker::Brokers;
use ebb_scalers::{KINDS, Scaler, TriggerConfig};
use libfuzzer_sys::{Corpus, fuzz_target};

/// What stands for every secret. An error or a `Debug` text that has it must have it from elsewhere.
const SECRET: &str = "hunter2";
/// The parameters that are secret as a whole.
const SECRETS: &[&str] = &["password", "key", "keyPassword", "clientSecret"];
/// How many scalers live at the same time, so that clients are shared, too.
const ALIVE: usize = 16;

thread_local! {
    static WORLD: RefCell<(Brokers, VecDeque<Box<dyn Scaler>>)> = RefCell::default();
}

fuzz_target!(
    init: {
        let _ = rustls::crypto::ring::default_provider().install_default();
    },
    |text: &str| -> Corpus {
        let Some(trigger) = trigger(text) else { return Corpus::Reject };
        WORLD.with_borrow_mut(|(brokers, alive)| {
            let told = match ebb_scalers::build(&trigger, brokers) {
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
                    format!("{error} {error:?} {}", error.cures().join(" "))
                }
            };
            assert!(!told.contains(SECRET) || !hides_the_secret(&trigger), "a secret is told: {told}");
        });
        Corpus::Keep
    }
);

/// Whether the secret is in a secret parameter and nowhere else.
fn hides_the_secret(trigger: &TriggerConfig) -> bool {
    let open = trigger.metadata.iter().chain(&trigger.env);
    let hidden = |key: &str| SECRETS.contains(&key);
    !trigger.kind.contains(SECRET)
        && !open
            .chain(trigger.auth.iter().filter(|(key, _)| !hidden(key)))
            .any(|(key, value)| key.contains(SECRET) || value.contains(SECRET))
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
