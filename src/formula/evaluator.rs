//! The evaluation of a tree, within a budget of steps and of memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Binary, Expr, Kind, Span, Step, Unary};
use super::builtins;
use super::error::Fault;
use super::value::{self, Key, Value};

/// How many steps an evaluation may take: a node, an element gone through, a comparison.
pub(super) const MOST_STEPS: usize = 100_000;

/// How many values lists and maps may hold in all.
pub(super) const MOST_VALUES: usize = 100_000;

/// Why an evaluation stops.
pub(super) enum Stop {
    /// An error.
    Fault(Fault),
    /// A `?.` has found nil: the chain around it is nil.
    Nothing,
}

pub(super) type Outcome<T> = Result<T, Stop>;

/// Evaluates `root`, in which a trigger stands for the name and the value of that index.
pub(super) fn evaluate(root: &Expr, names: &[String], values: &[Option<f64>]) -> Result<Value, Fault> {
    let mut evaluator =
        Evaluator { names, values, variables: Vec::new(), scopes: Vec::new(), steps: MOST_STEPS, memory: MOST_VALUES };
    match evaluator.expr(root) {
        Ok(value) => Ok(value),
        Err(Stop::Nothing) => Ok(Value::Nil),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

pub(super) struct Evaluator<'a> {
    names: &'a [String],
    values: &'a [Option<f64>],
    variables: Vec<Value>,
    scopes: Vec<Scope>,
    steps: usize,
    memory: usize,
}

/// What `#`, `#index` and `#acc` are in the predicate under evaluation.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) element: Option<Value>,
    pub(super) index: usize,
    pub(super) accumulator: Option<Value>,
}

/// An error at `at`.
pub(super) fn fault(at: Span) -> impl Fn(String) -> Stop {
    move |what| Stop::Fault(Fault { at: Some(at), what })
}

impl Evaluator<'_> {
    /// Takes `count` steps.
    pub(super) fn spend(&mut self, at: Span, count: usize) -> Outcome<()> {
        self.steps = self.steps.checked_sub(count).ok_or_else(|| {
            fault(at)(format!("the formula takes more than {MOST_STEPS} steps: go through shorter lists"))
        })?;
        Ok(())
    }

    /// Takes memory for `count` values before it is used, and the steps to fill it.
    pub(super) fn grow(&mut self, at: Span, count: usize) -> Outcome<()> {
        self.memory = self.memory.checked_sub(count).ok_or_else(|| {
            fault(at)(format!("the formula needs memory for more than {MOST_VALUES} values: make shorter lists"))
        })?;
        self.spend(at, count)
    }

    pub(super) fn equal(&mut self, at: Span, left: &Value, right: &Value) -> Outcome<bool> {
        value::equal(left, right, &mut || self.spend(at, 1))
    }

    /// A new list.
    pub(super) fn list(&mut self, at: Span, items: Vec<Value>) -> Outcome<Value> {
        self.grow(at, items.len())?;
        Value::list(items).map_err(fault(at))
    }

    /// A predicate's value for the present scope, which `scope` becomes.
    pub(super) fn predicate(&mut self, predicate: &Expr, scope: Scope) -> Outcome<Value> {
        self.scopes.push(scope);
        let value = self.expr(predicate);
        self.scopes.pop();
        value
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Outcome<Value> {
        self.spend(expr.at, 1)?;
        let fault = fault(expr.at);
        Ok(match &expr.kind {
            Kind::Nil => Value::Nil,
            Kind::Bool(bool) => Value::Bool(*bool),
            Kind::Int(int) => Value::Int(*int),
            Kind::Float(float) => Value::Float(*float),
            Kind::Text(text) => Value::Text(Arc::clone(text)),
            Kind::Trigger(index) => self.values.get(*index).copied().flatten().map_or(Value::Nil, Value::Float),
            Kind::Triggers => self.triggers(expr.at)?,
            Kind::Variable(index) => self.variables.get(*index).cloned().unwrap_or(Value::Nil),
            Kind::Element => self.scopes.last().and_then(|scope| scope.element.clone()).unwrap_or(Value::Nil),
            Kind::Index => {
                let index = self.scopes.last().map_or(0, |scope| scope.index);
                Value::Int(i64::try_from(index).unwrap_or(i64::MAX))
            }
            Kind::Accumulator => self.scopes.last().and_then(|scope| scope.accumulator.clone()).unwrap_or(Value::Nil),
            Kind::Let { value, body } => {
                let value = self.expr(value)?;
                let depth = self.variables.len();
                self.variables.push(value);
                let body = self.expr(body);
                self.variables.truncate(depth);
                body?
            }
            Kind::Sequence(parts) => {
                let mut last = Value::Nil;
                for part in parts {
                    last = self.expr(part)?;
                }
                last
            }
            Kind::Unary(op, of) => self.unary(*op, of, expr.at)?,
            Kind::Fold { first, steps } => {
                let mut left = self.expr(first)?;
                for step in steps {
                    left = self.step(left, step)?;
                }
                left
            }
            Kind::If { cond, then, other } => {
                let holds = self.truth(cond)?;
                match then {
                    Some(then) if holds => self.expr(then)?,
                    None if holds => Value::Bool(true),
                    _ => self.expr(other)?,
                }
            }
            Kind::List(items) => {
                self.grow(expr.at, items.len())?;
                let items = items.iter().map(|item| self.expr(item)).collect::<Outcome<_>>()?;
                Value::list(items).map_err(fault)?
            }
            Kind::Map(pairs) => {
                self.grow(expr.at, pairs.len() * 2)?;
                let mut map = BTreeMap::new();
                for (key, value) in pairs {
                    let at = key.at;
                    let key = match self.expr(key)? {
                        Value::Text(text) => Key::Text(text),
                        other => return Err(self::fault(at)(format!("a map's key is a text, not {}", other.kind()))),
                    };
                    map.insert(key, self.expr(value)?);
                }
                Value::map(map).map_err(fault)?
            }
            Kind::Member { base, key, optional } => {
                let base = self.expr(base)?;
                if *optional && matches!(base, Value::Nil) {
                    return Err(Stop::Nothing);
                }
                let at = key.at;
                let key = self.expr(key)?;
                builtins::member(&base, &key, true).map_err(self::fault(at))?
            }
            Kind::Slice { base, from, to } => self.slice(expr.at, base, from.as_deref(), to.as_deref())?,
            Kind::Chain(inner) => match self.expr(inner) {
                Err(Stop::Nothing) => Value::Nil,
                other => other?,
            },
            Kind::Call { function, args } => builtins::call(self, *function, args, expr.at)?,
        })
    }

    fn triggers(&mut self, at: Span) -> Outcome<Value> {
        self.grow(at, self.names.len() * 2)?;
        let pairs = self.names.iter().zip(self.values);
        let pairs =
            pairs.map(|(name, value)| (Key::Text(name.as_str().into()), value.map_or(Value::Nil, Value::Float)));
        Value::map(pairs.collect()).map_err(fault(at))
    }

    /// A condition's truth.
    pub(super) fn truth(&mut self, expr: &Expr) -> Outcome<bool> {
        match self.expr(expr)? {
            Value::Bool(bool) => Ok(bool),
            other => Err(fault(expr.at)(format!("a truth value is needed here, not {}", other.kind()))),
        }
    }

    /// An integer.
    pub(super) fn integer(&mut self, expr: &Expr) -> Outcome<i64> {
        match self.expr(expr)? {
            Value::Int(int) => Ok(int),
            other => Err(fault(expr.at)(format!("an integer is needed here, not {}", other.kind()))),
        }
    }

    /// A bound of a slice.
    fn bound(&mut self, expr: &Expr) -> Outcome<i64> {
        let value = self.expr(expr)?;
        let index = value::index(&value).map_err(fault(expr.at))?;
        index.ok_or_else(|| fault(expr.at)(format!("an integer is needed here, not {}", value.kind())))
    }

    fn unary(&mut self, op: Unary, of: &Expr, at: Span) -> Outcome<Value> {
        if op == Unary::Not {
            return Ok(Value::Bool(!self.truth(of)?));
        }
        match (op, self.expr(of)?) {
            (Unary::Minus, Value::Int(int)) => {
                int.checked_neg().map(Value::Int).ok_or_else(|| fault(at)("the result is no integer of 64 bits".into()))
            }
            (Unary::Minus, Value::Float(float)) => Ok(Value::Float(-float)),
            (_, value @ (Value::Int(_) | Value::Float(_))) => Ok(value),
            (_, other) => Err(fault(at)(format!("a sign stands before a number, not {}", other.kind()))),
        }
    }

    fn slice(&mut self, at: Span, base: &Expr, from: Option<&Expr>, to: Option<&Expr>) -> Outcome<Value> {
        let Value::List(list) = self.expr(base)? else {
            return Err(fault(base.at)("only a list has a slice".into()));
        };
        let length = list.items.len();
        let mut bound = |bound: Option<&Expr>, missing: usize| match bound {
            None => Ok(missing),
            Some(expr) => self.bound(expr).map(|index| builtins::from_end(index, length).unwrap_or(0).min(length)),
        };
        let to = bound(to, length)?;
        let from = bound(from, 0)?.min(to);
        self.list(at, list.items[from..to].to_vec())
    }

    fn step(&mut self, left: Value, step: &Step) -> Outcome<Value> {
        match step {
            Step::Compare(pairs) => {
                let mut left = left;
                for (op, at, right) in pairs {
                    let right = self.expr(right)?;
                    if !value::compare(*op, &left, &right).map_err(fault(*at))? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Ok(Value::Bool(true))
            }
            Step::Binary { op, negated, at, right } => {
                let value = self.binary(*op, left, *at, right)?;
                Ok(match value {
                    Value::Bool(bool) if *negated => Value::Bool(!bool),
                    value => value,
                })
            }
        }
    }

    fn binary(&mut self, op: Binary, left: Value, at: Span, right: &Expr) -> Outcome<Value> {
        self.spend(at, 1)?;
        match (op, &left) {
            (Binary::Or, Value::Bool(true)) | (Binary::And, Value::Bool(false)) => return Ok(left),
            (Binary::Or | Binary::And, Value::Bool(_)) => return self.truth(right).map(Value::Bool),
            (Binary::Or | Binary::And, _) => {
                return Err(fault(at)(format!("a truth value is needed on its left, not {}", left.kind())));
            }
            (Binary::Coalesce, Value::Nil) => return self.expr(right),
            (Binary::Coalesce, _) => return Ok(left),
            _ => {}
        }
        let right = self.expr(right)?;
        match op {
            Binary::Equal => self.equal(at, &left, &right).map(Value::Bool),
            Binary::NotEqual => self.equal(at, &left, &right).map(|equal| Value::Bool(!equal)),
            Binary::In => self.is_in(at, &left, &right).map(Value::Bool),
            Binary::Contains | Binary::StartsWith | Binary::EndsWith => texts(op, at, &left, &right),
            Binary::Range => self.range(at, &left, &right),
            Binary::Add => {
                if let (Value::Text(left), Value::Text(right)) = (&left, &right) {
                    self.grow(at, left.len() + right.len())?;
                    return Ok(Value::Text(format!("{left}{right}").into()));
                }
                value::arithmetic(op, &left, &right).map_err(fault(at))
            }
            _ => value::arithmetic(op, &left, &right).map_err(fault(at)),
        }
    }

    fn is_in(&mut self, at: Span, left: &Value, right: &Value) -> Outcome<bool> {
        match right {
            Value::List(list) => {
                for item in &list.items {
                    if self.equal(at, item, left)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) => Ok(left.key().is_ok_and(|key| map.pairs.contains_key(&key))),
            Value::Nil => Ok(false),
            _ => Err(fault(at)(format!("\"in\" needs a list or a map on its right, not {}", right.kind()))),
        }
    }

    fn range(&mut self, at: Span, left: &Value, right: &Value) -> Outcome<Value> {
        let bound = |bound: &Value| {
            let bound = value::index(bound).map_err(fault(at))?;
            bound.ok_or_else(|| fault(at)(value::mismatch("a range needs two integers", left, right)))
        };
        let (from, to) = (bound(left)?, bound(right)?);
        let length =
            if from > to { 0 } else { to.checked_sub(from).map_or(i64::MAX, |length| length.saturating_add(1)) };
        self.grow(at, usize::try_from(length).unwrap_or(usize::MAX))?;
        Value::list((from..=to).map(Value::Int).collect()).map_err(fault(at))
    }
}

fn texts(op: Binary, at: Span, left: &Value, right: &Value) -> Outcome<Value> {
    let (left, right) = match (left, right) {
        (Value::Text(left), Value::Text(right)) => (left, right),
        (Value::Nil, _) | (_, Value::Nil) => return Ok(Value::Bool(false)),
        _ => return Err(fault(at)(value::mismatch("it needs two texts", left, right))),
    };
    Ok(Value::Bool(match op {
        Binary::Contains => left.contains(right.as_ref()),
        Binary::StartsWith => left.starts_with(right.as_ref()),
        _ => left.ends_with(right.as_ref()),
    }))
}
