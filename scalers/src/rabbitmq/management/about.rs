//! The subject of a request, in words.

use std::fmt;

/// For errors.
#[derive(Clone, Copy)]
pub(in crate::rabbitmq) enum About<'a> {
    Queue { vhost: &'a str, queue: &'a str },
    Pattern { vhost: &'a str, expression: &'a str },
    List { vhost: &'a str },
    Broker,
}

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue { vhost, queue } => write!(f, "queue {queue:?} in vhost {vhost:?}"),
            Self::Pattern { vhost, expression } => write!(f, "queues that match {expression:?} in vhost {vhost:?}"),
            Self::List { vhost } => write!(f, "the queues in vhost {vhost:?}"),
            Self::Broker => f.write_str("the broker's settings"),
        }
    }
}
