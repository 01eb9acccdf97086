//! The reading of a trigger's parameters by their declaration.

use std::time::Duration;

use super::{Absent, ConfigError, NOT_YET, Param, Secret, Source, TriggerConfig};
use crate::go;

/// An error's text in place of a value that may be a credential.
const HIDDEN: &str = "(not shown: it comes from an authentication or the environment)";

/// Reads one trigger's parameters and collects everything that is wrong with them, so that a user sees all at once.
#[derive(Debug)]
pub struct ParamReader<'a> {
    trigger: &'a TriggerConfig,
    params: &'static [Param],
    problems: Vec<String>,
    /// Hints with the place of the problem that each belongs to.
    hints: Vec<(usize, String)>,
}

impl<'a> ParamReader<'a> {
    /// Starts to read the parameters of a kind.
    pub fn new(trigger: &'a TriggerConfig, params: &'static [Param]) -> Self {
        Self { trigger, params, problems: Vec::new(), hints: Vec::new() }
    }

    /// The first value of the parameter that is not empty, trimmed: by source, then by name.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let param = self.param(name)?;
        param.sources.iter().find_map(|source| param.names().find_map(|name| self.value(name, *source)))
    }

    /// The source that names the parameter and gives it no value, in words; `None` if none does, or another has
    /// a value.
    pub fn empty(&self, name: &str) -> Option<String> {
        if self.text(name).is_some() {
            return None;
        }
        self.param(name)?.sources.iter().find_map(|source| match source {
            Source::Env => self.env_name(name).map(|variable| self.missing_variable(name, variable)),
            Source::Auth => self
                .trigger
                .auth
                .contains_key(name)
                .then(|| format!("the parameter `{name}` of its TriggerAuthentication is empty")),
            Source::Metadata => {
                self.trigger.metadata.contains_key(name).then(|| format!("`{name}` in its metadata is empty"))
            }
        })
    }

    /// A key that gives the parameter where it is not read, in words: KEDA does not read it there either.
    pub fn misplaced(&self, name: &str) -> Option<String> {
        let sources = self.param(name)?.sources;
        let given = |key: &str| self.trigger.metadata.get(key).is_some_and(|value| !value.trim().is_empty());
        let from_env = format!("{name}FromEnv");
        let unread = |key: &str| format!("`{key}` in its metadata is not read");
        if !sources.contains(&Source::Metadata) && given(name) {
            return Some(unread(name));
        }
        (!sources.contains(&Source::Env) && given(&from_env)).then(|| unread(&from_env))
    }

    /// Like [`ParamReader::text`], but its absence is a problem; reading goes on with an empty text.
    pub fn required(&mut self, name: &str) -> &'a str {
        if let Some(value) = self.text(name) {
            return value;
        }
        let Some(param) = self.param(name) else { return "" };
        let names = param.names().collect::<Vec<_>>().join(",");
        let sources = param.sources.iter().map(|source| source.as_str()).collect::<Vec<_>>().join(" ");
        self.problem(format!("missing required parameter \"{names}\" in [{sources}]"));
        let hint = self.how_to_give(param);
        self.hint(hint);
        ""
    }

    /// A whole or decimal number, in JSON's notation as in KEDA (`010` is none).
    pub fn number(&mut self, name: &str) -> Option<f64> {
        let value = self.text(name)?;
        let number = serde_json::from_str::<f64>(value).ok().filter(|number| number.is_finite());
        if number.is_none() {
            self.unset(name, value, "it must be a number such as 5 or 2.5");
        }
        number
    }

    /// A whole number, in JSON's notation as in KEDA.
    pub fn integer(&mut self, name: &str) -> Option<i64> {
        let value = self.text(name)?;
        let number = serde_json::from_str::<i64>(value).ok();
        if number.is_none() {
            self.unset(name, value, "it must be a whole number such as 5");
        }
        number
    }

    /// A truth value in the forms of Go's `strconv.ParseBool`, which KEDA's users write. The declared default when
    /// absent, or else false.
    pub fn flag(&mut self, name: &str) -> bool {
        let default = self.default(name) == "true";
        let Some(value) = self.text(name) else { return default };
        go::boolean(value).unwrap_or_else(|| {
            self.unset(name, value, "it must be true or false");
            default
        })
    }

    /// One of a few words, the declared default when absent.
    pub fn one_of<'w>(&mut self, name: &str, words: &[&'w str]) -> &'w str {
        let default = self.default(name);
        let Some(value) = self.text(name) else { return default };
        if let Some(word) = words.iter().find(|word| **word == value) {
            return word;
        }
        let value = self.shown(name, value);
        self.problem(format!("parameter \"{name}\" value \"{value}\" must be one of [{}]", words.join(" ")));
        default
    }

    /// A duration: a number of milliseconds (`500`) or Go's notation (`5s`), as in KEDA.
    pub fn duration(&mut self, name: &str) -> Option<Duration> {
        let value = self.text(name)?;
        let duration = go::milliseconds_or_duration(value);
        if duration.is_none() {
            self.unset(name, value, "it must be milliseconds or a duration such as 5s");
        }
        duration
    }

    /// Notes a problem, in KEDA's words.
    pub fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// Notes something wrong, and how to put it right.
    pub fn problem_with_hint(&mut self, text: impl Into<String>, hint: impl Into<String>) {
        self.problem(text);
        self.hint(hint.into());
    }

    /// Notes a value that KEDA supports and Ebb does not, and a way around it.
    pub fn not_yet(&mut self, what: &str, hint: impl Into<String>) {
        self.problem_with_hint(format!("{what} {NOT_YET}"), hint);
    }

    /// Notes how to put the last problem right.
    fn hint(&mut self, hint: String) {
        self.hints.push((self.problems.len().saturating_sub(1), hint));
    }

    /// Ends the reading: everything that was wrong, a line each, or nothing.
    pub fn finish(self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError::of(self.problems, self.hints))
    }

    /// A value as an error may show it. A value that is declared as secret is never shown. Neither is a value from
    /// outside the metadata, which may be a credential in the wrong place.
    pub fn shown<'v>(&self, name: &str, value: &'v str) -> &'v str {
        let Some(param) = self.param(name) else { return HIDDEN };
        let given = param.names().any(|name| self.value(name, Source::Metadata) == Some(value));
        if given && param.secret == Secret::No { value } else { HIDDEN }
    }

    fn unset(&mut self, name: &str, value: &str, hint: &str) {
        let value = self.shown(name, value);
        self.problem(format!("unable to set param \"{name}\" value \"{value}\": {hint}"));
    }

    fn param(&self, name: &str) -> Option<&'static Param> {
        let param = self.params.iter().find(|param| param.name == name);
        #[cfg(test)]
        assert!(param.is_some(), "the kind {} reads {name} and does not declare it in its PARAMS", self.trigger.kind);
        param
    }

    fn default(&self, name: &str) -> &'static str {
        match self.param(name).map(|param| param.absent) {
            Some(Absent::Default(value)) => value,
            _ => "",
        }
    }

    fn value(&self, name: &str, source: Source) -> Option<&'a str> {
        let value = match source {
            Source::Metadata => self.trigger.metadata.get(name),
            Source::Auth => self.trigger.auth.get(name),
            Source::Env => self.env_name(name).and_then(|variable| self.trigger.env.get(variable)),
        };
        value.map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn env_name(&self, name: &str) -> Option<&'a String> {
        self.trigger.metadata.get(&format!("{name}FromEnv"))
    }

    fn missing_variable(&self, name: &str, variable: &str) -> String {
        let how = if self.trigger.env.contains_key(variable) {
            "is empty in the target's container"
        } else {
            "the target's container does not set"
        };
        format!("{name}FromEnv names the environment variable {variable:?}, which {how}")
    }

    fn how_to_give(&self, param: &Param) -> String {
        let (name, trigger) = (param.name, format!("trigger {} ({})", self.trigger.index, self.trigger.kind));
        if let Some(variable) = self.env_name(name).filter(|_| param.sources.contains(&Source::Env)) {
            return format!("{trigger}: {}", self.missing_variable(name, variable));
        }
        let ways = param.sources.iter().map(|source| match source {
            Source::Metadata => format!("`{name}` in its metadata"),
            Source::Auth => format!("the parameter `{name}` of a TriggerAuthentication"),
            Source::Env => {
                format!(
                    "`{name}FromEnv` in its metadata with the name of an environment variable of the target's container"
                )
            }
        });
        format!("{trigger}: give {}", ways.collect::<Vec<_>>().join(", or "))
    }
}
