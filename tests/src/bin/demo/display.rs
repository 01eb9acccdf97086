//! The live table: redrawn in place in a terminal, a line a second elsewhere.

use std::fmt::Display as Show;
use std::io::{IsTerminal, Write, stdout};
use std::time::Instant;

use crate::workload::Sample;

/// Where the samples are shown.
pub(crate) struct Display {
    in_place: bool,
    drawn: usize,
}

impl Display {
    /// On the standard output.
    pub(crate) fn new() -> Self {
        Self { in_place: stdout().is_terminal(), drawn: 0 }
    }

    /// Shows the samples of one moment.
    pub(crate) fn draw(&mut self, begin: Instant, samples: &[Sample]) {
        let seconds = format!("{:5.0} s", begin.elapsed().as_secs_f64());
        if self.in_place && self.drawn > 0 {
            print!("\x1b[{}A", self.drawn);
        }
        let mut lines = Vec::new();
        if self.in_place || self.drawn == 0 {
            lines.push("   time  workload      queue  metric  HPA wants/has  replicas".to_owned());
        }
        lines.extend(samples.iter().map(|sample| format!("{seconds}  {}", line(sample))));
        for line in &lines {
            // The rest of an earlier, longer line is erased.
            println!("{line}{}", if self.in_place { "\x1b[K" } else { "" });
        }
        self.drawn = lines.len();
        let _ = stdout().flush();
    }
}

fn line(sample: &Sample) -> String {
    let bar: String = "█".repeat(usize::try_from(sample.replicas).unwrap_or(0));
    format!(
        "{:<12} {:>6} {:>7} {:>14} {:>9}  {bar}",
        sample.name,
        or_dash(sample.depth),
        or_dash(sample.metric),
        format!("{}/{}", or_dash(sample.hpa_desired), or_dash(sample.hpa_current)),
        sample.replicas,
    )
}

fn or_dash(value: Option<impl Show>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
