//! `timeout`: a number of milliseconds, or a duration as Go writes it.

use std::time::Duration;

use crate::go;

/// A number of milliseconds (`500`) or a duration in the form of Go's `time.ParseDuration` (`5s`, `1m30s`, `1.5s`).
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_millis);
    }
    go::duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_and_gos_durations_are_read() {
        for (text, milliseconds) in [
            ("500", Some(500)),
            ("0", Some(0)),
            ("5s", Some(5_000)),
            ("1.5s", Some(1_500)),
            (".5s", Some(500)),
            ("1m30s", Some(90_000)),
            ("1h", Some(3_600_000)),
            ("250ms", Some(250)),
            ("+2s", Some(2_000)),
            ("", None),
            ("5 s", None),
            ("-5s", None),
            ("-5", None),
            ("s", None),
            ("5x", None),
            ("1..5s", None),
            ("5.5", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }
}
