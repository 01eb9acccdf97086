//! From tokens to the tree, and from names to what they stand for. The grammar is that of the module's page.

use super::ast::{Binary, Comparison, Expr, Kind, Span, Step, Unary};
use super::error::FormulaError;
use super::functions::{self, Function, Signature};
use super::lexer::{self, Token, TokenKind};

/// How deep expressions may lie in each other, and so how deep anything recurses that walks a tree.
const DEEPEST: usize = 100;

/// Reads `text`, in which `names` are the triggers'. Gives the tree and the names that it uses.
pub(super) fn parse(text: &str, names: &[&str]) -> Result<(Expr, Vec<String>), FormulaError> {
    let tokens = lexer::tokens(text)?;
    let mut parser =
        Parser { text, tokens, here: 0, names, used: Vec::new(), variables: Vec::new(), predicates: 0, depth: 0 };
    let root = parser.sequence()?;
    if parser.token().kind != TokenKind::End {
        return Err(parser.unexpected("the formula should end here"));
    }
    Ok((root, parser.used))
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    here: usize,
    names: &'a [&'a str],
    used: Vec<String>,
    variables: Vec<&'a str>,
    /// How many predicates the present place is inside of.
    predicates: usize,
    /// How many expressions it is inside of.
    depth: usize,
}

const UNARY: u16 = 90;
const NOT: u16 = 50;
const MEMBERSHIP: u16 = 20;

#[derive(Clone, Copy, PartialEq)]
enum Infix {
    Pipe,
    Compare(Comparison),
    Binary(Binary),
    Matches,
}

/// What `sign` means between two expressions, and how strongly it binds.
fn infix(sign: &str) -> Option<(Infix, u16)> {
    Some(match sign {
        "|" => (Infix::Pipe, 0),
        "or" | "||" => (Infix::Binary(Binary::Or), 10),
        "and" | "&&" => (Infix::Binary(Binary::And), 15),
        "==" => (Infix::Binary(Binary::Equal), 20),
        "!=" => (Infix::Binary(Binary::NotEqual), 20),
        "<" => (Infix::Compare(Comparison::Less), 20),
        "<=" => (Infix::Compare(Comparison::LessOrEqual), 20),
        ">" => (Infix::Compare(Comparison::More), 20),
        ">=" => (Infix::Compare(Comparison::MoreOrEqual), 20),
        "in" => (Infix::Binary(Binary::In), MEMBERSHIP),
        "contains" => (Infix::Binary(Binary::Contains), MEMBERSHIP),
        "startsWith" => (Infix::Binary(Binary::StartsWith), MEMBERSHIP),
        "endsWith" => (Infix::Binary(Binary::EndsWith), MEMBERSHIP),
        "matches" => (Infix::Matches, MEMBERSHIP),
        ".." => (Infix::Binary(Binary::Range), 25),
        "+" => (Infix::Binary(Binary::Add), 30),
        "-" => (Infix::Binary(Binary::Subtract), 30),
        "*" => (Infix::Binary(Binary::Multiply), 60),
        "/" => (Infix::Binary(Binary::Divide), 60),
        "%" => (Infix::Binary(Binary::Remainder), 60),
        "**" | "^" => (Infix::Binary(Binary::Power), 100),
        "??" => (Infix::Binary(Binary::Coalesce), 500),
        _ => return None,
    })
}

/// The operators that `not` can stand before.
fn can_be_negated(sign: &str) -> bool {
    matches!(sign, "in" | "contains" | "startsWith" | "endsWith" | "matches")
}

impl<'a> Parser<'a> {
    fn token(&self) -> &Token<'a> {
        // The last one is the end, which nothing steps over.
        &self.tokens[self.here]
    }

    fn advance(&mut self) -> Token<'a> {
        let token = self.token().clone();
        if self.here + 1 < self.tokens.len() {
            self.here += 1;
        }
        token
    }

    fn sign(&self) -> Option<&'static str> {
        match self.token().kind {
            TokenKind::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    fn at(&self, sign: &str) -> bool {
        self.sign() == Some(sign)
    }

    /// Steps over `sign` if it is here.
    fn take(&mut self, sign: &str) -> bool {
        let there = self.at(sign);
        if there {
            self.advance();
        }
        there
    }

    fn expect(&mut self, sign: &str, why: &str) -> Result<(), FormulaError> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("{sign:?} is expected here, {why}"))) }
    }

    fn error(&self, at: Span, what: impl Into<String>) -> FormulaError {
        FormulaError::new(self.text, at, what)
    }

    fn unexpected(&self, expected: &str) -> FormulaError {
        let token = self.token();
        let end = if token.kind == TokenKind::End { "unexpected end of the formula" } else { "unexpected" };
        self.error(token.at, format!("{end}: {expected}"))
    }

    /// A node that reaches from `from` to the last token.
    fn make(&self, from: usize, kind: Kind) -> Result<Expr, FormulaError> {
        let to = self.tokens[..self.here].last().map_or(from, |token| token.at.to).max(from);
        let at = Span { from, to };
        let height = kind.children_height() + 1;
        if height > DEEPEST { Err(self.too_deep(at)) } else { Ok(Expr { at, height, kind }) }
    }

    fn too_deep(&self, at: Span) -> FormulaError {
        self.error(at, format!("expressions lie in each other more than {DEEPEST} deep here"))
    }

    /// `a; b; c`, worth its last.
    fn sequence(&mut self) -> Result<Expr, FormulaError> {
        let first = self.expression(0)?;
        if !self.at(";") {
            return Ok(first);
        }
        let from = first.at.from;
        let mut parts = vec![first];
        while self.take(";") && self.token().kind != TokenKind::End {
            parts.push(self.expression(0)?);
        }
        self.make(from, Kind::Sequence(parts))
    }

    /// An expression whose operators bind at least as strongly as `least`.
    fn expression(&mut self, least: u16) -> Result<Expr, FormulaError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.too_deep(self.token().at));
        }
        let expr = match self.sign() {
            Some("let") if least == 0 => self.declaration(),
            Some("if") if least == 0 => self.branches(),
            _ => self.operators(least),
        };
        self.depth -= 1;
        expr
    }

    fn operators(&mut self, least: u16) -> Result<Expr, FormulaError> {
        let from = self.token().at.from;
        let mut first = self.primary()?;
        let mut steps = Vec::new();
        let mut coalescing = false;
        while let Some(mut sign) = self.sign() {
            let negated = sign == "not";
            if negated {
                sign = match self.tokens.get(self.here + 1).map(|token| &token.kind) {
                    Some(TokenKind::Sign(sign)) if can_be_negated(sign) => sign,
                    _ => return Err(self.unexpected("between two expressions \"not\" stands before \"in\"")),
                };
            }
            let Some((infix, strength)) = infix(sign).filter(|(_, strength)| *strength >= least) else { break };
            if negated {
                self.advance();
            }
            let at = self.advance().at;
            if infix == Infix::Pipe {
                let piped = self.fold(from, first, std::mem::take(&mut steps))?;
                first = self.piped(piped)?;
                coalescing = false;
                continue;
            }
            if coalescing && infix != Infix::Binary(Binary::Coalesce) {
                return Err(self.error(
                    at,
                    format!(
                        "{sign:?} and \"??\" cannot be mixed: put one of them into parentheses, as in (a ?? 0) {sign} b"
                    ),
                ));
            }
            coalescing = infix == Infix::Binary(Binary::Coalesce);
            steps.push(match infix {
                Infix::Compare(comparison) => self.comparisons(comparison, at, strength)?,
                Infix::Binary(op) => {
                    // Only the power binds to the right.
                    let right = self.expression(if op == Binary::Power { strength } else { strength + 1 })?;
                    Step::Binary { op, negated, at, right }
                }
                Infix::Matches | Infix::Pipe => {
                    return Err(self.error(at, "regular expressions are not supported in a formula"));
                }
            });
        }
        let mut expr = self.fold(from, first, steps)?;
        while least == 0 && self.take("?") {
            expr = self.ternary(expr)?;
        }
        Ok(expr)
    }

    fn fold(&self, from: usize, first: Expr, steps: Vec<Step>) -> Result<Expr, FormulaError> {
        if steps.is_empty() { Ok(first) } else { self.make(from, Kind::Fold { first: Box::new(first), steps }) }
    }

    fn comparisons(&mut self, first: Comparison, at: Span, strength: u16) -> Result<Step, FormulaError> {
        let mut pairs = vec![(first, at, self.expression(strength + 1)?)];
        while let Some((Infix::Compare(next), _)) = self.sign().and_then(infix) {
            let at = self.advance().at;
            pairs.push((next, at, self.expression(strength + 1)?));
        }
        Ok(Step::Compare(pairs))
    }

    fn ternary(&mut self, cond: Expr) -> Result<Expr, FormulaError> {
        let from = cond.at.from;
        let then = if self.take(":") {
            None
        } else {
            let then = self.expression(0)?;
            self.expect(":", "between what is taken when the condition holds and what otherwise")?;
            Some(Box::new(then))
        };
        let other = Box::new(self.expression(0)?);
        self.make(from, Kind::If { cond: Box::new(cond), then, other })
    }

    /// `let x = a; b`.
    fn declaration(&mut self) -> Result<Expr, FormulaError> {
        let from = self.advance().at.from;
        let name = self.advance();
        let TokenKind::Word(word) = name.kind else {
            return Err(self.error(name.at, "the name of the new variable is expected here"));
        };
        if self.names.contains(&word) {
            return Err(self.error(name.at, "a trigger has this name: take another for the variable"));
        }
        if functions::is_taken(word) || word == "$env" {
            return Err(self.error(name.at, "the language itself has this name: take another for the variable"));
        }
        if self.variables.contains(&word) {
            return Err(self.error(name.at, "there is a variable of this name already: take another"));
        }
        self.expect("=", "before the variable's value")?;
        let value = Box::new(self.expression(0)?);
        self.expect(";", "between the variable and the expression that uses it")?;
        self.variables.push(word);
        let body = Box::new(self.sequence()?);
        self.variables.pop();
        self.make(from, Kind::Let { value, body })
    }

    /// `if a { b } else { c }`.
    fn branches(&mut self) -> Result<Expr, FormulaError> {
        let from = self.advance().at.from;
        let cond = Box::new(self.expression(0)?);
        self.expect("{", "around what is taken when the condition holds")?;
        let then = Some(Box::new(self.sequence()?));
        self.expect("}", "at the end of what is taken when the condition holds")?;
        self.expect("else", "as an \"if\" must give a value in both cases")?;
        let other = Box::new(if self.at("if") {
            self.expression(0)?
        } else {
            self.expect("{", "around what is taken otherwise")?;
            let other = self.sequence()?;
            self.expect("}", "at the end of what is taken otherwise")?;
            other
        });
        self.make(from, Kind::If { cond, then, other })
    }

    fn primary(&mut self) -> Result<Expr, FormulaError> {
        let from = self.token().at.from;
        let unary = match self.sign() {
            Some("not" | "!") => Some((Unary::Not, NOT)),
            Some("-") => Some((Unary::Minus, UNARY)),
            Some("+") => Some((Unary::Plus, UNARY)),
            _ => None,
        };
        if let Some((op, strength)) = unary {
            self.advance();
            let of = Box::new(self.expression(strength)?);
            let expr = self.make(from, Kind::Unary(op, of))?;
            return self.postfix(expr);
        }
        match self.sign() {
            Some("(") => {
                self.advance();
                let inner = self.sequence()?;
                self.expect(")", "where the parenthesis ends")?;
                self.postfix(inner)
            }
            Some("#") if self.predicates > 0 => {
                self.advance();
                let TokenKind::Word(word) = self.token().kind else {
                    let element = self.make(from, Kind::Element)?;
                    return self.postfix(element);
                };
                let at = self.advance().at;
                let expr = match word {
                    "index" => self.make(from, Kind::Index)?,
                    "acc" => self.make(from, Kind::Accumulator)?,
                    _ => return Err(self.error(at, "only #, #index and, in reduce, #acc have a meaning")),
                };
                self.postfix(expr)
            }
            // `.name` is short for `#.name`.
            Some(".") if self.predicates > 0 => {
                let element = self.make(from, Kind::Element)?;
                self.postfix(element)
            }
            Some("#") => {
                let what = "# stands for an element of a list and has a meaning in a predicate only, as in count([a, b], # > 1)";
                Err(self.error(self.token().at, what))
            }
            Some("::") => {
                self.advance();
                let name = self.advance();
                let TokenKind::Word(word) = name.kind else {
                    return Err(self.error(name.at, "a function's name is expected after \"::\""));
                };
                let call = self.call(word, name.at, from, Vec::new())?;
                self.postfix(call)
            }
            _ => self.secondary(),
        }
    }

    fn secondary(&mut self) -> Result<Expr, FormulaError> {
        let token = self.token().clone();
        let from = token.at.from;
        let expr = match token.kind {
            TokenKind::Number(digits) => {
                self.advance();
                let kind = number(digits).map_err(|what| self.error(token.at, what))?;
                return self.make(from, kind);
            }
            TokenKind::Text(text) => {
                self.advance();
                self.make(from, Kind::Text(text.into()))?
            }
            TokenKind::Word(word) => {
                self.advance();
                match word {
                    "true" => return self.make(from, Kind::Bool(true)),
                    "false" => return self.make(from, Kind::Bool(false)),
                    "nil" => return self.make(from, Kind::Nil),
                    _ if self.at("(") => {
                        self.not_a_trigger(word, token.at)?;
                        self.call(word, token.at, from, Vec::new())?
                    }
                    _ => self.name(word, token.at)?,
                }
            }
            TokenKind::Sign("[") => self.list()?,
            TokenKind::Sign("{") => self.map()?,
            _ => return Err(self.unexpected("a value is expected here: a number, a trigger's name, a function")),
        };
        self.postfix(expr)
    }

    fn name(&mut self, word: &str, at: Span) -> Result<Expr, FormulaError> {
        let kind = if let Some(index) = self.variables.iter().rposition(|variable| *variable == word) {
            Kind::Variable(index)
        } else if word == "$env" {
            Kind::Triggers
        } else if self.names.contains(&word) {
            self.trigger(word)
        } else if functions::is_taken(word) {
            return Err(self.error(at, format!("this is a function: it is called as {word}(…)")));
        } else {
            return Err(self.error(at, self.unknown(word)));
        };
        self.make(at.from, kind)
    }

    fn trigger(&mut self, name: &str) -> Kind {
        let index = self.used.iter().position(|used| used == name).unwrap_or_else(|| {
            self.used.push(name.to_owned());
            self.used.len() - 1
        });
        Kind::Trigger(index)
    }

    fn unknown(&self, word: &str) -> String {
        if self.names.is_empty() {
            return "no trigger has a name: give those that the formula uses one".into();
        }
        let listed: Vec<String> = self.names.iter().take(20).map(|name| format!("{name:?}")).collect();
        let odd = self.names.iter().find(|name| name.starts_with(word) && !lexer::is_word(name));
        let cure = odd.map(|name| format!("; such a name is written as $env[{name:?}]")).unwrap_or_default();
        format!("no trigger has this name; the triggers are {}{cure}", listed.join(", "))
    }

    /// A trigger's name hides the function of that name, in expr-lang, too.
    fn not_a_trigger(&self, word: &str, at: Span) -> Result<(), FormulaError> {
        if self.names.contains(&word) {
            let cure = if functions::find(word).is_some() {
                format!("; the function of that name is called as ::{word}(…)")
            } else {
                String::new()
            };
            return Err(self.error(at, format!("this is a trigger, it cannot be called{cure}")));
        }
        Ok(())
    }

    /// What follows `|`: a call that takes `first` as its first argument.
    fn piped(&mut self, first: Expr) -> Result<Expr, FormulaError> {
        let from = first.at.from;
        let name = self.advance();
        let TokenKind::Word(word) = name.kind else {
            return Err(self.error(name.at, "a function is expected after \"|\", as in a | max(b)"));
        };
        self.not_a_trigger(word, name.at)?;
        self.call(word, name.at, from, vec![first])
    }

    /// The call of the function `word`, with `args` already there, from its opening parenthesis on.
    fn call(&mut self, word: &str, at: Span, from: usize, mut args: Vec<Expr>) -> Result<Expr, FormulaError> {
        let Some(signature) = functions::find(word) else {
            return Err(self.error(at, no_function(word)));
        };
        self.expect("(", "before the function's arguments")?;
        let given = args.len();
        while !self.at(")") {
            if args.len() > given {
                self.expect(",", "between two arguments")?;
                if self.at(")") {
                    break;
                }
            }
            let predicate = signature.predicate && args.len() == 1;
            args.push(if predicate { self.predicate()? } else { self.expression(0)? });
        }
        self.expect(")", "where the function's arguments end")?;
        if args.len() < signature.least || args.len() > signature.most {
            return Err(self.error(at, wrong_count(signature, args.len())));
        }
        self.make(from, Kind::Call { function: signature.function, args })
    }

    /// `{# > 1}`, or the same without braces.
    fn predicate(&mut self) -> Result<Expr, FormulaError> {
        self.predicates += 1;
        let expr = if self.take("{") {
            let inner = self.sequence()?;
            self.expect("}", "where the predicate ends")?;
            inner
        } else {
            let inner = self.expression(0)?;
            if self.at(";") {
                return Err(self.unexpected("a predicate of several expressions must be put into braces"));
            }
            inner
        };
        self.predicates -= 1;
        Ok(expr)
    }

    fn list(&mut self) -> Result<Expr, FormulaError> {
        let from = self.advance().at.from;
        let mut items = Vec::new();
        while !self.at("]") {
            if !items.is_empty() {
                self.expect(",", "between two elements of the list")?;
                if self.at("]") {
                    break;
                }
            }
            items.push(self.expression(0)?);
        }
        self.expect("]", "where the list ends")?;
        self.make(from, Kind::List(items))
    }

    fn map(&mut self) -> Result<Expr, FormulaError> {
        let from = self.advance().at.from;
        let mut pairs = Vec::new();
        while !self.at("}") {
            if !pairs.is_empty() {
                self.expect(",", "between two pairs of the map")?;
                if self.at("}") {
                    break;
                }
            }
            let token = self.token().clone();
            let key = match token.kind {
                TokenKind::Number(text) | TokenKind::Word(text) => {
                    self.advance();
                    self.make(token.at.from, Kind::Text(text.into()))?
                }
                TokenKind::Text(text) => {
                    self.advance();
                    self.make(token.at.from, Kind::Text(text.into()))?
                }
                TokenKind::Sign("(") => self.expression(0)?,
                _ => {
                    return Err(self.unexpected("a key is expected here: a name, a number, a text, or (an expression)"));
                }
            };
            self.expect(":", "between a key and its value")?;
            pairs.push((key, self.expression(0)?));
        }
        self.expect("}", "where the map ends")?;
        self.make(from, Kind::Map(pairs))
    }

    /// What may follow a value: `.name`, `?.name`, `[index]`, `?.[index]`, `[from:to]`.
    fn postfix(&mut self, mut expr: Expr) -> Result<Expr, FormulaError> {
        loop {
            expr = match self.sign() {
                Some(sign @ ("." | "?.")) => {
                    self.advance();
                    let optional = sign == "?.";
                    if optional && self.at("[") { self.index(expr, true)? } else { self.field(expr, optional)? }
                }
                Some("[") => self.index(expr, false)?,
                _ => return Ok(expr),
            };
        }
    }

    fn field(&mut self, base: Expr, optional: bool) -> Result<Expr, FormulaError> {
        let token = self.advance();
        let name = match token.kind {
            TokenKind::Word(word) => word,
            TokenKind::Sign(word) if word.starts_with(char::is_alphabetic) => word,
            _ => return Err(self.error(token.at, "a name is expected after the dot")),
        };
        if self.at("(") {
            return Err(self.error(token.at, "nothing in a formula has methods"));
        }
        let key = Expr { at: token.at, height: 1, kind: Kind::Text(name.into()) };
        // A chain of fields ends as a whole where one of them finds nil.
        let (base, chained) = match base.kind {
            Kind::Chain(inner) => (*inner, true),
            _ => (base, false),
        };
        self.member(base, key, optional, chained || optional)
    }

    fn index(&mut self, base: Expr, optional: bool) -> Result<Expr, FormulaError> {
        self.advance();
        let from = if self.at(":") { None } else { Some(self.expression(0)?) };
        if self.take(":") {
            let to = if self.at("]") { None } else { Some(Box::new(self.expression(0)?)) };
            self.expect("]", "where the slice ends")?;
            let start = base.at.from;
            return self.make(start, Kind::Slice { base: Box::new(base), from: from.map(Box::new), to });
        }
        self.expect("]", "where the index ends")?;
        let Some(key) = from else { return Err(self.unexpected("an index is expected before it")) };
        self.member(base, key, optional, optional)
    }

    fn member(&mut self, base: Expr, key: Expr, optional: bool, chain: bool) -> Result<Expr, FormulaError> {
        let from = base.at.from;
        if let (Kind::Triggers, Kind::Text(name)) = (&base.kind, &key.kind) {
            if self.names.contains(&name.as_ref()) {
                let kind = self.trigger(name);
                return self.make(from, kind);
            }
            if !optional {
                return Err(self.error(key.at, self.unknown(name)));
            }
        }
        let member = self.make(from, Kind::Member { base: Box::new(base), key: Box::new(key), optional })?;
        if chain { self.make(from, Kind::Chain(Box::new(member))) } else { Ok(member) }
    }
}

/// A number as it is written, to its value.
fn number(written: &str) -> Result<Kind, &'static str> {
    let digits = written.replace('_', "");
    let lower = digits.to_lowercase();
    let radix = match lower.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ if lower.contains(['.', 'e']) => {
            let value: f64 = digits.parse().map_err(|_| "this is no number")?;
            return if value.is_finite() { Ok(Kind::Float(value)) } else { Err("this number is too large") };
        }
        _ => 10,
    };
    let digits = if radix == 10 { digits.as_str() } else { digits.get(2..).unwrap_or_default() };
    match i64::from_str_radix(digits, radix) {
        Ok(value) => Ok(Kind::Int(value)),
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => {
            Err("this number is too large for an integer: write it with a decimal point")
        }
        Err(_) => Err("this is no number"),
    }
}

fn no_function(word: &str) -> String {
    if functions::UNSUPPORTED.contains(&word) {
        return "this function is not supported in a formula, which is made of numbers".into();
    }
    let names: Vec<&str> = functions::FUNCTIONS.iter().map(|signature| signature.name).collect();
    format!("there is no function of this name; the functions are {}", names.join(", "))
}

fn wrong_count(signature: &Signature, given: usize) -> String {
    let (least, most) = (signature.least, signature.most);
    let wanted = match (least, most) {
        (_, usize::MAX) => format!("at least {least}"),
        _ if least == most => format!("{least}"),
        _ => format!("{least} or {most}"),
    };
    let predicate = match (signature.predicate, signature.function) {
        (true, Function::Count | Function::Sum) | (false, _) => "",
        (true, _) => ", the second a predicate such as # > 1",
    };
    format!("{} takes {wanted} arguments{predicate}, not {given}", signature.name)
}
