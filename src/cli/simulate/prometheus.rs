//! The history of triggers from a Prometheus server.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, Utc};
use ebb_scalers::Outbound;
use ebb_scalers::prometheus::history::{History, HistoryQuery, history};
use url::Url;

use super::SimulateError;
use super::input::Subject;
use super::load::Assigned;
use super::trace::{Column, Trace};
use crate::cli::args::Simulate;

impl Assigned<String> {
    /// Reads `EXPRESSION` or `TRIGGER=EXPRESSION`.
    ///
    /// # Errors
    /// There is no expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        // No expression begins with a name and one `=`.
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter))
        };
        let named = text.split_once('=').filter(|(name, rest)| is_name(name) && !rest.starts_with(['=', '~']));
        let (trigger, value) = named.map_or((None, text), |(name, rest)| (Some(name.to_owned()), rest));
        if value.trim().is_empty() {
            return Err("there is no expression: write one such as sum(jobs_waiting)".to_owned());
        }
        Ok(Self { trigger, value: value.to_owned() })
    }
}

/// A server's address.
///
/// # Errors
/// Another text.
pub fn server(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
    // The text may hold a password, so it is not repeated.
    url.ok_or_else(|| "it is no address of a server such as http://prometheus.monitoring:9090".to_owned())
}

/// Asks for the history of each trigger that is read. `now` is its end, where nobody says.
///
/// # Errors
/// A trigger without a query, or a query without one series as its result.
pub(super) fn trace(
    server: &Url,
    question: &Simulate,
    subjects: &[Subject],
    now: DateTime<Utc>,
) -> Result<Trace, SimulateError> {
    let to = question.to.unwrap_or(now).trunc_subsecs(0);
    let length = question.length.unwrap_or(Duration::from_hours(24));
    let from = question
        .from
        .map(|from| from.trunc_subsecs(0))
        .or_else(|| to.checked_sub_signed(chrono::TimeDelta::from_std(length).ok()?));
    let from = from.filter(|from| *from < to);
    let from = from.ok_or_else(|| SimulateError::Input("--from: it is not before --to".to_owned()))?;
    let mut columns = Vec::new();
    for (name, expression) in queries(question, subjects)? {
        let query = HistoryQuery { server: server.clone(), expression, from, to, step: question.resolution };
        let values = asked(&query)?;
        let points = values.into_iter().map(|(at, value)| ((at - from).to_std().unwrap_or_default(), value));
        // What is below zero is no value of a trigger.
        let points = points.map(|(at, value)| (at, value.map(|value| value.max(0.0)))).collect();
        columns.push(Column { name, points });
    }
    Ok(Trace { start: Some(from), length: (to - from).to_std().unwrap_or_default(), columns })
}

fn asked(query: &HistoryQuery) -> Result<History, SimulateError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(SimulateError::Write)?;
    let found = runtime.block_on(history(query, &Arc::new(Outbound::default())));
    found.map_err(|error| SimulateError::Input(error.bounded().to_string()))
}

/// The name of each column, and its query.
fn queries(question: &Simulate, subjects: &[Subject]) -> Result<Vec<(String, String)>, SimulateError> {
    let mut queries: Vec<_> =
        question.query.iter().filter_map(|query| Some((query.trigger.clone()?, query.value.clone()))).collect();
    let Some(subject) = subjects.first() else { return Ok(queries) };
    let open = subject.read_triggers().filter(|(_, names)| !queries.iter().any(|(name, _)| names.contains(name)));
    let open: Vec<_> = open.map(|(metric, mut names)| (metric, names.pop().unwrap_or_default())).collect();
    let mut bare = question.query.iter().filter(|query| query.trigger.is_none());
    match (bare.next(), bare.next(), &open[..]) {
        (None, ..) => queries.extend(open.iter().map(|(metric, name)| (name.clone(), own_series(subject, metric)))),
        (Some(query), None, [(_, name)]) => queries.push((name.clone(), query.value.clone())),
        _ => {
            let name = open.first().map_or("0", |(_, name)| name);
            let text = format!("--query: say which trigger it is for, as in --query {name}=EXPRESSION");
            return Err(SimulateError::Input(text));
        }
    }
    Ok(queries)
}

/// The series that Ebb and KEDA have of a trigger. The label of the namespace depends on how they are scraped.
fn own_series(subject: &Subject, metric: &str) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let (name, metric) = (quoted(subject.object_name()), quoted(metric));
    let series = |namespace: &str| {
        format!("keda_scaler_metrics_value{{scaledObject=\"{name}\",metric=\"{metric}\"{namespace}}}")
    };
    match subject.namespace().map(quoted) {
        None => format!("max({})", series("")),
        Some(namespace) => {
            let [one, other] =
                ["exported_namespace", "namespace"].map(|label| series(&format!(",{label}=\"{namespace}\"")));
            format!("max({one} or {other})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_for_a_trigger_or_for_the_only_one() {
        for (text, trigger, value) in [
            ("sum(jobs)", None, "sum(jobs)"),
            ("sum(rate(jobs{queue=\"a\"}[5m]))", None, "sum(rate(jobs{queue=\"a\"}[5m]))"),
            ("orders=sum(jobs)", Some("orders"), "sum(jobs)"),
            ("0=jobs{a=\"b\"}", Some("0"), "jobs{a=\"b\"}"),
            ("jobs==1", None, "jobs==1"),
        ] {
            let expected = Assigned { trigger: trigger.map(str::to_owned), value: value.to_owned() };
            assert_eq!(Assigned::<String>::parse(text), Ok(expected), "{text}");
        }
        assert!(Assigned::<String>::parse("orders=").is_err());
    }
}
