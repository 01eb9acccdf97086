//! The error of a trigger's parameters: KEDA's text for each problem, and hints.

use std::fmt;

/// The end of each text about a feature that KEDA supports and Ebb does not. `ebb check --for-migration` looks for it.
pub const NOT_YET: &str = "is not supported yet";

/// The problems of a trigger's parameters: KEDA's text, and beside it a hint at what to change, which KEDA does not
/// give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    prefix: String,
    problems: Vec<String>,
    hints: Vec<String>,
    /// Of each hint: the problem that it belongs to.
    belongs: Vec<usize>,
}

impl ConfigError {
    /// An error with KEDA's text and no hint yet.
    pub fn new(text: impl Into<String>) -> Self {
        Self { prefix: String::new(), problems: vec![text.into()], hints: Vec::new(), belongs: Vec::new() }
    }

    /// All of several problems, and their hints with the place of the problem that each belongs to.
    pub(super) fn of(problems: Vec<String>, hints: Vec<(usize, String)>) -> Self {
        let (belongs, hints) = hints.into_iter().unzip();
        Self { prefix: String::new(), problems, hints, belongs }
    }

    /// Adds a line that says how to put the last problem right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.belongs.push(self.problems.len().saturating_sub(1));
        self.hints.push(hint.into());
        self
    }

    /// Puts words before the text.
    #[must_use]
    pub fn context(self, prefix: &str) -> Self {
        Self { prefix: format!("{prefix}{}", self.prefix), ..self }
    }

    /// Each problem, without the words that [`Self::context`] has put before the text.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// How to put the problem at this place right, a line each.
    pub fn hints_of(&self, problem: usize) -> impl Iterator<Item = &str> {
        let pairs = self.belongs.iter().zip(&self.hints);
        pairs.filter(move |(belongs, _)| **belongs == problem).map(|(_, hint)| hint.as_str())
    }

    /// How to put it right, a line each.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}
