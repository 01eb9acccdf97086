//! Values as YAML that every reader takes for the same values, whether it follows YAML 1.1, as Helm does, or 1.2.

use saphyr_parser::ScalarStyle;
use serde_json::{Map, Value};

use super::scalar;

/// The YAML of a map of values, a key a line.
pub(in crate::cli) fn text(values: &Map<String, Value>) -> String {
    let mut text = String::new();
    if values.is_empty() {
        text.push_str("{}\n");
    }
    fields(values, 0, &mut text);
    text
}

fn fields(map: &Map<String, Value>, indent: usize, text: &mut String) {
    for (place, (key, value)) in map.iter().enumerate() {
        if place > 0 {
            pad(indent, text);
        }
        text.push_str(&string(key));
        text.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                text.push('\n');
                pad(indent + 1, text);
                fields(map, indent + 1, text);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                for item in items {
                    pad(indent + 1, text);
                    entry(item, indent + 1, text);
                }
            }
            leaf => one_line(leaf, text),
        }
    }
}

/// An item of a list, whose indentation is written already.
fn entry(item: &Value, indent: usize, text: &mut String) {
    match item {
        Value::Object(map) if !map.is_empty() => {
            text.push_str("- ");
            fields(map, indent + 1, text);
        }
        // A list of lists, or a leaf.
        other => {
            text.push('-');
            one_line(other, text);
        }
    }
}

fn one_line(value: &Value, text: &mut String) {
    text.push(' ');
    match value {
        Value::String(value) => text.push_str(&string(value)),
        other => text.push_str(&escaped(&other.to_string())),
    }
    text.push('\n');
}

fn pad(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", indent));
}

/// A text, in quotes unless every reader takes it for the same text without.
fn string(value: &str) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_./-".contains(letter);
    let starts = value.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/');
    let is_plain = starts && value.chars().all(is_word);
    if is_plain && scalar::value(value, ScalarStyle::Plain, None).is_string() {
        return value.to_owned();
    }
    escaped(&Value::from(value).to_string())
}

/// JSON without the signs that YAML has no place for.
fn escaped(json: &str) -> String {
    let escape = |letter: char| match letter {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => format!("\\u{:04x}", u32::from(letter)),
        other => other.to_string(),
    };
    json.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::read;
    use super::*;

    fn written(value: &Value) -> String {
        text(value.as_object().unwrap())
    }

    #[test]
    fn it_is_what_a_person_would_write() {
        let values = json!({
            "a": {"b": 1, "c": [], "d": {}, "e": null}, "f": ["x", {"g": "yes", "h": [1]}, [2]], "i": "team=a, tier in (b)", "on": "10m",
        });
        let expected = "a:\n  b: 1\n  c: []\n  d: {}\n  e: null\nf:\n  - x\n  - g: \"yes\"\n    h:\n      - 1\n  - [2]\n\
                        i: \"team=a, tier in (b)\"\n\"on\": \"10m\"\n";
        assert_eq!(written(&values), expected);
        assert_eq!(written(&json!({})), "{}\n");
    }

    fn values() -> impl Strategy<Value = Value> {
        let texts =
            prop_oneof![".{0,8}", "[a-z0-9.:#{}\\[\\]&*!|>%@,? \n\t'\"-]{0,8}", "(yes|no|on|off|null|true|1e3|0x1f|~)"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            texts.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(texts.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().filter(|(key, _)| key != "<<").collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(value in values()) {
            let whole = json!({"values": value});
            let text = written(&whole);
            let read: Vec<_> = read(&text).into_iter().map(|document| document.map(|document| document.value)).collect();
            prop_assert_eq!(read, [Ok(whole)], "{}", text);
        }
    }
}
