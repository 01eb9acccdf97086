//! Functions that compare: extremes, averages, sorting.

use super::super::ast::{Comparison, Expr, Span};
use super::super::checker::{Checker, PredicateNames};
use super::super::error::FormulaError;
use super::super::evaluator::{EvalResult, Evaluator, PredicateScope, fault};
use super::super::types::Type;
use super::super::value::{self, Value};
use super::lists::items;
use super::wrong_arity;

/// Numbers and lists of numbers; the result is a float.
pub(super) fn check_average(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    check_extreme(checker, args).map(|_| Type::Float)
}

/// Numbers and lists of numbers; the result is one of them.
pub(super) fn check_extreme(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let mut common: Option<Type> = None;
    for value in args {
        let of = checker.wanted(value, "numbers or lists of numbers are expected here", |of| {
            of.is_number() || matches!(of, Type::List(_))
        })?;
        common = Some(match common {
            None if of.is_number() => of,
            Some(common) if common == of => common,
            _ => Type::Any,
        });
    }
    Ok(common.unwrap_or(Type::Any))
}

pub(super) fn check_sort(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let Some((list, order)) = args.split_first() else { return Ok(Type::Any) };
    checker.collection(list)?;
    check_direction(checker, order)?;
    Ok(Type::list(Type::Any))
}

pub(super) fn check_sort_by(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let [list, by, order @ ..] = args else { return Ok(Type::Any) };
    let element = checker.collection(list)?;
    checker.predicate(element.clone(), by, PredicateNames::Element)?;
    check_direction(checker, order)?;
    Ok(Type::list(element))
}

fn check_direction(checker: &mut Checker<'_>, order: &[Expr]) -> Result<(), FormulaError> {
    checker.each_wanted(order, "the order is \"asc\" or \"desc\"", |of| *of == Type::Text).map(drop)
}

pub(super) fn max(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    extreme(evaluator, args, at, Comparison::Less)
}

pub(super) fn min(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    extreme(evaluator, args, at, Comparison::More)
}

/// The number for which `worse` holds between every other one and it; nil without numbers.
fn extreme(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span, worse: Comparison) -> EvalResult<Value> {
    let mut best: Option<Value> = None;
    for number in numbers(evaluator, args, at)? {
        let better = match &best {
            None => true,
            Some(best) => value::compare(worse, best, &number).map_err(fault(at))?,
        };
        if better {
            best = Some(number);
        }
    }
    Ok(best.unwrap_or(Value::Nil))
}

pub(super) fn mean(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let floats = floats(evaluator, args, at)?;
    if floats.is_empty() {
        return Ok(Value::Float(0.0));
    }
    let count = value::to_float(i64::try_from(floats.len()).unwrap_or(i64::MAX));
    Ok(Value::Float(floats.iter().sum::<f64>() / count))
}

pub(super) fn median(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let mut floats = floats(evaluator, args, at)?;
    if floats.is_empty() {
        return Ok(Value::Float(0.0));
    }
    floats.sort_by(f64::total_cmp);
    let middle = floats.len() / 2;
    Ok(Value::Float(if floats.len() % 2 == 1 {
        floats[middle]
    } else {
        f64::midpoint(floats[middle - 1], floats[middle])
    }))
}

fn floats(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Vec<f64>> {
    Ok(numbers(evaluator, args, at)?.iter().filter_map(Value::number).collect())
}

/// All numbers of the arguments, and of the lists in them.
fn numbers(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Vec<Value>> {
    let mut numbers = Vec::new();
    for value in args {
        let value = evaluator.expr(value)?;
        collect_numbers(evaluator, &value, at, &mut numbers)?;
    }
    evaluator.grow(at, numbers.len())?;
    Ok(numbers)
}

fn collect_numbers(evaluator: &mut Evaluator<'_>, value: &Value, at: Span, all: &mut Vec<Value>) -> EvalResult<()> {
    evaluator.spend(at, 1)?;
    match value {
        Value::Int(_) | Value::Float(_) => all.push(value.clone()),
        Value::List(list) => {
            for item in &list.items {
                collect_numbers(evaluator, item, at, all)?;
            }
        }
        Value::Nil => {
            return Err(fault(at)(
                "it needs numbers, not nil: a trigger without a value is nil; give it one as in (a ?? 0)".into(),
            ));
        }
        other => return Err(fault(at)(format!("it needs numbers, not {}", other.type_name()))),
    }
    Ok(())
}

pub(super) fn sort(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let [list, order @ ..] = args else { return Err(wrong_arity(at)) };
    let items = items(evaluator, list)?;
    let descending = is_descending(evaluator, order)?;
    let pairs = items.into_iter().map(|item| (item.clone(), item)).collect();
    sorted(evaluator, pairs, descending, at)
}

pub(super) fn sort_by(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let [list, by, order @ ..] = args else { return Err(wrong_arity(at)) };
    let items = items(evaluator, list)?;
    let descending = is_descending(evaluator, order)?;
    let mut pairs = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        evaluator.spend(at, 1)?;
        let scope = PredicateScope { element: Some(item.clone()), index, accumulator: None };
        pairs.push((evaluator.predicate(by, scope)?, item));
    }
    sorted(evaluator, pairs, descending, at)
}

/// Whether the order, if there is one, is `desc`.
fn is_descending(evaluator: &mut Evaluator<'_>, order: &[Expr]) -> EvalResult<bool> {
    let Some(order) = order.first() else { return Ok(false) };
    match evaluator.expr(order)? {
        Value::Text(text) if text.as_ref() == "asc" => Ok(false),
        Value::Text(text) if text.as_ref() == "desc" => Ok(true),
        _ => Err(fault(order.at)("the order is \"asc\" or \"desc\"".into())),
    }
}

/// The second values of the pairs, sorted by the first ones, which must all be numbers or all be texts.
fn sorted(
    evaluator: &mut Evaluator<'_>,
    mut pairs: Vec<(Value, Value)>,
    descending: bool,
    at: Span,
) -> EvalResult<Value> {
    let integers = pairs.iter().all(|(by, _)| matches!(by, Value::Int(_)));
    let numbers = pairs.iter().all(|(by, _)| by.number().is_some());
    let texts = pairs.iter().all(|(by, _)| matches!(by, Value::Text(_)));
    if !numbers && !texts && pairs.len() > 1 {
        return Err(fault(at)("only numbers or only texts have an order".into()));
    }
    // All pairs are compared by the same rule: an order that mixes integers and floats is not transitive.
    pairs.sort_by(|(left, _), (right, _)| {
        let order = match (left, right) {
            (Value::Text(left), Value::Text(right)) => left.cmp(right),
            (Value::Int(left), Value::Int(right)) if integers => left.cmp(right),
            _ => left.number().unwrap_or(0.0).total_cmp(&right.number().unwrap_or(0.0)),
        };
        if descending { order.reverse() } else { order }
    });
    evaluator.list(at, pairs.into_iter().map(|(_, item)| item).collect())
}
