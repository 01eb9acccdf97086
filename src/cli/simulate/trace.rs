//! A trace: the history of triggers in a CSV file.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

/// The name of the column of times.
const TIME: &str = "time";
/// What may stand between two cells.
const SEPARATORS: [char; 3] = [',', ';', '\t'];
/// Numbers from here on are seconds since 1970, and not since the start.
const UNIX: f64 = 1e9;
/// Numbers from here on are milliseconds since 1970.
const UNIX_MILLIS: f64 = 1e11;

/// A history.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trace {
    /// The time of day at which it begins, if its times say so.
    pub(super) start: Option<DateTime<Utc>>,
    /// How long it goes on.
    pub(super) length: Duration,
    /// The columns but that of times.
    pub(super) columns: Vec<Column>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) points: Vec<(Duration, Option<f64>)>,
}

/// A time in a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Time {
    Of(DateTime<Utc>),
    Since(f64),
}

impl Trace {
    /// Reads the text of a file called `file`.
    ///
    /// # Errors
    /// What is wrong, with the line, the column and the hint.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, String> {
        let mut lines = lines(text.trim_start_matches('\u{feff}'));
        let Some((number, header)) = lines.next() else {
            return Err(format!("{file}: it is empty: write a header such as time,orders and a row for each time"));
        };
        let separator = header.chars().find(|letter| SEPARATORS.contains(letter)).unwrap_or(',');
        let names = cells(header, separator).map_err(|text| format!("{file}:{number}: {text}"))?;
        let (time, names) = names.split_first().ok_or_else(|| format!("{file}:{number}: the header is empty"))?;
        if !time.eq_ignore_ascii_case(TIME) {
            return Err(format!(
                "{file}:{number}: the first column is {time:?}: call it time, with a header such as time,orders"
            ));
        }
        header_mistake(names).map_or(Ok(()), |text| Err(format!("{file}:{number}: {text}")))?;
        let rows = lines.map(|(number, line)| {
            let row = cells(line, separator).and_then(|cells| row(&cells, names, separator));
            row.map(|row| (number, row)).map_err(|text| format!("{file}:{number}: {text}"))
        });
        Self::of(file, names, &rows.collect::<Result<Vec<_>, _>>()?)
    }

    fn of(file: &str, names: &[String], rows: &[(usize, Row)]) -> Result<Self, String> {
        let Some((_, (first, _))) = rows.first() else {
            return Err(format!("{file}: there is no row after the header: write one for each time"));
        };
        let mut columns: Vec<_> =
            names.iter().map(|name| Column { name: name.clone(), points: Vec::with_capacity(rows.len()) }).collect();
        let (mut last, mut spacing) = (None, Duration::ZERO);
        for (number, (time, values)) in rows {
            let at = since(*first, *time).ok_or_else(|| {
                format!("{file}:{number}: column time: write all times in the same form, with the earliest first")
            })?;
            if let Some((earlier, line)) = last {
                if at <= earlier {
                    return Err(format!(
                        "{file}:{number}: column time: it is not after that of line {line}: sort the rows by time"
                    ));
                }
                spacing = at.saturating_sub(earlier);
            }
            last = Some((at, number));
            for (column, value) in columns.iter_mut().zip(values) {
                column.points.push((at, *value));
            }
        }
        let start = if let Time::Of(start) = first { Some(*start) } else { None };
        // The last row holds as long as the one before.
        let length = last.map_or(Duration::ZERO, |(at, _)| at) + spacing;
        Ok(Self { start, length, columns })
    }
}

/// The time of a row, and a value for each column.
type Row = (Time, Vec<Option<f64>>);

fn row(cells: &[String], names: &[String], separator: char) -> Result<Row, String> {
    if cells.len() != names.len() + 1 {
        return Err(format!(
            "it has {} cells and the header {}: put {separator:?} between cells, and leave a cell empty where a trigger could not be read",
            cells.len(),
            names.len() + 1
        ));
    }
    let values =
        names.iter().zip(&cells[1..]).map(|(name, cell)| value(cell).map_err(|text| format!("column {name}: {text}")));
    Ok((time(&cells[0]).map_err(|text| format!("column time: {text}"))?, values.collect::<Result<_, _>>()?))
}

/// The lines that are not empty, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim().is_empty())
}

/// The cells of a line. One in quotes may hold separators, and `""` for a quote.
fn cells(line: &str, separator: char) -> Result<Vec<String>, String> {
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if is_quoted || cell.trim().is_empty() => is_quoted = !is_quoted,
            letter if letter == separator && !is_quoted => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            letter => cell.push(letter),
        }
    }
    if is_quoted {
        return Err("a quote does not end: close it with \" on the same line".to_owned());
    }
    cells.push(cell.trim().to_owned());
    Ok(cells)
}

fn header_mistake(names: &[String]) -> Option<String> {
    if names.is_empty() {
        return Some("the header has no column but time: add one for each trigger, such as time,orders".to_owned());
    }
    let place = names.iter().position(String::is_empty);
    if let Some(place) = place {
        return Some(format!("column {} has no name: call it by its trigger's name, metric or index", place + 2));
    }
    let mut sorted: Vec<_> = names.iter().collect();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1])?;
    Some(format!("the column {:?} is there twice: leave one", twice[0]))
}

/// A cell of values: none where it is empty.
fn value(cell: &str) -> Result<Option<f64>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(Some(value)),
        Ok(_) => Err(format!("{cell} is no value of a trigger: write a number of 0 or more")),
        Err(_) => Err(format!(
            "{cell:?} is no number: write one such as 12.5, or leave the cell empty where the trigger could not be read"
        )),
    }
}

fn time(cell: &str) -> Result<Time, String> {
    let of_seconds = |seconds: f64| {
        let since = TimeDelta::from_std(Duration::try_from_secs_f64(seconds).ok()?).ok()?;
        DateTime::UNIX_EPOCH.checked_add_signed(since)
    };
    if let Ok(number) = cell.parse::<f64>()
        && number.is_finite()
        && number >= 0.0
    {
        let time = match number {
            number if number < UNIX => Some(Time::Since(number)),
            number if number < UNIX_MILLIS => of_seconds(number).map(Time::Of),
            number => of_seconds(number / 1000.0).map(Time::Of),
        };
        return time.ok_or_else(|| {
            format!("{cell} is outside the calendar: write the seconds since 1970, or since the start")
        });
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(cell) {
        return Ok(Time::Of(time.to_utc()));
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let plain = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(cell, form).ok());
    plain.map(|time| Time::Of(time.and_utc())).ok_or_else(|| {
        format!("{cell:?} is no time: write one such as 2026-11-27T21:00:00Z, or the seconds since the start")
    })
}

/// The time from `first` to `time`; none if the two have not the same form, or not this order.
fn since(first: Time, time: Time) -> Option<Duration> {
    match (first, time) {
        (Time::Of(first), Time::Of(time)) => (time - first).to_std().ok(),
        (Time::Since(first), Time::Since(time)) => Duration::try_from_secs_f64(time - first).ok(),
        (Time::Of(_), Time::Since(_)) | (Time::Since(_), Time::Of(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn every_form_of_time_and_cell_is_read() {
        let start = "2026-11-27T21:00:00Z";
        for (text, start) in [
            ("time,a\n2026-11-27T21:00:00Z,1\n2026-11-27T21:01:00Z,\n", Some(start)),
            ("Time;a\r\n2026-11-27 21:00:00;1\r\n\r\n2026-11-27 21:01;\r\n", Some(start)),
            ("time\ta\n1795813200\t1\n1795813260\t\n", Some(start)),
            ("\u{feff}time,a\n1795813200000,1\n1795813260000,\n", Some(start)),
            ("time,a\n2026-11-27T22:00:00+01:00,1\n2026-11-27T22:01:00+01:00,\n", Some(start)),
            ("time,\"a\"\n5, 1 \n65,\"\"\n", None),
        ] {
            let trace = Trace::parse("load.csv", text).unwrap();
            let points = vec![(at(0), Some(1.0)), (at(60), None)];
            let columns = vec![Column { name: "a".into(), points }];
            assert_eq!(
                trace,
                Trace { start: start.map(|start| start.parse().unwrap()), length: at(120), columns },
                "{text}"
            );
        }
    }

    #[test]
    fn cells_may_be_quoted() {
        assert_eq!(
            cells(r#"time,"a,b","say ""x""", c "#, ','),
            Ok(vec!["time".into(), "a,b".into(), "say \"x\"".into(), "c".into()])
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        for (text, says) in [
            ("", "load.csv: it is empty: write a header"),
            ("when,a\n0,1\n", "load.csv:1: the first column is \"when\": call it time"),
            ("time\n0\n", "load.csv:1: the header has no column but time"),
            ("time,a,\n", "load.csv:1: column 3 has no name"),
            ("time,a,a\n0,1,2\n", "load.csv:1: the column \"a\" is there twice"),
            ("time,a\n", "load.csv: there is no row after the header"),
            ("time,a\n0,1\n60,1,2\n", "load.csv:3: it has 3 cells and the header 2"),
            (
                "time,a\n\n0,many\n",
                "load.csv:3: column a: \"many\" is no number: write one such as 12.5, or leave the cell empty",
            ),
            ("time,a\n0,-1\n", "load.csv:2: column a: -1 is no value of a trigger"),
            ("time,a\n0,NaN\n", "load.csv:2: column a: NaN is no value of a trigger"),
            ("time,a\nnoon,1\n", "load.csv:2: column time: \"noon\" is no time: write one such as 2026"),
            ("time,a\n0,1\n60,1\n60,2\n", "load.csv:4: column time: it is not after that of line 3: sort the rows"),
            ("time,a\n0,1\n1795813200,1\n", "load.csv:3: column time: write all times in the same form"),
            (
                "time,a\n60,1\n0,1\n",
                "load.csv:3: column time: write all times in the same form, with the earliest first",
            ),
            ("time,a\n\"0,1\n", "load.csv:2: a quote does not end"),
        ] {
            let error = Trace::parse("load.csv", text).unwrap_err();
            assert!(error.starts_with(says), "{text:?}: {error}");
        }
    }
}
