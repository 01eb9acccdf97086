//! The evaluation of a tree, within a budget of steps and of memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Binary, Expr, ExprKind, FoldStep, Span, Unary};
use super::builtins;
use super::error::Fault;
use super::value::{self, MapKey, Value};

/// The greatest number of steps of an evaluation: a step is a node, an element of a list, or a comparison.
pub(super) const MOST_STEPS: usize = 100_000;

/// The greatest number of values that all lists and maps of an evaluation may hold.
pub(super) const MOST_VALUES: usize = 100_000;

/// The reason why an evaluation stops.
pub(super) enum Stop {
    /// An error.
    Fault(Fault),
    /// A `?.` has found nil, so that the chain around it is nil.
    Nothing,
}

pub(super) type EvalResult<T> = Result<T, Stop>;

/// Evaluates `root`. A trigger's index is that of its name in `names` and of its value in `values`.
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
    scopes: Vec<PredicateScope>,
    steps: usize,
    memory: usize,
}

/// The values of `#`, `#index` and `#acc` in the predicate that is evaluated.
#[derive(Debug, Default)]
pub(super) struct PredicateScope {
    pub(super) element: Option<Value>,
    pub(super) index: usize,
    pub(super) accumulator: Option<Value>,
}

/// An error at `at`.
pub(super) fn fault(at: Span) -> impl Fn(String) -> Stop {
    move |what| Stop::Fault(Fault { at: Some(at), what })
}

impl Evaluator<'_> {
    /// Uses up `count` steps.
    pub(super) fn spend(&mut self, at: Span, count: usize) -> EvalResult<()> {
        self.steps = self.steps.checked_sub(count).ok_or_else(|| {
            fault(at)(format!("the formula takes more than {MOST_STEPS} steps: go through shorter lists"))
        })?;
        Ok(())
    }

    /// Uses up memory for `count` values, and the steps to fill it. Called before the memory is allocated.
    pub(super) fn grow(&mut self, at: Span, count: usize) -> EvalResult<()> {
        self.memory = self.memory.checked_sub(count).ok_or_else(|| {
            fault(at)(format!("the formula needs memory for more than {MOST_VALUES} values: make shorter lists"))
        })?;
        self.spend(at, count)
    }

    pub(super) fn equal(&mut self, at: Span, left: &Value, right: &Value) -> EvalResult<bool> {
        value::equal(left, right, &mut || self.spend(at, 1))
    }

    /// A new list.
    pub(super) fn list(&mut self, at: Span, items: Vec<Value>) -> EvalResult<Value> {
        self.grow(at, items.len())?;
        Value::list(items).map_err(fault(at))
    }

    /// The value of a predicate in `scope`.
    pub(super) fn predicate(&mut self, predicate: &Expr, scope: PredicateScope) -> EvalResult<Value> {
        self.scopes.push(scope);
        let value = self.expr(predicate);
        self.scopes.pop();
        value
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> EvalResult<Value> {
        self.spend(expr.at, 1)?;
        Ok(match &expr.kind {
            ExprKind::Nil => Value::Nil,
            ExprKind::Bool(bool) => Value::Bool(*bool),
            ExprKind::Int(int) => Value::Int(*int),
            ExprKind::Float(float) => Value::Float(*float),
            ExprKind::Text(text) => Value::Text(Arc::clone(text)),
            ExprKind::Trigger(index) => self.values.get(*index).copied().flatten().map_or(Value::Nil, Value::Float),
            ExprKind::Triggers => self.triggers(expr.at)?,
            ExprKind::Variable(index) => self.variables.get(*index).cloned().unwrap_or(Value::Nil),
            ExprKind::Element => self.scopes.last().and_then(|scope| scope.element.clone()).unwrap_or(Value::Nil),
            ExprKind::Index => Value::count(self.scopes.last().map_or(0, |scope| scope.index)),
            ExprKind::Accumulator => {
                self.scopes.last().and_then(|scope| scope.accumulator.clone()).unwrap_or(Value::Nil)
            }
            ExprKind::Let { value, body } => self.declaration(value, body)?,
            ExprKind::Sequence(parts) => {
                let mut last = Value::Nil;
                for part in parts {
                    last = self.expr(part)?;
                }
                last
            }
            ExprKind::Unary(op, of) => self.unary(*op, of, expr.at)?,
            ExprKind::Fold { first, steps } => {
                let mut left = self.expr(first)?;
                for step in steps {
                    left = self.step(left, step)?;
                }
                left
            }
            ExprKind::If { cond, then, other } => self.choice(cond, then.as_deref(), other)?,
            ExprKind::List(items) => self.new_list(items, expr.at)?,
            ExprKind::Map(pairs) => self.new_map(pairs, expr.at)?,
            ExprKind::Member { base, key, optional } => self.member(base, key, *optional)?,
            ExprKind::Slice { base, from, to } => self.slice(expr.at, base, from.as_deref(), to.as_deref())?,
            ExprKind::Chain(inner) => match self.expr(inner) {
                Err(Stop::Nothing) => Value::Nil,
                other => other?,
            },
            ExprKind::Call { builtin, args } => (builtin.eval)(self, args, expr.at)?,
        })
    }

    fn declaration(&mut self, value: &Expr, body: &Expr) -> EvalResult<Value> {
        let value = self.expr(value)?;
        let depth = self.variables.len();
        self.variables.push(value);
        let body = self.expr(body);
        self.variables.truncate(depth);
        body
    }

    /// `cond ? then : other`; without `then`, the condition itself if it holds.
    fn choice(&mut self, cond: &Expr, then: Option<&Expr>, other: &Expr) -> EvalResult<Value> {
        let holds = self.truth(cond)?;
        match then {
            Some(then) if holds => self.expr(then),
            None if holds => Ok(Value::Bool(true)),
            _ => self.expr(other),
        }
    }

    fn new_list(&mut self, items: &[Expr], at: Span) -> EvalResult<Value> {
        self.grow(at, items.len())?;
        let items = items.iter().map(|item| self.expr(item)).collect::<EvalResult<_>>()?;
        Value::list(items).map_err(fault(at))
    }

    fn new_map(&mut self, pairs: &[(Expr, Expr)], at: Span) -> EvalResult<Value> {
        self.grow(at, pairs.len() * 2)?;
        let mut map = BTreeMap::new();
        for (key, value) in pairs {
            let key = match self.expr(key)? {
                Value::Text(text) => MapKey::Text(text),
                other => return Err(fault(key.at)(format!("a map's key is a text, not {}", other.type_name()))),
            };
            map.insert(key, self.expr(value)?);
        }
        Value::map(map).map_err(fault(at))
    }

    fn member(&mut self, base: &Expr, key: &Expr, optional: bool) -> EvalResult<Value> {
        let base = self.expr(base)?;
        if optional && matches!(base, Value::Nil) {
            return Err(Stop::Nothing);
        }
        let at = key.at;
        let key = self.expr(key)?;
        builtins::member(&base, &key, true).map_err(fault(at))
    }

    fn triggers(&mut self, at: Span) -> EvalResult<Value> {
        self.grow(at, self.names.len() * 2)?;
        let pairs = self.names.iter().zip(self.values);
        let pairs =
            pairs.map(|(name, value)| (MapKey::Text(name.as_str().into()), value.map_or(Value::Nil, Value::Float)));
        Value::map(pairs.collect()).map_err(fault(at))
    }

    /// Evaluates a condition.
    pub(super) fn truth(&mut self, expr: &Expr) -> EvalResult<bool> {
        match self.expr(expr)? {
            Value::Bool(bool) => Ok(bool),
            other => Err(fault(expr.at)(format!("a truth value is needed here, not {}", other.type_name()))),
        }
    }

    /// Evaluates an expression that must give an integer.
    pub(super) fn integer(&mut self, expr: &Expr) -> EvalResult<i64> {
        match self.expr(expr)? {
            Value::Int(int) => Ok(int),
            other => Err(fault(expr.at)(format!("an integer is needed here, not {}", other.type_name()))),
        }
    }

    /// Evaluates a bound of a slice.
    fn bound(&mut self, expr: &Expr) -> EvalResult<i64> {
        let value = self.expr(expr)?;
        let index = value::index(&value).map_err(fault(expr.at))?;
        index.ok_or_else(|| fault(expr.at)(format!("an integer is needed here, not {}", value.type_name())))
    }

    fn unary(&mut self, op: Unary, of: &Expr, at: Span) -> EvalResult<Value> {
        if op == Unary::Not {
            return Ok(Value::Bool(!self.truth(of)?));
        }
        match (op, self.expr(of)?) {
            (Unary::Minus, Value::Int(int)) => {
                int.checked_neg().map(Value::Int).ok_or_else(|| fault(at)("the result is no integer of 64 bits".into()))
            }
            (Unary::Minus, Value::Float(float)) => Ok(Value::Float(-float)),
            (_, value @ (Value::Int(_) | Value::Float(_))) => Ok(value),
            (_, other) => Err(fault(at)(format!("a sign stands before a number, not {}", other.type_name()))),
        }
    }

    fn slice(&mut self, at: Span, base: &Expr, from: Option<&Expr>, to: Option<&Expr>) -> EvalResult<Value> {
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

    fn step(&mut self, left: Value, step: &FoldStep) -> EvalResult<Value> {
        match step {
            FoldStep::Compare(pairs) => {
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
            FoldStep::Binary { op, negated, at, right } => {
                let value = self.binary(*op, left, *at, right)?;
                Ok(match value {
                    Value::Bool(bool) if *negated => Value::Bool(!bool),
                    value => value,
                })
            }
        }
    }

    fn binary(&mut self, op: Binary, left: Value, at: Span, right: &Expr) -> EvalResult<Value> {
        self.spend(at, 1)?;
        match (op, &left) {
            (Binary::Or, Value::Bool(true)) | (Binary::And, Value::Bool(false)) => return Ok(left),
            (Binary::Or | Binary::And, Value::Bool(_)) => return self.truth(right).map(Value::Bool),
            (Binary::Or | Binary::And, _) => {
                return Err(fault(at)(format!("a truth value is needed on its left, not {}", left.type_name())));
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

    fn is_in(&mut self, at: Span, left: &Value, right: &Value) -> EvalResult<bool> {
        match right {
            Value::List(list) => {
                for item in &list.items {
                    if self.equal(at, item, left)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) => Ok(left.map_key().is_ok_and(|key| map.pairs.contains_key(&key))),
            Value::Nil => Ok(false),
            _ => Err(fault(at)(format!("\"in\" needs a list or a map on its right, not {}", right.type_name()))),
        }
    }

    fn range(&mut self, at: Span, left: &Value, right: &Value) -> EvalResult<Value> {
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

fn texts(op: Binary, at: Span, left: &Value, right: &Value) -> EvalResult<Value> {
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
