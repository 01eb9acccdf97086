//! The result in a terminal: figures, a chart, decisions.

use std::io::{self, Write};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use ebb_plan::simulate::{Run, Simulation, Summary};

use super::{chart, duration};

/// The decisions that are shown of each run.
const MOST_DECISIONS: usize = 20;

/// Writes it for a terminal with so many columns.
pub(super) fn write(
    output: &mut impl Write,
    simulation: &Simulation,
    left_out: &[String],
    width: usize,
) -> io::Result<()> {
    let (start, length) = (simulation.start, duration::shown(simulation.length));
    writeln!(output, "{length} from {}", moment(start, Duration::ZERO))?;
    for line in left_out {
        writeln!(output, "note: {line}")?;
    }
    for run in &simulation.runs {
        writeln!(output, "\n{}", run.name)?;
        for line in chart::lines(run, simulation, width) {
            writeln!(output, "{line}")?;
        }
    }
    writeln!(output)?;
    for row in figures(&simulation.runs) {
        writeln!(output, "{}", row.trim_end())?;
    }
    for run in &simulation.runs {
        decisions(output, run, start)?;
    }
    Ok(())
}

/// A time of day to the second.
pub(super) fn moment(start: DateTime<Utc>, since: Duration) -> String {
    let at = TimeDelta::from_std(since).ok().and_then(|since| start.checked_add_signed(since)).unwrap_or(start);
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The figures of a run with their names.
pub(super) fn named(summary: &Summary) -> Vec<(&'static str, String)> {
    let seconds = |seconds: f64| duration::shown(Duration::try_from_secs_f64(seconds.round()).unwrap_or_default());
    let mut figures = vec![
        ("replica-hours", number(summary.replica_hours)),
        ("peak replicas", summary.peak.to_string()),
        ("time at zero", seconds(summary.seconds_at_zero)),
        ("scalings", summary.scalings.to_string()),
        ("turns up/down", summary.reversals.to_string()),
    ];
    figures.extend(summary.longest_backlog.map(|backlog| ("longest backlog", number(backlog))));
    figures.extend(summary.longest_wait_seconds.map(|wait| ("longest wait", seconds(wait))));
    figures.extend(summary.price.map(|price| ("price", format!("{price:.2}"))));
    figures
}

/// The rows of a table: a column for each run, and the difference of two.
fn figures(runs: &[Run]) -> Vec<String> {
    let columns: Vec<_> = runs.iter().map(|run| named(&run.summary)).collect();
    let widest = runs.iter().map(|run| run.name.chars().count()).max().unwrap_or_default().max(12);
    let row = |name: &str, cells: Vec<&str>| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>widest$}")).collect();
        format!("{name:<16}  {}", cells.join("  "))
    };
    let mut rows = Vec::new();
    if runs.len() > 1 {
        rows.push(row("", runs.iter().map(|run| run.name.as_str()).collect()));
    }
    for (place, (name, _)) in columns.iter().max_by_key(|column| column.len()).into_iter().flatten().enumerate() {
        let cell = |column: &Vec<(&'static str, String)>| {
            column.get(place).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let cells: Vec<_> = columns.iter().map(cell).collect();
        rows.push(row(name, cells.iter().map(String::as_str).collect()));
    }
    rows
}

fn decisions(output: &mut impl Write, run: &Run, start: DateTime<Utc>) -> io::Result<()> {
    if run.decisions.is_empty() {
        return writeln!(output, "\n{}: the count never changes", run.name);
    }
    writeln!(output, "\n{}", run.name)?;
    writeln!(output, "{:<20}  {:>5} {:>5}  {:<4}  {:<18}  WHY", "TIME", "FROM", "TO", "BY", "REASON")?;
    for decision in run.decisions.iter().take(MOST_DECISIONS) {
        let time = moment(start, decision.t);
        let (from, to, by) = (decision.from, decision.to, decision.by);
        writeln!(output, "{time:<20}  {from:>5} {to:>5}  {by:<4}  {:<18}  {}", decision.reason, decision.message)?;
    }
    match run.decisions.len().saturating_sub(MOST_DECISIONS) {
        0 => Ok(()),
        more => writeln!(output, "and {more} more: -o json shows all"),
    }
}

/// A number with one decimal, or none where it is whole.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
