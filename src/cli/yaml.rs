//! YAML and JSON as kubectl reads them, with the line of each part.

mod scalar;
mod syntax;
mod text;
mod tree;

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Deserializer, Map, Value};

pub(super) use text::text;
use tree::{Data, Node};

/// The most parts of a document after its aliases have been replaced. A few lines of aliases to aliases may grow to
/// billions.
const MOST_PARTS: usize = 1_000_000;

/// One document of a file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) value: Value,
    /// The keys that one mapping has twice.
    pub(super) duplicates: Vec<Duplicate>,
    lines: HashMap<String, usize>,
}

/// A key that a mapping has twice. As in kubectl, the later one counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    /// The place of the key, such as `spec.pollingInterval`.
    pub(super) path: String,
    /// The line of the key that does not count.
    pub(super) first: usize,
}

/// A line and its mistake.
pub(super) type Mistake = (usize, String);

impl Document {
    /// The line of the part at `path`, such as `spec.triggers[0]`, or of the nearest part that contains it.
    pub(super) fn line_of(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            // The empty path is the whole document.
            path = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
            if path.is_empty() {
                return self.lines.get("").copied().unwrap_or(1);
            }
        }
    }
}

/// Every document of `text` that is not empty, or its line and the reason why it is not valid. A document that is not
/// valid does not hide the others.
pub(super) fn read(text: &str) -> Vec<Result<Document, Mistake>> {
    let mut documents = Vec::new();
    for (line, part) in parts(text) {
        let mut add = |document: Result<Document, Mistake>| match document {
            Ok(document) if document.value.is_null() => {}
            Ok(document) => documents.push(Ok(document.moved_to(line))),
            Err((at, text)) => documents.push(Err((at + line - 1, text))),
        };
        match nodes(part) {
            Ok(nodes) => {
                nodes.first().into_iter().for_each(|node| add(Document::of(node)));
                let unread = "kubectl reads nothing after `...`: write `---` before the next document";
                nodes.get(1).into_iter().for_each(|node| add(Err((node.line, unread.to_owned()))));
            }
            Err(mistake) => add(Err(mistake)),
        }
    }
    documents
}

/// The documents of a part, which are several where `...` ends one.
fn nodes(part: &str) -> Result<Vec<Rc<Node>>, Mistake> {
    syntax::check(part)?;
    tree::read(part).or_else(|mistake| match syntax::without_tabs(part) {
        Some(part) => tree::read(&part),
        None => Err(mistake),
    })
}

/// The documents of a text with the line at which each begins, as kubectl takes them apart: JSON values one after the other, or
/// YAML between lines of `---`.
fn parts(text: &str) -> Vec<(usize, &str)> {
    json_values(text).unwrap_or_else(|| yaml_documents(text))
}

fn json_values(text: &str) -> Option<Vec<(usize, &str)>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut values = Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let (mut parts, mut start) = (Vec::new(), 0);
    while let Some(value) = values.next() {
        value.ok()?;
        let end = values.byte_offset();
        parts.push((1 + text[..start].matches('\n').count(), &text[start..end]));
        start = end;
    }
    Some(parts)
}

fn yaml_documents(text: &str) -> Vec<(usize, &str)> {
    let (mut parts, mut start, mut first, mut offset) = (Vec::new(), 0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        if syntax::is_separator(line) {
            parts.push((first, &text[start..offset]));
            (start, first) = (end, index + 2);
        }
        offset = end;
    }
    parts.push((first, &text[start..]));
    parts
}

impl Document {
    fn of(node: &Rc<Node>) -> Result<Self, Mistake> {
        let mut reading = Reading { document: Self::default(), parts: 0 };
        let value = reading.take(node, "")?;
        Ok(Self { value, ..reading.document })
    }

    /// The same document where its text begins at this line of a file.
    fn moved_to(mut self, line: usize) -> Self {
        self.lines.values_mut().for_each(|at| *at += line - 1);
        self.duplicates.iter_mut().for_each(|duplicate| duplicate.first += line - 1);
        self
    }
}

/// A document while it is read.
struct Reading {
    document: Document,
    parts: usize,
}

impl Reading {
    fn take(&mut self, node: &Node, path: &str) -> Result<Value, Mistake> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err((node.line, format!("its aliases expand to more than {MOST_PARTS} values")));
        }
        self.document.lines.entry(path.to_owned()).or_insert(node.line);
        match &node.data {
            Data::Scalar { text, style, tag } if scalar::is_beyond_json(text, *style, tag.as_deref()) => {
                Err((node.line, format!("{text} is no number that JSON has, and kubectl refuses it: put it in quotes")))
            }
            Data::Scalar { text, style, tag } => Ok(scalar::value(text, *style, tag.as_deref())),
            Data::Sequence(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| self.take(item, &format!("{path}[{index}]"))).collect()
            }
            Data::Mapping(entries) => self.mapping(entries, path),
        }
    }

    fn mapping(&mut self, entries: &[(Rc<Node>, Rc<Node>)], path: &str) -> Result<Value, Mistake> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        for (key, value) in entries {
            let name = key_name(key)?;
            if name == "<<" {
                let more = self.take(value, path)?;
                let maps = more.as_array().map_or(std::slice::from_ref(&more), Vec::as_slice);
                if !maps.iter().all(Value::is_object) {
                    return Err((key.line, "the merge key `<<` takes a mapping, or a list of mappings".to_owned()));
                }
                merged.push(more);
                continue;
            }
            let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if map.contains_key(&name) {
                self.document.duplicates.push(Duplicate { path: place.clone(), first: self.document.line_of(&place) });
                let below = [format!("{place}."), format!("{place}[")];
                self.document.lines.retain(|path, _| !below.iter().any(|below| path.starts_with(below)));
            }
            // A block value begins on the next line.
            self.document.lines.insert(place.clone(), key.line);
            let value = self.take(value, &place)?;
            map.insert(name, value);
        }
        merge(&mut map, merged);
        Ok(Value::Object(map))
    }
}

/// A key as JSON has it: kubectl turns numbers and booleans into texts, so that the key `on` becomes `true`.
fn key_name(key: &Node) -> Result<String, Mistake> {
    let Data::Scalar { text, style, tag } = &key.data else {
        return Err((key.line, "a key must be a text".to_owned()));
    };
    match scalar::value(text, *style, tag.as_deref()) {
        Value::String(text) => Ok(text),
        Value::Null => Err((key.line, format!("a key must be a text, and {text:?} is null: put it in quotes"))),
        other => Ok(other.to_string()),
    }
}

/// Resolves merge keys (`<<: *defaults`). The map's own keys take precedence.
fn merge(map: &mut Map<String, Value>, merged: Vec<Value>) {
    for value in merged {
        match value {
            Value::Object(more) => {
                for (key, value) in more {
                    map.entry(key).or_insert(value);
                }
            }
            Value::Array(several) => merge(map, several),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole(text: &str) -> Vec<Document> {
        read(text).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn documents_have_values_and_lines() {
        let text =
            "# a comment\n---\na: 1\nb:\n  - c: x\n    d:\n      e: \"2\"\n--- # next\n---\n{\"f\": [true, null]}\n";
        let documents = whole(text);
        let values: Vec<_> = documents.iter().map(|document| document.value.clone()).collect();
        assert_eq!(values, [json!({"a": 1, "b": [{"c": "x", "d": {"e": "2"}}]}), json!({"f": [true, null]})]);
        for (path, line) in [("", 3), ("a", 3), ("b", 4), ("b[0]", 5), ("b[0].d.e", 7), ("b[0].d.missing", 6), ("z", 3)]
        {
            assert_eq!(documents[0].line_of(path), line, "{path}");
        }
        assert_eq!(documents[1].line_of("f[1]"), 10);
    }

    #[test]
    fn json_values_may_follow_each_other() {
        let documents = whole("{\"a\":\n 1}\n{\"b\": 2}\n");
        assert_eq!(
            documents.iter().map(|document| document.value.clone()).collect::<Vec<_>>(),
            [json!({"a": 1}), json!({"b": 2})]
        );
        assert_eq!((documents[0].line_of("a"), documents[1].line_of("b")), (1, 3));
    }

    #[test]
    fn anchors_and_merge_keys_are_followed() {
        let documents = whole("a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}\nc: *a\n");
        assert_eq!(documents[0].value["b"], json!({"x": 1, "z": 3}));
        assert_eq!(documents[0].value["c"], json!({"x": 1, "z": 2}));
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let documents = whole("x: 0\n---\na:\n  b: {c: 1, d: 2}\n  b:\n    c: 3\na.b: 1\n");
        assert_eq!(documents[1].value, json!({"a": {"b": {"c": 3}}, "a.b": 1}));
        assert_eq!(documents[1].duplicates, [Duplicate { path: "a.b".into(), first: 4 }]);
        assert_eq!((documents[1].line_of("a.b.c"), documents[1].line_of("a.b.d")), (6, 7));
    }

    #[test]
    fn keys_are_texts() {
        let documents = whole("on: 1\n8: 2\n\"yes\": 3\n");
        assert_eq!(documents[0].value, json!({"true": 1, "8": 2, "yes": 3}));
    }

    #[test]
    fn a_document_that_is_no_yaml_has_a_line_and_does_not_hide_the_others() {
        for (text, line) in [("a: 1\nb: [\n", 3), ("a: 1\n\tb: 2\n", 1), ("a: {{ .Values.x }}\n", 1), ("a: *b\n", 1)] {
            let (found, why) = read(text).pop().unwrap().unwrap_err();
            assert!(found == line || found == line + 1, "{text:?}: line {found}, {why}");
            let among = read(&format!("x: 1\n---\n{text}---\nz: 2\n"));
            assert_eq!(among.len(), 3, "{text:?}");
            assert_eq!(among[1].as_ref().unwrap_err().0, found + 2, "{text:?}");
            assert_eq!(among[2].as_ref().unwrap().value, json!({"z": 2}));
        }
        assert!(read("").is_empty());
    }

    #[test]
    fn what_kubectl_refuses_before_it_reads_the_yaml_is_refused() {
        for (text, line, says) in [
            ("a: 1\n--- {b: 2}\n", 2, "`---`"),
            ("a: 1\n---b\n", 2, "`---`"),
            ("a: 1\n...\nb: 2\n", 3, "nothing after `...`"),
            ("a: 1\nb: x\u{1}y\n", 2, "control character"),
            ("a: 1\nb: .inf\n", 2, ".inf is no number that JSON has"),
            ("a: 1\nb: {<<: x}\n", 2, "merge key"),
        ] {
            let (at, why) = read(text).pop().unwrap().unwrap_err();
            assert!(at == line && why.contains(says), "{text:?}: line {at}, {why}");
        }
        assert_eq!(read("a: 1\n...\nb: 2\n")[0].as_ref().unwrap().value, json!({"a": 1}));
        for text in [
            "a: 1\n...\n",
            "--- # a\na: 1\n",
            "---\t\na: 1\n",
            "a: \"\u{a0}ü\u{1F600}\"\n",
            "a:\t1\n",
            "- \"b\"\n- c:\t1\n",
        ] {
            assert!(read(text).pop().unwrap().is_ok(), "{text:?}");
        }
        assert_eq!(whole("kind:\t \tX\nurl: \"a:\tb\"\n")[0].value, json!({"kind": "X", "url": "a:\tb"}));
    }

    #[test]
    fn nothing_is_nested_or_repeated_without_end() {
        let deep = "[".repeat(100_000);
        let bomb =
            (1..10).map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(",")));
        let bomb = bomb.collect::<Vec<_>>().concat();
        for text in [deep, format!("a0: &a0 x\n{bomb}"), "a: &a [*a]\n".to_owned()] {
            assert!(read(&text).pop().unwrap().is_err());
        }
    }
}
