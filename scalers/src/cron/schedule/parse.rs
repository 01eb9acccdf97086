//! The text of a cron expression: five fields, read as robfig/cron v3 reads them, with its error texts. KEDA uses that
//! parser, and users have written their manifests against its rules.
//!
//! Source: <https://github.com/robfig/cron/blob/v3.0.1/parser.go>.

use std::num::IntErrorKind;

use chrono_tz::Tz;

use super::{ScheduleError, time_zone};

/// The five fields of an expression and the time zone it may begin with.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) zone: Option<Tz>,
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day_of_month: Field,
    pub(super) month: Field,
    pub(super) day_of_week: Field,
}

/// The values that one field allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// One bit a value.
    values: u64,
    /// Whether a `*` or `?` is in it, so that it allows everything. A step above one takes the star away: `*/2` is a
    /// restriction.
    pub(super) star: bool,
}

impl Field {
    /// Every value within `bounds`.
    fn full(bounds: &Bounds) -> Self {
        Self { values: (bounds.min..=bounds.max).fold(0, |bits, value| bits | 1 << value), star: true }
    }

    /// Whether this hour field leaves no hour out, however it is written: `*`, `*/1`, `0-23`.
    pub(super) fn is_every_hour(self) -> bool {
        self.values == Self::full(&HOUR).values
    }

    pub(super) fn contains(self, value: u32) -> bool {
        1_u64.checked_shl(value).is_some_and(|bit| self.values & bit != 0)
    }
}

/// The smallest and largest value of a field, and the names of its values from the smallest on.
struct Bounds {
    min: u64,
    max: u64,
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOUR: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAY_OF_MONTH: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTH: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const DAY_OF_WEEK: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// Reads a whole expression.
pub(super) fn spec(text: &str) -> Result<Spec, ScheduleError> {
    if text.is_empty() {
        return Err(ScheduleError::Empty);
    }
    let (zone, text) = zone_prefix(text)?;
    if text.starts_with('@') {
        return Err(ScheduleError::Descriptor(text.to_owned()));
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day_of_month, month, day_of_week] = fields[..] else {
        return Err(ScheduleError::FieldCount(fields.into_iter().map(str::to_owned).collect()));
    };
    Ok(Spec {
        zone,
        minute: field(minute, &MINUTE)?,
        hour: field(hour, &HOUR)?,
        day_of_month: field(day_of_month, &DAY_OF_MONTH)?,
        month: field(month, &MONTH)?,
        day_of_week: field(day_of_week, &DAY_OF_WEEK)?,
    })
}

/// Takes `TZ=<name> ` or `CRON_TZ=<name> ` off the front.
fn zone_prefix(text: &str) -> Result<(Option<Tz>, &str), ScheduleError> {
    let Some(rest) = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) else {
        return Ok((None, text));
    };
    // robfig panics where nothing follows the name; here the fields are missing then.
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let zone = time_zone(name).map_err(|source| ScheduleError::Location { name: name.to_owned(), source })?;
    Ok((Some(zone), rest.trim()))
}

/// Reads a comma-separated list of ranges. Empty elements do not count, so a lone `,` allows nothing.
fn field(text: &str, bounds: &Bounds) -> Result<Field, ScheduleError> {
    let mut field = Field { values: 0, star: false };
    for expr in text.split(',').filter(|expr| !expr.is_empty()) {
        let part = range(expr, bounds)?;
        field.values |= part.values;
        field.star |= part.star;
    }
    Ok(field)
}

/// Reads `*`, `a`, `a-b` and each of them with `/step`; `a/step` runs to the field's end.
fn range(expr: &str, bounds: &Bounds) -> Result<Field, ScheduleError> {
    let parts: Vec<&str> = expr.split('/').collect();
    let ends: Vec<&str> = parts[0].split('-').collect();

    let mut star = matches!(ends[0], "*" | "?");
    let (start, mut end) = if star {
        // Text after a hyphen here is not even read: `*-7` is `*`.
        (bounds.min, bounds.max)
    } else {
        let start = number_or_name(ends[0], bounds)?;
        match ends[..] {
            [_] => (start, start),
            [_, end] => (start, number_or_name(end, bounds)?),
            _ => return Err(ScheduleError::TooManyHyphens(expr.to_owned())),
        }
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            if ends.len() == 1 {
                end = bounds.max;
            }
            star &= step <= 1;
            step
        }
        _ => return Err(ScheduleError::TooManySlashes(expr.to_owned())),
    };

    if start < bounds.min {
        return Err(ScheduleError::BelowMinimum { start, min: bounds.min, expr: expr.to_owned() });
    }
    if end > bounds.max {
        return Err(ScheduleError::AboveMaximum { end, max: bounds.max, expr: expr.to_owned() });
    }
    if start > end {
        return Err(ScheduleError::Backwards { start, end, expr: expr.to_owned() });
    }
    if step == 0 {
        return Err(ScheduleError::ZeroStep(expr.to_owned()));
    }
    let values = (start..=end).filter(|value| (value - start) % step == 0).fold(0, |bits, value| bits | 1 << value);
    Ok(Field { values, star })
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, ScheduleError> {
    let named = (bounds.min..).zip(bounds.names).find(|(_, name)| name.eq_ignore_ascii_case(text));
    named.map_or_else(|| number(text), |(value, _)| Ok(value))
}

fn number(text: &str) -> Result<u64, ScheduleError> {
    let number: i64 = text.parse().map_err(|error: std::num::ParseIntError| ScheduleError::Number {
        text: text.to_owned(),
        reason: match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        },
    })?;
    u64::try_from(number).map_err(|_| ScheduleError::Negative { number, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that a field of these bounds allows, and whether it counts as a star.
    fn read(text: &str, bounds: &Bounds) -> (Vec<u32>, bool) {
        let field = field(text, bounds).unwrap();
        ((0..u64::BITS).filter(|value| field.contains(*value)).collect(), field.star)
    }

    #[test]
    fn a_field_is_a_list_of_ranges() {
        let cases: [(&str, &Bounds, &[u32], bool); 20] = [
            ("*", &DAY_OF_WEEK, &[0, 1, 2, 3, 4, 5, 6], true),
            ("?", &DAY_OF_WEEK, &[0, 1, 2, 3, 4, 5, 6], true),
            ("*/1", &DAY_OF_WEEK, &[0, 1, 2, 3, 4, 5, 6], true),
            ("*-3", &DAY_OF_WEEK, &[0, 1, 2, 3, 4, 5, 6], true),
            ("3,*", &DAY_OF_WEEK, &[0, 1, 2, 3, 4, 5, 6], true),
            ("0-6", &DAY_OF_WEEK, &[0, 1, 2, 3, 4, 5, 6], false),
            ("*/2", &DAY_OF_WEEK, &[0, 2, 4, 6], false),
            ("?/2", &DAY_OF_WEEK, &[0, 2, 4, 6], false),
            ("*/9", &DAY_OF_WEEK, &[0], false),
            ("1-5", &DAY_OF_WEEK, &[1, 2, 3, 4, 5], false),
            ("MON-fri/2", &DAY_OF_WEEK, &[1, 3, 5], false),
            ("sAt,Sun", &DAY_OF_WEEK, &[0, 6], false),
            ("feb-4", &MONTH, &[2, 3, 4], false),
            ("10/1", &MONTH, &[10, 11, 12], false),
            ("oct/2", &MONTH, &[10, 12], false),
            ("1/10", &DAY_OF_MONTH, &[1, 11, 21, 31], false),
            ("7-7/9223372036854775807", &DAY_OF_MONTH, &[7], false),
            ("+7,007", &DAY_OF_MONTH, &[7], false),
            ("58/1,3,,3", &MINUTE, &[3, 58, 59], false),
            (",", &MINUTE, &[], false),
        ];
        for (text, bounds, values, star) in cases {
            assert_eq!(read(text, bounds), (values.to_vec(), star), "{text}");
        }
    }

    #[test]
    fn errors_read_as_robfigs_do() {
        let cases = [
            ("", "empty spec string"),
            (" ", "expected exactly 5 fields, found 0: []"),
            ("0 8 * *", "expected exactly 5 fields, found 4: [0 8 * *]"),
            ("0  0 8\t* * *", "expected exactly 5 fields, found 6: [0 0 8 * * *]"),
            ("@daily", "parser does not accept descriptors: @daily"),
            ("TZ=UTC  @every 5m ", "parser does not accept descriptors: @every 5m"),
            ("TZ=Mars/Olympus 0 8 * * *", "provided bad location Mars/Olympus: unknown time zone Mars/Olympus"),
            ("CRON_TZ=Mars 0 8 * * *", "provided bad location Mars: unknown time zone Mars"),
            ("TZ=UTC", "expected exactly 5 fields, found 0: []"),
            ("60 8 * * *", "end of range (60) above maximum (59): 60"),
            ("0 24 * * *", "end of range (24) above maximum (23): 24"),
            ("0 0 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("0 0 32 * *", "end of range (32) above maximum (31): 32"),
            ("0 0 * 0-3 *", "beginning of range (0) below minimum (1): 0-3"),
            ("0 0 * 13/2 *", "beginning of range (13) beyond end of range (12): 13/2"),
            ("0 8 * * 7", "end of range (7) above maximum (6): 7"),
            ("0 8 * * 5-1", "beginning of range (5) beyond end of range (1): 5-1"),
            ("0 8 * * FRI-MON", "beginning of range (5) beyond end of range (1): FRI-MON"),
            ("*/0 8 * * *", "step of range should be a positive number: */0"),
            ("0-1-2 8 * * *", "too many hyphens: 0-1-2"),
            ("0/1/2 8 * * *", "too many slashes: 0/1/2"),
            ("*/-5 8 * * *", "negative number (-5) not allowed: -5"),
            ("-5 8 * * *", r#"failed to parse int from : strconv.Atoi: parsing "": invalid syntax"#),
            ("5- 8 * * *", r#"failed to parse int from : strconv.Atoi: parsing "": invalid syntax"#),
            ("0 8 * * monday", r#"failed to parse int from monday: strconv.Atoi: parsing "monday": invalid syntax"#),
            ("0 8 L * *", r#"failed to parse int from L: strconv.Atoi: parsing "L": invalid syntax"#),
            ("0 8 15W * *", r#"failed to parse int from 15W: strconv.Atoi: parsing "15W": invalid syntax"#),
            ("0 8 * * 1#2", r#"failed to parse int from 1#2: strconv.Atoi: parsing "1#2": invalid syntax"#),
            ("0 jan * * *", r#"failed to parse int from jan: strconv.Atoi: parsing "jan": invalid syntax"#),
            ("５ 8 * * *", r#"failed to parse int from ５: strconv.Atoi: parsing "５": invalid syntax"#),
            (
                "0 9223372036854775808 * * *",
                "failed to parse int from 9223372036854775808: \
                 strconv.Atoi: parsing \"9223372036854775808\": value out of range",
            ),
            // The first field that is wrong is the one named.
            ("99 99 99 99 99", "end of range (99) above maximum (59): 99"),
        ];
        for (text, error) in cases {
            assert_eq!(spec(text).unwrap_err().to_string(), error, "{text:?}");
        }
    }

    #[test]
    fn a_time_zone_may_come_first() {
        let cases = [
            ("TZ=Europe/London 0 8 * * *", Some(Tz::Europe__London)),
            ("CRON_TZ=Asia/Kolkata   0 8 * * *", Some(Tz::Asia__Kolkata)),
            ("TZ= 0 8 * * *", Some(Tz::UTC)),
            ("0 8 * * *", None),
        ];
        for (text, zone) in cases {
            assert_eq!(spec(text).unwrap().zone, zone, "{text}");
        }
    }
}
