//! The parser of values: literals, names, calls, lists, maps, and the accesses that may follow a value.

use super::super::ast::{Expr, ExprKind, Span, Unary};
use super::super::builtins::{self, Arity, Builtin};
use super::super::error::FormulaError;
use super::super::lexer::{self, TokenKind};
use super::{NOT, Parser, UNARY};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Result<Expr, FormulaError> {
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
            let expr = self.make(from, ExprKind::Unary(op, of))?;
            return self.postfix(expr);
        }
        match self.sign() {
            Some("(") => {
                self.advance();
                let inner = self.sequence()?;
                self.expect(")", "where the parenthesis ends")?;
                self.postfix(inner)
            }
            Some("#") if self.predicates > 0 => self.predicate_name(),
            // `.name` is short for `#.name`.
            Some(".") if self.predicates > 0 => {
                let element = self.make(from, ExprKind::Element)?;
                self.postfix(element)
            }
            Some("#") => {
                let what =
                    "# is an element of a list and has a meaning in a predicate only, as in count([a, b], # > 1)";
                Err(self.error(self.token().at, what))
            }
            Some("::") => self.explicit_function(),
            _ => self.secondary(),
        }
    }

    /// `#`, `#index` or `#acc`, inside a predicate.
    fn predicate_name(&mut self) -> Result<Expr, FormulaError> {
        let from = self.advance().at.from;
        let TokenKind::Word(word) = self.token().kind else {
            let element = self.make(from, ExprKind::Element)?;
            return self.postfix(element);
        };
        let at = self.advance().at;
        let expr = match word {
            "index" => self.make(from, ExprKind::Index)?,
            "acc" => self.make(from, ExprKind::Accumulator)?,
            _ => return Err(self.error(at, "only #, #index and, in reduce, #acc have a meaning")),
        };
        self.postfix(expr)
    }

    /// `::max(a, b)`: the function, even if a trigger has its name.
    fn explicit_function(&mut self) -> Result<Expr, FormulaError> {
        let from = self.advance().at.from;
        let name = self.advance();
        let TokenKind::Word(word) = name.kind else {
            return Err(self.error(name.at, "a function's name is expected after \"::\""));
        };
        let call = self.call(word, name.at, from, Vec::new())?;
        self.postfix(call)
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
                self.make(from, ExprKind::Text(text.into()))?
            }
            TokenKind::Word(word) => {
                self.advance();
                match word {
                    "true" => return self.make(from, ExprKind::Bool(true)),
                    "false" => return self.make(from, ExprKind::Bool(false)),
                    "nil" => return self.make(from, ExprKind::Nil),
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
            ExprKind::Variable(index)
        } else if word == "$env" {
            ExprKind::Triggers
        } else if self.names.contains(&word) {
            self.trigger(word)
        } else if builtins::is_reserved(word) {
            return Err(self.error(at, format!("this is a function: it is called as {word}(…)")));
        } else {
            return Err(self.error(at, self.unknown(word)));
        };
        self.make(at.from, kind)
    }

    fn trigger(&mut self, name: &str) -> ExprKind {
        let index = self.used.iter().position(|used| used == name).unwrap_or_else(|| {
            self.used.push(name.to_owned());
            self.used.len() - 1
        });
        ExprKind::Trigger(index)
    }

    fn unknown(&self, word: &str) -> String {
        if self.names.is_empty() {
            return "no trigger has a name: give those that the formula uses one".into();
        }
        let listed: Vec<String> = self.names.iter().take(20).map(|name| format!("{name:?}")).collect();
        let odd = self.names.iter().find(|name| name.starts_with(word) && !lexer::is_word(name));
        let hint = odd.map(|name| format!("; such a name is written as $env[{name:?}]")).unwrap_or_default();
        format!("no trigger has this name; the triggers are {}{hint}", listed.join(", "))
    }

    /// A trigger's name hides the function of that name, in expr-lang, too.
    fn not_a_trigger(&self, word: &str, at: Span) -> Result<(), FormulaError> {
        if self.names.contains(&word) {
            let hint = if builtins::find(word).is_some() {
                format!("; the function of that name is called as ::{word}(…)")
            } else {
                String::new()
            };
            return Err(self.error(at, format!("this is a trigger, it cannot be called{hint}")));
        }
        Ok(())
    }

    /// Parses the part after `|`: a call that takes `first` as its first argument.
    pub(super) fn piped(&mut self, first: Expr) -> Result<Expr, FormulaError> {
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
        let Some(builtin) = builtins::find(word) else {
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
            let predicate = builtin.arity.predicate && args.len() == 1;
            args.push(if predicate { self.predicate()? } else { self.expression(0)? });
        }
        self.expect(")", "where the function's arguments end")?;
        if args.len() < builtin.arity.least || args.len() > builtin.arity.most {
            return Err(self.error(at, wrong_count(builtin, args.len())));
        }
        self.make(from, ExprKind::Call { builtin, args })
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
        self.make(from, ExprKind::List(items))
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
                    self.make(token.at.from, ExprKind::Text(text.into()))?
                }
                TokenKind::Text(text) => {
                    self.advance();
                    self.make(token.at.from, ExprKind::Text(text.into()))?
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
        self.make(from, ExprKind::Map(pairs))
    }

    /// Parses the accesses after a value: `.name`, `?.name`, `[index]`, `?.[index]`, `[from:to]`.
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
        let key = Expr { at: token.at, height: 1, kind: ExprKind::Text(name.into()) };
        // A chain of fields ends as a whole where one of them finds nil.
        let (base, chained) = match base.kind {
            ExprKind::Chain(inner) => (*inner, true),
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
            return self.make(start, ExprKind::Slice { base: Box::new(base), from: from.map(Box::new), to });
        }
        self.expect("]", "where the index ends")?;
        let Some(key) = from else { return Err(self.unexpected("an index is expected before it")) };
        self.member(base, key, optional, optional)
    }

    fn member(&mut self, base: Expr, key: Expr, optional: bool, chain: bool) -> Result<Expr, FormulaError> {
        let from = base.at.from;
        if let (ExprKind::Triggers, ExprKind::Text(name)) = (&base.kind, &key.kind) {
            if self.names.contains(&name.as_ref()) {
                let kind = self.trigger(name);
                return self.make(from, kind);
            }
            if !optional {
                return Err(self.error(key.at, self.unknown(name)));
            }
        }
        let member = self.make(from, ExprKind::Member { base: Box::new(base), key: Box::new(key), optional })?;
        if chain { self.make(from, ExprKind::Chain(Box::new(member))) } else { Ok(member) }
    }
}

/// The value of a number as it is written.
fn number(written: &str) -> Result<ExprKind, &'static str> {
    let digits = written.replace('_', "");
    let lower = digits.to_lowercase();
    let radix = match lower.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ if lower.contains(['.', 'e']) => {
            let value: f64 = digits.parse().map_err(|_| "this is no number")?;
            return if value.is_finite() { Ok(ExprKind::Float(value)) } else { Err("this number is too large") };
        }
        _ => 10,
    };
    let digits = if radix == 10 { digits.as_str() } else { digits.get(2..).unwrap_or_default() };
    match i64::from_str_radix(digits, radix) {
        Ok(value) => Ok(ExprKind::Int(value)),
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => {
            Err("this number is too large for an integer: write it with a decimal point")
        }
        Err(_) => Err("this is no number"),
    }
}

fn no_function(word: &str) -> String {
    if builtins::UNSUPPORTED.contains(&word) {
        return "this function is not supported in a formula, which is made of numbers".into();
    }
    let names: Vec<&str> = builtins::BUILTINS.iter().map(|builtin| builtin.name).collect();
    format!("there is no function of this name; the functions are {}", names.join(", "))
}

fn wrong_count(builtin: &Builtin, given: usize) -> String {
    let Arity { least, most, predicate } = builtin.arity;
    let wanted = match (least, most) {
        (_, usize::MAX) => format!("at least {least}"),
        _ if least == most => format!("{least}"),
        _ => format!("{least} or {most}"),
    };
    let predicate = if predicate && least > 1 { ", the second a predicate such as # > 1" } else { "" };
    format!("{} takes {wanted} arguments{predicate}, not {given}", builtin.name)
}
