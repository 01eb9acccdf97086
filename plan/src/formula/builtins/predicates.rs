//! Functions that evaluate a predicate for each element of a list.

use std::collections::BTreeMap;

use super::super::ast::{Binary, Expr, Span};
use super::super::checker::{Checker, PredicateNames};
use super::super::error::FormulaError;
use super::super::evaluator::{EvalResult, Evaluator, PredicateScope, fault};
use super::super::types::Type;
use super::super::value::{self, MapKey, Value};
use super::lists::items;
use super::wrong_arity;

/// A list and a predicate that gives a truth value; the result is a truth value.
pub(super) fn check_bool(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    check_truth(checker, args).map(|_| Type::Bool)
}

pub(super) fn check_filter(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    check_truth(checker, args).map(Type::list)
}

pub(super) fn check_find(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    check_truth(checker, args)
}

pub(super) fn check_index(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    check_truth(checker, args).map(|_| Type::Int)
}

/// Checks a list and a predicate that gives a truth value. Gives the type of the elements.
fn check_truth(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let [list, predicate] = args else { return Ok(Type::Any) };
    let element = checker.collection(list)?;
    let given = checker.predicate(element.clone(), predicate, PredicateNames::Element)?;
    if given.may_be(|given| *given == Type::Bool) {
        return Ok(element);
    }
    Err(checker.error(predicate.at, format!("a predicate gives a truth value, as in # > 1, not {given}")))
}

pub(super) fn check_count(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let [list] = args else { return check_index(checker, args) };
    let element = checker.collection(list)?;
    if element.may_be(|element| *element == Type::Bool) {
        return Ok(Type::Int);
    }
    let what = format!(
        "count without a predicate counts truth values, not a list whose elements are {element}: len gives its length"
    );
    Err(checker.error(list.at, what))
}

pub(super) fn check_sum(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let (at, summand) = match args {
        [list, predicate] => {
            let element = checker.collection(list)?;
            (predicate.at, checker.predicate(element, predicate, PredicateNames::Element)?)
        }
        [list] => (list.at, checker.collection(list)?),
        _ => return Ok(Type::Any),
    };
    if summand.may_be(Type::is_number) {
        return Ok(summand);
    }
    Err(checker.error(at, format!("sum adds numbers up, not a list whose elements are {summand}")))
}

pub(super) fn check_map(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let [list, predicate] = args else { return Ok(Type::Any) };
    let element = checker.collection(list)?;
    checker.predicate(element, predicate, PredicateNames::Index).map(Type::list)
}

pub(super) fn check_group_by(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let [list, predicate] = args else { return Ok(Type::Any) };
    let element = checker.collection(list)?;
    checker.predicate(element.clone(), predicate, PredicateNames::Element)?;
    Ok(Type::Map { by_text: false, value: Box::new(Type::list(element)) })
}

pub(super) fn check_reduce(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let [list, predicate, initial @ ..] = args else { return Ok(Type::Any) };
    let element = checker.collection(list)?;
    checker.predicate(element, predicate, PredicateNames::Accumulator)?;
    for initial in initial {
        checker.expr(initial)?;
    }
    Ok(Type::Any)
}

/// The direction in which a function goes through a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// Gets the index of an element, the element, and the predicate's value for it. A result ends the walk.
type Visit<'a> = &'a mut dyn FnMut(usize, &Value, Value) -> EvalResult<Option<Value>>;

/// Calls `visit` for each element until it gives a result.
fn walk(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    at: Span,
    direction: Direction,
    visit: Visit<'_>,
) -> EvalResult<Option<Value>> {
    let [list, predicate] = args else { return Err(wrong_arity(at)) };
    let items = items(evaluator, list)?;
    for step in 0..items.len() {
        let index = if direction == Direction::Backward { items.len() - 1 - step } else { step };
        evaluator.spend(at, 1)?;
        let scope = PredicateScope { element: Some(items[index].clone()), index, accumulator: None };
        let given = evaluator.predicate(predicate, scope)?;
        if let Some(result) = visit(index, &items[index], given)? {
            return Ok(Some(result));
        }
    }
    Ok(None)
}

/// The same for the elements for which the predicate is `wanted`.
fn walk_where(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    at: Span,
    direction: Direction,
    wanted: bool,
    visit: &mut dyn FnMut(usize, &Value) -> Option<Value>,
) -> EvalResult<Option<Value>> {
    let predicate_at = args.get(1).map_or(at, |predicate| predicate.at);
    walk(evaluator, args, at, direction, &mut |index, item, given| match given {
        Value::Bool(holds) => Ok(if holds == wanted { visit(index, item) } else { None }),
        other => Err(fault(predicate_at)(format!("a predicate gives a truth value, not {}", other.type_name()))),
    })
}

/// `result` as soon as the predicate is `wanted` for an element, otherwise its opposite.
fn decide(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span, wanted: bool, result: bool) -> EvalResult<Value> {
    let found = walk_where(evaluator, args, at, Direction::Forward, wanted, &mut |_, _| Some(Value::Bool(result)))?;
    Ok(found.unwrap_or(Value::Bool(!result)))
}

pub(super) fn all(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    decide(evaluator, args, at, false, false)
}

pub(super) fn any(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    decide(evaluator, args, at, true, true)
}

pub(super) fn none(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    decide(evaluator, args, at, true, false)
}

/// The elements for which the predicate holds.
fn matching(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Vec<Value>> {
    let mut found = Vec::new();
    walk_where(evaluator, args, at, Direction::Forward, true, &mut |_, item| {
        found.push(item.clone());
        None
    })?;
    Ok(found)
}

pub(super) fn one(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    Ok(Value::Bool(matching(evaluator, args, at)?.len() == 1))
}

pub(super) fn filter(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let found = matching(evaluator, args, at)?;
    evaluator.list(at, found)
}

pub(super) fn count(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let [list] = args else { return Ok(Value::count(matching(evaluator, args, at)?.len())) };
    let items = items(evaluator, list)?;
    evaluator.spend(at, items.len())?;
    let mut count = 0;
    for item in &items {
        match item {
            Value::Bool(true) => count += 1,
            Value::Bool(false) => {}
            other => {
                let what = format!("count without a predicate counts truth values, not {}", other.type_name());
                return Err(fault(at)(what));
            }
        }
    }
    Ok(Value::count(count))
}

pub(super) fn find(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    found(evaluator, args, at, Direction::Forward, |_, item| item.clone())
}

pub(super) fn find_last(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    found(evaluator, args, at, Direction::Backward, |_, item| item.clone())
}

pub(super) fn find_index(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    found(evaluator, args, at, Direction::Forward, |index, _| Value::count(index))
}

pub(super) fn find_last_index(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    found(evaluator, args, at, Direction::Backward, |index, _| Value::count(index))
}

/// The `result` for the first element for which the predicate holds; nil without one.
fn found(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    at: Span,
    direction: Direction,
    result: fn(usize, &Value) -> Value,
) -> EvalResult<Value> {
    let found = walk_where(evaluator, args, at, direction, true, &mut |index, item| Some(result(index, item)))?;
    Ok(found.unwrap_or(Value::Nil))
}

/// The predicate's values.
fn mapped(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Vec<Value>> {
    let mut values = Vec::new();
    walk(evaluator, args, at, Direction::Forward, &mut |_, _, given| {
        values.push(given);
        Ok(None)
    })?;
    Ok(values)
}

pub(super) fn map(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let values = mapped(evaluator, args, at)?;
    evaluator.list(at, values)
}

pub(super) fn sum(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let summands = if let [list] = args {
        let items = items(evaluator, list)?;
        evaluator.spend(at, items.len())?;
        items
    } else {
        mapped(evaluator, args, at)?
    };
    let mut sum = Value::Int(0);
    for summand in summands {
        sum = value::arithmetic(Binary::Add, &summand, &sum).map_err(fault(at))?;
    }
    Ok(sum)
}

pub(super) fn group_by(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let predicate_at = args.get(1).map_or(at, |predicate| predicate.at);
    let mut groups: BTreeMap<MapKey, Vec<Value>> = BTreeMap::new();
    let mut count = 0;
    walk(evaluator, args, at, Direction::Forward, &mut |_, item, given| {
        groups.entry(given.map_key().map_err(fault(predicate_at))?).or_default().push(item.clone());
        count += 1;
        Ok(None)
    })?;
    evaluator.grow(at, count + 2 * groups.len())?;
    let groups = groups.into_iter().map(|(key, group)| Ok((key, Value::list(group)?)));
    groups.collect::<Result<_, String>>().and_then(Value::map).map_err(fault(at))
}

pub(super) fn reduce(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let [list, step, initial @ ..] = args else { return Err(wrong_arity(at)) };
    let mut items = items(evaluator, list)?.into_iter().enumerate();
    let mut accumulator = match initial.first() {
        Some(initial) => evaluator.expr(initial)?,
        None => match items.next() {
            Some((_, first)) => first,
            None => {
                return Err(fault(at)(
                    "reduce goes through an empty list and has no initial value: give one as its third argument".into(),
                ));
            }
        },
    };
    for (index, item) in items {
        evaluator.spend(at, 1)?;
        let scope = PredicateScope { element: Some(item), index, accumulator: Some(accumulator) };
        accumulator = evaluator.predicate(step, scope)?;
    }
    Ok(accumulator)
}
