//! A trigger's parameters: their declaration by a kind, the sources of their values, and KEDA's error texts. Beside
//! them: the metric that a trigger gives to the HPA.
//!
//! This crate has no I/O and knows no kind. Decisions about ScaledObjects build on it without any broker's client.
//!
//! The rules are those of KEDA's typed configuration (`keda.sh/docs`, "Scalers"): a parameter comes from the trigger's
//! metadata, from its `TriggerAuthentication`, or, as `<key>FromEnv`, from an environment variable of the target's
//! container; the first source that is not empty wins.

mod declaration;
mod error;
pub mod go;
mod metric;
mod placeholder;
mod reader;

use std::collections::BTreeMap;
use std::fmt;

pub use declaration::{Catalog, Declaration, RESOURCE_KINDS};
pub use error::{ConfigError, NOT_YET};
pub use metric::{MetricSpec, MetricType};
pub use placeholder::is_placeholder;
pub use reader::ParamReader;

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

/// A source of a parameter's value, in KEDA's order of search.
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

/// A parameter that a kind of trigger reads. A kind declares each of its own once, in its `PARAMS`: readers, checks of
/// manifests, the fuzz targets and the tests of `docs/triggers` go by the declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name, as in `metadata`.
    pub name: &'static str,
    /// Other names for the same, which are searched for after [`Param::name`] in each source.
    pub aliases: &'static [&'static str],
    /// The sources of its value, in the order of search.
    pub sources: &'static [Source],
    /// Its meaning where no source gives it.
    pub absent: Absent,
    /// Values for checks that do not know the real one.
    pub sample: Sample,
    /// The part of its value that no text may show.
    pub secret: Secret,
    /// The field of an authentication's `oauth2` that fills it.
    pub oauth2: Option<OAuth2Field>,
}

/// The meaning of a parameter that is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The trigger is refused.
    Refused,
    /// Nothing: the parameter only adds something.
    Nothing,
    /// This value, as a user would write it.
    Default(&'static str),
}

/// Sample values that a check uses for a value that it does not know, such as a Secret's. A correct trigger builds with
/// at least one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Texts. Checks go through them; a parameter with fewer texts than others repeats them.
    Texts(&'static [&'static str]),
    /// A certificate in PEM form.
    Certificate,
    /// The private key of that certificate in PEM form.
    PrivateKey,
    /// None: the parameter is optional, and only its true value can be read.
    Unknown,
}

/// The part of a value that is a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// Nothing of it.
    No,
    /// All of it.
    Whole,
    /// The password in an address.
    PasswordInUrl,
}

/// A field of `oauth2` in a `TriggerAuthentication`. Every trigger gets these fields by KEDA's names (`clientID`,
/// `clientSecret`, `oauthTokenURI`); a kind that reads others declares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuth2Field {
    /// `clientId`.
    ClientId,
    /// The Secret's value behind `clientSecret`.
    ClientSecret,
    /// `tokenUrl`.
    TokenUrl,
    /// This word, where neither the metadata nor the rest of the authentication gives the parameter: `oauth2`
    /// chooses it.
    Word(&'static str),
}

impl Param {
    /// A parameter without which the trigger is refused.
    pub const fn required(name: &'static str, sources: &'static [Source]) -> Self {
        Self::new(name, sources, Absent::Refused)
    }

    /// A parameter that may be left out.
    pub const fn optional(name: &'static str, sources: &'static [Source]) -> Self {
        Self::new(name, sources, Absent::Nothing)
    }

    /// A parameter that has this value when it is left out.
    pub const fn default(name: &'static str, sources: &'static [Source], value: &'static str) -> Self {
        Self::new(name, sources, Absent::Default(value))
    }

    const fn new(name: &'static str, sources: &'static [Source], absent: Absent) -> Self {
        let sample = Sample::Texts(&["x"]);
        Self { name, aliases: &[], sources, absent, sample, secret: Secret::No, oauth2: None }
    }

    /// The same with other names beside its own.
    #[must_use]
    pub const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The same with values for checks. Without this call the value is the text `x`.
    #[must_use]
    pub const fn sample(self, sample: Sample) -> Self {
        Self { sample, ..self }
    }

    /// The same, secret as a whole.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self { secret: Secret::Whole, ..self }
    }

    /// The same, an address that may hold a password.
    #[must_use]
    pub const fn secret_in_url(self) -> Self {
        Self { secret: Secret::PasswordInUrl, ..self }
    }

    /// The same, filled by an authentication's `oauth2`.
    #[must_use]
    pub const fn oauth2(self, field: OAuth2Field) -> Self {
        Self { oauth2: Some(field), ..self }
    }

    /// Its name and its aliases, in the order of search.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether `key` of a trigger's metadata gives it, by itself or as `…FromEnv`.
    pub fn is_given_by(&self, key: &str) -> bool {
        let from_env = key.strip_suffix("FromEnv").is_some_and(|name| self.names().any(|known| known == name));
        (from_env && self.sources.contains(&Source::Env))
            || (self.sources.contains(&Source::Metadata) && self.names().any(|known| known == key))
    }
}

#[cfg(test)]
mod tests;
