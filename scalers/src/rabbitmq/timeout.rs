//! `timeout`: a number of milliseconds, or a duration as Go writes it.

use std::time::Duration;

/// A number of milliseconds (`500`) or a duration in the form of Go's `time.ParseDuration` (`5s`, `1m30s`, `1.5s`).
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_millis);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = tail;
    }
    (!text.is_empty()).then_some(seconds).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
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
