//! Any text as a formula: an error, or a formula that gives a finite number or an error for all readings of the
//! triggers.
//!
//! libFuzzer's `-timeout` and `-rss_limit_mb` bound time and memory; a stack that overflows ends the program.
#![no_main]

use ebb_plan::formula::Formula;
use libfuzzer_sys::fuzz_target;

/// The triggers' names. `$env["a-b"]` is the only way to write one of them.
const NAMES: [&str; 5] = ["a", "b", "c", "a-b", "max"];

fuzz_target!(|text: &str| {
    let formula = match Formula::parse(text, &NAMES) {
        Ok(formula) => formula,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(error.position().is_none_or(|(line, column)| line > 0 && column > 0));
            return;
        }
    };
    assert!(formula.names().all(|name| NAMES.contains(&name)));
    assert_eq!(Formula::parse(formula.text(), &NAMES).as_ref(), Ok(&formula), "the same text is the same formula");
    for values in [
        [Some(0.0), Some(1.0), Some(-1.0), Some(2.5), Some(100.0)],
        [Some(f64::MAX), Some(f64::MIN_POSITIVE), Some(f64::INFINITY), Some(f64::NAN), Some(-0.0)],
        [None, Some(3.0), None, Some(0.5), None],
    ] {
        let value = |name: &str| NAMES.iter().zip(values).find(|(known, _)| **known == name)?.1;
        let result = formula.evaluate(value);
        match &result {
            Ok(number) => assert!(number.is_finite()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        assert_eq!(formula.evaluate(value), result, "the same values give the same");
    }
});
