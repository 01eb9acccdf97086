//! Tables: what formulas give, and what is wrong with others.

use super::Formula;

/// What expr-lang 1.17.8, called as KEDA calls it, makes of formulas: a formula, values of triggers, and a number,
/// `refused` (when it is compiled, or tried with -1 for all) or `fails` (with these values).
const EXPR_LANG: &str = include_str!("expr-lang.tsv");

fn outcome(formula: &str, values: &str) -> String {
    let values: Vec<(&str, Option<f64>)> = values
        .split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name, value.parse().ok()))
        .collect();
    let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
    match Formula::parse(formula, &names) {
        Err(error) => format!("refused: {error}"),
        Ok(formula) => match formula.evaluate(|name| values.iter().find(|(other, _)| *other == name)?.1) {
            Err(error) => format!("fails: {error}"),
            Ok(result) => result.to_string(),
        },
    }
}

#[test]
fn formulas_give_what_expr_lang_gives() {
    let mut wrong = Vec::new();
    for line in EXPR_LANG.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [formula, values, expected] = columns[..] else { panic!("{line}") };
        let found = outcome(formula, values);
        let same = match expected.parse::<f64>() {
            Ok(expected) if expected.is_finite() => {
                found.parse::<f64>().is_ok_and(|found| (found - expected).abs() <= expected.abs() * 1e-12)
            }
            _ => found.parse::<f64>().is_err(),
        };
        if !same {
            wrong.push(format!("{line}\t{found}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn formulas_that_keda_refuses_for_no_need_are_evaluated() {
    for (formula, values, result) in [
        // KEDA puts float(…) around the formula, which a comment or a sequence breaks.
        ("a + b // all", "a=1 b=2", 3.0),
        ("1; a + b", "a=1 b=2", 3.0),
        // KEDA tries -1 for each trigger, and refuses what fails with it.
        ("7 % int(a + 1)", "a=4", 2.0),
        ("find([a, b], # > 1)", "a=1 b=2", 2.0),
        ("findIndex([a, b], # > 1)", "a=1 b=2", 1.0),
        // expr-lang calls it mean.
        ("avg([a, b])", "a=1 b=2", 1.5),
        ("let avg = avg(a, b); avg * 2", "a=1 b=2", 3.0),
    ] {
        assert_eq!(outcome(formula, values), result.to_string(), "{formula}");
    }
}
