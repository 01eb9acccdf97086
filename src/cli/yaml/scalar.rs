//! The value of a YAML scalar by the rules of YAML 1.1, which kubectl and the API server use: `yes` is a boolean and
//! `010` is eight.

use std::borrow::Cow;

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::Value;

/// The value of a scalar. A tag of YAML's own decides before quotes do; any other makes a text.
pub(super) fn value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_plain = match tag {
        Some(tag) => matches!(tag.suffix.as_str(), "int" | "float" | "bool" | "null" | "timestamp"),
        None => style == ScalarStyle::Plain,
    };
    if is_plain { plain(text) } else { text.into() }
}

/// Whether a scalar is an infinite number or none, which JSON cannot hold: kubectl refuses the document.
pub(super) fn is_beyond_json(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    let words = [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"];
    let unsigned = text.strip_prefix(['+', '-']).filter(|word| !word.to_ascii_lowercase().ends_with("nan"));
    style == ScalarStyle::Plain && tag.is_none() && words.contains(&unsigned.unwrap_or(text))
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => true.into(),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => false.into(),
        _ => number(text).unwrap_or_else(|| text.into()),
    }
}

fn number(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let first = digits.chars().next()?;
    if !first.is_ascii_digit() && first != '.' {
        return None;
    }
    let digits: Cow<'_, str> = if digits.contains('_') { digits.replace('_', "").into() } else { digits.into() };
    let radix = |prefix: &str, radix| {
        let has_prefix = digits.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        // A sign may not follow: `0-5` is a text.
        let rest = digits.get(prefix.len()..).filter(|rest| has_prefix && !rest.starts_with(['+', '-']))?;
        i128::from_str_radix(rest, radix).ok()
    };
    let whole = radix("0x", 16)
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0", 8).filter(|_| digits.len() > 1))
        .or_else(|| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten());
    let whole = whole.map(|whole| if negative { -whole } else { whole }).and_then(|whole| i64::try_from(whole).ok());
    if let Some(whole) = whole {
        return Some(whole.into());
    }
    let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let decimal = is_decimal.then(|| digits.parse::<f64>().ok()).flatten()?;
    serde_json::Number::from_f64(if negative { -decimal } else { decimal }).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_what_kubectl_takes_them_for() {
        for (text, expected) in [
            ("5", json!(5)),
            ("-5", json!(-5)),
            ("010", json!(8)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("0", json!(0)),
            ("2.5", json!(2.5)),
            ("1e3", json!(1000.0)),
            ("08", json!(8)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("~", json!(null)),
            ("5s", json!("5s")),
            ("1.2.3", json!("1.2.3")),
            (".", json!(".")),
            ("e5", json!("e5")),
            ("0 8 * * *", json!("0 8 * * *")),
            ("amqp://h", json!("amqp://h")),
            ("-", json!("-")),
            ("0X1f", json!(31)),
            ("0O17", json!(15)),
            ("-9223372036854775808", json!(i64::MIN)),
            // Ranges and lists of partitions are texts.
            ("0-5", json!("0-5")),
            ("0+5", json!("0+5")),
            ("0x-5", json!("0x-5")),
            ("1-5", json!("1-5")),
            ("0,1", json!("0,1")),
        ] {
            assert_eq!(value(text, ScalarStyle::Plain, None), expected, "{text}");
            assert_eq!(value(text, ScalarStyle::DoubleQuoted, None), json!(text));
        }
    }

    #[test]
    fn a_tag_decides_before_quotes_do() {
        let tag = |handle: &str, suffix: &str| Tag { handle: handle.into(), suffix: suffix.into() };
        let core = "tag:yaml.org,2002:";
        for (written, text, expected) in [
            (tag(core, "str"), "5", json!("5")),
            (tag(core, "int"), "5", json!(5)),
            (tag(core, "bool"), "yes", json!(true)),
            (tag(core, "null"), "", json!(null)),
            (tag("!", "foo"), "5", json!("5")),
            (tag("", "!"), "5", json!("5")),
        ] {
            for style in [ScalarStyle::Plain, ScalarStyle::DoubleQuoted] {
                assert_eq!(value(text, style, Some(&written)), expected, "{written:?} {text}");
            }
        }
    }

    #[test]
    fn numbers_that_json_does_not_have_are_known() {
        for text in [".inf", "-.inf", "+.Inf", ".nan", ".NaN"] {
            assert!(is_beyond_json(text, ScalarStyle::Plain, None), "{text}");
            assert!(!is_beyond_json(text, ScalarStyle::SingleQuoted, None), "{text}");
        }
        for text in ["inf", "nan", "-.nan", "..inf", "5"] {
            assert!(!is_beyond_json(text, ScalarStyle::Plain, None), "{text}");
        }
    }
}
