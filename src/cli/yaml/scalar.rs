//! The value of a YAML scalar by the rules of YAML 1.1, which kubectl and the API server use: `yes` is a boolean and
//! `010` is eight.

use std::borrow::Cow;

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::Value;

/// The value of a scalar.
pub(super) fn value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = tag.is_some_and(|tag| tag.suffix == "str") || style != ScalarStyle::Plain;
    if is_text { text.into() } else { plain(text) }
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
    let radix =
        |prefix: &str, radix| digits.strip_prefix(prefix).and_then(|rest| i64::from_str_radix(rest, radix).ok());
    let whole = radix("0x", 16)
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0", 8).filter(|_| digits.len() > 1))
        .or_else(|| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten());
    if let Some(whole) = whole {
        return Some(if negative { -whole } else { whole }.into());
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
        ] {
            assert_eq!(value(text, ScalarStyle::Plain, None), expected, "{text}");
            assert_eq!(value(text, ScalarStyle::DoubleQuoted, None), json!(text));
        }
    }
}
