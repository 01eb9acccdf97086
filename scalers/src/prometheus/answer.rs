//! The answer of `/api/v1/query` (prometheus.io/docs, "HTTP API"), as far as a trigger needs it.
//!
//! At most one element is kept: the memory for an answer does not grow with the number of elements that a server sends.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The meaning of an answer. It does not depend on the trigger.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// The value of the one element; it may be infinite or not a number.
    Value(f64),
    /// The one element's value is null.
    Null,
    /// There is no value, in KEDA's words.
    Empty(&'static str),
}

/// Reads the body of an answer with a status of success.
///
/// # Errors
/// It has no value of one element. The text has KEDA's words where KEDA has such a case.
pub(super) fn read(body: &[u8], expression: &str) -> Result<Answer, String> {
    let Body { data } = serde_json::from_slice(body).map_err(|_| "the answer is not that of Prometheus' HTTP API")?;
    let Elements { count, first } = match data.unwrap_or_default() {
        Data { result: Some(Found::Elements(elements)), .. } => elements,
        Data { result: Some(Found::NoVector), result_type } => {
            let found = result_type.unwrap_or_else(|| "unknown type".into());
            return Err(format!(
                "prometheus query {expression} returned a {found} and not a vector: write vector(…) around it"
            ));
        }
        Data { result: None, .. } => Elements::default(),
    };
    match count {
        0 => Ok(Answer::Empty("the result is empty")),
        1 => value(first, expression),
        _ => {
            Err(format!("prometheus query {expression} returned multiple elements: sum(…) around it makes one of them"))
        }
    }
}

fn value(Pair { count, second }: Pair, expression: &str) -> Result<Answer, String> {
    match (count, second) {
        (0, _) => Ok(Answer::Empty("the value list is empty")),
        (1, _) => Err(format!("prometheus query {expression} didn't return enough values")),
        (_, Second::Null) => Ok(Answer::Null),
        (_, Second::Text(text)) => text
            .parse()
            .map(Answer::Value)
            .map_err(|_| format!("prometheus query {expression} returned a value that is no number")),
        (_, Second::Other) => Err(format!("prometheus query {expression} returned a value that is no text")),
    }
}

/// The error of Prometheus about a query that it refuses.
#[derive(Deserialize)]
pub(super) struct Complaint {
    error: Option<String>,
}

impl Complaint {
    /// The error text, after a colon; empty if there is none.
    pub(super) fn words(body: &[u8]) -> String {
        let complaint = serde_json::from_slice(body).unwrap_or(Self { error: None });
        complaint.error.map(|error| format!(": {error}")).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Body {
    data: Option<Data>,
}

#[derive(Deserialize, Default)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: Option<String>,
    result: Option<Found>,
}

enum Found {
    Elements(Elements),
    /// The result of a scalar or a string is a pair in place of a list of elements.
    NoVector,
}

#[derive(Default)]
struct Elements {
    count: usize,
    first: Pair,
}

/// The `value` of an element: a time and a text.
#[derive(Default)]
struct Pair {
    count: usize,
    second: Second,
}

#[derive(Default)]
enum Second {
    #[default]
    Null,
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Found;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found, A::Error> {
                let mut elements = Elements::default();
                let mut is_vector = true;
                while let Some(element) = list.next_element::<Element>()? {
                    match element {
                        Element::Vector(pair) if elements.count == 0 => elements.first = pair,
                        Element::Vector(_) => {}
                        Element::Other => is_vector = false,
                    }
                    elements.count += 1;
                }
                Ok(if is_vector { Found::Elements(elements) } else { Found::NoVector })
            }
        }

        from.deserialize_seq(List)
    }
}

enum Element {
    Vector(Pair),
    Other,
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an element")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element, A::Error> {
                let mut pair = Pair::default();
                while let Some(key) = map.next_key::<Key>()? {
                    match key {
                        Key::Value => pair = map.next_value::<Option<Pair>>()?.unwrap_or_default(),
                        Key::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Element::Vector(pair))
            }

            fn visit_unit<E: Error>(self) -> Result<Element, E> {
                Ok(Element::Vector(Pair::default()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Element::Other)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Element, E> {
                Ok(Element::Other)
            }
        }

        from.deserialize_any(Any)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Key {
    Value,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time and a value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pair, A::Error> {
                let mut pair = Pair::default();
                if list.next_element::<IgnoredAny>()?.is_some() {
                    pair.count = 1;
                    if let Some(second) = list.next_element()? {
                        pair = Pair { count: 2, second };
                        while list.next_element::<IgnoredAny>()?.is_some() {}
                    }
                }
                Ok(pair)
            }
        }

        from.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Second {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Second;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Second, E> {
                Ok(Second::Text(text.to_owned()))
            }

            fn visit_unit<E: Error>(self) -> Result<Second, E> {
                Ok(Second::Null)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Second, E> {
                Ok(Second::Other)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Second, E> {
                Ok(Second::Other)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Second, E> {
                Ok(Second::Other)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Second, E> {
                Ok(Second::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Second, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Second::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Second, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Second::Other)
            }
        }

        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Result<Answer, String> {
        super::read(body.as_bytes(), "up")
    }

    fn element(value: &str) -> Result<Answer, String> {
        read(&format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"a":"b"}},"value":{value}}}]}}}}"#
        ))
    }

    #[test]
    fn one_element_has_a_value() {
        assert_eq!(element(r#"[1435781451.781,"2.5"]"#), Ok(Answer::Value(2.5)));
        assert_eq!(element(r#"["1","2","3"]"#), Ok(Answer::Value(2.0)));
        assert_eq!(element(r#"[1,"-7e3"]"#), Ok(Answer::Value(-7_000.0)));
        assert_eq!(element(r#"[1,"+Inf"]"#), Ok(Answer::Value(f64::INFINITY)));
        assert_eq!(element(r#"[1,"-Inf"]"#), Ok(Answer::Value(f64::NEG_INFINITY)));
        assert!(matches!(element(r#"[1,"NaN"]"#), Ok(Answer::Value(value)) if value.is_nan()));
        assert_eq!(element("[1,null]"), Ok(Answer::Null));
    }

    #[test]
    fn what_is_empty_is_told_apart() {
        let empty = Ok(Answer::Empty("the result is empty"));
        for body in
            ["{}", r#"{"data":null}"#, r#"{"data":{}}"#, r#"{"data":{"result":[]}}"#, r#"{"data":{"result":null}}"#]
        {
            assert_eq!(read(body), empty, "{body}");
        }
        let no_value = Ok(Answer::Empty("the value list is empty"));
        assert_eq!(element("[]"), no_value);
        assert_eq!(element("null"), no_value);
        let matrix = r#"{"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"]]}]}}"#;
        assert_eq!(read(matrix), no_value);
    }

    #[test]
    fn an_answer_without_a_value_of_one_element_is_an_error_that_says_why() {
        let scalar = r#"{"data":{"resultType":"scalar","result":[1435781460.781,"1"]}}"#;
        for (found, says) in [
            (element(r#"["1"]"#), "prometheus query up didn't return enough values"),
            (element("[1,2]"), "no text"),
            (element(r#"[1,{"a":[1]}]"#), "no text"),
            (element(r#"[1,"two"]"#), "no number"),
            (read(r#"{"data":{"result":[{},{}]}}"#), "prometheus query up returned multiple elements"),
            (read(scalar), "returned a scalar and not a vector: write vector(…) around it"),
            (read("<html>"), "not that of Prometheus"),
            (read("[]"), "not that of Prometheus"),
        ] {
            let error = found.unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_complaint_is_told() {
        let body = br#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\""}"#;
        assert_eq!(Complaint::words(body), ": invalid parameter \"query\"");
        assert_eq!(Complaint::words(b"gone"), "");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(
            start in prop::sample::select(vec!["", r#"{"data":{"result":["#, r#"{"data":{"result":[{"value":["#]),
            rest in "[\\[\\]{}\",:0-9a-z]{0,60}",
        ) {
            let _ = read(&format!("{start}{rest}"));
        }
    }
}
