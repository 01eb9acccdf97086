//! Durations on the command line: Go's syntax, and days.

use std::time::Duration;

use ebb_scalers::go;

/// A duration such as `30s`, `1h30m`, `10d`, or a number of seconds.
///
/// # Errors
/// Text in another form.
pub fn of(text: &str) -> Result<Duration, String> {
    let days = || text.strip_suffix('d')?.parse().ok().map(|days: u32| Duration::from_hours(24) * days);
    let seconds = || Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let found = go::duration(text).or_else(days).or_else(seconds);
    found.ok_or_else(|| format!("{text:?} is no duration such as 30s, 1h30m or 10d"))
}

/// The same, above zero.
///
/// # Errors
/// Text in another form, or zero.
pub fn above_zero(text: &str) -> Result<Duration, String> {
    let duration = of(text)?;
    if duration.is_zero() {
        Err(format!("{text:?} is zero: give a duration such as 30s, 1h30m or 10d"))
    } else {
        Ok(duration)
    }
}

/// A duration in its two largest units, such as `2d 3h`, `5m 30s` or `7.5s`.
pub(super) fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let Some(place) = units.iter().position(|(unit, _)| seconds >= *unit) else {
        let text = format!("{:.1}", duration.as_secs_f64());
        return format!("{}s", text.trim_end_matches(".0"));
    };
    let (unit, name) = units[place];
    let (smaller, smaller_name) = units.get(place + 1).copied().unwrap_or((1, "s"));
    let rest = seconds % unit / smaller;
    if rest == 0 {
        format!("{}{name}", seconds / unit)
    } else {
        format!("{}{name} {rest}{smaller_name}", seconds / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, seconds, back) in [
            ("30s", 30.0, "30s"),
            ("1h30m", 5400.0, "1h 30m"),
            ("10d", 864_000.0, "10d"),
            ("7.5", 7.5, "7.5s"),
            ("0", 0.0, "0s"),
            ("26h", 93_600.0, "1d 2h"),
            ("61s", 61.0, "1m 1s"),
        ] {
            let read = of(text).unwrap();
            assert_eq!((read, shown(read).as_str()), (Duration::from_secs_f64(seconds), back), "{text}");
        }
        for text in ["", "soon", "-5s", "1x", "NaN", "1e400"] {
            assert!(of(text).unwrap_err().contains("such as 30s"), "{text}");
        }
        assert!(above_zero("0s").is_err());
    }
}
