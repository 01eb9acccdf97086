//! The syntax tree of a formula.

use std::iter;
use std::sync::Arc;

use super::builtins::Builtin;

/// A part of the formula's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// An expression. `height` is the height of its tree, and the deepest recursion of a function that walks it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) at: Span,
    pub(super) height: usize,
    pub(super) kind: ExprKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExprKind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// A trigger's value: its index among the names that the formula uses.
    Trigger(usize),
    /// `$env`: all triggers' values by their names.
    Triggers,
    /// A variable: the number of variables that are declared around it.
    Variable(usize),
    /// `#`, the present element in a predicate.
    Element,
    /// `#index`.
    Index,
    /// `#acc`.
    Accumulator,
    Let {
        value: Box<Expr>,
        body: Box<Expr>,
    },
    Sequence(Vec<Expr>),
    Unary(Unary, Box<Expr>),
    /// Any number of binary operators, from left to right: `a + b - c` is one node, no deeper than `a + b`.
    Fold {
        first: Box<Expr>,
        steps: Vec<FoldStep>,
    },
    /// `cond ? then : other`; without `then`, `cond ?: other`.
    If {
        cond: Box<Expr>,
        then: Option<Box<Expr>>,
        other: Box<Expr>,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Member {
        base: Box<Expr>,
        key: Box<Expr>,
        optional: bool,
    },
    Slice {
        base: Box<Expr>,
        from: Option<Box<Expr>>,
        to: Option<Box<Expr>>,
    },
    /// A chain of accesses, which is nil as a whole if a `?.` in it finds nil.
    Chain(Box<Expr>),
    Call {
        builtin: &'static Builtin,
        args: Vec<Expr>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
}

/// One operator of a [`ExprKind::Fold`], applied to the result so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FoldStep {
    /// An operator and its right side; `negated` for `not in` and the like.
    Binary { op: Binary, negated: bool, at: Span, right: Expr },
    /// `< b <= c`: each pair must hold, and each side is computed once.
    Compare(Vec<(Comparison, Span, Expr)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Coalesce,
}

impl Expr {
    /// Whether `wanted` holds for the expression or for any expression in it.
    pub(super) fn any(&self, wanted: &impl Fn(&Expr) -> bool) -> bool {
        wanted(self) || self.kind.children().any(|child| child.any(wanted))
    }
}

impl ExprKind {
    /// The height of the highest child; 0 without a child.
    pub(super) fn children_height(&self) -> usize {
        self.children().map(|child| child.height).max().unwrap_or(0)
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Expr> + '_> {
        match self {
            Self::Nil
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Trigger(_)
            | Self::Triggers
            | Self::Variable(_)
            | Self::Element
            | Self::Index
            | Self::Accumulator => Box::new(iter::empty()),
            Self::Let { value, body } => Box::new([value.as_ref(), body].into_iter()),
            Self::Unary(_, of) | Self::Chain(of) => Box::new(iter::once(of.as_ref())),
            Self::Sequence(of) | Self::List(of) | Self::Call { args: of, .. } => Box::new(of.iter()),
            Self::Fold { first, steps } => {
                Box::new(iter::once(first.as_ref()).chain(steps.iter().flat_map(FoldStep::operands)))
            }
            Self::If { cond, then, other } => Box::new([cond.as_ref(), other].into_iter().chain(then.as_deref())),
            Self::Map(pairs) => Box::new(pairs.iter().flat_map(|(key, value)| [key, value])),
            Self::Member { base, key, .. } => Box::new([base.as_ref(), key].into_iter()),
            Self::Slice { base, from, to } => {
                Box::new(iter::once(base.as_ref()).chain(from.as_deref()).chain(to.as_deref()))
            }
        }
    }
}

impl FoldStep {
    fn operands(&self) -> Box<dyn Iterator<Item = &Expr> + '_> {
        match self {
            Self::Binary { right, .. } => Box::new(iter::once(right)),
            Self::Compare(pairs) => Box::new(pairs.iter().map(|(.., right)| right)),
        }
    }
}
