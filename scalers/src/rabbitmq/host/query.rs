//! The parameters behind the `?` of an AMQP address that are about logging in
//! (rabbitmq.com/docs/uri-query-parameters, as far as KEDA's library reads them).

use url::form_urlencoded;

/// The settings that the parameters ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::rabbitmq) struct Query {
    /// `auth_mechanism`.
    pub(in crate::rabbitmq) mechanism: Option<AuthMechanism>,
    /// Whether certificates or a key are named as files.
    pub(in crate::rabbitmq) names_files: bool,
}

/// The SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rabbitmq) enum AuthMechanism {
    Plain,
    AmqPlain,
    External,
}

impl Query {
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "certfile" | "keyfile" | "cacertfile" => read.names_files = true,
                "auth_mechanism" if read.mechanism.is_some() => {
                    return Err("host asks for more than one auth_mechanism: give the one to log in with".into());
                }
                "auth_mechanism" => read.mechanism = Some(AuthMechanism::named(&value)?),
                _ => {}
            }
        }
        Ok(read)
    }
}

impl AuthMechanism {
    fn named(word: &str) -> Result<Self, String> {
        match word.to_ascii_lowercase().as_str() {
            "plain" => Ok(Self::Plain),
            "amqplain" => Ok(Self::AmqPlain),
            "external" => Ok(Self::External),
            _ => Err("unsupported auth_mechanism in host: it must be one of plain, amqplain and external".into()),
        }
    }
}
