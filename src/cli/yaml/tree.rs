//! The tree of a YAML text: scalars as they are written, and the line of each part.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::Mistake;

/// The deepest nesting. The objects of Kubernetes have a tenth of it.
const DEEPEST: usize = 200;

/// A part of a document.
#[derive(Debug)]
pub(super) struct Node {
    /// The line at which it begins, from 1.
    pub(super) line: usize,
    pub(super) data: Data,
}

/// The content of a part. Aliases share the part that they refer to.
#[derive(Debug)]
pub(super) enum Data {
    Scalar { text: String, style: ScalarStyle, tag: Option<Box<Tag>> },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// The documents of a text.
///
/// # Errors
/// It is no YAML: the line and the reason.
pub(super) fn read(text: &str) -> Result<Vec<Rc<Node>>, Mistake> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| (error.marker().line(), format!("no YAML: {}", error.info())))?;
        builder.add(event, span.start.line())?;
    }
    Ok(builder.documents)
}

/// A sequence or mapping that has begun.
struct Open {
    line: usize,
    anchor: usize,
    is_mapping: bool,
    /// Items, or keys and values by turns.
    parts: Vec<Rc<Node>>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    documents: Vec<Rc<Node>>,
}

impl Builder {
    fn add(&mut self, event: Event<'_>, line: usize) -> Result<(), Mistake> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| Box::new(tag.into_owned()));
                let data = Data::Scalar { text: text.into_owned(), style, tag };
                self.place(Rc::new(Node { line, data }), anchor);
            }
            Event::SequenceStart(anchor, _) => self.begin(line, anchor, false)?,
            Event::MappingStart(anchor, _) => self.begin(line, anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err((
                        line,
                        "no YAML: an alias of nothing, or of a value that contains the alias".to_owned(),
                    ));
                };
                self.place(Rc::clone(node), 0);
            }
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, anchor: usize, is_mapping: bool) -> Result<(), Mistake> {
        if self.open.len() >= DEEPEST {
            return Err((line, format!("it is nested more than {DEEPEST} levels deep")));
        }
        self.open.push(Open { line, anchor, is_mapping, parts: Vec::new() });
        Ok(())
    }

    fn end(&mut self) {
        let Some(Open { line, anchor, is_mapping, parts }) = self.open.pop() else { return };
        let data = if is_mapping {
            let mut parts = parts.into_iter();
            Data::Mapping(std::iter::from_fn(|| Some((parts.next()?, parts.next()?))).collect())
        } else {
            Data::Sequence(parts)
        };
        self.place(Rc::new(Node { line, data }), anchor);
    }

    fn place(&mut self, node: Rc<Node>, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut() {
            Some(open) => open.parts.push(node),
            None => self.documents.push(node),
        }
    }
}
