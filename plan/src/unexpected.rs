//! Keys in a trigger's metadata that its kind does not know: most likely a slip of the pen
//! (`KEDA_CHECK_UNEXPECTED_SCALERS_PARAMS`).

use std::collections::BTreeMap;

use ebb_params::{Declaration, Param, Source};

use super::similar::similar;

/// The keys of `metadata` that `kind` does not read, in order.
pub fn keys<'a>(kind: &Declaration, metadata: &'a BTreeMap<String, String>) -> Vec<&'a str> {
    let unknown = metadata.keys().filter(|key| !kind.params.iter().any(|param| param.is_given_by(key)));
    unknown.map(String::as_str).collect()
}

/// Keys of former releases of KEDA, by the kind and with the one in their place.
const FORMER: [(&str, &str, &str); 3] = [
    ("kafka", "brokerList", "bootstrapServers"),
    ("apache-kafka", "brokerList", "bootstrapServers"),
    ("rabbitmq", "apiHost", "host"),
];

/// Fields of a trigger, which have no effect in its metadata.
const FIELDS: [&str; 2] = ["metricType", "useCachedMetrics"];

/// A key of every kind in former releases of KEDA. It names nothing any more.
pub const METRIC_NAME: &str = "metricName";

/// The key that an unknown one was meant to be: the kind reads it, and the metadata lacks it.
pub fn meant(kind: &Declaration, metadata: &BTreeMap<String, String>, key: &str) -> Option<&'static str> {
    let (name, from_env) = match key.strip_suffix("FromEnv") {
        Some(name) => (name, true),
        None => (key, false),
    };
    let source = if from_env { Source::Env } else { Source::Metadata };
    let params = kind.params.iter().filter(|param| param.sources.contains(&source));
    let former = FORMER.iter().find(|(of, former, _)| *of == kind.name && *former == key);
    if let Some((_, _, present)) = former.filter(|(_, _, present)| !metadata.contains_key(*present)) {
        return Some(present);
    }
    let absent = params.filter(|param| !metadata.keys().any(|given| param.is_given_by(given)));
    similar(name, absent.flat_map(Param::names))
}

/// The advice about a key that the kind does not read, as the end of a sentence. `meant` is the key that the user most
/// likely meant.
pub fn hint(kind: &Declaration, key: &str, meant: Option<&str>) -> String {
    let from_env = key.ends_with("FromEnv");
    if let Some(meant) = meant {
        return format!(": write {meant}{}", if from_env { "FromEnv" } else { "" });
    }
    if FIELDS.contains(&key) {
        return format!(": write {key} beside metadata");
    }
    let name = key.strip_suffix("FromEnv").unwrap_or(key);
    let param = kind.params.iter().find(|param| param.names().any(|known| known == name));
    match param.map(|param| param.sources) {
        Some([Source::Auth]) => format!(": give {name} by a TriggerAuthentication"),
        Some(sources) if from_env && sources.contains(&Source::Metadata) => format!(": write {name} with its value"),
        Some(sources) if sources.contains(&Source::Env) && sources.contains(&Source::Auth) => {
            format!(": give {name} by a TriggerAuthentication, or {name}FromEnv with the name of a variable")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_has_a_hint() {
        let rabbitmq = &crate::catalog::of_tests("rabbitmq").unwrap();
        for (key, expected) in [
            ("queueNam", ": write queueName"),
            ("hsotFromEnv", ": write hostFromEnv"),
            ("token", ": give token by a TriggerAuthentication"),
            ("username", ": give username by a TriggerAuthentication, or usernameFromEnv with the name of a variable"),
            ("valueFromEnv", ": write value with its value"),
            ("apiHost", ": write host"),
            ("metricType", ": write metricType beside metadata"),
            ("somethingElse", ""),
        ] {
            let metadata = [(key.to_owned(), "x".to_owned())].into();
            assert_eq!(hint(rabbitmq, key, meant(rabbitmq, &metadata, key)), expected, "{key}");
        }
        let both = [("queueNam".to_owned(), "x".to_owned()), ("queueName".to_owned(), "x".to_owned())].into();
        assert_eq!(meant(rabbitmq, &both, "queueNam"), None, "it is given already");
    }

    #[test]
    fn a_key_is_known_where_it_is_read() {
        let keys = |kind: &str, metadata: &[&str]| -> Vec<String> {
            let metadata = metadata.iter().map(|key| ((*key).to_owned(), "x".to_owned())).collect();
            let kind = crate::catalog::of_tests(kind).unwrap();
            super::keys(&kind, &metadata).into_iter().map(ToOwned::to_owned).collect()
        };
        assert_eq!(keys("rabbitmq", &["queueName", "hostFromEnv", "mode", "value"]), [""; 0]);
        assert_eq!(keys("rabbitmq", &["queueNam", "host"]), ["queueNam"]);
        // It may come from the environment, but not under its own name in the metadata; and the other way round.
        assert_eq!(keys("rabbitmq", &["username", "usernameFromEnv"]), ["username"]);
        assert_eq!(keys("cron", &["timezone", "startFromEnv", "FromEnv"]), ["FromEnv", "startFromEnv"]);
    }
}
