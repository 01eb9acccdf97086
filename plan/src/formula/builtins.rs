//! The functions of the formula language: one row of [`BUILTINS`] for each, with its name, the number of its arguments,
//! its type check and its evaluation. The modules below hold the checks and evaluations, by the kind of argument.

mod elements;
mod lists;
mod numbers;
mod order;
mod predicates;

use std::fmt;

use super::ast::{Expr, Span};
use super::checker::Checker;
use super::error::FormulaError;
use super::evaluator::{EvalResult, Evaluator, Stop, fault};
use super::types::Type;
use super::value::Value;

pub(super) use elements::{from_end, member};
pub(super) use numbers::to_float;

/// Checks the types of a call's arguments and gives the type of its result.
type Check = fn(&mut Checker<'_>, &[Expr]) -> Result<Type, FormulaError>;

/// Evaluates a call. The span is that of the call.
type Eval = fn(&mut Evaluator<'_>, &[Expr], Span) -> EvalResult<Value>;

/// A function of the language.
pub(super) struct Builtin {
    pub(super) name: &'static str,
    pub(super) arity: Arity,
    pub(super) check: Check,
    pub(super) eval: Eval,
}

/// The number of arguments that a function takes, predicates included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arity {
    pub(super) least: usize,
    pub(super) most: usize,
    /// Whether the second argument is a predicate.
    pub(super) predicate: bool,
}

const fn exactly(count: usize) -> Arity {
    Arity { least: count, most: count, predicate: false }
}

const fn between(least: usize, most: usize) -> Arity {
    Arity { least, most, predicate: false }
}

const fn with_predicate(least: usize, most: usize) -> Arity {
    Arity { least, most, predicate: true }
}

const ANY_NUMBER: Arity = between(1, usize::MAX);

const fn row(name: &'static str, arity: Arity, check: Check, eval: Eval) -> Builtin {
    Builtin { name, arity, check, eval }
}

/// Every function of the language, in the order of the names. `fuzz/run.sh` reads the names from here.
pub(super) const BUILTINS: &[Builtin] = &[
    row("abs", exactly(1), numbers::check_abs, numbers::abs),
    row("all", with_predicate(2, 2), predicates::check_bool, predicates::all),
    row("any", with_predicate(2, 2), predicates::check_bool, predicates::any),
    row("avg", ANY_NUMBER, order::check_average, order::mean),
    row("bitand", exactly(2), numbers::check_bits, numbers::bitand),
    row("bitnand", exactly(2), numbers::check_bits, numbers::bitnand),
    row("bitnot", exactly(1), numbers::check_bits, numbers::bitnot),
    row("bitor", exactly(2), numbers::check_bits, numbers::bitor),
    row("bitshl", exactly(2), numbers::check_bits, numbers::bitshl),
    row("bitshr", exactly(2), numbers::check_bits, numbers::bitshr),
    row("bitushr", exactly(2), numbers::check_bits, numbers::bitushr),
    row("bitxor", exactly(2), numbers::check_bits, numbers::bitxor),
    row("ceil", exactly(1), numbers::check_rounding, numbers::ceil),
    row("concat", ANY_NUMBER, lists::check_lists, lists::concat),
    row("count", with_predicate(1, 2), predicates::check_count, predicates::count),
    row("filter", with_predicate(2, 2), predicates::check_filter, predicates::filter),
    row("find", with_predicate(2, 2), predicates::check_find, predicates::find),
    row("findIndex", with_predicate(2, 2), predicates::check_index, predicates::find_index),
    row("findLast", with_predicate(2, 2), predicates::check_find, predicates::find_last),
    row("findLastIndex", with_predicate(2, 2), predicates::check_index, predicates::find_last_index),
    row("first", exactly(1), lists::check_element, lists::first),
    row("flatten", exactly(1), lists::check_lists, lists::flatten),
    row("float", exactly(1), numbers::check_float, numbers::float),
    row("floor", exactly(1), numbers::check_rounding, numbers::floor),
    row("get", exactly(2), elements::check_get, elements::get),
    row("groupBy", with_predicate(2, 2), predicates::check_group_by, predicates::group_by),
    row("int", exactly(1), numbers::check_int, numbers::int),
    row("keys", exactly(1), elements::check_map, elements::keys),
    row("last", exactly(1), lists::check_element, lists::last),
    row("len", exactly(1), elements::check_len, elements::len),
    row("map", with_predicate(2, 2), predicates::check_map, predicates::map),
    row("max", ANY_NUMBER, order::check_extreme, order::max),
    row("mean", ANY_NUMBER, order::check_average, order::mean),
    row("median", ANY_NUMBER, order::check_average, order::median),
    row("min", ANY_NUMBER, order::check_extreme, order::min),
    row("none", with_predicate(2, 2), predicates::check_bool, predicates::none),
    row("one", with_predicate(2, 2), predicates::check_bool, predicates::one),
    row("reduce", with_predicate(2, 3), predicates::check_reduce, predicates::reduce),
    row("reverse", exactly(1), lists::check_lists, lists::reverse),
    row("round", exactly(1), numbers::check_rounding, numbers::round),
    row("sort", between(1, 2), order::check_sort, order::sort),
    row("sortBy", with_predicate(2, 3), order::check_sort_by, order::sort_by),
    row("sum", with_predicate(1, 2), predicates::check_sum, predicates::sum),
    row("take", exactly(2), lists::check_take, lists::take),
    row("type", exactly(1), elements::check_type, elements::type_of),
    row("uniq", exactly(1), lists::check_lists, lists::uniq),
    row("values", exactly(1), elements::check_map, elements::values),
];

/// Functions of expr-lang that have no use where all values are numbers.
pub(super) const UNSUPPORTED: &[&str] = &[
    "date",
    "duration",
    "fromBase64",
    "fromJSON",
    "fromPairs",
    "hasPrefix",
    "hasSuffix",
    "indexOf",
    "join",
    "lastIndexOf",
    "lower",
    "now",
    "repeat",
    "replace",
    "split",
    "splitAfter",
    "string",
    "timezone",
    "toBase64",
    "toJSON",
    "toPairs",
    "trim",
    "trimPrefix",
    "trimSuffix",
    "upper",
];

/// The function called `name`.
pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// Whether expr-lang has a function called `name`, so that a variable cannot have this name. `avg` is only Ebb's.
pub(super) fn is_reserved(name: &str) -> bool {
    (find(name).is_some() && name != "avg") || UNSUPPORTED.contains(&name)
}

/// The error of a call whose arguments the parser should have refused.
fn wrong_arity(at: Span) -> Stop {
    fault(at)("the function is called with a wrong number of arguments".into())
}

/// The only argument of a call.
fn only(args: &[Expr], at: Span) -> EvalResult<&Expr> {
    args.first().ok_or_else(|| wrong_arity(at))
}

/// The error of a function that does not take `value`.
fn unfit(value: &Value, at: Span) -> Stop {
    let hint =
        if matches!(value, Value::Nil) { ": a trigger without a value is nil; give it one as in (a ?? 0)" } else { "" };
    fault(at)(format!("it cannot take {}{hint}", value.type_name()))
}

impl PartialEq for Builtin {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
