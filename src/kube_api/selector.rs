//! Label selectors in the syntax of the API server: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

/// The conditions of one selector. An object must satisfy all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    key: String,
    operator: Operator,
    values: BTreeSet<String>,
}

impl Requirement {
    fn holds(&self, label: Option<&String>) -> bool {
        let number = |text: &String| text.parse::<i64>().ok();
        let bound = || self.values.first().and_then(number);
        match self.operator {
            Operator::In => label.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => label.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => label.and_then(number).zip(bound()).is_some_and(|(value, bound)| value > bound),
            Operator::LessThan => label.and_then(number).zip(bound()).is_some_and(|(value, bound)| value < bound),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// `=`, `==` and `in`.
    In,
    /// `!=` and `notin`.
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// The text is not a valid selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectorError {
    /// Something else was expected at the end, or where a requirement ends.
    #[error("found '{found}', expected: {expected}")]
    Unexpected { found: String, expected: &'static str },
    /// Something else was expected in a requirement.
    #[error("unable to parse requirement: found '{found}', expected: {expected}")]
    Requirement { found: String, expected: &'static str },
    /// A key cannot be the name of a label.
    #[error("unable to parse requirement: invalid label key {key:?}: {hint}")]
    Key { key: String, hint: &'static str },
    /// A value cannot be one of a label.
    #[error("unable to parse requirement: invalid value {value:?} of label {key:?}: {hint}")]
    Value { key: String, value: String, hint: &'static str },
}

impl Selector {
    /// Parses a selector. The empty text selects everything.
    pub(crate) fn parse(text: &str) -> Result<Self, SelectorError> {
        Parser { tokens: tokens(text), at: 0 }.selector()
    }

    /// Whether the selector selects an object with these labels.
    pub(crate) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels.get(&requirement.key)))
    }

    /// The only value that the selector allows for `key`, if there is exactly one.
    pub(crate) fn exactly(&self, key: &str) -> Option<&str> {
        let requirement = self.0.iter().find(|requirement| requirement.key == key)?;
        match (requirement.operator, requirement.values.len()) {
            (Operator::In, 1) => requirement.values.first().map(String::as_str),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(&'static str),
    /// A sequence of special characters that is not an operator.
    Unknown(String),
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Unknown(text) => text,
            Self::Symbol(text) => text,
            Self::End => "",
        }
    }
}

/// The operators, the longest first, so that `==` is not parsed as two `=`.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while let Some(first) = rest.chars().next() {
        let length = if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            symbol.len()
        } else if first == '\0' {
            tokens.push(Token::Unknown("\\0".to_owned()));
            first.len_utf8()
        } else {
            let length = rest.find(|c| is_blank(c) || is_special(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        };
        rest = rest[length..].trim_start_matches(is_blank);
    }
    tokens.push(Token::End);
    tokens
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<' | '\0')
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn selector(mut self) -> Result<Selector, SelectorError> {
        let mut requirements = Vec::new();
        match self.peek() {
            Token::End => return Ok(Selector(requirements)),
            Token::Word(_) | Token::Symbol("!") => {}
            other => {
                return Err(SelectorError::Unexpected {
                    found: other.text().to_owned(),
                    expected: "!, identifier, or 'end of string'",
                });
            }
        }
        loop {
            requirements.push(self.requirement()?);
            match self.next() {
                Token::End => return Ok(Selector(requirements)),
                Token::Symbol(",") => {
                    let token = self.peek();
                    if !matches!(token, Token::Word(_) | Token::Symbol("!")) {
                        return Err(SelectorError::Unexpected {
                            found: token.text().to_owned(),
                            expected: "identifier after ','",
                        });
                    }
                }
                token => {
                    return Err(SelectorError::Unexpected {
                        found: token.text().to_owned(),
                        expected: "',' or 'end of string'",
                    });
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let negated = *self.peek() == Token::Symbol("!");
        if negated {
            self.at += 1;
        }
        let key = match self.next() {
            Token::Word(key) => key,
            token => return unexpected(&token, "identifier"),
        };
        check_key(&key)?;
        let ends_here = matches!(self.peek(), Token::End | Token::Symbol(","));
        if negated || ends_here {
            let operator = if negated { Operator::DoesNotExist } else { Operator::Exists };
            return Ok(Requirement { key, operator, values: BTreeSet::new() });
        }
        let token = self.next();
        let (operator, is_set) = match &token {
            Token::Symbol("=" | "==") => (Operator::In, false),
            Token::Symbol("!=") => (Operator::NotIn, false),
            Token::Symbol(">") => (Operator::GreaterThan, false),
            Token::Symbol("<") => (Operator::LessThan, false),
            Token::Word(word) if word == "in" => (Operator::In, true),
            Token::Word(word) if word == "notin" => (Operator::NotIn, true),
            other => return unexpected(other, "in, notin, =, ==, !=, gt, lt"),
        };
        let values = if is_set { self.set()? } else { BTreeSet::from([self.value()?]) };
        for value in &values {
            check_value(&key, value)?;
            let is_order = matches!(operator, Operator::GreaterThan | Operator::LessThan);
            if is_order && value.parse::<i64>().is_err() {
                return Err(SelectorError::Value {
                    key,
                    value: value.clone(),
                    hint: "for 'gt' and 'lt' it must be an integer",
                });
            }
        }
        Ok(Requirement { key, operator, values })
    }

    /// The value of `=`, `==` and `!=`, which may be empty.
    fn value(&mut self) -> Result<String, SelectorError> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Word(_) => Ok(self.next().text().to_owned()),
            token => unexpected(token, "identifier"),
        }
    }

    /// The values of `in` and `notin`: `(a,b)`. A missing value is the empty value.
    fn set(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let token = self.next();
        if token != Token::Symbol("(") {
            return unexpected(&token, "'('");
        }
        let mut values = BTreeSet::new();
        loop {
            values.insert(match self.peek() {
                Token::Word(_) => self.next().text().to_owned(),
                Token::Symbol("," | ")") => String::new(),
                token => return unexpected(token, "',', ')' or identifier"),
            });
            match self.next() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                token => return unexpected(&token, "',' or ')'"),
            }
        }
    }
}

fn unexpected<T>(token: &Token, expected: &'static str) -> Result<T, SelectorError> {
    Err(SelectorError::Requirement { found: token.text().to_owned(), expected })
}

/// `[prefix/]name`: a DNS subdomain and a name of at most 63 characters.
fn check_key(key: &str) -> Result<(), SelectorError> {
    let fail = |hint| Err(SelectorError::Key { key: key.to_owned(), hint });
    let name = match key.split_once('/') {
        Some((prefix, _)) if !is_subdomain(prefix) => {
            return fail("the part before '/' must be a DNS subdomain: lower case letters, digits, '-' and '.'");
        }
        Some((_, name)) => name,
        None => key,
    };
    if name.is_empty() || name.len() > 63 || !is_name(name) {
        return fail(
            "a name is 1 to 63 letters, digits, '-', '_' or '.', and starts and ends with a letter or a digit",
        );
    }
    Ok(())
}

fn check_value(key: &str, value: &str) -> Result<(), SelectorError> {
    if value.len() <= 63 && (value.is_empty() || is_name(value)) {
        return Ok(());
    }
    Err(SelectorError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        hint: "a value is at most 63 letters, digits, '-', '_' or '.', and starts and ends with a letter or a digit",
    })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_subdomain(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253
        && text.split('.').all(|label| {
            label.starts_with(is_alphanumeric)
                && label.ends_with(is_alphanumeric)
                && label.chars().all(|c| is_alphanumeric(c) || c == '-')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exactly<'a>(selector: &'a Selector, key: &str) -> Option<&'a str> {
        selector.exactly(key)
    }

    #[test]
    fn names_the_one_value() {
        let table = [
            ("scaledobject.keda.sh/name=orders", Some("orders")),
            ("scaledobject.keda.sh/name==orders", Some("orders")),
            (" scaledobject.keda.sh/name  =  orders ", Some("orders")),
            ("scaledobject.keda.sh/name in (orders)", Some("orders")),
            ("scaledobject.keda.sh/name in (orders,orders)", Some("orders")),
            ("app=x,scaledobject.keda.sh/name=orders,!gone", Some("orders")),
            ("scaledobject.keda.sh/name=", Some("")),
            ("scaledobject.keda.sh/name=in", Some("in")),
            ("scaledobject.keda.sh/name in (notin)", Some("notin")),
            ("in in (in),scaledobject.keda.sh/name=in", Some("in")),
            ("scaledobject.keda.sh/name in (a,b)", None),
            ("scaledobject.keda.sh/name!=orders", None),
            ("scaledobject.keda.sh/name notin (orders)", None),
            ("scaledobject.keda.sh/name", None),
            ("!scaledobject.keda.sh/name", None),
            ("other=orders", None),
            ("", None),
            ("  ", None),
        ];
        for (text, expected) in table {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(exactly(&selector, "scaledobject.keda.sh/name"), expected, "{text}");
        }
    }

    #[test]
    fn reads_every_form() {
        for text in [
            "x in (foo,,baz),y,z notin ()",
            "x notin (a,b)",
            "x in (,)",
            "x in (a,)",
            "x>1,y<20",
            "a.b/c=d",
            "x!=",
            "notin",
            "! x",
        ] {
            assert!(Selector::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let table = [
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("a=b,", "found '', expected: identifier after ','"),
            ("a=b,,", "found ',', expected: identifier after ','"),
            (",", "found ',', expected: !, identifier, or 'end of string'"),
            ("=a", "found '=', expected: !, identifier, or 'end of string'"),
            ("a=(b)", "unable to parse requirement: found '(', expected: identifier"),
            ("a===b", "unable to parse requirement: found '=', expected: identifier"),
            ("a in b", "unable to parse requirement: found 'b', expected: '('"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
            ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
            (
                "a>b",
                "unable to parse requirement: invalid value \"b\" of label \"a\": for 'gt' and 'lt' it must be an \
                 integer",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(Selector::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        for text in ["-a=b", "a/b/c=d", "A.b/c=d", "/a=b", "a/=b", "a=-", "a=b/c", "ä=b", "a\0=b"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
        assert!(Selector::parse(&format!("a={}", "x".repeat(64))).is_err());
        assert!(Selector::parse(&format!("{}=a", "x".repeat(64))).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-c=!(),<> in\\PC]{0,20}") {
            let _ = Selector::parse(&text);
        }

        #[test]
        fn any_valid_name_is_found(name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?") {
            let selector = Selector::parse(&format!("scaledobject.keda.sh/name={name}")).unwrap();
            prop_assert_eq!(selector.exactly("scaledobject.keda.sh/name"), Some(name.as_str()));
        }
    }

    #[test]
    fn an_object_is_selected_by_its_labels() {
        let labels = [("team", "a"), ("tier", "3")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        for (text, selected) in [
            ("", true),
            ("team=a", true),
            ("team=b", false),
            ("team in (a,b),tier", true),
            ("team notin (a)", false),
            ("zone notin (a)", true),
            ("zone!=x", true),
            ("!zone", true),
            ("!team", false),
            ("zone", false),
            ("tier>2", true),
            ("tier<3", false),
            ("team>1", false),
        ] {
            assert_eq!(Selector::parse(text).unwrap().selects(&labels), selected, "{text}");
        }
    }
}
