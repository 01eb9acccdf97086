//! The result as a picture: replicas, and below them the values of each trigger.

use std::fmt::Write as _;
use std::time::Duration;

use ebb_plan::simulate::{Run, RunTrigger, Simulation};

use super::{duration, table};

/// The picture's width, and the parts beside the charts.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
/// A chart's height, and the space above it.
const HEIGHT: f64 = 180.0;
const ABOVE: f64 = 44.0;
/// The colors of the runs, and of their cron windows: readable on light and dark ground.
const COLORS: [&str; 2] = ["#2a78d6", "#d9622b"];

/// The picture.
pub(super) fn chart(simulation: &Simulation) -> String {
    let mut panels = vec![Panel::replicas(simulation)];
    let mut drawn: Vec<&RunTrigger> = Vec::new();
    for trigger in simulation.runs.iter().flat_map(|run| &run.triggers) {
        if !drawn.iter().any(|other| other.metric == trigger.metric) {
            drawn.push(trigger);
        }
    }
    panels.extend(drawn.into_iter().map(|trigger| Panel::values(simulation, trigger)));
    if simulation.runs.iter().any(|run| run.points.iter().any(|point| point.backlog.is_some())) {
        panels.push(Panel::backlog(simulation));
    }
    let count = f64::from(u32::try_from(panels.len()).unwrap_or(u32::MAX));
    let height = count * (HEIGHT + ABOVE) + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#777\">\n<title>{}</title>\n",
        escaped(&title(simulation))
    );
    let mut top = 0.0;
    for panel in &panels {
        panel.draw(&mut svg, top + ABOVE, simulation);
        top += HEIGHT + ABOVE;
    }
    for part in 0..=4 {
        let time = simulation.length * part / 4;
        let at = LEFT + (WIDTH - LEFT - RIGHT) * f64::from(part) / 4.0;
        let anchor = ["start", "middle", "middle", "middle", "end"][usize::try_from(part).unwrap_or_default()];
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            top + 20.0,
            duration::shown(time)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// What the picture shows, in words.
pub(super) fn title(simulation: &Simulation) -> String {
    let names: Vec<_> = simulation.runs.iter().map(|run| run.name.as_str()).collect();
    let (length, start) = (duration::shown(simulation.length), table::moment(simulation.start, Duration::ZERO));
    format!("{}: {length} from {start}", names.join(" and "))
}

/// Text for XML.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

/// A value over time: each holds until the next.
type Line = Vec<(Duration, Option<f64>)>;

/// One chart.
struct Panel {
    title: String,
    lines: Vec<(String, Line)>,
    /// Dashed, with their names.
    levels: Vec<(&'static str, f64)>,
    has_windows: bool,
}

impl Panel {
    fn replicas(simulation: &Simulation) -> Self {
        let line = |run: &Run| {
            let first = run.decisions.first().map(|decision| decision.from);
            let first = first.or(run.points.first().map(|point| point.replicas)).unwrap_or_default();
            let begin = (Duration::ZERO, Some(f64::from(first)));
            let changes = run.decisions.iter().map(|decision| (decision.t, Some(f64::from(decision.to))));
            (run.name.clone(), std::iter::once(begin).chain(changes).collect())
        };
        let max = simulation.runs.iter().map(|run| f64::from(run.max)).fold(0.0, f64::max);
        let peak = simulation.runs.iter().map(|run| f64::from(run.summary.peak)).fold(0.0, f64::max);
        // A maximum that is far away would flatten the line.
        let levels = if max <= peak * 2.0 { vec![("maxReplicaCount", max)] } else { Vec::new() };
        Self { title: "replicas".into(), lines: simulation.runs.iter().map(line).collect(), levels, has_windows: true }
    }

    fn values(simulation: &Simulation, trigger: &RunTrigger) -> Self {
        let line = |run: &Run| {
            let place = run.triggers.iter().position(|other| other.metric == trigger.metric)?;
            let points = run.points.iter().map(|point| (point.t, point.values.get(place).copied().flatten()));
            Some((run.name.clone(), points.collect()))
        };
        let (name, target) = (trigger.name.as_ref().unwrap_or(&trigger.metric), trigger.target);
        let title = format!("{name} (target {})", table::number(target));
        let lines = simulation.runs.iter().filter_map(line).collect();
        Self { title, lines, levels: vec![("target", target)], has_windows: false }
    }

    fn backlog(simulation: &Simulation) -> Self {
        let line = |run: &Run| (run.name.clone(), run.points.iter().map(|point| (point.t, point.backlog)).collect());
        Self {
            title: "backlog".into(),
            lines: simulation.runs.iter().map(line).collect(),
            levels: Vec::new(),
            has_windows: false,
        }
    }

    fn draw(&self, svg: &mut String, top: f64, simulation: &Simulation) {
        let values = self.lines.iter().flat_map(|(_, line)| line.iter().filter_map(|(_, value)| *value));
        let highest = values.chain(self.levels.iter().map(|(_, level)| *level)).fold(1.0, f64::max);
        let place = Place { top, highest, length: simulation.length.as_secs_f64().max(1e-3) };
        if self.has_windows {
            windows(svg, simulation, &place);
        }
        let (right, bottom) = (WIDTH - RIGHT, top + HEIGHT);
        let _ = writeln!(svg, "<path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#999\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            top - 22.0,
            escaped(&self.title)
        );
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            top + 6.0,
            table::number(highest)
        );
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">0</text>", LEFT - 6.0);
        for (name, level) in &self.levels {
            let y = place.y(*level);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#999\" stroke-dasharray=\"4 4\"><title>{name}</title></path>"
            );
        }
        for (name, line) in &self.lines {
            let is_first = simulation.runs.first().is_some_and(|run| run.name == *name);
            let color = COLORS[usize::from(!is_first)];
            let (dash, legend) = if is_first { ("", LEFT) } else { (" stroke-dasharray=\"6 3\"", LEFT + 300.0) };
            let path = place.path(line);
            let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"{dash}/>");
            let _ = writeln!(svg, "<text x=\"{legend}\" y=\"{}\" fill=\"{color}\">{}</text>", top - 7.0, escaped(name));
        }
    }
}

/// The open windows of each run, as bands of its color.
fn windows(svg: &mut String, simulation: &Simulation, place: &Place) {
    for (run, color) in simulation.runs.iter().zip(COLORS) {
        for window in &run.windows {
            let (from, to) = (place.x(window.from), place.x(window.to));
            let name = run
                .triggers
                .get(window.trigger)
                .map(|trigger| escaped(trigger.name.as_ref().unwrap_or(&trigger.metric)));
            let _ = writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"{color}\" fill-opacity=\"0.1\"><title>{}</title></rect>",
                place.top,
                to - from,
                name.unwrap_or_default()
            );
        }
    }
}

/// Where a chart is, and its scale.
struct Place {
    top: f64,
    highest: f64,
    length: f64,
}

impl Place {
    fn x(&self, time: Duration) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * time.as_secs_f64() / self.length
    }

    fn y(&self, value: f64) -> f64 {
        self.top + HEIGHT * (1.0 - value / self.highest)
    }

    /// Steps from value to value; a gap where there is none.
    fn path(&self, line: &Line) -> String {
        let mut path = String::new();
        let mut is_drawn = false;
        for (time, value) in line {
            let x = self.x(*time);
            if is_drawn {
                let _ = write!(path, "H{x:.1}");
            }
            if let Some(value) = value {
                let y = self.y(*value);
                let _ = if is_drawn { write!(path, "V{y:.1}") } else { write!(path, "M{x:.1} {y:.1}") };
            }
            is_drawn = value.is_some();
        }
        if is_drawn {
            let _ = write!(path, "H{:.1}", WIDTH - RIGHT);
        }
        path
    }
}
