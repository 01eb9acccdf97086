//! Functions of whole lists.

use super::super::ast::{Expr, Span};
use super::super::checker::Checker;
use super::super::error::FormulaError;
use super::super::evaluator::{EvalResult, Evaluator, fault};
use super::super::types::Type;
use super::super::value::Value;
use super::{only, wrong_arity};

/// Every argument is a list; the result is one, too.
pub(super) fn check_lists(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    for list in args {
        checker.collection(list)?;
    }
    Ok(Type::list(Type::Any))
}

/// The argument is a list; the result is one of its elements.
pub(super) fn check_element(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let mut element = Type::Any;
    for list in args {
        element = checker.collection(list)?;
    }
    Ok(element)
}

pub(super) fn check_take(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let [list, count] = args else { return Ok(Type::Any) };
    let element = checker.collection(list)?;
    checker.wanted(count, "take takes an integer", |of| *of == Type::Int)?;
    Ok(Type::list(element))
}

pub(super) fn first(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    end(evaluator, args, at, <[Value]>::first)
}

pub(super) fn last(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    end(evaluator, args, at, <[Value]>::last)
}

/// The element at an end of a list; nil without one, and for a value that is not a list.
fn end(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    at: Span,
    end: fn(&[Value]) -> Option<&Value>,
) -> EvalResult<Value> {
    let value = evaluator.expr(only(args, at)?)?;
    Ok(match &value {
        Value::List(list) => end(&list.items).cloned().unwrap_or(Value::Nil),
        _ => Value::Nil,
    })
}

pub(super) fn concat(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let mut all = Vec::new();
    for list in args {
        let items = items(evaluator, list)?;
        evaluator.grow(at, items.len())?;
        all.extend(items);
    }
    Value::list(all).map_err(fault(at))
}

pub(super) fn take(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let [list, count] = args else { return Err(wrong_arity(at)) };
    let items = items(evaluator, list)?;
    let count = evaluator.integer(count)?;
    let count = usize::try_from(count).map_err(|_| fault(at)(format!("take cannot take {count} elements")))?;
    evaluator.list(at, items.into_iter().take(count).collect())
}

pub(super) fn reverse(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let value = evaluator.expr(only(args, at)?)?;
    let mut items = list_of(&value).map_err(fault(at))?.to_vec();
    items.reverse();
    evaluator.list(at, items)
}

pub(super) fn uniq(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let value = evaluator.expr(only(args, at)?)?;
    let mut kept: Vec<Value> = Vec::new();
    'items: for item in list_of(&value).map_err(fault(at))? {
        for earlier in &kept {
            if evaluator.equal(at, item, earlier)? {
                continue 'items;
            }
        }
        kept.push(item.clone());
    }
    evaluator.list(at, kept)
}

pub(super) fn flatten(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let value = evaluator.expr(only(args, at)?)?;
    let mut flat = Vec::new();
    flatten_into(evaluator, list_of(&value).map_err(fault(at))?, at, &mut flat)?;
    Value::list(flat).map_err(fault(at))
}

fn flatten_into(evaluator: &mut Evaluator<'_>, items: &[Value], at: Span, flat: &mut Vec<Value>) -> EvalResult<()> {
    for item in items {
        evaluator.grow(at, 1)?;
        match item {
            Value::List(list) => flatten_into(evaluator, &list.items, at, flat)?,
            other => flat.push(other.clone()),
        }
    }
    Ok(())
}

/// The elements of the list that `expr` gives.
pub(super) fn items(evaluator: &mut Evaluator<'_>, expr: &Expr) -> EvalResult<Vec<Value>> {
    let value = evaluator.expr(expr)?;
    list_of(&value).map_err(fault(expr.at)).map(<[Value]>::to_vec)
}

fn list_of(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::List(list) => Ok(&list.items),
        other => Err(format!("a list is needed here, not {}", other.type_name())),
    }
}
