//! Properties that hold for every text and for every value.

use proptest::prelude::*;

use super::Formula;

/// Pieces of the language, right and wrong ones, that random formulas are put together from.
const PIECES: &[&str] = &[
    "a",
    "b",
    "c",
    "nope",
    "1",
    "2.5",
    "0",
    "0x1F",
    "1e3",
    "9223372036854775807",
    "'x'",
    "\"y\"",
    "`z`",
    "true",
    "false",
    "nil",
    "$env",
    "#",
    "#acc",
    "#index",
    ".x",
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "^",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not",
    "and",
    "or",
    "&&",
    "||",
    "!",
    "?",
    ":",
    "??",
    "?.",
    "..",
    "|",
    "::",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    "let x =",
    "x",
    "if",
    "else",
    "max(",
    "min(",
    "sum(",
    "mean(",
    "median(",
    "count(",
    "filter(",
    "map(",
    "reduce(",
    "sort(",
    "sortBy(",
    "groupBy(",
    "find(",
    "findLast(",
    "any(",
    "all(",
    "len(",
    "first(",
    "last(",
    "take(",
    "int(",
    "float(",
    "round(",
    "abs(",
    "uniq(",
    "concat(",
    "flatten(",
    "keys(",
    "values(",
    "get(",
    "bitshl(",
    "type(",
    "contains",
    "matches",
    "now(",
    "// a",
    "/* b */",
    " ",
    "\n",
    "é",
];

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Asserts that `text` gives an error with a message, or a finite number, or an error with these values.
fn is_handled(text: &str, values: [Option<f64>; 3]) -> Result<(), TestCaseError> {
    let value = |name: &str| NAMES.iter().position(|known| *known == name).and_then(|index| values[index]);
    match Formula::parse(text, &NAMES) {
        Err(error) => prop_assert!(!error.to_string().is_empty()),
        Ok(formula) => {
            prop_assert!(formula.names().all(|name| NAMES.contains(&name)));
            let result = formula.evaluate(value);
            match &result {
                Ok(result) => prop_assert!(result.is_finite()),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            prop_assert_eq!(formula.evaluate(value), result, "the same values give the same");
        }
    }
    Ok(())
}

fn any_values() -> impl Strategy<Value = [Option<f64>; 3]> {
    proptest::array::uniform3(prop_oneof![
        4 => (-100_i32..100).prop_map(|value| Some(f64::from(value) / 4.0)),
        1 => any::<f64>().prop_map(Some),
        1 => Just(None),
    ])
}

/// An arithmetic tree, as a formula that spares parentheses where it can, and its value by Rust's own arithmetic.
#[derive(Debug, Clone)]
enum Tree {
    Literal(u8),
    Trigger(usize),
    Minus(Box<Tree>),
    Binary(char, Box<Tree>, Box<Tree>),
    Choice(Box<Tree>, Box<Tree>, Box<Tree>),
    Or(usize, Box<Tree>),
    Max(Vec<Tree>),
}

impl Tree {
    fn any() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![any::<u8>().prop_map(Tree::Literal), (0..NAMES.len()).prop_map(Tree::Trigger)];
        leaf.prop_recursive(6, 60, 3, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                2 => inner.clone().prop_map(|of| Tree::Minus(of.into())),
                8 => (prop::sample::select(vec!['+', '-', '*', '/']), pair)
                    .prop_map(|(op, (left, right))| Tree::Binary(op, left.into(), right.into())),
                2 => (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(cond, then, other)| Tree::Choice(cond.into(), then.into(), other.into())),
                1 => (0..NAMES.len(), inner.clone()).prop_map(|(name, other)| Tree::Or(name, other.into())),
                1 => prop::collection::vec(inner, 1..4).prop_map(Tree::Max),
            ]
        })
    }

    /// How strongly it binds, and its text.
    fn written(&self) -> (u8, String) {
        let within = |tree: &Tree, least: u8| {
            let (strength, text) = tree.written();
            if strength < least { format!("({text})") } else { text }
        };
        match self {
            Tree::Literal(value) => (9, format!("{value}.0")),
            Tree::Trigger(index) => (9, NAMES[*index].into()),
            Tree::Minus(of) => (5, format!("-{}", within(of, 5))),
            Tree::Binary(op, left, right) => {
                let strength = if matches!(op, '*' | '/') { 4 } else { 3 };
                (strength, format!("{} {op} {}", within(left, strength), within(right, strength + 1)))
            }
            Tree::Choice(cond, then, other) => {
                (1, format!("{} > 1 ? {} : {}", within(cond, 3), within(then, 1), within(other, 1)))
            }
            Tree::Or(index, other) => (9, format!("({} ?? {})", NAMES[*index], within(other, 9))),
            Tree::Max(of) => {
                (9, format!("max([{}])", of.iter().map(|tree| within(tree, 1)).collect::<Vec<_>>().join(", ")))
            }
        }
    }

    /// None where a trigger without a value is computed with.
    fn value(&self, values: [Option<f64>; 3]) -> Option<f64> {
        Some(match self {
            Tree::Literal(value) => f64::from(*value),
            Tree::Trigger(index) => values[*index]?,
            Tree::Minus(of) => -of.value(values)?,
            Tree::Binary(op, left, right) => {
                let (left, right) = (left.value(values)?, right.value(values)?);
                match op {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
            Tree::Choice(cond, then, other) => {
                if cond.value(values)? > 1.0 {
                    then.value(values)?
                } else {
                    other.value(values)?
                }
            }
            Tree::Or(index, other) => match values[*index] {
                Some(value) => value,
                None => other.value(values)?,
            },
            Tree::Max(of) => {
                let of: Option<Vec<f64>> = of.iter().map(|tree| tree.value(values)).collect();
                // As in expr-lang: an equal value does not replace the best.
                of?.into_iter().reduce(|best, value| if best < value { value } else { best })?
            }
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_borne(text in "\\PC{0,60}", values in any_values()) {
        is_handled(&text, values)?;
    }

    #[test]
    fn any_sequence_of_tokens_is_borne(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24), values in any_values(),
    ) {
        is_handled(&pieces.join(" "), values)?;
        is_handled(&pieces.concat(), values)?;
    }

    #[test]
    fn arithmetic_is_that_of_floats(tree in Tree::any(), values in any_values()) {
        let (_, text) = tree.written();
        let value = |name: &str| NAMES.iter().position(|known| *known == name).and_then(|index| values[index]);
        // A constant that is not finite is refused when it is read.
        let Ok(formula) = Formula::parse(&text, &NAMES) else {
            prop_assert!(tree.value([None; 3]).is_none_or(|value| !value.is_finite()), "{}", text);
            return Ok(());
        };
        match tree.value(values).filter(|value| value.is_finite()) {
            Some(expected) => prop_assert_eq!(formula.evaluate(value), Ok(expected), "{}", text),
            None => prop_assert!(formula.evaluate(value).is_err(), "{}", text),
        }
    }
}
