//! A chart of blocks for the terminal.

use std::time::Duration;

use ebb_plan::simulate::{Run, Simulation};

use super::{duration, table};

/// The lines of the chart of replicas.
const HEIGHT: u32 = 8;
/// Eighths of a block, from nothing to all.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The columns left of the chart.
const MARGIN: usize = 10;

/// The chart of a run: replicas, below them the values of each trigger.
pub(super) fn lines(run: &Run, simulation: &Simulation, width: usize) -> Vec<String> {
    let width = width.saturating_sub(MARGIN + 2).clamp(10, 400);
    let columns = Columns { length: simulation.length, width };
    let replicas = columns.replicas(run);
    let top = replicas.iter().copied().max().unwrap_or_default().max(1);
    let mut lines: Vec<_> = (0..HEIGHT).rev().map(|line| line_of(line, &replicas, top)).collect();
    lines.push(format!("{:>MARGIN$} └{}", "", "─".repeat(width)));
    let (half, end) = (duration::shown(simulation.length / 2), duration::shown(simulation.length));
    let middle = width / 2;
    lines.push(format!(
        "{:>MARGIN$}  {:<middle$}{half:<rest$}{end}",
        "",
        "0",
        rest = (width - middle).saturating_sub(end.len())
    ));
    for (place, trigger) in run.triggers.iter().enumerate() {
        let values: Vec<_> =
            run.points.iter().map(|point| (point.t, point.values.get(place).copied().flatten())).collect();
        let line = columns.highest(&values);
        let top = line.iter().flatten().copied().fold(0.0, f64::max);
        let name = trigger.name.as_ref().unwrap_or(&trigger.metric);
        let of_all = if simulation.step * 10 > simulation.length { "" } else { "up to " };
        lines.push(format!("{:>MARGIN$}  {} {of_all}{} {name}", "", spark(&line, top), table::number(top)));
    }
    lines
}

/// A line of the chart of replicas. The label stands at its upper edge.
fn line_of(line: u32, replicas: &[i32], top: i32) -> String {
    let eighths = |count: i32| {
        let height = f64::from(count) / f64::from(top) * f64::from(HEIGHT * 8);
        // The least count that there is shows.
        let height = if count > 0 { height.max(1.0) } else { 0.0 };
        block(height - f64::from(line * 8))
    };
    let label = if line + 1 == HEIGHT {
        top.to_string()
    } else if line == 0 {
        "0".to_owned()
    } else {
        String::new()
    };
    let bars: String = replicas.iter().map(|count| eighths(*count)).collect();
    format!("{label:>MARGIN$} │{bars}").trim_end().to_owned()
}

/// A line of values; a dot where one cannot be read.
fn spark(values: &[Option<f64>], top: f64) -> String {
    let height =
        |value: f64| if top > 0.0 { (value / top * 8.0).max(if value > 0.0 { 1.0 } else { 0.0 }) } else { 0.0 };
    values.iter().map(|value| value.map_or('·', |value| block(height(value)))).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn block(eighths: f64) -> char {
    BLOCKS[eighths.round().clamp(0.0, 8.0) as usize]
}

/// The columns of a chart, each of them a part of the time.
struct Columns {
    length: Duration,
    width: usize,
}

impl Columns {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn of(&self, time: Duration) -> usize {
        let part = time.as_secs_f64() / self.length.as_secs_f64().max(f64::MIN_POSITIVE);
        ((part * self.width as f64) as usize).min(self.width - 1)
    }

    /// The highest count in each column, however short it was there.
    fn replicas(&self, run: &Run) -> Vec<i32> {
        let first = run.decisions.first().map(|decision| decision.from);
        let first = first.or(run.points.first().map(|point| point.replicas)).unwrap_or_default();
        let mut highest = vec![0; self.width];
        let (mut count, mut since) = (first, 0);
        for decision in &run.decisions {
            let until = self.of(decision.t);
            highest[since..=until].iter_mut().for_each(|column| *column = count.max(*column));
            (count, since) = (decision.to, until);
        }
        highest[since..].iter_mut().for_each(|column| *column = count.max(*column));
        highest
    }

    /// The highest value in each column; that of the column before where there is none.
    fn highest(&self, values: &[(Duration, Option<f64>)]) -> Vec<Option<f64>> {
        let mut columns: Vec<Option<Option<f64>>> = vec![None; self.width];
        for (time, value) in values {
            let column = &mut columns[self.of(*time)];
            *column = Some(match (*column, value) {
                (Some(Some(before)), Some(value)) => Some(before.max(*value)),
                (None | Some(None), value) => *value,
                (Some(before), None) => before,
            });
        }
        let mut last = None;
        columns.into_iter().map(|column| *column.as_ref().inspect(|value| last = **value).unwrap_or(&last)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_values_has_dots_where_there_are_none() {
        assert_eq!(spark(&[Some(0.0), Some(0.1), Some(4.0), Some(8.0), None], 8.0), " ▁▄█·");
        assert_eq!(spark(&[Some(0.0)], 0.0), " ");
    }

    #[test]
    fn columns_hold_the_highest_value() {
        let columns = Columns { length: Duration::from_secs(100), width: 4 };
        let at = |seconds| Duration::from_secs(seconds);
        let values = [(at(0), Some(1.0)), (at(10), Some(3.0)), (at(60), None), (at(70), None), (at(100), Some(2.0))];
        assert_eq!(columns.highest(&values), [Some(3.0), Some(3.0), None, Some(2.0)]);
    }

    #[test]
    fn the_chart_has_its_highest_count_at_the_top() {
        let lines: Vec<_> = (0..HEIGHT).rev().map(|line| line_of(line, &[0, 1, 8, 16], 16)).collect();
        assert_eq!(lines[0], format!("{:>10} │   █", 16));
        assert_eq!(lines[7], format!("{:>10} │ ▄██", 0));
        assert_eq!(line_of(0, &[1], 1000), format!("{:>10} │▁", 0));
    }
}
