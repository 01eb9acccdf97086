//! YAML and JSON as kubectl reads them, with the line of each part.

use std::collections::HashMap;

use saphyr::{MarkedYaml, YamlData, YamlLoader};
use saphyr_parser::Parser;
use serde_json::{Map, Value};

use super::scalar;

/// One document of a file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) value: Value,
    lines: HashMap<String, usize>,
}

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

/// Every document of `text` that is not empty.
///
/// # Errors
/// The text is not valid YAML: the line and the reason.
pub(super) fn read(text: &str) -> Result<Vec<Document>, (usize, String)> {
    let mut tree = YamlLoader::<MarkedYaml<'_>>::default();
    // The versions of YAML differ in the words that are numbers and booleans.
    tree.early_parse(false);
    let loaded = Parser::new_from_str(text).load(&mut tree, true);
    if let Err(error) = loaded.and_then(|()| tree.error().cloned().map_or(Ok(()), Err)) {
        return Err((error.marker().line(), format!("no YAML: {}", error.info())));
    }
    let mut documents = Vec::new();
    for node in tree.into_documents() {
        let mut document = Document::default();
        document.value = take(&node, "", &mut document.lines).map_err(|text| (node.span.start.line(), text))?;
        if !document.value.is_null() {
            documents.push(document);
        }
    }
    Ok(documents)
}

fn take(node: &MarkedYaml<'_>, path: &str, lines: &mut HashMap<String, usize>) -> Result<Value, String> {
    lines.entry(path.to_owned()).or_insert_with(|| node.span.start.line());
    match &node.data {
        YamlData::Representation(text, style, tag) => Ok(scalar::value(text, *style, tag.as_deref())),
        YamlData::Sequence(items) => {
            let items = items.iter().enumerate();
            items.map(|(index, item)| take(item, &format!("{path}[{index}]"), lines)).collect()
        }
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            let mut merged = Vec::new();
            for (key, value) in entries {
                let name = key_name(key)?;
                if name == "<<" {
                    merged.push(take(value, path, lines)?);
                    continue;
                }
                let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                // A block value begins on the next line.
                lines.insert(place.clone(), key.span.start.line());
                let value = take(value, &place, lines)?;
                map.insert(name, value);
            }
            merge(&mut map, merged);
            Ok(Value::Object(map))
        }
        YamlData::Tagged(_, inner) => take(inner, path, lines),
        YamlData::Value(_) | YamlData::Alias(_) | YamlData::BadValue => Err("no YAML: an alias of nothing".to_owned()),
    }
}

fn key_name(key: &MarkedYaml<'_>) -> Result<String, String> {
    match &key.data {
        YamlData::Representation(text, ..) => Ok(text.to_string()),
        _ => Err(format!("line {}: a key must be a text", key.span.start.line())),
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

    #[test]
    fn documents_have_values_and_lines() {
        let text = "# a comment\n---\na: 1\nb:\n  - c: x\n    d:\n      e: \"2\"\n---\n---\n{\"f\": [true, null]}\n";
        let documents = read(text).unwrap();
        let values: Vec<_> = documents.iter().map(|document| document.value.clone()).collect();
        assert_eq!(values, [json!({"a": 1, "b": [{"c": "x", "d": {"e": "2"}}]}), json!({"f": [true, null]})]);
        for (path, line) in [("", 3), ("a", 3), ("b", 4), ("b[0]", 5), ("b[0].d.e", 7), ("b[0].d.missing", 6), ("z", 3)]
        {
            assert_eq!(documents[0].line_of(path), line, "{path}");
        }
        assert_eq!(documents[1].line_of("f[1]"), 10);
    }

    #[test]
    fn anchors_and_merge_keys_are_followed() {
        let documents = read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n").unwrap();
        assert_eq!(documents[0].value["b"], json!({"x": 1, "y": 3}));
        assert_eq!(documents[0].value["c"], json!({"x": 1, "y": 2}));
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        for (text, line) in
            [("a: 1\nb: [\n", 3), ("a: 1\n\tb: 2\n", 1), ("a: 1\na: 2\n", 2), ("a: {{ .Values.x }}\n", 1)]
        {
            let (found, why) = read(text).unwrap_err();
            assert!(found == line || found == line + 1, "{text:?}: line {found}, {why}");
        }
        assert!(read("").unwrap().is_empty());
    }
}
