//! Values in the notation of Go's standard library, in which KEDA's users write them.

use std::time::Duration;

/// A truth value in the forms of `strconv.ParseBool`.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A duration in the form of `time.ParseDuration`: `5s`, `1m30s`, `1.5h`, `250ms`, `0`. None for one below zero, which
/// nothing has use for.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
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
    Duration::try_from_secs_f64(seconds).ok()
}

/// A number of milliseconds (`500`) or a duration in the form of [`duration`], as KEDA takes them.
pub fn milliseconds_or_duration(text: &str) -> Option<Duration> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_millis);
    }
    duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_values_are_gos() {
        for text in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["", "yes", "no", "tRUE", " true", "2"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_gos() {
        for (text, milliseconds) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("5s", Some(5_000)),
            ("1.5s", Some(1_500)),
            (".5s", Some(500)),
            ("1m30s", Some(90_000)),
            ("1h", Some(3_600_000)),
            ("250ms", Some(250)),
            ("1500us", Some(1)),
            ("+2s", Some(2_000)),
            ("", None),
            ("+", None),
            ("15", None),
            ("5 s", None),
            ("-5s", None),
            ("s", None),
            ("5x", None),
            ("1d", None),
            ("1..5s", None),
            ("ü", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(duration(text).map(|found| found.as_millis()), milliseconds, "{text:?}");
        }
    }

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
            assert_eq!(milliseconds_or_duration(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }
}
