//! Parameters of an authentication that no trigger reads: most likely a slip of the pen.

use ebb_crds::ScaleTrigger;
use ebb_scalers::params::Source;
use ebb_scalers::{Kind, Param};

use ebb_plan::similar::similar;

/// Whether a trigger may read this parameter from an authentication.
pub fn may_read(trigger: &ScaleTrigger, parameter: &str) -> bool {
    if ebb_plan::resource::is_resource(trigger) {
        return false;
    }
    ebb_scalers::kind(&trigger.type_).is_none_or(|kind| names(kind).any(|name| name == parameter))
}

/// The parameter of the kind that this one was meant to be.
pub fn meant(kind: &Kind, parameter: &str) -> Option<&'static str> {
    similar(parameter, names(kind))
}

fn names(kind: &Kind) -> impl Iterator<Item = &'static str> {
    let read = kind.params.iter().filter(|param| param.sources.contains(&Source::Auth));
    read.flat_map(Param::names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_reads_what_its_kind_declares() {
        let trigger = |type_: &str| ScaleTrigger { type_: type_.into(), ..ScaleTrigger::default() };
        for (type_, parameter, read) in [
            ("rabbitmq", "host", true),
            ("rabbitmq", "hots", false),
            ("rabbitmq", "queueName", false),
            ("cron", "host", false),
            ("cpu", "host", false),
            ("aws-sqs-queue", "anything", true),
        ] {
            assert_eq!(may_read(&trigger(type_), parameter), read, "{type_} {parameter}");
        }
        assert_eq!(meant(ebb_scalers::kind("rabbitmq").unwrap(), "hots"), Some("host"));
    }
}
