//! The functions of the language: their names, how many arguments they take, and which of those is a predicate.

/// What a formula can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    All,
    Any,
    One,
    None,
    Filter,
    Map,
    Count,
    Sum,
    Find,
    FindIndex,
    FindLast,
    FindLastIndex,
    GroupBy,
    SortBy,
    Reduce,
    Len,
    Type,
    Abs,
    Ceil,
    Floor,
    Round,
    Int,
    Float,
    Max,
    Min,
    Mean,
    Median,
    First,
    Last,
    Get,
    Take,
    Keys,
    Values,
    Reverse,
    Uniq,
    Concat,
    Flatten,
    Sort,
    BitAnd,
    BitOr,
    BitXor,
    BitNand,
    BitShl,
    BitShr,
    BitUshr,
    BitNot,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    /// The fewest arguments, a predicate among them.
    pub(super) least: usize,
    /// The most.
    pub(super) most: usize,
    /// Whether the second argument is a predicate.
    pub(super) predicate: bool,
}

const fn plain(name: &'static str, function: Function, least: usize, most: usize) -> Signature {
    Signature { name, function, least, most, predicate: false }
}

const fn each(name: &'static str, function: Function, least: usize, most: usize) -> Signature {
    Signature { name, function, least, most, predicate: true }
}

const ANY_NUMBER: usize = usize::MAX;

/// Every function of the language.
pub(super) const FUNCTIONS: &[Signature] = &[
    plain("abs", Function::Abs, 1, 1),
    each("all", Function::All, 2, 2),
    each("any", Function::Any, 2, 2),
    plain("avg", Function::Mean, 1, ANY_NUMBER),
    plain("bitand", Function::BitAnd, 2, 2),
    plain("bitnand", Function::BitNand, 2, 2),
    plain("bitnot", Function::BitNot, 1, 1),
    plain("bitor", Function::BitOr, 2, 2),
    plain("bitshl", Function::BitShl, 2, 2),
    plain("bitshr", Function::BitShr, 2, 2),
    plain("bitushr", Function::BitUshr, 2, 2),
    plain("bitxor", Function::BitXor, 2, 2),
    plain("ceil", Function::Ceil, 1, 1),
    plain("concat", Function::Concat, 1, ANY_NUMBER),
    each("count", Function::Count, 1, 2),
    each("filter", Function::Filter, 2, 2),
    each("find", Function::Find, 2, 2),
    each("findIndex", Function::FindIndex, 2, 2),
    each("findLast", Function::FindLast, 2, 2),
    each("findLastIndex", Function::FindLastIndex, 2, 2),
    plain("first", Function::First, 1, 1),
    plain("flatten", Function::Flatten, 1, 1),
    plain("float", Function::Float, 1, 1),
    plain("floor", Function::Floor, 1, 1),
    plain("get", Function::Get, 2, 2),
    each("groupBy", Function::GroupBy, 2, 2),
    plain("int", Function::Int, 1, 1),
    plain("keys", Function::Keys, 1, 1),
    plain("last", Function::Last, 1, 1),
    plain("len", Function::Len, 1, 1),
    each("map", Function::Map, 2, 2),
    plain("max", Function::Max, 1, ANY_NUMBER),
    plain("mean", Function::Mean, 1, ANY_NUMBER),
    plain("median", Function::Median, 1, ANY_NUMBER),
    plain("min", Function::Min, 1, ANY_NUMBER),
    each("none", Function::None, 2, 2),
    each("one", Function::One, 2, 2),
    each("reduce", Function::Reduce, 2, 3),
    plain("reverse", Function::Reverse, 1, 1),
    plain("round", Function::Round, 1, 1),
    plain("sort", Function::Sort, 1, 2),
    each("sortBy", Function::SortBy, 2, 3),
    each("sum", Function::Sum, 1, 2),
    plain("take", Function::Take, 2, 2),
    plain("type", Function::Type, 1, 1),
    plain("uniq", Function::Uniq, 1, 1),
    plain("values", Function::Values, 1, 1),
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
pub(super) fn find(name: &str) -> Option<&'static Signature> {
    FUNCTIONS.iter().find(|signature| signature.name == name)
}

/// Whether `name` is a function's of expr-lang: a variable cannot have it. `avg` is only Ebb's.
pub(super) fn is_taken(name: &str) -> bool {
    (find(name).is_some() && name != "avg") || UNSUPPORTED.contains(&name)
}
