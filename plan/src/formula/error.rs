//! Errors of formulas, with their place in the text.

use super::ast::Span;

/// The length of the text that an error quotes, in characters.
const SHOWN: usize = 40;

/// The reason why a text is not a valid formula.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{what}")]
pub struct FormulaError {
    place: Place,
    what: String,
}

impl FormulaError {
    pub(super) fn new(text: &str, at: Span, what: impl Into<String>) -> Self {
        Self { place: Place::new(text, at), what: what.into() }
    }

    /// An error of the formula as a whole.
    pub(super) fn whole(what: impl Into<String>) -> Self {
        Self { place: Place::default(), what: what.into() }
    }

    /// The place of the error: line and character, both from 1; none for an error of the whole formula.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.position()
    }
}

/// The reason why a formula gives no number for these values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{what}")]
pub struct EvalError {
    place: Place,
    what: String,
}

impl EvalError {
    pub(super) fn new(text: &str, fault: Fault) -> Self {
        Self { place: fault.at.map(|at| Place::new(text, at)).unwrap_or_default(), what: fault.what }
    }

    /// The place of the error: line and character, both from 1; none for an error of the whole formula.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.position()
    }
}

impl From<EvalError> for FormulaError {
    fn from(EvalError { place, what }: EvalError) -> Self {
        Self { place, what }
    }
}

/// An error of an evaluation, which does not know the formula's text. [`EvalError`] adds the place.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: Option<Span>,
    pub(super) what: String,
}

/// A place in a formula, written as `character 9 ("trig_tow"): ` before an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Place {
    line: usize,
    column: usize,
    near: String,
    lines: bool,
}

impl Place {
    fn new(text: &str, at: Span) -> Self {
        let before = text.get(..at.from).unwrap_or(text);
        let near = text.get(at.from..at.to).unwrap_or_default();
        let mut shown: String = near.chars().take(SHOWN).collect();
        if near.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        Self {
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            near: shown,
            lines: text.trim_end().contains('\n'),
        }
    }

    fn position(&self) -> Option<(usize, usize)> {
        (self.line > 0).then_some((self.line, self.column))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 {
            return Ok(());
        }
        if self.lines {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "character {}", self.column)?;
        if self.near.is_empty() { write!(f, ": ") } else { write!(f, " ({:?}): ", self.near) }
    }
}
