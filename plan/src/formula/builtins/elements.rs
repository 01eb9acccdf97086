//! Functions of maps and of any value: elements, keys, lengths, types.

use super::super::ast::{Expr, Span};
use super::super::checker::Checker;
use super::super::error::FormulaError;
use super::super::evaluator::{EvalResult, Evaluator, fault};
use super::super::types::Type;
use super::super::value::{self, Value};
use super::{only, unfit, wrong_arity};

pub(super) fn check_get(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let [base, key] = args else { return Ok(Type::Any) };
    checker.member(base, key)
}

pub(super) fn check_map(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let rule = "a map is expected here";
    checker.each_wanted(args, rule, |of| matches!(of, Type::Map { .. })).map(|_| Type::list(Type::Any))
}

pub(super) fn check_len(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    let has_length = |of: &Type| matches!(of, Type::List(_) | Type::Map { .. } | Type::Text);
    checker.each_wanted(args, "a list, a map or a text has a length", has_length).map(|_| Type::Int)
}

pub(super) fn check_type(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    for value in args {
        checker.expr(value)?;
    }
    Ok(Type::Text)
}

pub(super) fn get(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let [base, key] = args else { return Err(wrong_arity(at)) };
    let base = evaluator.expr(base)?;
    let key = evaluator.expr(key)?;
    if matches!(base, Value::Nil) {
        return Ok(Value::Nil);
    }
    member(&base, &key, false).map_err(fault(at))
}

/// An element of a list or a map. A missing one is nil; with `strict`, a missing element of a list is an error.
pub(in super::super) fn member(base: &Value, key: &Value, strict: bool) -> Result<Value, String> {
    match base {
        Value::List(list) => {
            let Some(index) = value::index(key)? else {
                return Err(format!("a list's index is an integer, not {}", key.type_name()));
            };
            let length = list.items.len();
            match from_end(index, length).and_then(|index| list.items.get(index)) {
                Some(item) => Ok(item.clone()),
                None if strict => Err(format!("there is no element {index} in a list of {length}")),
                None => Ok(Value::Nil),
            }
        }
        Value::Map(map) => Ok(map.pairs.get(&key.map_key()?).cloned().unwrap_or(Value::Nil)),
        other => Err(format!("only lists and maps have elements, not {}", other.type_name())),
    }
}

/// The position of an index in a list; a negative index counts from the end. None before the first element.
pub(in super::super) fn from_end(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

pub(super) fn keys(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    match evaluator.expr(only(args, at)?)? {
        Value::Map(map) => evaluator.list(at, map.pairs.keys().map(Value::from).collect()),
        other => Err(unfit(&other, at)),
    }
}

pub(super) fn values(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    match evaluator.expr(only(args, at)?)? {
        Value::Map(map) => evaluator.list(at, map.pairs.values().cloned().collect()),
        other => Err(unfit(&other, at)),
    }
}

pub(super) fn len(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    match evaluator.expr(only(args, at)?)? {
        Value::List(list) => Ok(Value::count(list.items.len())),
        Value::Map(map) => Ok(Value::count(map.pairs.len())),
        Value::Text(text) => {
            evaluator.spend(at, text.len())?;
            Ok(Value::count(text.chars().count()))
        }
        other => Err(unfit(&other, at)),
    }
}

pub(super) fn type_of(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let name = match evaluator.expr(only(args, at)?)? {
        Value::Nil => "nil",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Text(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "map",
    };
    Ok(Value::Text(name.into()))
}
