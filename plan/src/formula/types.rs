//! The types of expressions, as far as they are known before the evaluation.

use std::fmt;

/// The type of an expression. A value that comes from a trigger may also be nil.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Not known before evaluation.
    Any,
    Nil,
    Bool,
    Int,
    Float,
    Text,
    List(Box<Type>),
    /// A map with texts as keys, or, from groupBy, with any keys.
    Map {
        by_text: bool,
        value: Box<Type>,
    },
}

impl Type {
    pub(super) fn list(of: Type) -> Self {
        Self::List(Box::new(of))
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// Whether the type is `wanted`, or may prove to be at evaluation.
    pub(super) fn may_be(&self, wanted: impl Fn(&Self) -> bool) -> bool {
        *self == Self::Any || wanted(self)
    }

    /// The type of the elements, if this is or may be a list.
    pub(super) fn element(&self) -> Option<Self> {
        match self {
            Self::Any => Some(Self::Any),
            Self::List(of) => Some((**of).clone()),
            _ => None,
        }
    }

    /// Whether values of both types can be equal.
    pub(super) fn comparable(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any | Self::Nil, _)
            | (_, Self::Any | Self::Nil)
            | (Self::List(_), Self::List(_))
            | (Self::Map { .. }, Self::Map { .. }) => true,
            _ => self == other || (self.is_number() && other.is_number()),
        }
    }

    /// The type of a value that is of one type or the other.
    pub(super) fn either(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nil, one) | (one, Self::Nil) => one,
            (one, other) if one == other => one,
            (Self::List(_), Self::List(_)) => Self::list(Self::Any),
            _ => Self::Any,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "a value",
            Self::Nil => "nil",
            Self::Bool => "a truth value",
            Self::Int => "an integer",
            Self::Float => "a number",
            Self::Text => "a text",
            Self::List(_) => "a list",
            Self::Map { .. } => "a map",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Type;

    #[test]
    fn one_of_two_types_is_what_both_have_in_common() {
        let ints = || Type::list(Type::Int);
        for (one, other, expected) in [
            (Type::Nil, Type::Int, Type::Int),
            (Type::Text, Type::Nil, Type::Text),
            (Type::Int, Type::Int, Type::Int),
            (Type::Int, Type::Text, Type::Any),
            (ints(), ints(), ints()),
            (ints(), Type::list(Type::Text), Type::list(Type::Any)),
            (ints(), Type::Int, Type::Any),
        ] {
            assert_eq!(one.clone().either(other.clone()), expected, "{one:?} {other:?}");
        }
    }
}
