//! What the functions do.

use std::collections::BTreeMap;

use super::ast::{Binary, Comparison, Expr, Span};
use super::evaluator::{Evaluator, Outcome, Scope, fault};
use super::functions::Function;
use super::value::{self, Key, Value};

/// Calls `function` with `args`, of which there are as many as it takes.
pub(super) fn call(evaluator: &mut Evaluator<'_>, function: Function, args: &[Expr], at: Span) -> Outcome<Value> {
    use Function as F;
    match (function, args) {
        (
            F::All
            | F::Any
            | F::One
            | F::None
            | F::Filter
            | F::Map
            | F::Count
            | F::Sum
            | F::Find
            | F::FindIndex
            | F::FindLast
            | F::FindLastIndex
            | F::GroupBy,
            [list, predicate],
        ) => {
            let items = items(evaluator, list)?;
            each(evaluator, function, &items, predicate, at)
        }
        (F::Count | F::Sum, [list]) => {
            let items = items(evaluator, list)?;
            evaluator.spend(at, items.len())?;
            if function == F::Count { count(&items, at) } else { sum(items, at) }
        }
        (F::SortBy, [list, by, order @ ..]) => {
            let items = items(evaluator, list)?;
            let order = order.first();
            sort_by(evaluator, items, by, order, at)
        }
        (F::Reduce, [list, step, initial @ ..]) => {
            let items = items(evaluator, list)?;
            let initial = initial.first();
            reduce(evaluator, items, step, initial, at)
        }
        (F::Max | F::Min | F::Mean | F::Median, values) => {
            let mut numbers = Vec::new();
            for value in values {
                let value = evaluator.expr(value)?;
                numbers_of(evaluator, &value, at, &mut numbers)?;
            }
            evaluator.grow(at, numbers.len())?;
            aggregate(function, &numbers).map_err(fault(at))
        }
        (F::Concat, lists) => {
            let mut all = Vec::new();
            for list in lists {
                let items = items(evaluator, list)?;
                evaluator.grow(at, items.len())?;
                all.extend(items);
            }
            Value::list(all).map_err(fault(at))
        }
        (F::Get, [base, key]) => {
            let base = evaluator.expr(base)?;
            let key = evaluator.expr(key)?;
            if matches!(base, Value::Nil) {
                return Ok(Value::Nil);
            }
            member(&base, &key, false).map_err(fault(at))
        }
        (F::Take, [list, count]) => {
            let items = items(evaluator, list)?;
            let count = evaluator.integer(count)?;
            let count = usize::try_from(count).map_err(|_| fault(at)(format!("take cannot take {count} elements")))?;
            evaluator.list(at, items.into_iter().take(count).collect())
        }
        (F::Sort, [list, order @ ..]) => {
            let items = items(evaluator, list)?;
            let descending = order.first().map_or(Ok(false), |order| descending(evaluator, order))?;
            let pairs = items.into_iter().map(|item| (item.clone(), item)).collect();
            sorted(evaluator, pairs, descending, at)
        }
        (_, [only]) => {
            let value = evaluator.expr(only)?;
            of_one(evaluator, function, value, at)
        }
        (_, [left, right]) => {
            let (left, right) = (evaluator.integer(left)?, evaluator.integer(right)?);
            bits(function, left, right).map(Value::Int).map_err(fault(at))
        }
        _ => Err(fault(at)("the function is called with a wrong number of arguments".into())),
    }
}

/// The elements of the list that `expr` is.
fn items(evaluator: &mut Evaluator<'_>, expr: &Expr) -> Outcome<Vec<Value>> {
    let value = evaluator.expr(expr)?;
    list_of(&value).map_err(fault(expr.at)).map(<[Value]>::to_vec)
}

fn list_of(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::List(list) => Ok(&list.items),
        other => Err(format!("a list is needed here, not {}", other.kind())),
    }
}

fn integer(index: usize) -> Value {
    Value::Int(i64::try_from(index).unwrap_or(i64::MAX))
}

/// An index, of which a negative one counts from the end; none below the first.
pub(super) fn from_end(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// An element of a list or a map. One that is not there is nil, but for a list's with `strict`.
pub(super) fn member(base: &Value, key: &Value, strict: bool) -> Result<Value, String> {
    match base {
        Value::List(list) => {
            let Some(index) = value::index(key)? else {
                return Err(format!("a list's index is an integer, not {}", key.kind()));
            };
            let length = list.items.len();
            match from_end(index, length).and_then(|index| list.items.get(index)) {
                Some(item) => Ok(item.clone()),
                None if strict => Err(format!("there is no element {index} in a list of {length}")),
                None => Ok(Value::Nil),
            }
        }
        Value::Map(map) => Ok(map.pairs.get(&key.key()?).cloned().unwrap_or(Value::Nil)),
        other => Err(format!("only lists and maps have elements, not {}", other.kind())),
    }
}

/// The functions that go through a list with a predicate.
fn each(
    evaluator: &mut Evaluator<'_>,
    function: Function,
    items: &[Value],
    predicate: &Expr,
    at: Span,
) -> Outcome<Value> {
    use Function as F;
    let backwards = matches!(function, F::FindLast | F::FindLastIndex);
    let mut found: Vec<Value> = Vec::new();
    let mut groups: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
    for step in 0..items.len() {
        let index = if backwards { items.len() - 1 - step } else { step };
        let item = &items[index];
        evaluator.spend(at, 1)?;
        let given = evaluator.predicate(predicate, Scope { element: Some(item.clone()), index, accumulator: None })?;
        match (function, given) {
            (F::Map | F::Sum, given) => found.push(given),
            (F::GroupBy, given) => {
                groups.entry(given.key().map_err(fault(predicate.at))?).or_default().push(item.clone());
            }
            (F::All, Value::Bool(false)) | (F::None, Value::Bool(true)) => return Ok(Value::Bool(false)),
            (F::Any, Value::Bool(true)) => return Ok(Value::Bool(true)),
            (F::Find | F::FindLast, Value::Bool(true)) => return Ok(item.clone()),
            (F::FindIndex | F::FindLastIndex, Value::Bool(true)) => return Ok(integer(index)),
            (F::Filter | F::Count | F::One, Value::Bool(true)) => found.push(item.clone()),
            (_, Value::Bool(_)) => {}
            (_, other) => {
                return Err(fault(predicate.at)(format!("a predicate gives a truth value, not {}", other.kind())));
            }
        }
    }
    Ok(match function {
        F::All | F::None => Value::Bool(true),
        F::Any => Value::Bool(false),
        F::One => Value::Bool(found.len() == 1),
        F::Count => integer(found.len()),
        F::Sum => sum(found, at)?,
        F::Filter | F::Map => evaluator.list(at, found)?,
        F::GroupBy => {
            evaluator.grow(at, items.len() + 2 * groups.len())?;
            let groups = groups.into_iter().map(|(key, group)| Ok((key, Value::list(group)?)));
            groups.collect::<Result<_, String>>().and_then(Value::map).map_err(fault(at))?
        }
        _ => Value::Nil,
    })
}

fn count(items: &[Value], at: Span) -> Outcome<Value> {
    let mut count = 0;
    for item in items {
        match item {
            Value::Bool(true) => count += 1,
            Value::Bool(false) => {}
            other => {
                return Err(fault(at)(format!("count without a predicate counts truth values, not {}", other.kind())));
            }
        }
    }
    Ok(integer(count))
}

fn sum(items: Vec<Value>, at: Span) -> Outcome<Value> {
    let mut sum = Value::Int(0);
    for item in items {
        sum = value::arithmetic(Binary::Add, &item, &sum).map_err(fault(at))?;
    }
    Ok(sum)
}

fn reduce(
    evaluator: &mut Evaluator<'_>,
    items: Vec<Value>,
    step: &Expr,
    initial: Option<&Expr>,
    at: Span,
) -> Outcome<Value> {
    let mut items = items.into_iter().enumerate();
    let mut accumulator = match initial {
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
        let scope = Scope { element: Some(item), index, accumulator: Some(accumulator) };
        accumulator = evaluator.predicate(step, scope)?;
    }
    Ok(accumulator)
}

/// Whether an order is `desc`.
fn descending(evaluator: &mut Evaluator<'_>, order: &Expr) -> Outcome<bool> {
    match evaluator.expr(order)? {
        Value::Text(text) if text.as_ref() == "asc" => Ok(false),
        Value::Text(text) if text.as_ref() == "desc" => Ok(true),
        _ => Err(fault(order.at)("the order is \"asc\" or \"desc\"".into())),
    }
}

fn sort_by(
    evaluator: &mut Evaluator<'_>,
    items: Vec<Value>,
    by: &Expr,
    order: Option<&Expr>,
    at: Span,
) -> Outcome<Value> {
    let descending = order.map_or(Ok(false), |order| descending(evaluator, order))?;
    let mut pairs = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        evaluator.spend(at, 1)?;
        let scope = Scope { element: Some(item.clone()), index, accumulator: None };
        pairs.push((evaluator.predicate(by, scope)?, item));
    }
    sorted(evaluator, pairs, descending, at)
}

/// The second of each pair, sorted by the first, of which all are numbers or all are texts.
fn sorted(evaluator: &mut Evaluator<'_>, mut pairs: Vec<(Value, Value)>, descending: bool, at: Span) -> Outcome<Value> {
    let integers = pairs.iter().all(|(by, _)| matches!(by, Value::Int(_)));
    let numbers = pairs.iter().all(|(by, _)| by.number().is_some());
    let texts = pairs.iter().all(|(by, _)| matches!(by, Value::Text(_)));
    if !numbers && !texts && pairs.len() > 1 {
        return Err(fault(at)("only numbers or only texts have an order".into()));
    }
    // One order for all: integers and floats compared by different rules have none.
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

/// All numbers of a value: itself, or those of a list and of the lists in it.
fn numbers_of(evaluator: &mut Evaluator<'_>, value: &Value, at: Span, all: &mut Vec<Value>) -> Outcome<()> {
    evaluator.spend(at, 1)?;
    match value {
        Value::Int(_) | Value::Float(_) => all.push(value.clone()),
        Value::List(list) => {
            for item in &list.items {
                numbers_of(evaluator, item, at, all)?;
            }
        }
        Value::Nil => {
            return Err(fault(at)(
                "it needs numbers, not nil: a trigger without a value is nil; give it one as in (a ?? 0)".into(),
            ));
        }
        other => return Err(fault(at)(format!("it needs numbers, not {}", other.kind()))),
    }
    Ok(())
}

fn aggregate(function: Function, numbers: &[Value]) -> Result<Value, String> {
    let better = |op| -> Result<Value, String> {
        let mut best: Option<&Value> = None;
        for number in numbers {
            if best.map_or(Ok(true), |best| value::compare(op, best, number))? {
                best = Some(number);
            }
        }
        Ok(best.cloned().unwrap_or(Value::Nil))
    };
    let mut floats: Vec<f64> = numbers.iter().filter_map(Value::number).collect();
    let length = value::to_float(i64::try_from(floats.len()).unwrap_or(i64::MAX));
    Ok(match function {
        Function::Max => better(Comparison::Less)?,
        Function::Min => better(Comparison::More)?,
        _ if floats.is_empty() => Value::Float(0.0),
        Function::Mean => Value::Float(floats.iter().sum::<f64>() / length),
        _ => {
            floats.sort_by(f64::total_cmp);
            let middle = floats.len() / 2;
            Value::Float(if floats.len() % 2 == 1 {
                floats[middle]
            } else {
                f64::midpoint(floats[middle - 1], floats[middle])
            })
        }
    })
}

fn of_one(evaluator: &mut Evaluator<'_>, function: Function, value: Value, at: Span) -> Outcome<Value> {
    use Function as F;
    let fault = fault(at);
    let list = |value: &Value| list_of(value).map(<[Value]>::to_vec);
    Ok(match (function, value) {
        (F::Len, Value::List(list)) => integer(list.items.len()),
        (F::Len, Value::Map(map)) => integer(map.pairs.len()),
        (F::Len, Value::Text(text)) => {
            evaluator.spend(at, text.len())?;
            integer(text.chars().count())
        }
        (F::Type, value) => Value::Text(
            match value {
                Value::Nil => "nil",
                Value::Bool(_) => "bool",
                Value::Int(_) => "int",
                Value::Float(_) => "float",
                Value::Text(_) => "string",
                Value::List(_) => "array",
                Value::Map(_) => "map",
            }
            .into(),
        ),
        (F::Abs, Value::Int(int)) => {
            Value::Int(int.checked_abs().ok_or_else(|| fault("the result is no integer of 64 bits".into()))?)
        }
        (F::Abs, Value::Float(float)) => Value::Float(float.abs()),
        (F::Ceil | F::Floor | F::Round | F::Float, Value::Int(int)) => Value::Float(value::to_float(int)),
        (F::Ceil, Value::Float(float)) => Value::Float(float.ceil()),
        (F::Floor, Value::Float(float)) => Value::Float(float.floor()),
        (F::Round, Value::Float(float)) => Value::Float(float.round()),
        (F::Float, value) => Value::Float(float(&value).map_err(fault)?),
        (F::Int, value @ Value::Int(_)) => value,
        (F::Int, Value::Float(float)) => Value::Int(value::to_int(float).map_err(fault)?),
        (F::Int, Value::Text(text)) => {
            Value::Int(text.parse().map_err(|_| fault(format!("the text {text:?} is no integer")))?)
        }
        (F::BitNot, Value::Int(int)) => Value::Int(!int),
        (F::First, Value::List(list)) => list.items.first().cloned().unwrap_or(Value::Nil),
        (F::Last, Value::List(list)) => list.items.last().cloned().unwrap_or(Value::Nil),
        (F::First | F::Last, _) => Value::Nil,
        (F::Keys, Value::Map(map)) => evaluator.list(at, map.pairs.keys().map(Value::from).collect())?,
        (F::Values, Value::Map(map)) => evaluator.list(at, map.pairs.values().cloned().collect())?,
        (F::Reverse, value) => {
            let mut items = list(&value).map_err(fault)?;
            items.reverse();
            evaluator.list(at, items)?
        }
        (F::Uniq, value) => {
            let mut kept: Vec<Value> = Vec::new();
            'items: for item in list_of(&value).map_err(fault)? {
                for earlier in &kept {
                    if evaluator.equal(at, item, earlier)? {
                        continue 'items;
                    }
                }
                kept.push(item.clone());
            }
            evaluator.list(at, kept)?
        }
        (F::Flatten, value) => {
            let mut flat = Vec::new();
            flatten(evaluator, list_of(&value).map_err(&fault)?, at, &mut flat)?;
            Value::list(flat).map_err(fault)?
        }
        (_, other) => {
            let nil = if matches!(other, Value::Nil) {
                ": a trigger without a value is nil; give it one as in (a ?? 0)"
            } else {
                ""
            };
            return Err(fault(format!("it cannot take {}{nil}", other.kind())));
        }
    })
}

fn flatten(evaluator: &mut Evaluator<'_>, items: &[Value], at: Span, flat: &mut Vec<Value>) -> Outcome<()> {
    for item in items {
        evaluator.grow(at, 1)?;
        match item {
            Value::List(list) => flatten(evaluator, &list.items, at, flat)?,
            other => flat.push(other.clone()),
        }
    }
    Ok(())
}

/// What `float(…)` makes of a value, and so of a formula's result.
pub(super) fn float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Text(text) => text.parse().map_err(|_| format!("the text {text:?} is no number")),
        Value::Nil => Err("it gives nil: a trigger without a value is nil; give it one as in (a ?? 0)".into()),
        other => other.number().ok_or_else(|| format!("it gives {}, not a number", other.kind())),
    }
}

fn bits(function: Function, left: i64, right: i64) -> Result<i64, String> {
    let shift = || u32::try_from(right.min(64)).map_err(|_| "bits cannot be shifted by a negative count".to_owned());
    Ok(match function {
        Function::BitAnd => left & right,
        Function::BitOr => left | right,
        Function::BitXor => left ^ right,
        Function::BitNand => left & !right,
        Function::BitShl => left.checked_shl(shift()?).unwrap_or(0),
        Function::BitShr => left >> shift()?.min(63),
        _ => left.cast_unsigned().checked_shr(shift()?).unwrap_or(0).cast_signed(),
    })
}
