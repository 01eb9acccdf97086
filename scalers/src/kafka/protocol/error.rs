//! The faults of a question to a broker.

use std::fmt;

use super::address::Address;
use crate::net::peer::said;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) enum Fault {
    /// A broker answered, and said no.
    Refused(Code),
    /// The way to the broker is the fault: its error.
    Unreachable(String),
    /// No answer in time.
    Timeout,
}

impl Fault {
    /// The way to the broker is the fault. `why` may be the broker's own words.
    pub(super) fn unreachable(why: impl fmt::Display) -> Self {
        Self::Unreachable(said(why))
    }

    /// The same, with whose fault it is.
    pub(super) fn at(self, address: &Address) -> Self {
        match self {
            // The broker's address may come from another broker.
            Self::Unreachable(why) => Self::Unreachable(format!("{}: {why}", said(address))),
            fault => fault,
        }
    }

    /// Whether a group has no coordinator at the moment, or another than was asked.
    pub(in crate::kafka) fn is_no_coordinator(&self) -> bool {
        matches!(self, Self::Refused(code) if code.is_no_coordinator())
    }
}

/// An error code of the Kafka protocol (kafka.apache.org/protocol, "Error Codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) struct Code(i16);

impl Code {
    pub(in crate::kafka) const OFFSET_OUT_OF_RANGE: Self = Self(1);
    pub(in crate::kafka) const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);

    /// Whether a code says that all is well.
    ///
    /// # Errors
    /// The code, if it says anything else.
    pub(super) fn check(code: i16) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self(code)) }
    }

    /// Whether a partition is led by another broker now, has no leader, or is gone.
    pub(in crate::kafka) fn is_moved(self) -> bool {
        matches!(self.0, 3 | 5 | 6 | 9 | 74 | 75)
    }

    /// Whether the broker says that a group is not there or of another type, that it has no such groups, or that it is
    /// not to be described.
    pub(in crate::kafka) fn is_not_such_a_group(self) -> bool {
        matches!(self.0, 30 | 35 | 42 | 69)
    }

    fn is_no_coordinator(self) -> bool {
        matches!(self.0, 14..=16)
    }

    fn text(self) -> Option<&'static str> {
        Some(match self.0 {
            -1 => "unknown server error",
            1 => "offset out of range",
            2 => "corrupt message",
            3 => "unknown topic or partition",
            5 => "leader not available",
            6 => "the broker that was asked does not lead the partition",
            7 => "the broker's own request timed out",
            8 => "broker not available",
            9 => "replica not available",
            13 => "network exception",
            14 => "the group's coordinator is loading",
            15 => "the group's coordinator is not available",
            16 => "the broker that was asked is not the group's coordinator",
            17 => "invalid topic name",
            24 => "invalid group id",
            29 => "topic authorization failed",
            30 => "group authorization failed",
            31 => "cluster authorization failed",
            33 => "unsupported SASL mechanism",
            34 => "the broker expects no SASL at this point",
            35 => "unsupported version",
            42 => "invalid request",
            43 => "unsupported message format",
            44 => "policy violation",
            56 => "disk error on the broker",
            58 => "SASL authentication failed",
            69 => "group id not found",
            72 => "no matching listener on the leader",
            74 => "fenced leader epoch",
            75 => "unknown leader epoch",
            78 => "offset not available",
            89 => "throttling quota exceeded",
            _ => return None,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => write!(f, "{text} (Kafka error {})", self.0),
            None => write!(f, "Kafka error {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_and_those_without_a_name_are_told() {
        assert_eq!(Code::check(0), Ok(()));
        assert_eq!(Code(29).to_string(), "topic authorization failed (Kafka error 29)");
        assert_eq!(Code(9999).to_string(), "Kafka error 9999");
        assert!(Fault::Refused(Code(16)).is_no_coordinator() && !Fault::Timeout.is_no_coordinator());
        assert!(Code(6).is_moved() && !Code(29).is_moved());
    }
}
