//! The check of a formula's types before its evaluation, by expr-lang's rules. A trigger is a float.

use super::ast::{Binary, Expr, ExprKind, FoldStep, Span, Unary};
use super::error::FormulaError;
use super::types::Type;

/// Checks the types of all of `root`, and that its result can be a number.
pub(super) fn check(text: &str, root: &Expr) -> Result<(), FormulaError> {
    let mut checker = Checker { text, variables: Vec::new(), predicates: Vec::new() };
    let result = checker.expr(root)?;
    if result.may_be(|result| result.is_number() || *result == Type::Text) {
        return Ok(());
    }
    let hint = if result == Type::Bool { ": the scaled figure may be chosen by it, as in a > 1 ? 5 : 0" } else { "" };
    Err(FormulaError::whole(format!("the formula gives {result}, and must give a number{hint}")))
}

pub(super) struct Checker<'a> {
    text: &'a str,
    variables: Vec<Type>,
    predicates: Vec<PredicateTypes>,
}

/// The names that a predicate may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PredicateNames {
    /// `#`.
    Element,
    /// `#` and `#index`.
    Index,
    /// `#`, `#index` and `#acc`.
    Accumulator,
}

/// A predicate that is checked.
struct PredicateTypes {
    element: Type,
    names: PredicateNames,
}

impl Checker<'_> {
    pub(super) fn error(&self, at: Span, what: impl Into<String>) -> FormulaError {
        FormulaError::new(self.text, at, what)
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Type, FormulaError> {
        Ok(match &expr.kind {
            ExprKind::Nil => Type::Nil,
            ExprKind::Bool(_) => Type::Bool,
            ExprKind::Int(_) => Type::Int,
            ExprKind::Float(_) | ExprKind::Trigger(_) => Type::Float,
            ExprKind::Text(_) => Type::Text,
            ExprKind::Triggers => Type::Any,
            ExprKind::Variable(index) => self.variables.get(*index).cloned().unwrap_or(Type::Any),
            ExprKind::Element => self.predicates.last().map_or(Type::Any, |scope| scope.element.clone()),
            ExprKind::Index => self.name(expr.at, PredicateNames::Index, Type::Int)?,
            ExprKind::Accumulator => self.name(expr.at, PredicateNames::Accumulator, Type::Any)?,
            ExprKind::Let { value, body } => self.declaration(value, body)?,
            ExprKind::Sequence(parts) => {
                let mut last = Type::Nil;
                for part in parts {
                    last = self.expr(part)?;
                }
                last
            }
            ExprKind::Unary(op, of) => self.unary(*op, of)?,
            ExprKind::Fold { first, steps } => {
                let mut left = self.expr(first)?;
                for step in steps {
                    left = self.step(left, step)?;
                }
                left
            }
            ExprKind::If { cond, then, other } => {
                self.condition(cond)?;
                let then = then.as_ref().map_or(Ok(Type::Bool), |then| self.expr(then))?;
                then.either(self.expr(other)?)
            }
            ExprKind::List(items) => Type::list(self.items(items)?),
            ExprKind::Map(pairs) => self.map(pairs)?,
            ExprKind::Member { base, key, .. } => self.member(base, key)?,
            ExprKind::Slice { base, from, to } => self.slice(base, from.as_deref(), to.as_deref())?,
            ExprKind::Chain(inner) => self.expr(inner)?,
            ExprKind::Call { builtin, args } => (builtin.check)(self, args)?,
        })
    }

    /// The type of `#index` or `#acc`, which only some predicates have.
    fn name(&self, at: Span, name: PredicateNames, of: Type) -> Result<Type, FormulaError> {
        if self.predicates.last().is_some_and(|predicate| predicate.names >= name) {
            return Ok(of);
        }
        Err(self.error(
            at,
            match name {
                PredicateNames::Accumulator => "#acc has a meaning in reduce only",
                _ => "#index has a meaning in map and reduce only",
            },
        ))
    }

    fn declaration(&mut self, value: &Expr, body: &Expr) -> Result<Type, FormulaError> {
        let value = self.expr(value)?;
        self.variables.push(value);
        let body = self.expr(body)?;
        self.variables.pop();
        Ok(body)
    }

    fn map(&mut self, pairs: &[(Expr, Expr)]) -> Result<Type, FormulaError> {
        for (key, value) in pairs {
            let of = self.expr(key)?;
            if !of.may_be(|of| *of == Type::Text) {
                return Err(self.error(key.at, format!("a map's key is a text, not {of}")));
            }
            self.expr(value)?;
        }
        Ok(Type::Map { by_text: true, value: Box::new(Type::Any) })
    }

    fn slice(&mut self, base: &Expr, from: Option<&Expr>, to: Option<&Expr>) -> Result<Type, FormulaError> {
        let of = self.expr(base)?;
        if of.element().is_none() {
            return Err(self.error(base.at, format!("only a list has a slice, not {of}")));
        }
        for bound in from.iter().chain(&to) {
            self.wanted(bound, "a slice's bound is an integer", |of| *of == Type::Int)?;
        }
        Ok(of)
    }

    /// The type of the last of `exprs`, which must all be `wanted` or may be.
    pub(super) fn each_wanted(
        &mut self,
        exprs: &[Expr],
        rule: &str,
        wanted: impl Fn(&Type) -> bool + Copy,
    ) -> Result<Type, FormulaError> {
        let mut last = Type::Any;
        for expr in exprs {
            last = self.wanted(expr, rule, wanted)?;
        }
        Ok(last)
    }

    /// The type of `expr`, which must be `wanted` or may be.
    pub(super) fn wanted(
        &mut self,
        expr: &Expr,
        rule: &str,
        wanted: impl Fn(&Type) -> bool,
    ) -> Result<Type, FormulaError> {
        let of = self.expr(expr)?;
        if of.may_be(wanted) {
            return Ok(of);
        }
        let hint = if of == Type::Float && rule.contains("integer") { ": int(…) makes one of it" } else { "" };
        Err(self.error(expr.at, format!("{rule}, not {of}{hint}")))
    }

    fn condition(&mut self, expr: &Expr) -> Result<(), FormulaError> {
        self.wanted(expr, "a condition is a truth value, as in a > 1", |of| *of == Type::Bool).map(drop)
    }

    fn items(&mut self, items: &[Expr]) -> Result<Type, FormulaError> {
        let mut common: Option<Type> = None;
        for item in items {
            let of = self.expr(item)?;
            common = Some(match common {
                None => of,
                Some(common) if common == of => common,
                Some(_) => Type::Any,
            });
        }
        Ok(common.unwrap_or(Type::Any))
    }

    fn unary(&mut self, op: Unary, of: &Expr) -> Result<Type, FormulaError> {
        match op {
            Unary::Not => {
                self.wanted(
                    of,
                    "\"not\" takes a truth value and binds tighter than a comparison, as in not (a > 1)",
                    |of| *of == Type::Bool,
                )?;
                Ok(Type::Bool)
            }
            Unary::Minus | Unary::Plus => self.wanted(of, "a sign stands before a number", Type::is_number),
        }
    }

    fn step(&mut self, left: Type, step: &FoldStep) -> Result<Type, FormulaError> {
        match step {
            FoldStep::Compare(pairs) => {
                let mut left = left;
                for (_, at, right) in pairs {
                    let right = self.expr(right)?;
                    self.both(*at, &left, &right, "a comparison needs two numbers or two texts", |of| {
                        of.is_number() || *of == Type::Text
                    })?;
                    let mixed = left.is_number() && right == Type::Text || left == Type::Text && right.is_number();
                    if mixed {
                        return Err(self.error(*at, format!("a comparison of {left} and {right}")));
                    }
                    left = right;
                }
                Ok(Type::Bool)
            }
            FoldStep::Binary { op, at, right, .. } => {
                let right = self.expr(right)?;
                self.binary(*op, *at, left, right)
            }
        }
    }

    /// Both sides must be `wanted` or may be.
    fn both(
        &self,
        at: Span,
        left: &Type,
        right: &Type,
        rule: &str,
        wanted: impl Fn(&Type) -> bool,
    ) -> Result<(), FormulaError> {
        if left.may_be(&wanted) && right.may_be(&wanted) {
            return Ok(());
        }
        Err(self.error(at, format!("{rule}, not {left} and {right}")))
    }

    fn binary(&mut self, op: Binary, at: Span, left: Type, right: Type) -> Result<Type, FormulaError> {
        let number = "it needs two numbers";
        match op {
            Binary::Or | Binary::And => {
                self.both(at, &left, &right, "it needs two truth values, as in a > 1 and b > 1", |of| {
                    *of == Type::Bool
                })?;
                Ok(Type::Bool)
            }
            Binary::Equal | Binary::NotEqual => {
                if left.comparable(&right) {
                    return Ok(Type::Bool);
                }
                Err(self.error(at, format!("{left} and {right} are never equal")))
            }
            Binary::In => self.contained(at, &left, &right),
            Binary::Contains | Binary::StartsWith | Binary::EndsWith => {
                self.both(at, &left, &right, "it needs two texts", |of| *of == Type::Text)?;
                Ok(Type::Bool)
            }
            Binary::Range => {
                self.both(
                    at,
                    &left,
                    &right,
                    "a range goes from an integer to an integer (int(a) makes one of a)",
                    |of| *of == Type::Int,
                )?;
                Ok(Type::list(Type::Int))
            }
            Binary::Add if left == Type::Text && right == Type::Text => Ok(Type::Text),
            Binary::Add if left == Type::Text || right == Type::Text => {
                self.both(at, &left, &right, "it needs two numbers or two texts", |of| *of == Type::Text)?;
                Ok(Type::Any)
            }
            Binary::Add | Binary::Subtract | Binary::Multiply => {
                self.both(at, &left, &right, number, Type::is_number)?;
                Ok(match (left, right) {
                    (Type::Int, Type::Int) => Type::Int,
                    (Type::Any, _) | (_, Type::Any) => Type::Any,
                    _ => Type::Float,
                })
            }
            Binary::Divide | Binary::Power => {
                self.both(at, &left, &right, number, Type::is_number)?;
                Ok(Type::Float)
            }
            Binary::Remainder => {
                self.both(at, &left, &right, "it needs two integers (int(a) makes one of a)", |of| *of == Type::Int)?;
                Ok(Type::Int)
            }
            Binary::Coalesce => Ok(left.either(right)),
        }
    }

    /// The type of `left in right`.
    fn contained(&self, at: Span, left: &Type, right: &Type) -> Result<Type, FormulaError> {
        match right {
            Type::Any => Ok(Type::Bool),
            Type::List(of) if left.comparable(of) => Ok(Type::Bool),
            Type::Map { by_text, .. } if !by_text || left.may_be(|left| *left == Type::Text) => Ok(Type::Bool),
            Type::List(of) => Err(self.error(at, format!("{left} is never in a list whose elements are {of}"))),
            Type::Map { .. } => Err(self.error(at, format!("a map's key is a text, not {left}"))),
            _ => Err(self.error(at, format!("\"in\" needs a list or a map on its right, not {right}"))),
        }
    }

    pub(super) fn member(&mut self, base: &Expr, key: &Expr) -> Result<Type, FormulaError> {
        let of = self.expr(base)?;
        match of {
            Type::Any => {
                self.expr(key)?;
                Ok(Type::Any)
            }
            Type::List(of) => {
                self.wanted(key, "a list's index is an integer", |key| *key == Type::Int)?;
                Ok(*of)
            }
            Type::Map { by_text, value } => {
                self.wanted(key, "a map's key is a text", |key| !by_text || *key == Type::Text)?;
                Ok(*value)
            }
            _ => Err(self.error(key.at, format!("only lists and maps have elements, not {of}"))),
        }
    }

    /// The type of the elements of `expr`, which must be a list or may be.
    pub(super) fn collection(&mut self, expr: &Expr) -> Result<Type, FormulaError> {
        let of = self.expr(expr)?;
        let hint = if of.is_number() { ", as in [a, b]" } else { "" };
        of.element().ok_or_else(|| self.error(expr.at, format!("a list is expected here{hint}, not {of}")))
    }

    /// The type of a predicate for elements of the type `element`.
    pub(super) fn predicate(
        &mut self,
        element: Type,
        predicate: &Expr,
        names: PredicateNames,
    ) -> Result<Type, FormulaError> {
        self.predicates.push(PredicateTypes { element, names });
        let of = self.expr(predicate)?;
        self.predicates.pop();
        Ok(of)
    }
}
