//! A trigger's parameters: from where each may come, how it is parsed, and KEDA's words for what is wrong with it.
//!
//! The rules are those of KEDA's typed configuration (`keda.sh/docs`, "Scalers"): a parameter comes from the trigger's
//! metadata, from its `TriggerAuthentication`, or, as `<key>FromEnv`, from an environment variable of the target's
//! container; the first source that is not empty wins.

use std::collections::BTreeMap;
use std::fmt;

use crate::go;
use crate::scaler::MetricType;

/// A trigger with everything it needs resolved.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TriggerConfig {
    /// The trigger's place in the ScaledObject, from 0.
    pub index: usize,
    /// The trigger's `type`.
    pub kind: String,
    /// `metricType`.
    pub metric_type: MetricType,
    /// `useCachedMetrics`.
    pub use_cached_metrics: bool,
    /// `metadata`.
    pub metadata: BTreeMap<String, String>,
    /// Parameters from the TriggerAuthentication. Secret: never printed.
    pub auth: BTreeMap<String, String>,
    /// The environment variables that `…FromEnv` keys refer to, resolved from the target's container. May be secret.
    pub env: BTreeMap<String, String>,
}

impl fmt::Debug for TriggerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggerConfig")
            .field("index", &self.index)
            .field("kind", &self.kind)
            .field("metadata", &self.metadata.keys())
            .field("auth", &self.auth.keys())
            .field("env", &self.env.keys())
            .finish_non_exhaustive()
    }
}

/// What is wrong with a trigger's parameters: KEDA's text, and beside it what KEDA does not say: how to put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    prefix: String,
    problems: Vec<String>,
    cures: Vec<String>,
}

impl ConfigError {
    /// An error with KEDA's text and no cure yet.
    pub fn new(text: impl Into<String>) -> Self {
        Self { prefix: String::new(), problems: vec![text.into()], cures: Vec::new() }
    }

    /// Adds a line that says how to put it right.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cures.push(cure.into());
        self
    }

    /// Puts words before the text.
    #[must_use]
    pub fn context(self, prefix: &str) -> Self {
        Self { prefix: format!("{prefix}{}", self.prefix), ..self }
    }

    /// What is wrong, each without the words before the text.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// How to put it right, a line each.
    pub fn cures(&self) -> &[String] {
        &self.cures
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// From where a parameter may come, in KEDA's order of search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The trigger's `metadata`.
    Metadata,
    /// The `TriggerAuthentication`.
    Auth,
    /// `<key>FromEnv` in the metadata names an environment variable of the target's container.
    Env,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "triggerMetadata",
            Self::Auth => "authParams",
            Self::Env => "resolvedEnv",
        }
    }
}

/// A parameter that a kind of trigger reads. Each kind declares its own once, in [`crate::Kind::keys`]: the pages in
/// `docs/triggers` are checked against it, and in this crate's tests a [`Reader`] that is asked for anything else panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name, as in `metadata`.
    pub name: &'static str,
    /// From where it may come, in the order of search.
    pub sources: &'static [Source],
    /// What holds when no source gives it.
    pub absent: Absent,
}

/// What holds for a parameter that is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The trigger is refused.
    Refused,
    /// Nothing: the parameter only adds something.
    Nothing,
    /// This value, as a user would write it.
    Default(&'static str),
}

impl Key {
    /// A parameter without which the trigger is refused.
    pub const fn required(name: &'static str, sources: &'static [Source]) -> Self {
        Self { name, sources, absent: Absent::Refused }
    }

    /// A parameter that may be left out.
    pub const fn optional(name: &'static str, sources: &'static [Source]) -> Self {
        Self { name, sources, absent: Absent::Nothing }
    }

    /// A parameter that has this value when it is left out.
    pub const fn default(name: &'static str, sources: &'static [Source], value: &'static str) -> Self {
        Self { name, sources, absent: Absent::Default(value) }
    }
}

/// Reads one trigger's parameters and gathers everything that is wrong with them, so that a user sees all at once.
#[derive(Debug)]
pub struct Reader<'a> {
    trigger: &'a TriggerConfig,
    problems: Vec<String>,
    cures: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Starts to read.
    pub fn new(trigger: &'a TriggerConfig) -> Self {
        Self { trigger, problems: Vec::new(), cures: Vec::new() }
    }

    /// The first value of `key` that is not empty, trimmed.
    pub fn text(&self, key: &str, sources: &[Source]) -> Option<&'a str> {
        #[cfg(test)]
        self.check_declared(key, sources);
        sources.iter().find_map(|source| {
            let value = match source {
                Source::Metadata => self.trigger.metadata.get(key),
                Source::Auth => self.trigger.auth.get(key),
                Source::Env => self.env_name(key).and_then(|name| self.trigger.env.get(name)),
            };
            value.map(|value| value.trim()).filter(|value| !value.is_empty())
        })
    }

    /// What names `key` and gives it no value, in words; `None` if nothing does, or another source has a value.
    pub fn empty(&self, key: &str, sources: &[Source]) -> Option<String> {
        if self.text(key, sources).is_some() {
            return None;
        }
        sources.iter().find_map(|source| match source {
            Source::Env => self.env_name(key).map(|name| self.missing_variable(key, name)),
            Source::Auth => self
                .trigger
                .auth
                .contains_key(key)
                .then(|| format!("the parameter `{key}` of its TriggerAuthentication is empty")),
            Source::Metadata => {
                self.trigger.metadata.contains_key(key).then(|| format!("`{key}` in its metadata is empty"))
            }
        })
    }

    /// Where `key` is given and not read, in words: KEDA does not read it there either.
    pub fn misplaced(&self, key: &str, sources: &[Source]) -> Option<String> {
        let given = |name: &str| self.trigger.metadata.get(name).is_some_and(|value| !value.trim().is_empty());
        let from_env = format!("{key}FromEnv");
        let unread = |name: &str| format!("`{name}` in its metadata is not read");
        if !sources.contains(&Source::Metadata) && given(key) {
            return Some(unread(key));
        }
        (!sources.contains(&Source::Env) && given(&from_env)).then(|| unread(&from_env))
    }

    /// Like [`Reader::text`], but its absence is a problem; reading goes on with an empty text.
    pub fn required(&mut self, key: &str, sources: &[Source]) -> &'a str {
        if let Some(value) = self.text(key, sources) {
            return value;
        }
        let names = sources.iter().map(|source| source.as_str()).collect::<Vec<_>>().join(" ");
        self.problem(format!("missing required parameter \"{key}\" in [{names}]"));
        self.cures.push(self.how_to_give(key, sources));
        ""
    }

    /// A whole or decimal number, in JSON's notation as in KEDA (`010` is none).
    pub fn number(&mut self, key: &str, sources: &[Source]) -> Option<f64> {
        let value = self.text(key, sources)?;
        let number = serde_json::from_str::<f64>(value).ok().filter(|number| number.is_finite());
        if number.is_none() {
            self.unset(key, value, "it must be a number such as 5 or 2.5");
        }
        number
    }

    /// A whole number, in JSON's notation as in KEDA.
    pub fn integer(&mut self, key: &str, sources: &[Source]) -> Option<i64> {
        let value = self.text(key, sources)?;
        let number = serde_json::from_str::<i64>(value).ok();
        if number.is_none() {
            self.unset(key, value, "it must be a whole number such as 5");
        }
        number
    }

    /// A truth value in the forms of Go's `strconv.ParseBool`, which KEDA's users write. False when absent.
    pub fn flag(&mut self, key: &str, sources: &[Source]) -> bool {
        let Some(value) = self.text(key, sources) else { return false };
        go::boolean(value).unwrap_or_else(|| {
            self.unset(key, value, "it must be true or false");
            false
        })
    }

    /// One of a few words, `default` when absent.
    pub fn one_of<'w>(&mut self, key: &str, sources: &[Source], words: &[&'w str], default: &'w str) -> &'w str {
        let Some(value) = self.text(key, sources) else { return default };
        if let Some(word) = words.iter().find(|word| **word == value) {
            return word;
        }
        let value = self.shown(key, value);
        self.problem(format!("parameter \"{key}\" value \"{value}\" must be one of [{}]", words.join(" ")));
        default
    }

    /// Notes something wrong in KEDA's words.
    pub fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// Notes something wrong, and how to put it right.
    pub fn problem_with_cure(&mut self, text: impl Into<String>, cure: impl Into<String>) {
        self.problem(text);
        self.cures.push(cure.into());
    }

    /// Ends the reading: everything that was wrong, a line each, or nothing.
    pub fn finish(self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError { prefix: String::new(), problems: self.problems, cures: self.cures })
    }

    /// A value as an error may show it. One that does not come from the metadata may be a credential in the wrong place.
    pub fn shown<'v>(&self, key: &str, value: &'v str) -> &'v str {
        let given = self.trigger.metadata.get(key).is_some_and(|given| given.trim() == value);
        if given { value } else { "(not shown: it comes from an authentication or the environment)" }
    }

    fn unset(&mut self, key: &str, value: &str, cure: &str) {
        let value = self.shown(key, value);
        self.problem(format!("unable to set param \"{key}\" value \"{value}\": {cure}"));
    }

    /// Panics when the trigger's kind reads what it has not declared.
    #[cfg(test)]
    fn check_declared(&self, key: &str, sources: &[Source]) {
        let Some(kind) = crate::kind(&self.trigger.kind) else { return };
        assert!(
            kind.keys.iter().any(|known| known.name == key && known.sources == sources),
            "the kind {} reads {key} from {sources:?} and does not declare it so in its KEYS",
            kind.name
        );
    }

    fn env_name(&self, key: &str) -> Option<&'a String> {
        self.trigger.metadata.get(&format!("{key}FromEnv"))
    }

    fn missing_variable(&self, key: &str, name: &str) -> String {
        let how = if self.trigger.env.contains_key(name) {
            "is empty in the target's container"
        } else {
            "the target's container does not set"
        };
        format!("{key}FromEnv names the environment variable {name:?}, which {how}")
    }

    fn how_to_give(&self, key: &str, sources: &[Source]) -> String {
        let trigger = format!("trigger {} ({})", self.trigger.index, self.trigger.kind);
        if let Some(name) = self.env_name(key).filter(|_| sources.contains(&Source::Env)) {
            return format!("{trigger}: {}", self.missing_variable(key, name));
        }
        let ways = sources.iter().map(|source| match source {
            Source::Metadata => format!("`{key}` in its metadata"),
            Source::Auth => format!("the parameter `{key}` of a TriggerAuthentication"),
            Source::Env => {
                format!(
                    "`{key}FromEnv` in its metadata with the name of an environment variable of the target's container"
                )
            }
        });
        format!("{trigger}: give {}", ways.collect::<Vec<_>>().join(", or "))
    }
}

#[cfg(test)]
mod tests {
    use super::Source::{Auth, Env, Metadata};
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn trigger(metadata: &[(&str, &str)], auth: &[(&str, &str)], env: &[(&str, &str)]) -> TriggerConfig {
        TriggerConfig {
            kind: "test".into(),
            metadata: map(metadata),
            auth: map(auth),
            env: map(env),
            ..TriggerConfig::default()
        }
    }

    #[test]
    fn the_first_source_that_is_not_empty_wins() {
        let all = [Metadata, Auth, Env];
        let trigger =
            trigger(&[("host", "  "), ("hostFromEnv", "H")], &[("host", " from-auth ")], &[("H", "from-env")]);
        assert_eq!(Reader::new(&trigger).text("host", &all), Some("from-auth"));
        assert_eq!(Reader::new(&trigger).text("host", &[Metadata, Env]), Some("from-env"));
        assert_eq!(Reader::new(&trigger).text("host", &[Metadata]), None);
    }

    #[test]
    fn a_missing_parameter_has_kedas_text_and_every_way_to_give_it() {
        let trigger = trigger(&[], &[], &[]);
        let mut reader = Reader::new(&trigger);
        reader.required("host", &[Metadata, Auth, Env]);
        let error = reader.finish().unwrap_err();
        assert_eq!(
            error.to_string(),
            "missing required parameter \"host\" in [triggerMetadata authParams resolvedEnv]"
        );
        assert!(error.cures()[0].contains("`hostFromEnv`"), "{:?}", error.cures());
    }

    #[test]
    fn a_variable_that_is_not_there_is_named() {
        let trigger = trigger(&[("hostFromEnv", "RABBITMQ_URL")], &[], &[]);
        let mut reader = Reader::new(&trigger);
        reader.required("host", &[Metadata, Env]);
        assert!(reader.finish().unwrap_err().cures()[0].contains("\"RABBITMQ_URL\""));
    }

    #[test]
    fn what_is_named_and_has_no_value_is_said() {
        let all = [Metadata, Auth, Env];
        let trigger = trigger(
            &[("a", " "), ("bFromEnv", "B"), ("cFromEnv", "C"), ("d", ""), ("dFromEnv", "D"), ("f", "f")],
            &[("e", "")],
            &[("C", ""), ("D", "d")],
        );
        let reader = Reader::new(&trigger);
        for (key, said) in [
            ("a", Some("`a` in its metadata is empty")),
            ("b", Some("bFromEnv names the environment variable \"B\", which the target's container does not set")),
            ("c", Some("cFromEnv names the environment variable \"C\", which is empty in the target's container")),
            ("d", None),
            ("e", Some("the parameter `e` of its TriggerAuthentication is empty")),
            ("g", None),
        ] {
            assert_eq!(reader.empty(key, &all).as_deref(), said, "{key}");
        }
        assert_eq!(reader.misplaced("f", &all), None);
        assert_eq!(reader.misplaced("f", &[Auth]).as_deref(), Some("`f` in its metadata is not read"));
        assert_eq!(reader.misplaced("b", &[Auth, Env]), None);
        assert_eq!(reader.misplaced("b", &[Auth]).as_deref(), Some("`bFromEnv` in its metadata is not read"));
    }

    #[test]
    fn numbers_flags_and_words_are_kedas() {
        let trigger =
            trigger(&[("a", "010"), ("b", "2.5"), ("c", "T"), ("d", "yes"), ("e", "soap"), ("f", "NaN")], &[], &[]);
        let mut reader = Reader::new(&trigger);
        assert_eq!(reader.number("a", &[Metadata]), None);
        assert_eq!(reader.number("b", &[Metadata]), Some(2.5));
        assert!(reader.flag("c", &[Metadata]));
        assert!(!reader.flag("d", &[Metadata]));
        assert_eq!(reader.one_of("e", &[Metadata], &["auto", "amqp"], "auto"), "auto");
        assert_eq!(reader.number("f", &[Metadata]), None);
        let text = reader.finish().unwrap_err().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[2], "parameter \"e\" value \"soap\" must be one of [auto amqp]");
    }

    #[test]
    #[should_panic(expected = "the kind cron reads queueName from [Metadata] and does not declare it")]
    fn a_kind_that_reads_what_it_does_not_declare_fails_its_tests() {
        let trigger = TriggerConfig { kind: "cron".into(), ..TriggerConfig::default() };
        Reader::new(&trigger).text("queueName", &[Metadata]);
    }

    #[test]
    fn what_may_be_secret_is_not_printed() {
        let trigger = trigger(&[("hostFromEnv", "H")], &[("password", "hunter2")], &[("H", "amqp://u:hunter2@h")]);
        assert!(!format!("{trigger:?}").contains("hunter2"));
    }

    #[test]
    fn a_value_from_an_authentication_is_not_shown() {
        let given = trigger(&[("mode", "soap")], &[("tls", "hunter2"), ("count", "hunter3")], &[]);
        let mut reader = Reader::new(&given);
        reader.one_of("tls", &[Source::Auth], &["enable"], "");
        reader.integer("count", &[Source::Auth]);
        reader.one_of("mode", &[Source::Metadata], &["auto"], "");
        let error = reader.finish().unwrap_err().to_string();
        assert!(!error.contains("hunter") && error.contains("not shown") && error.contains("soap"), "{error}");
    }
}
