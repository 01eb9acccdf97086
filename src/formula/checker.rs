//! What can be told of a formula's types before it is evaluated: expr-lang's rules, in which triggers are floats.

use super::ast::{Binary, Expr, Kind, Span, Step, Unary};
use super::error::FormulaError;
use super::functions::Function;
use super::types::Type;

/// Checks the types of all of `root`, and that its result can be a number.
pub(super) fn check(text: &str, root: &Expr) -> Result<(), FormulaError> {
    let mut checker = Checker { text, variables: Vec::new(), predicates: Vec::new() };
    let result = checker.expr(root)?;
    if result.may_be(|result| result.is_number() || *result == Type::Text) {
        return Ok(());
    }
    let cure = if result == Type::Bool { ": the scaled figure may be chosen by it, as in a > 1 ? 5 : 0" } else { "" };
    Err(FormulaError::whole(format!("the formula gives {result}, and must give a number{cure}")))
}

struct Checker<'a> {
    text: &'a str,
    variables: Vec<Type>,
    predicates: Vec<Scope>,
}

/// What `#`, `#index` and `#acc` are in a predicate.
struct Scope {
    element: Type,
    index: bool,
    accumulator: bool,
}

impl Checker<'_> {
    fn error(&self, at: Span, what: impl Into<String>) -> FormulaError {
        FormulaError::new(self.text, at, what)
    }

    fn expr(&mut self, expr: &Expr) -> Result<Type, FormulaError> {
        Ok(match &expr.kind {
            Kind::Nil => Type::Nil,
            Kind::Bool(_) => Type::Bool,
            Kind::Int(_) => Type::Int,
            Kind::Float(_) | Kind::Trigger(_) => Type::Float,
            Kind::Text(_) => Type::Text,
            Kind::Triggers => Type::Any,
            Kind::Variable(index) => self.variables.get(*index).cloned().unwrap_or(Type::Any),
            Kind::Element => self.predicates.last().map_or(Type::Any, |scope| scope.element.clone()),
            Kind::Index => {
                if !self.predicates.last().is_some_and(|scope| scope.index) {
                    return Err(self.error(expr.at, "#index has a meaning in map and reduce only"));
                }
                Type::Int
            }
            Kind::Accumulator => {
                if !self.predicates.last().is_some_and(|scope| scope.accumulator) {
                    return Err(self.error(expr.at, "#acc has a meaning in reduce only"));
                }
                Type::Any
            }
            Kind::Let { value, body } => {
                let value = self.expr(value)?;
                self.variables.push(value);
                let body = self.expr(body)?;
                self.variables.pop();
                body
            }
            Kind::Sequence(parts) => {
                let mut last = Type::Nil;
                for part in parts {
                    last = self.expr(part)?;
                }
                last
            }
            Kind::Unary(op, of) => self.unary(*op, of)?,
            Kind::Fold { first, steps } => {
                let mut left = self.expr(first)?;
                for step in steps {
                    left = self.step(left, step)?;
                }
                left
            }
            Kind::If { cond, then, other } => {
                self.condition(cond)?;
                let then = then.as_ref().map_or(Ok(Type::Bool), |then| self.expr(then))?;
                then.either(self.expr(other)?)
            }
            Kind::List(items) => Type::list(self.items(items)?),
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    let of = self.expr(key)?;
                    if !of.may_be(|of| *of == Type::Text) {
                        return Err(self.error(key.at, format!("a map's key is a text, not {of}")));
                    }
                    self.expr(value)?;
                }
                Type::Map { by_text: true, value: Box::new(Type::Any) }
            }
            Kind::Member { base, key, .. } => self.member(base, key)?,
            Kind::Slice { base, from, to } => {
                let of = self.expr(base)?;
                if of.element().is_none() {
                    return Err(self.error(base.at, format!("only a list has a slice, not {of}")));
                }
                for bound in from.iter().chain(to) {
                    self.wanted(bound, "a slice's bound is an integer", |of| *of == Type::Int)?;
                }
                of
            }
            Kind::Chain(inner) => self.expr(inner)?,
            Kind::Call { function, args } => self.call(*function, args)?,
        })
    }

    /// The type of `expr`, which must be or may be as `wanted`.
    fn wanted(&mut self, expr: &Expr, rule: &str, wanted: impl Fn(&Type) -> bool) -> Result<Type, FormulaError> {
        let of = self.expr(expr)?;
        if of.may_be(wanted) {
            return Ok(of);
        }
        let cure = if of == Type::Float && rule.contains("integer") { ": int(…) makes one of it" } else { "" };
        Err(self.error(expr.at, format!("{rule}, not {of}{cure}")))
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

    fn step(&mut self, left: Type, step: &Step) -> Result<Type, FormulaError> {
        match step {
            Step::Compare(pairs) => {
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
            Step::Binary { op, at, right, .. } => {
                let right = self.expr(right)?;
                self.binary(*op, *at, left, right)
            }
        }
    }

    /// Both sides must be or may be as `wanted`.
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
            Binary::In => match &right {
                Type::Any => Ok(Type::Bool),
                Type::List(of) if left.comparable(of) => Ok(Type::Bool),
                Type::Map { by_text, .. } if !by_text || left.may_be(|left| *left == Type::Text) => Ok(Type::Bool),
                Type::List(of) => Err(self.error(at, format!("{left} is never in a list of which each is {of}"))),
                Type::Map { .. } => Err(self.error(at, format!("a map's key is a text, not {left}"))),
                _ => Err(self.error(at, format!("\"in\" needs a list or a map on its right, not {right}"))),
            },
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

    fn member(&mut self, base: &Expr, key: &Expr) -> Result<Type, FormulaError> {
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

    /// The list that a function goes through, and the type of its elements.
    fn collection(&mut self, expr: &Expr) -> Result<Type, FormulaError> {
        let of = self.expr(expr)?;
        let cure = if of.is_number() { ", as in [a, b]" } else { "" };
        of.element().ok_or_else(|| self.error(expr.at, format!("a list is expected here{cure}, not {of}")))
    }

    fn predicate(&mut self, function: Function, element: Type, predicate: &Expr) -> Result<Type, FormulaError> {
        let accumulator = function == Function::Reduce;
        let index = accumulator || function == Function::Map;
        self.predicates.push(Scope { element, index, accumulator });
        let of = self.expr(predicate)?;
        self.predicates.pop();
        Ok(of)
    }

    fn call(&mut self, function: Function, args: &[Expr]) -> Result<Type, FormulaError> {
        match args {
            [only] => self.call_of_one(function, only),
            [first, predicate, rest @ ..] if takes_predicate(function) => {
                self.call_with_predicate(function, first, predicate, rest)
            }
            _ => self.call_of_several(function, args),
        }
    }

    fn call_with_predicate(
        &mut self,
        function: Function,
        list: &Expr,
        predicate: &Expr,
        rest: &[Expr],
    ) -> Result<Type, FormulaError> {
        let element = self.collection(list)?;
        let given = self.predicate(function, element.clone(), predicate)?;
        let truth = !matches!(
            function,
            Function::Map | Function::Sum | Function::GroupBy | Function::SortBy | Function::Reduce
        );
        if truth && !given.may_be(|given| *given == Type::Bool) {
            return Err(self.error(predicate.at, format!("a predicate gives a truth value, as in # > 1, not {given}")));
        }
        for more in rest {
            if function == Function::SortBy {
                self.wanted(more, "the order is \"asc\" or \"desc\"", |of| *of == Type::Text)?;
            } else {
                self.expr(more)?;
            }
        }
        Ok(match function {
            Function::All | Function::Any | Function::One | Function::None => Type::Bool,
            Function::Filter | Function::SortBy => Type::list(element),
            Function::Map => Type::list(given),
            Function::Count | Function::FindIndex | Function::FindLastIndex => Type::Int,
            Function::Find | Function::FindLast => element,
            Function::GroupBy => Type::Map { by_text: false, value: Box::new(Type::list(element)) },
            Function::Sum => self.summand(predicate.at, given)?,
            _ => Type::Any,
        })
    }

    fn summand(&self, at: Span, of: Type) -> Result<Type, FormulaError> {
        if of.may_be(Type::is_number) {
            return Ok(of);
        }
        Err(self.error(at, format!("sum adds numbers up, not a list of which each is {of}")))
    }

    fn call_of_one(&mut self, function: Function, only: &Expr) -> Result<Type, FormulaError> {
        let number = "a number is expected here";
        Ok(match function {
            Function::Count => {
                let element = self.collection(only)?;
                if !element.may_be(|element| *element == Type::Bool) {
                    let what = format!(
                        "count without a predicate counts truth values, not a list of which each is {element}: len gives its length"
                    );
                    return Err(self.error(only.at, what));
                }
                Type::Int
            }
            Function::Sum => {
                let element = self.collection(only)?;
                self.summand(only.at, element)?
            }
            Function::Len => {
                self.wanted(only, "a list, a map or a text has a length", |of| {
                    matches!(of, Type::List(_) | Type::Map { .. } | Type::Text)
                })?;
                Type::Int
            }
            Function::Type => {
                self.expr(only)?;
                Type::Text
            }
            Function::Abs => self.wanted(only, number, Type::is_number)?,
            Function::Ceil | Function::Floor | Function::Round => {
                self.wanted(only, number, Type::is_number)?;
                Type::Float
            }
            Function::Int | Function::Float => {
                self.wanted(only, "a number or a text is expected here", |of| of.is_number() || *of == Type::Text)?;
                if function == Function::Int { Type::Int } else { Type::Float }
            }
            Function::BitNot => {
                self.wanted(only, "an integer is expected here", |of| *of == Type::Int)?;
                Type::Int
            }
            Function::First | Function::Last => self.collection(only)?,
            Function::Keys | Function::Values => {
                self.wanted(only, "a map is expected here", |of| matches!(of, Type::Map { .. }))?;
                Type::list(Type::Any)
            }
            Function::Reverse | Function::Uniq | Function::Sort | Function::Flatten | Function::Concat => {
                self.collection(only)?;
                Type::list(Type::Any)
            }
            // Max, Min, Mean, Median of one.
            _ => self.call_of_several(function, std::slice::from_ref(only))?,
        })
    }

    fn call_of_several(&mut self, function: Function, args: &[Expr]) -> Result<Type, FormulaError> {
        match (function, args) {
            (Function::Take, [list, count]) => {
                let element = self.collection(list)?;
                self.wanted(count, "take takes an integer", |of| *of == Type::Int)?;
                Ok(Type::list(element))
            }
            (Function::Get, [base, key]) => self.member(base, key),
            (Function::Sort, [list, order]) => {
                self.collection(list)?;
                self.wanted(order, "the order is \"asc\" or \"desc\"", |of| *of == Type::Text)?;
                Ok(Type::list(Type::Any))
            }
            (Function::Concat, lists) => {
                for list in lists {
                    self.collection(list)?;
                }
                Ok(Type::list(Type::Any))
            }
            (Function::Max | Function::Min | Function::Mean | Function::Median, values) => {
                let mut common: Option<Type> = None;
                for value in values {
                    let of = self.wanted(value, "numbers or lists of numbers are expected here", |of| {
                        of.is_number() || matches!(of, Type::List(_))
                    })?;
                    common = Some(match common {
                        None if of.is_number() => of,
                        Some(common) if common == of => common,
                        _ => Type::Any,
                    });
                }
                let average = matches!(function, Function::Mean | Function::Median);
                Ok(if average { Type::Float } else { common.unwrap_or(Type::Any) })
            }
            (_, integers) => {
                for integer in integers {
                    self.wanted(integer, "an integer is expected here", |of| *of == Type::Int)?;
                }
                Ok(Type::Int)
            }
        }
    }
}

fn takes_predicate(function: Function) -> bool {
    super::functions::FUNCTIONS.iter().any(|signature| signature.function == function && signature.predicate)
}
