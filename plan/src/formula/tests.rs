//! Tables of formulas with their results, and of mistaken ones with their errors.

use super::Formula;

/// The results of expr-lang 1.17.8, called as KEDA calls it: a formula, values of triggers, and a number, `refused`
/// (when it is compiled, or tried with -1 for all) or `fails` (with these values).
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
        // KEDA tries -1 for each trigger, and refuses a formula that fails with it.
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

#[test]
fn what_is_wrong_is_told_with_its_place_and_a_hint() {
    for (formula, names, error) in [
        ("", "a", "the formula is empty"),
        (
            "trig_tow + 1",
            "trig_one trig_two",
            r#"character 1 ("trig_tow"): no trigger has this name; the triggers are "trig_one", "trig_two""#,
        ),
        ("1 + x", "", r#"character 5 ("x"): no trigger has a name: give those that the formula uses one"#),
        (
            "my-trig + 1",
            "my-trig",
            r#"character 1 ("my"): no trigger has this name; the triggers are "my-trig"; such a name is written as $env["my-trig"]"#,
        ),
        ("a +", "a", "character 4: unexpected end of the formula: a value is expected here"),
        ("a b", "a b", r#"character 3 ("b"): unexpected: the formula should end here"#),
        (
            "(a + 1",
            "a",
            r#"character 7: unexpected end of the formula: ")" is expected here, where the parenthesis ends"#,
        ),
        ("max(a b)", "a b", r#"character 7 ("b"): unexpected: "," is expected here, between two arguments"#),
        ("a > 1 ? 2", "a", r#"unexpected end of the formula: ":" is expected here"#),
        ("a @ 1", "a", r#"character 3 ("@"): this character has no meaning"#),
        ("a = 1", "a", r#"character 3 ("="): unexpected"#),
        ("2a", "a", r#"character 1 ("2a"): this is no number"#),
        ("9223372036854775808", "", "too large for an integer: write it with a decimal point"),
        ("\"abc", "", "this text has no end"),
        ("a /* b", "a", "this comment has no end"),
        (
            "foo(a)",
            "a",
            r#"character 1 ("foo"): there is no function of this name; the functions are abs, all, any, avg"#,
        ),
        ("now() + a", "a", r#"character 1 ("now"): this function is not supported in a formula"#),
        (
            r#"a > 1 or "x" matches "y" ? 1 : 2"#,
            "a",
            r#"character 14 ("matches"): regular expressions are not supported"#,
        ),
        ("max", "a", r#"character 1 ("max"): this is a function: it is called as max(…)"#),
        (
            "max(a)",
            "max a",
            r#"character 1 ("max"): this is a trigger, it cannot be called; the function of that name is called as ::max(…)"#,
        ),
        ("abs(a, 1)", "a", "character 1 (\"abs\"): abs takes 1 arguments, not 2"),
        ("map([a])", "a", "map takes 2 arguments, the second a predicate such as # > 1, not 1"),
        ("reduce([a])", "a", "reduce takes 2 or 3 arguments"),
        ("max()", "a", "max takes at least 1 arguments, not 0"),
        ("a ?? 0 + b", "a b", r#"character 8 ("+"): "+" and "??" cannot be mixed"#),
        ("a + # > 1", "a", r##"character 5 ("#"): # is an element"##),
        ("any([a], #acc > 1) ? 1 : 2", "a", "#acc has a meaning in reduce only"),
        ("let a = 1; a", "a", r#"character 5 ("a"): a trigger has this name"#),
        ("let sum = 1; sum", "a", "the language itself has this name"),
        ("let x = 1; let x = 2; x", "a", "there is a variable of this name already"),
        (
            "a > 1",
            "a",
            "the formula gives a truth value, and must give a number: the scaled figure may be chosen by it, as in a > 1 ? 5 : 0",
        ),
        ("[a]", "a", "the formula gives a list, and must give a number"),
        ("nil", "a", "the formula gives nil"),
        ("a ? 1 : 2", "a", r#"character 1 ("a"): a condition is a truth value, as in a > 1, not a number"#),
        ("not a > 1 ? 1 : 2", "a", r#"character 5 ("a"): "not" takes a truth value and binds tighter"#),
        (
            "a % 2",
            "a",
            r#"character 3 ("%"): it needs two integers (int(a) makes one of a), not a number and an integer"#,
        ),
        (r#"a + "1""#, "a", r#"character 3 ("+"): it needs two numbers or two texts, not a number and a text"#),
        ("a + nil", "a", r#"character 3 ("+"): it needs two numbers, not a number and nil"#),
        ("a and b", "a b", r#"character 3 ("and"): it needs two truth values"#),
        ("sum(a)", "a", r#"character 5 ("a"): a list is expected here, as in [a, b], not a number"#),
        ("count([a])", "a", "count without a predicate counts truth values"),
        ("filter([a], # + 1) | sum()", "a", "a predicate gives a truth value, as in # > 1, not a number"),
        (
            "[a, b][a]",
            "a b",
            r#"character 8 ("a"): a list's index is an integer, not a number: int(…) makes one of it"#,
        ),
        ("a.b", "a", r#"character 3 ("b"): only lists and maps have elements, not a number"#),
        ("a.b()", "a", r#"character 3 ("b"): nothing in a formula has methods"#),
        (r#"a == "x" ? 1 : 2"#, "a", "a number and a text are never equal"),
        ("$env.b", "a", r#"character 6 ("b"): no trigger has this name"#),
        ("a +\n  b +\n  c", "a b", r#"line 3, character 3 ("c"): no trigger has this name"#),
        // Found by trying.
        ("1 / 0", "a", "it gives inf, not a finite number: a division by zero does"),
        ("7 % 0", "a", r#"character 3 ("%"): division by zero"#),
        ("a + first([])", "a", "it needs two numbers, not a number and nil"),
        ("int(\"x\") + a", "a", "the text \"x\" is no integer"),
        ("[a][5]", "a", r#"character 5 ("5"): there is no element 5 in a list of 1"#),
        ("reduce([], #acc + #) + a", "a", "reduce goes through an empty list"),
    ] {
        let names: Vec<&str> = names.split_whitespace().collect();
        let found = Formula::parse(formula, &names).unwrap_err().to_string();
        assert!(found.contains(error), "{formula}\n  {found}");
    }
}

#[test]
fn what_fails_with_some_values_is_told_then() {
    for (formula, values, error) in [
        (
            "a + b",
            "a=1 b=nil",
            r#"character 3 ("+"): it needs two numbers, not a number and nil: a trigger without a value is nil; give it one as in (a ?? 0)"#,
        ),
        ("a", "a=nil", "it gives nil: a trigger without a value is nil"),
        ("max(a, b)", "a=1 b=nil", r#"character 1 ("max(a, b)"): it needs numbers, not nil"#),
        ("a > 1 ? 1 : 2", "a=nil", "a comparison needs two numbers or two texts, not nil and an integer"),
        (
            "a / b",
            "a=1 b=0",
            "it gives inf, not a finite number: a division by zero does, which a condition avoids, as in b == 0 ? 0 : a / b",
        ),
        ("a / b", "a=0 b=0", "it gives NaN"),
        ("a ** b", "a=10 b=400", "it gives inf"),
        ("7 % int(a)", "a=0.5", "division by zero"),
        ("int(a) + 1", "a=1e30", "is no integer of 64 bits"),
        ("int(a) + 9223372036854775807", "a=1", r#"character 8 ("+"): the result is no integer of 64 bits"#),
        ("[1, 2][int(a)]", "a=5", "there is no element 5 in a list of 2"),
    ] {
        let found = outcome(formula, values);
        assert!(found.starts_with("fails: ") && found.contains(error), "{formula}\n  {found}");
    }
}

#[test]
fn the_names_are_those_that_the_formula_uses() {
    for (formula, names, used) in [
        ("b + a + b", "a b c", "b a"),
        ("1 + 2", "a b", ""),
        (r#"$env["a-b"] + $env.c"#, "a-b b c", "a-b c"),
        ("sum(values($env)) + b", "a b c", "b a c"),
        ("let x = a; x + x", "a b", "a"),
    ] {
        let names: Vec<&str> = names.split_whitespace().collect();
        let formula = Formula::parse(formula, &names).unwrap();
        assert_eq!(formula.names().collect::<Vec<_>>().join(" "), used, "{}", formula.text());
    }
}

#[test]
fn positions_count_characters_from_one() {
    let error = |formula| Formula::parse(formula, &["a"]).unwrap_err().position();
    assert_eq!(error("a + b"), Some((1, 5)));
    assert_eq!(error(r#""äöü" == b ? 1 : 0"#), Some((1, 10)));
    assert_eq!(error("a\n+ b"), Some((2, 3)));
    assert_eq!(error("a > 1"), None);
}

#[test]
fn no_formula_is_too_much_for_its_reader() {
    let names = ["a"];
    for (formula, error) in [
        ("a + ".repeat(3000) + "a", "the formula is 12001 bytes long, and may have 8192 at most"),
        ("(".repeat(4000) + "a" + &")".repeat(4000), "more than 100 deep"),
        ("[".repeat(4000) + "a" + &"]".repeat(4000), "more than 100 deep"),
        ("-".repeat(8000) + "a", "more than 100 deep"),
        ("not ".repeat(2000) + "true ? 1 : 2", "more than 100 deep"),
        ("a ** ".repeat(1500) + "2", "more than 100 deep"),
        ("a > 1 ? 1 : ".repeat(600) + "2", "more than 100 deep"),
        ("a".to_owned() + &" | max(1)".repeat(800), "more than 100 deep"),
        ("a".to_owned() + &"[0]".repeat(2000), "more than 100 deep"),
        ("{x: a}".to_owned() + &"?.x".repeat(2000), "more than 100 deep"),
        ("map([1], ".repeat(800) + "#" + &")".repeat(800), "more than 100 deep"),
        ((0..700).fold(String::new(), |all, index| format!("{all}let v{index}=a;")) + "a", "more than 100 deep"),
        ("if a > 1 {1} else ".repeat(400) + "{2}", "more than 100 deep"),
        ("if ".repeat(2000), "more than 100 deep"),
        ("{(".repeat(3000), "more than 100 deep"),
    ] {
        let found = Formula::parse(&formula, &names).unwrap_err().to_string();
        assert!(found.contains(error), "{}…\n  {found}", &formula[..20]);
    }
    // Length alone is no error.
    let long = "a + ".repeat(2000) + "a";
    assert_eq!(Formula::parse(&long, &names).unwrap().evaluate(|_| Some(1.0)), Ok(2001.0));
}

#[test]
fn no_formula_takes_more_than_its_budget() {
    let cases = [
        ("sum(1..1000000000)", "memory"),
        ("len(-9223372036854775807..9223372036854775807)", "memory"),
        ("sum(map(1..1000, sum(map(1..1000, #))))", "steps"),
        ("let l = 1..2000; count(l, {let x = #; any(l, # == x + 100000)})", "steps"),
        ("let l = 1..20000; len(uniq(l))", "steps"),
        (r#"len(reduce(1..40, #acc + #acc, "x"))"#, "memory"),
        ("len(reduce(1..40, concat(#acc, #acc), [1]))", "memory"),
        ("len(reduce(1..300, [#acc], 1))", "lists lie in each other more than 100 deep"),
        ("len(reduce(1..300, {{x: #acc}}, 1))", "lists lie in each other more than 100 deep"),
        ("let l = 1..40000; sum(sort(l))", "steps"),
    ];
    for (formula, error) in cases {
        let found = Formula::parse(formula, &[]).unwrap_err().to_string();
        assert!(found.contains(error), "{formula}\n  {found}");
    }
    for formula in ["sum(1..20000)", "let l = 1..100; count(l, {let x = #; any(l, # == x)})", "sum(sort(1..9000))"] {
        assert!(Formula::parse(formula, &[]).is_ok(), "{formula}");
    }
}

#[test]
fn the_users_page_names_every_function_and_its_examples_hold() {
    let page = include_str!("../../../docs/scaling-modifiers.md");
    let (_, examples) = page.split_once("| formula | result |").unwrap();
    let mut seen = 0;
    for line in examples.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let line = line.replace("\\|", "\u{1}");
        for formula in line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            let formula = formula.replace('\u{1}', "|");
            let read = Formula::parse(&formula, &["queue", "lag", "office", "my-queue"]).unwrap();
            assert!(read.evaluate(|_| Some(2.0)).is_ok(), "{formula}");
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen}");
    for builtin in super::builtins::BUILTINS {
        assert!(page.contains(&format!("`{}`", builtin.name)), "{}", builtin.name);
    }
}
