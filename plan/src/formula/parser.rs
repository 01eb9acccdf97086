//! The parser: it turns tokens into a syntax tree and resolves names. [`super`] has the grammar.

mod values;

use super::ast::{Binary, Comparison, Expr, ExprKind, FoldStep, Span};
use super::builtins;
use super::error::FormulaError;
use super::lexer::{self, Token, TokenKind};

/// The greatest depth of nested expressions, and so of every recursion through a tree.
const DEEPEST: usize = 100;

/// Parses `text`, in which `names` are the names of the triggers. Gives the tree and the names that it uses.
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
    /// The number of predicates around the present token.
    predicates: usize,
    /// The number of expressions around the present token.
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

/// The operator that `sign` is between two expressions, and its strength.
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

/// Whether `not` may precede the operator.
fn can_be_negated(sign: &str) -> bool {
    matches!(sign, "in" | "contains" | "startsWith" | "endsWith" | "matches")
}

impl<'a> Parser<'a> {
    fn token(&self) -> &Token<'a> {
        // The last token is the end, and `advance` never passes it.
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

    /// Whether the present token is `sign`, which is then consumed.
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

    /// A node from the position `from` to the end of the last consumed token.
    fn make(&self, from: usize, kind: ExprKind) -> Result<Expr, FormulaError> {
        let to = self.tokens[..self.here].last().map_or(from, |token| token.at.to).max(from);
        let at = Span { from, to };
        let height = kind.children_height() + 1;
        if height > DEEPEST { Err(self.too_deep(at)) } else { Ok(Expr { at, height, kind }) }
    }

    fn too_deep(&self, at: Span) -> FormulaError {
        self.error(at, format!("expressions lie in each other more than {DEEPEST} deep here"))
    }

    /// `a; b; c`, with the value of the last one.
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
        self.make(from, ExprKind::Sequence(parts))
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
                    FoldStep::Binary { op, negated, at, right }
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

    fn fold(&self, from: usize, first: Expr, steps: Vec<FoldStep>) -> Result<Expr, FormulaError> {
        if steps.is_empty() { Ok(first) } else { self.make(from, ExprKind::Fold { first: Box::new(first), steps }) }
    }

    fn comparisons(&mut self, first: Comparison, at: Span, strength: u16) -> Result<FoldStep, FormulaError> {
        let mut pairs = vec![(first, at, self.expression(strength + 1)?)];
        while let Some((Infix::Compare(next), _)) = self.sign().and_then(infix) {
            let at = self.advance().at;
            pairs.push((next, at, self.expression(strength + 1)?));
        }
        Ok(FoldStep::Compare(pairs))
    }

    fn ternary(&mut self, cond: Expr) -> Result<Expr, FormulaError> {
        let from = cond.at.from;
        let then = if self.take(":") {
            None
        } else {
            let then = self.expression(0)?;
            self.expect(":", "between the two results of the condition")?;
            Some(Box::new(then))
        };
        let other = Box::new(self.expression(0)?);
        self.make(from, ExprKind::If { cond: Box::new(cond), then, other })
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
        if builtins::is_reserved(word) || word == "$env" {
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
        self.make(from, ExprKind::Let { value, body })
    }

    /// `if a { b } else { c }`.
    fn branches(&mut self) -> Result<Expr, FormulaError> {
        let from = self.advance().at.from;
        let cond = Box::new(self.expression(0)?);
        self.expect("{", "around the result for a true condition")?;
        let then = Some(Box::new(self.sequence()?));
        self.expect("}", "at the end of the result for a true condition")?;
        self.expect("else", "as an \"if\" must give a value in both cases")?;
        let other = Box::new(if self.at("if") {
            self.expression(0)?
        } else {
            self.expect("{", "around the result otherwise")?;
            let other = self.sequence()?;
            self.expect("}", "at the end of the result otherwise")?;
            other
        });
        self.make(from, ExprKind::If { cond, then, other })
    }
}
