//! What is wrong with a trigger's parameters.

use std::fmt;

/// What is wrong with a trigger's parameters: KEDA's text, and beside it a hint at what to change, which KEDA does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    prefix: String,
    problems: Vec<String>,
    hints: Vec<String>,
}

impl ConfigError {
    /// An error with KEDA's text and no hint yet.
    pub fn new(text: impl Into<String>) -> Self {
        Self { prefix: String::new(), problems: vec![text.into()], hints: Vec::new() }
    }

    /// All of several problems, and the hints that belong to them.
    pub(super) fn of(problems: Vec<String>, hints: Vec<String>) -> Self {
        Self { prefix: String::new(), problems, hints }
    }

    /// Adds a line that says how to put it right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts words before the text.
    #[must_use]
    pub fn context(self, prefix: &str) -> Self {
        Self { prefix: format!("{prefix}{}", self.prefix), ..self }
    }

    /// What is wrong, each without the words before the text.
    pub fn problems(&self) -> &[String] {
        &self.problems
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
