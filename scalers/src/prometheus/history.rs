//! The values of a query over time, from which a simulation starts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use url::Url;

use super::client::{Client, Endpoint, Query};
use crate::net::Outbound;
use crate::net::tls::Tls;
use crate::scaler::ReadError;

/// The points that are asked for at once. Prometheus gives 11,000 at most.
const AT_ONCE: u32 = 10_000;
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 4 << 20;
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A query over time.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// The address below which `/api/v1/query_range` lies. It may hold a user and a password.
    pub server: Url,
    /// In PromQL, with one series as its result.
    pub expression: String,
    /// The time of the first value.
    pub from: DateTime<Utc>,
    /// The time of the last value.
    pub to: DateTime<Utc>,
    /// The time between two values. Above zero.
    pub step: Duration,
}

/// Values with their times. None: there was none at this time.
pub type History = Vec<(DateTime<Utc>, Option<f64>)>;

/// The values of a query.
///
/// # Errors
/// The server cannot be reached, or refuses the query, or its answer is not one series.
pub async fn history(question: &HistoryQuery, outbound: &Arc<Outbound>) -> Result<History, ReadError> {
    let HistoryQuery { server, expression, from, to, step } = question;
    let endpoint = Endpoint { base: server.clone(), tls: Tls::default(), timeout: Some(TIMEOUT) };
    let client = Client::new(&endpoint, outbound);
    let (expression, more, headers, basic) = (expression.clone(), String::new(), HeaderMap::new(), None);
    let query = Query { expression, more, headers, basic };
    let step = TimeDelta::from_std(*step).unwrap_or(TimeDelta::MAX);
    let (mut values, mut begin) = (Vec::new(), *from);
    while begin <= *to {
        let end = to
            .min(&begin.checked_add_signed(step * i32::try_from(AT_ONCE).unwrap_or(i32::MAX)).unwrap_or(*to))
            .to_owned();
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let seconds = step.num_milliseconds();
        let parameters = format!("&start={}&end={}&step={seconds}ms", time(begin), time(end));
        let body = client.fetch(&query, "query_range", &parameters, LONGEST_ANSWER).await?;
        let found = read(&body.bytes).map_err(|text| client.refused(&query, &text))?;
        values.extend(on_grid(&found, begin, end, step));
        begin = end + step;
    }
    if values.iter().all(|(_, value)| value.is_none()) {
        return Err(client.refused(&query, "it has no value in this time"));
    }
    Ok(values)
}

#[derive(Deserialize)]
struct Body {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    #[serde(default)]
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    values: Vec<(f64, String)>,
}

/// The points of an answer: milliseconds since 1970, and the value.
#[allow(clippy::cast_possible_truncation)] // A conversion into an integer stops at its bounds.
fn read(body: &[u8]) -> Result<Vec<(i64, f64)>, String> {
    let Body { data } = serde_json::from_slice(body).map_err(|_| "the answer is not that of Prometheus' HTTP API")?;
    if data.result_type != "matrix" {
        return Err(format!("the result is a {} and not a matrix", data.result_type));
    }
    match data.result.len() {
        0 | 1 => {}
        count => return Err(format!("the result has {count} series: sum(…) around the query makes one of them")),
    }
    let points = data.result.into_iter().flat_map(|series| series.values);
    let number = |(time, value): (f64, String)| Some(((time * 1000.0).round() as i64, value.parse().ok()?));
    Ok(points.filter_map(number).filter(|(_, value): &(i64, f64)| value.is_finite()).collect())
}

/// A value for each step; none where the answer leaves one out.
fn on_grid(found: &[(i64, f64)], begin: DateTime<Utc>, end: DateTime<Utc>, step: TimeDelta) -> History {
    let mut found = found.iter().peekable();
    let mut values = Vec::new();
    let mut now = begin;
    while now <= end {
        let millis = now.timestamp_millis();
        while found.next_if(|(time, _)| *time < millis).is_some() {}
        values.push((now, found.next_if(|(time, _)| *time == millis).map(|(_, value)| *value)));
        now += step;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_series() {
        let body =
            |result: &str| format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#);
        let one = r#"{"metric":{},"values":[[1800000000,"1"],[1800000060.001,"2.5"],[1800000120,"NaN"]]}"#;
        assert_eq!(read(body(one).as_bytes()), Ok(vec![(1_800_000_000_000, 1.0), (1_800_000_060_001, 2.5)]));
        assert_eq!(read(body("").as_bytes()), Ok(Vec::new()));
        assert!(read(body(&format!("{one},{one}")).as_bytes()).unwrap_err().contains("sum(…)"));
        assert!(
            read(br#"{"data":{"resultType":"vector","result":[]}}"#).unwrap_err().contains("a vector and not a matrix")
        );
        assert!(read(b"<html>").unwrap_err().contains("not that of Prometheus"));
    }

    #[test]
    fn a_gap_is_a_time_without_a_value() {
        let begin = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let at = |minutes| begin + TimeDelta::minutes(minutes);
        let found = [(at(0).timestamp_millis(), 1.0), (at(2).timestamp_millis(), 3.0)];
        let values = on_grid(&found, begin, at(3), TimeDelta::minutes(1));
        assert_eq!(values, [(at(0), Some(1.0)), (at(1), None), (at(2), Some(3.0)), (at(3), None)]);
    }
}
