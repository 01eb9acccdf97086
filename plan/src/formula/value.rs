//! The values of an evaluation, and the operators on them: expr-lang's rules for integers and floats.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Binary, Comparison};

/// The greatest depth of nested lists and maps, and so of every recursion through them.
const DEEPEST: usize = 100;

#[derive(Debug, Clone)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    List(Arc<List>),
    Map(Arc<Map>),
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) items: Vec<Value>,
    depth: usize,
}

#[derive(Debug)]
pub(super) struct Map {
    pub(super) pairs: BTreeMap<MapKey, Value>,
    depth: usize,
}

/// The key of a map. Its order is the same in every evaluation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MapKey {
    Nil,
    Bool(bool),
    Int(i64),
    /// A float's bits, so that it has an order.
    Float(u64),
    Text(Arc<str>),
}

/// The float nearest to an integer, as Go converts it.
#[allow(clippy::cast_precision_loss)]
pub(super) fn to_float(int: i64) -> f64 {
    int as f64
}

/// The integer part of a float.
pub(super) fn to_int(float: f64) -> Result<i64, String> {
    // The floats next to the ends of i64 are its lowest and the one above its highest.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float) {
        #[allow(clippy::cast_possible_truncation)]
        return Ok(float as i64);
    }
    Err(format!("{float} is no integer of 64 bits"))
}

/// A value as an index or a bound. A float, whose type the checker could not know, gives its integer part.
pub(super) fn index(value: &Value) -> Result<Option<i64>, String> {
    match value {
        Value::Int(int) => Ok(Some(*int)),
        Value::Float(float) => to_int(*float).map(Some),
        _ => Ok(None),
    }
}

impl Value {
    pub(super) fn list(items: Vec<Value>) -> Result<Self, String> {
        let depth = 1 + items.iter().map(Self::depth).max().unwrap_or(0);
        if depth > DEEPEST { Err(too_deep()) } else { Ok(Self::List(Arc::new(List { items, depth }))) }
    }

    pub(super) fn map(pairs: BTreeMap<MapKey, Value>) -> Result<Self, String> {
        let depth = 1 + pairs.values().map(Self::depth).max().unwrap_or(0);
        if depth > DEEPEST { Err(too_deep()) } else { Ok(Self::Map(Arc::new(Map { pairs, depth }))) }
    }

    fn depth(&self) -> usize {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// The integer for a length or an index.
    pub(super) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// The name of the value's type in errors.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The value as a float, if it is a number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(int) => Some(to_float(*int)),
            Self::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// The value as a key of a map.
    pub(super) fn map_key(&self) -> Result<MapKey, String> {
        Ok(match self {
            Self::Nil => MapKey::Nil,
            Self::Bool(bool) => MapKey::Bool(*bool),
            Self::Int(int) => MapKey::Int(*int),
            // 0 and -0 are one key.
            Self::Float(float) => MapKey::Float(if *float == 0.0 { 0 } else { float.to_bits() }),
            Self::Text(text) => MapKey::Text(Arc::clone(text)),
            Self::List(_) | Self::Map(_) => return Err(format!("{} cannot be a map's key", self.type_name())),
        })
    }
}

impl From<&MapKey> for Value {
    fn from(key: &MapKey) -> Self {
        match key {
            MapKey::Nil => Self::Nil,
            MapKey::Bool(bool) => Self::Bool(*bool),
            MapKey::Int(int) => Self::Int(*int),
            MapKey::Float(bits) => Self::Float(f64::from_bits(*bits)),
            MapKey::Text(text) => Self::Text(Arc::clone(text)),
        }
    }
}

fn too_deep() -> String {
    format!("lists lie in each other more than {DEEPEST} deep")
}

/// Whether two values are equal: numbers by their value, lists by their elements. Calls `spend` for each comparison.
pub(super) fn equal<E>(left: &Value, right: &Value, spend: &mut impl FnMut() -> Result<(), E>) -> Result<bool, E> {
    spend()?;
    Ok(match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Text(left), Value::Text(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            if left.items.len() != right.items.len() {
                return Ok(false);
            }
            for (left, right) in left.items.iter().zip(&right.items) {
                if !equal(left, right, spend)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(left), Value::Map(right)) => {
            if !left.pairs.keys().eq(right.pairs.keys()) {
                return Ok(false);
            }
            for (left, right) in left.pairs.values().zip(right.pairs.values()) {
                if !equal(left, right, spend)? {
                    return Ok(false);
                }
            }
            true
        }
        // As Go compares numbers: NaN equals nothing.
        #[allow(clippy::float_cmp)]
        _ => matches!((left.number(), right.number()), (Some(left), Some(right)) if left == right),
    })
}

/// Whether the comparison holds between two numbers or two texts.
pub(super) fn compare(op: Comparison, left: &Value, right: &Value) -> Result<bool, String> {
    let order = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => match (left.number(), right.number()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => return Err(mismatch("a comparison needs two numbers or two texts", left, right)),
        },
    };
    // NaN is neither less nor more than anything.
    Ok(order.is_some_and(|order| match op {
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::More => order == Ordering::Greater,
        Comparison::MoreOrEqual => order != Ordering::Less,
    }))
}

/// `+ - * / % **` of two numbers. An integer that does not fit is an error.
pub(super) fn arithmetic(op: Binary, left: &Value, right: &Value) -> Result<Value, String> {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        let overflow = || "the result is no integer of 64 bits: make one of the two a float, as in float(a)".to_owned();
        let int = match op {
            Binary::Add => left.checked_add(*right).ok_or_else(overflow),
            Binary::Subtract => left.checked_sub(*right).ok_or_else(overflow),
            Binary::Multiply => left.checked_mul(*right).ok_or_else(overflow),
            Binary::Remainder if *right == 0 => Err("division by zero".to_owned()),
            Binary::Remainder => Ok(left.wrapping_rem(*right)),
            _ => return floats(op, to_float(*left), to_float(*right)),
        };
        return int.map(Value::Int);
    }
    match (left.number(), right.number()) {
        (Some(left), Some(right)) => floats(op, left, right),
        _ => Err(mismatch("it needs two numbers", left, right)),
    }
}

fn floats(op: Binary, left: f64, right: f64) -> Result<Value, String> {
    Ok(Value::Float(match op {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide => left / right,
        Binary::Power => left.powf(right),
        _ => return Err("it needs two integers: int(a) makes one of a".into()),
    }))
}

/// The error for a pair of operands of the wrong types.
pub(super) fn mismatch(wanted: &str, left: &Value, right: &Value) -> String {
    let hint = if matches!(left, Value::Nil) || matches!(right, Value::Nil) {
        ": a trigger without a value is nil; give it one as in (a ?? 0)"
    } else {
        ""
    };
    format!("{wanted}, not {} and {}{hint}", left.type_name(), right.type_name())
}
