//! The explanation as text for people. Pure.

use std::fmt::Write as _;

use ebb_plan::trail::object::ScalingDecision;

use super::report::{Report, TriggerLine};

/// The explanation.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(text: &mut String, report: &Report) -> std::fmt::Result {
    let replicas = report.replicas.map_or_else(|| "?".to_owned(), |replicas| replicas.to_string());
    let idle = report.idle.map(|idle| format!(", idle {idle}")).unwrap_or_default();
    writeln!(text, "{}  scales {}", report.scaled_object, report.target)?;
    writeln!(text, "  replicas   {replicas}  (min {}, max {}{idle})", report.min, report.max)?;
    writeln!(text, "  driven by  {}", report.driver)?;
    if let Some(holds) = &report.holds {
        writeln!(text, "  because    {}", holds.message)?;
    }
    if let Some(hpa) = &report.hpa {
        let current = hpa.current.unwrap_or(0);
        writeln!(text, "  HPA        {}: has {current}, wants {}", hpa.name, hpa.desired)?;
    }
    let conditions = report.conditions.iter().map(|condition| format!("{}={}", condition.type_, condition.status));
    writeln!(text, "  conditions {}", conditions.collect::<Vec<_>>().join(" "))?;
    writeln!(text, "\nTriggers")?;
    for trigger in &report.triggers {
        writeln!(text, "  {}", trigger_line(trigger))?;
    }
    writeln!(text, "\nNext")?;
    for next in &report.next {
        let at = next.at.as_deref().map(|at| format!("{at}  ")).unwrap_or_default();
        writeln!(text, "  {at}{}", next.what)?;
    }
    if !report.findings.is_empty() {
        writeln!(text, "\nLooks wrong")?;
        for finding in &report.findings {
            writeln!(text, "  - {}\n    hint: {}", finding.what, finding.hint)?;
        }
    }
    if !report.decisions.is_empty() {
        writeln!(text, "\nDecisions, the latest first")?;
        for decision in &report.decisions {
            writeln!(text, "  {}", decision_line(decision))?;
        }
    }
    if let Some(since) = &report.since {
        writeln!(text, "  decisions before {since} are not known")?;
    }
    for unknown in &report.unknown {
        writeln!(text, "\n{unknown}")?;
    }
    Ok(())
}

fn trigger_line(trigger: &TriggerLine) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let Some(metric) = &trigger.metric else {
        return format!("{}: the HPA reads it by itself", trigger.what);
    };
    if let Some(error) = &trigger.error {
        return format!("{}: cannot be read: {error}", trigger.what);
    }
    let active = match trigger.active {
        Some(true) => "active",
        Some(false) => "not active",
        None => "unknown",
    };
    let asks = trigger.asks_for.map(|wanted| format!(", asks for {wanted}")).unwrap_or_default();
    let wins = if trigger.wins { " (most)" } else { "" };
    format!(
        "{}: {} against target {}, activation {}: {active}{asks}{wins}  [{metric}]",
        trigger.what,
        number(trigger.value),
        number(trigger.target),
        number(trigger.activation),
    )
}

fn decision_line(decision: &ScalingDecision) -> String {
    let from = decision.from.map_or_else(|| "?".to_owned(), |from| from.to_string());
    let count = if decision.from == Some(decision.to) { from } else { format!("{from} -> {}", decision.to) };
    format!("{}  {count:<9} {:<5} {}", decision.time, decision.by, decision.message)
}
