//! Keys in a trigger's metadata that its kind does not know: most likely a slip of the pen
//! (`KEDA_CHECK_UNEXPECTED_SCALERS_PARAMS`).

use std::collections::BTreeMap;

use ebb_params::Declaration;

/// The keys of `metadata` that `kind` does not read, in order.
pub fn keys<'a>(kind: &Declaration, metadata: &'a BTreeMap<String, String>) -> Vec<&'a str> {
    let unknown = metadata.keys().filter(|key| !kind.params.iter().any(|param| param.is_given_by(key)));
    unknown.map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
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
