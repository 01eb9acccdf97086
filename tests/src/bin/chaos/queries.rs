//! The HPA's questions, asked through the aggregator again and again, and the number that had no answer.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use ebb_tests::sandbox::Sandbox;

use crate::faults::{Fault, Span};

/// After a fault is over, what was cut off by it may still be found out.
const AFTER: TimeDelta = TimeDelta::seconds(5);

/// The answers so far.
#[derive(Debug, Default)]
pub(crate) struct Queries(Mutex<Vec<Answer>>);

#[derive(Debug, Clone)]
struct Answer {
    at: DateTime<Utc>,
    took: Duration,
    error: Option<String>,
}

impl Queries {
    /// Asks once.
    pub(crate) async fn ask(&self, user: &Sandbox, scaled_object: &str, metric: &str) {
        let (at, begin) = (Utc::now(), Instant::now());
        let error = user.metric(scaled_object, metric).await.err().map(|error| format!("{scaled_object}: {error:#}"));
        let answer = Answer { at, took: begin.elapsed(), error };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }

    /// In words: how many there were, and what failed while no fault was there to explain it.
    pub(crate) fn summary(&self, spans: &[Span]) -> String {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let failed: Vec<_> = answers.iter().filter(|answer| answer.error.is_some()).collect();
        let explained = |answer: &&Answer| {
            let harmless = |fault: Fault| matches!(fault, Fault::NoCertificates | Fault::BadCertificates);
            let reaches = |span: &Span| span.begin <= answer.at + TimeDelta::from_std(answer.took).unwrap_or_default();
            spans.iter().any(|span| !harmless(span.fault) && reaches(span) && answer.at < span.end + AFTER)
        };
        let unexplained: Vec<_> = failed.iter().filter(|answer| !explained(answer)).collect();
        let mut text = format!(
            "{} external metric queries: {} failed, {} of them more than five seconds after any fault but with certificates",
            answers.len(),
            failed.len(),
            unexplained.len(),
        );
        for answer in unexplained.iter().take(5) {
            let (at, error) = (answer.at.format("%H:%M:%S"), answer.error.as_deref().unwrap_or_default());
            // Into a String nothing fails.
            let _ = write!(text, "\n  {at}, after {:.1} s: {error}", answer.took.as_secs_f64());
        }
        text
    }
}
