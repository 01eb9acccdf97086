//! The expression of `advanced.scalingModifiers.formula`: one number from the values of the triggers.
//!
//! The language is [expr-lang's](https://expr-lang.org/docs/language-definition) as KEDA uses it: KEDA compiles
//! `float(FORMULA)` with each named trigger as a float and reads the result as a float. Dates, JSON, regular
//! expressions, functions of texts and methods are not supported, because all values are numbers.
//! `docs/scaling-modifiers.md` is the page for users.
//!
//! The text goes through [`lexer`], [`parser`] and [`checker`] once, in [`Formula::parse`], and through [`evaluator`]
//! for each reading. [`builtins`] has a row for each function. The module knows nothing of triggers but their names:
//! the caller gives the values.
//!
//! # Grammar
//!
//! Blanks and comments (`// …`, `/* … */`) may separate tokens. The operators are listed from the strongest to the
//! weakest binding. All but the power are left-associative.
//!
//! ```text
//! formula    = sequence
//! sequence   = expression { ";" expression } [ ";" ]            with the value of its last expression
//! expression = "let" NAME "=" expression ";" sequence
//!            | "if" expression "{" sequence "}" "else" ( "{" sequence "}" | if-expression )
//!            | operation { "?" [ expression ] ":" expression }  a ? b : c, and a ?: c for a ? a : c
//! operation  = primary with, binding from strongest to weakest:
//!              ??                                               not beside another operator without parentheses
//!              ** ^                                             right-associative; -a ** b is -(a ** b), a ** -b is allowed
//!              - + (before a value)
//!              * / %
//!              not ! (before a value)
//!              + -
//!              ..
//!              == != < <= > >= in contains startsWith endsWith  a < b <= c is a < b and b <= c;
//!                                                               not in, not contains, …
//!              and &&
//!              or ||
//!              | NAME "(" arguments ")"                         a | f(b) is f(a, b)
//! primary    = ( "(" sequence ")" | NUMBER | TEXT | "true" | "false" | "nil" | NAME | "$env" | call | list | map
//!              | "#" | "#index" | "#acc" ) { postfix }
//! postfix    = "." NAME | "?." NAME | "[" expression "]" | "?.[" expression "]" | "[" [ expression ] ":" [ expression ] "]"
//! call       = [ "::" ] NAME "(" [ argument { "," argument } [ "," ] ] ")"
//! argument   = expression | predicate                           where the function takes a predicate
//! predicate  = "{" sequence "}" | expression                    with # (an element), .name (#.name), #index, #acc
//! list       = "[" [ expression { "," expression } [ "," ] ] "]"
//! map        = "{" [ key ":" expression { "," key ":" expression } [ "," ] ] "}"
//! key        = NAME | NUMBER | TEXT | "(" expression ")"
//! NUMBER     = 42 | 1_000 | 0x2A | 0o52 | 0b101010 | 0.5 | .5 | 1e3
//! TEXT       = "…" | '…' with escapes | `…` without
//! ```
//!
//! # Rules of numbers
//!
//! A trigger is a float. A literal without point and exponent is an integer of 64 bits. `+ - *` of two integers give an
//! integer, which must fit; `/` and `**` always give a float; `%` takes integers only. Integers and floats compare by
//! value. A list is indexed by integers.

mod ast;
mod builtins;
mod checker;
mod error;
mod evaluator;
mod lexer;
mod parser;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub use error::{EvalError, FormulaError};

use ast::Expr;
use error::Fault;

/// The longest formula, in bytes.
pub const LONGEST: usize = 8 * 1024;

/// A parsed and checked formula.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    text: String,
    used: Vec<String>,
    root: Expr,
}

impl Formula {
    /// Parses and checks `text`, in which `names` are the names of the triggers.
    ///
    /// # Errors
    /// The mistake, its place and a hint: wrong syntax, an unknown name or function, a wrong number of arguments, types
    /// that do not fit, a result that is not a number. Also a formula that fails for each of a few sets of values.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, FormulaError> {
        if text.len() > LONGEST {
            return Err(FormulaError::whole(format!(
                "the formula is {} bytes long, and may have {LONGEST} at most",
                text.len()
            )));
        }
        if text.trim().is_empty() {
            return Err(FormulaError::whole("the formula is empty"));
        }
        let (root, mut used) = parser::parse(text, names)?;
        checker::check(text, &root)?;
        if uses_all(&root) {
            used.extend(
                names
                    .iter()
                    .filter(|name| !used.iter().any(|used| used == *name))
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            );
        }
        let formula = Self { text: text.to_owned(), used, root };
        formula.try_out()?;
        Ok(formula)
    }

    /// The names of the triggers whose values the formula uses, without duplicates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.used.iter().map(String::as_str)
    }

    /// The formula as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the result is nil, such as that of `a ?? b` if neither has a value. A formula that fails has no result.
    pub fn is_nil(&self, value: impl Fn(&str) -> Option<f64>) -> bool {
        let values: Vec<Option<f64>> = self.used.iter().map(|name| value(name)).collect();
        matches!(evaluator::evaluate(&self.root, &self.used, &values), Ok(value::Value::Nil))
    }

    /// The formula's result, a finite number. `value` gives the value of a trigger by its name; None is nil.
    ///
    /// # Errors
    /// Nil where a number is needed, a result that is not finite (after a division by zero), more steps or memory than
    /// a formula may take.
    pub fn evaluate(&self, value: impl Fn(&str) -> Option<f64>) -> Result<f64, EvalError> {
        let values: Vec<Option<f64>> = self.used.iter().map(|name| value(name)).collect();
        let result = self.result(&values)?;
        if result.is_finite() {
            return Ok(result);
        }
        let what = format!(
            "it gives {result}, not a finite number: a division by zero does, which a condition avoids, as in b == 0 ? 0 : a / b"
        );
        Err(EvalError::new(&self.text, Fault { at: None, what }))
    }

    fn result(&self, values: &[Option<f64>]) -> Result<f64, EvalError> {
        evaluator::evaluate(&self.root, &self.used, values)
            .and_then(|value| builtins::to_float(&value).map_err(|what| Fault { at: None, what }))
            .map_err(|fault| EvalError::new(&self.text, fault))
    }

    /// Evaluates the formula for a few sets of values. The first is -1 for all triggers, which KEDA tries, too. A
    /// formula that fails for all sets is refused. An infinite result is a failure only if the formula uses no trigger.
    fn try_out(&self) -> Result<(), FormulaError> {
        if self.used.is_empty() {
            return self.evaluate(|_| None).map(drop).map_err(FormulaError::from);
        }
        let sample = |of: &dyn Fn(f64) -> f64| -> Vec<Option<f64>> {
            (0_u16..).zip(&self.used).map(|(index, _)| Some(of(f64::from(index)))).collect()
        };
        let Err(first) = self.result(&sample(&|_| -1.0)) else { return Ok(()) };
        let others: [&dyn Fn(f64) -> f64; 3] = [&|_| 0.0, &|index| index + 1.0, &|index| 1000.0 / (index + 1.0)];
        if others.iter().any(|of| self.result(&sample(of)).is_ok()) {
            return Ok(());
        }
        Err(first.into())
    }
}

/// Whether the formula may use the values of all triggers, through `$env`.
fn uses_all(root: &Expr) -> bool {
    root.any(&|expr| matches!(expr.kind, ast::ExprKind::Triggers))
}
