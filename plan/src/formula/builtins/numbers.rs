//! Functions of single numbers: absolute value, rounding, conversion, bits.

use super::super::ast::{Expr, Span};
use super::super::checker::Checker;
use super::super::error::FormulaError;
use super::super::evaluator::{EvalResult, Evaluator, fault};
use super::super::types::Type;
use super::super::value::{self, Value};
use super::{only, unfit, wrong_arity};

pub(super) fn check_abs(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    checker.each_wanted(args, "a number is expected here", Type::is_number)
}

pub(super) fn check_rounding(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    check_abs(checker, args).map(|_| Type::Float)
}

pub(super) fn check_int(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    check_convertible(checker, args).map(|()| Type::Int)
}

pub(super) fn check_float(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    check_convertible(checker, args).map(|()| Type::Float)
}

fn check_convertible(checker: &mut Checker<'_>, args: &[Expr]) -> Result<(), FormulaError> {
    let rule = "a number or a text is expected here";
    checker.each_wanted(args, rule, |of| of.is_number() || *of == Type::Text).map(drop)
}

pub(super) fn check_bits(checker: &mut Checker<'_>, args: &[Expr]) -> Result<Type, FormulaError> {
    checker.each_wanted(args, "an integer is expected here", |of| *of == Type::Int).map(|_| Type::Int)
}

pub(super) fn abs(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    match evaluator.expr(only(args, at)?)? {
        Value::Int(int) => {
            let absolute = int.checked_abs().ok_or_else(|| fault(at)("the result is no integer of 64 bits".into()))?;
            Ok(Value::Int(absolute))
        }
        Value::Float(float) => Ok(Value::Float(float.abs())),
        other => Err(unfit(&other, at)),
    }
}

pub(super) fn ceil(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    rounded(evaluator, args, at, f64::ceil)
}

pub(super) fn floor(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    rounded(evaluator, args, at, f64::floor)
}

pub(super) fn round(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    rounded(evaluator, args, at, f64::round)
}

fn rounded(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span, round: fn(f64) -> f64) -> EvalResult<Value> {
    match evaluator.expr(only(args, at)?)? {
        Value::Int(int) => Ok(Value::Float(value::to_float(int))),
        Value::Float(float) => Ok(Value::Float(round(float))),
        other => Err(unfit(&other, at)),
    }
}

pub(super) fn float(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    let value = evaluator.expr(only(args, at)?)?;
    to_float(&value).map(Value::Float).map_err(fault(at))
}

/// The conversion by `float(…)`, which also makes a formula's result a float.
pub(in super::super) fn to_float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Text(text) => text.parse().map_err(|_| format!("the text {text:?} is no number")),
        Value::Nil => Err("it gives nil: a trigger without a value is nil; give it one as in (a ?? 0)".into()),
        other => other.number().ok_or_else(|| format!("it gives {}, not a number", other.type_name())),
    }
}

pub(super) fn int(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    match evaluator.expr(only(args, at)?)? {
        Value::Int(int) => Ok(Value::Int(int)),
        Value::Float(float) => value::to_int(float).map(Value::Int).map_err(fault(at)),
        Value::Text(text) => {
            let int = text.parse().map_err(|_| fault(at)(format!("the text {text:?} is no integer")))?;
            Ok(Value::Int(int))
        }
        other => Err(unfit(&other, at)),
    }
}

pub(super) fn bitnot(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    match evaluator.expr(only(args, at)?)? {
        Value::Int(int) => Ok(Value::Int(!int)),
        other => Err(unfit(&other, at)),
    }
}

pub(super) fn bitand(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    bits(evaluator, args, at, |left, right| Ok(left & right))
}

pub(super) fn bitor(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    bits(evaluator, args, at, |left, right| Ok(left | right))
}

pub(super) fn bitxor(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    bits(evaluator, args, at, |left, right| Ok(left ^ right))
}

pub(super) fn bitnand(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    bits(evaluator, args, at, |left, right| Ok(left & !right))
}

pub(super) fn bitshl(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    bits(evaluator, args, at, |left, right| Ok(left.checked_shl(shift(right)?).unwrap_or(0)))
}

pub(super) fn bitshr(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    bits(evaluator, args, at, |left, right| Ok(left >> shift(right)?.min(63)))
}

pub(super) fn bitushr(evaluator: &mut Evaluator<'_>, args: &[Expr], at: Span) -> EvalResult<Value> {
    bits(evaluator, args, at, |left, right| {
        Ok(left.cast_unsigned().checked_shr(shift(right)?).unwrap_or(0).cast_signed())
    })
}

fn bits(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    at: Span,
    combine: fn(i64, i64) -> Result<i64, String>,
) -> EvalResult<Value> {
    let [left, right] = args else { return Err(wrong_arity(at)) };
    let (left, right) = (evaluator.integer(left)?, evaluator.integer(right)?);
    combine(left, right).map(Value::Int).map_err(fault(at))
}

/// The number of bits to shift by. 64 or more shift everything out.
fn shift(count: i64) -> Result<u32, String> {
    u32::try_from(count.min(64)).map_err(|_| "bits cannot be shifted by a negative count".to_owned())
}
