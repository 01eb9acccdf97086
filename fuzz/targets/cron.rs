//! Any time zone, start, end and instant: an error, or a window whose next start, end and edge agree with each other.
//!
//! The input is a line of `ebb cron --batch`: the four, separated by tabs. libFuzzer's `-timeout` bounds the time.
#![no_main]

use chrono::{DateTime, TimeDelta, Utc};
use ebb_scalers::cron::window::Window;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let columns: Vec<&str> = line.trim_end_matches('\n').splitn(4, '\t').collect();
    let [timezone, start, end, instant] = columns[..] else { return };
    let window = match Window::parse(timezone, start, end) {
        Ok(window) => window,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.hint().is_empty());
            return;
        }
    };
    let now = self::instant(instant);
    let (next_start, next_end) = (window.next_start(now), window.next_end(now));
    assert!(next_start.into_iter().chain(next_end).all(|next| next > now), "a next time is not later than now");

    let open = window.active(now);
    match (next_start, next_end) {
        // Where both come at the same instant, their order on the clock decides.
        (Some(start), Some(end)) if start != end => assert_eq!(open, end < start),
        (Some(_), Some(_)) => {}
        _ => assert!(!open, "a window that never opens or never closes is open"),
    }

    let Some(edge) = window.next_edge(now) else { return };
    assert!(edge > now);
    assert_eq!(window.active(edge), !open, "nothing changes at the edge");
    assert_eq!(window.active(edge - TimeDelta::nanoseconds(1)), open, "it has changed before the edge");
    let first = next_start.min(next_end);
    assert!(first.is_none_or(|first| first >= edge || window.active(first) == open), "an earlier edge was missed");
});

/// An instant in RFC 3339, or else one that depends on the text: from 1970 to 2106.
fn instant(text: &str) -> DateTime<Utc> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return instant.to_utc();
    }
    let seconds = text.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    DateTime::from_timestamp(seconds.into(), 0).unwrap_or_default()
}
