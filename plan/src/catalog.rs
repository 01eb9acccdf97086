//! The kinds of trigger that the unit tests know.

use ebb_params::{Declaration, Param, Source};

const EVERYWHERE: &[Source] = &[Source::Metadata, Source::Auth, Source::Env];

const RABBITMQ: Declaration = Declaration {
    name: "rabbitmq",
    params: &[
        Param::required("queueName", &[Source::Metadata]),
        Param::required("host", EVERYWHERE),
        Param::optional("mode", &[Source::Metadata]),
        Param::optional("value", &[Source::Metadata]),
        Param::optional("username", &[Source::Auth, Source::Env]),
        Param::optional("token", &[Source::Auth]),
    ],
    never_cached: None,
};

const CRON: Declaration = Declaration {
    name: "cron",
    params: &[Param::required("timezone", &[Source::Metadata]), Param::required("start", &[Source::Metadata])],
    never_cached: Some("a window is computed, not read"),
};

/// A catalog of two kinds with the parameters that the tests give.
pub(crate) fn of_tests(name: &str) -> Option<Declaration> {
    [RABBITMQ, CRON].into_iter().find(|kind| kind.name == name)
}
