//! The lexer: it turns the formula's text into tokens.

use super::ast::Span;
use super::error::FormulaError;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) at: Span,
    pub(super) kind: TokenKind<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind<'a> {
    /// A number as it is written.
    Number(&'a str),
    /// A text, its escapes resolved.
    Text(String),
    /// A name, or `true`, `false`, `nil`.
    Word(&'a str),
    /// An operator, a bracket or a keyword.
    Sign(&'static str),
    End,
}

/// Signs without letters. A longer sign precedes the signs that it begins with.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "**", "??", "?.", "..", "::", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/",
    "%", "^", "<", ">", "!", "?", ":", ",", ";", ".", "|", "#", "=",
];

/// Words that cannot be names.
const KEYWORDS: &[&str] =
    &["not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"];

/// All tokens of `text`, with [`TokenKind::End`] as the last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FormulaError> {
    let mut lexer = Lexer { text, here: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let from = lexer.here;
        let kind = lexer.token()?;
        let end = kind == TokenKind::End;
        tokens.push(Token { at: Span { from, to: lexer.here }, kind });
        if end {
            return Ok(tokens);
        }
    }
}

/// Whether a name may begin with `letter`.
fn begins_word(letter: char) -> bool {
    letter == '_' || letter == '$' || letter.is_alphabetic()
}

fn continues_word(letter: char) -> bool {
    begins_word(letter) || letter.is_numeric()
}

/// Whether a formula can contain `name` without `$env[…]`.
pub(super) fn is_word(name: &str) -> bool {
    name.starts_with(begins_word)
        && name.chars().all(continues_word)
        && !KEYWORDS.contains(&name)
        && !["true", "false", "nil", "$env"].contains(&name)
}

struct Lexer<'a> {
    text: &'a str,
    here: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.here..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.here += next.len_utf8();
        Some(next)
    }

    fn advance_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|letter| !wanted(letter)).unwrap_or(rest.len());
        self.here += length;
        rest.get(..length).unwrap_or_default()
    }

    fn error(&self, from: usize, what: impl Into<String>) -> FormulaError {
        FormulaError::new(self.text, Span { from, to: self.here }, what)
    }

    fn skip_blanks(&mut self) -> Result<(), FormulaError> {
        loop {
            self.advance_while(char::is_whitespace);
            let from = self.here;
            if self.rest().starts_with("//") {
                self.advance_while(|letter| letter != '\n');
            } else if self.rest().starts_with("/*") {
                self.here += 2;
                let Some(length) = self.rest().find("*/") else {
                    return Err(self.error(from, "this comment has no end: */ is missing"));
                };
                self.here += length + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<TokenKind<'a>, FormulaError> {
        let rest = self.rest();
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        let second = rest.chars().nth(1);
        match first {
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|second| second.is_ascii_digit()) => self.number(),
            '"' | '\'' => self.text(first),
            '`' => self.raw_text(),
            'b' | 'B' if matches!(second, Some('"' | '\'')) => {
                let from = self.here;
                self.here += 1;
                Err(self.error(from, "bytes are not supported in a formula"))
            }
            _ if begins_word(first) => {
                let word = self.advance_while(continues_word);
                let keyword = KEYWORDS.iter().find(|keyword| **keyword == word);
                Ok(keyword.map_or(TokenKind::Word(word), |keyword| TokenKind::Sign(keyword)))
            }
            _ => {
                let from = self.here;
                if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                    self.here += sign.len();
                    return Ok(TokenKind::Sign(sign));
                }
                self.advance();
                Err(self.error(from, "this character has no meaning in a formula"))
            }
        }
    }

    /// The text of a number. The parser checks that it is one.
    fn number(&mut self) -> Result<TokenKind<'a>, FormulaError> {
        let from = self.here;
        let digits = |radix| move |letter: char| letter == '_' || letter.is_digit(radix);
        let prefix: String = self.rest().chars().take(2).collect::<String>().to_lowercase();
        let radix = match prefix.as_str() {
            "0x" => 16,
            "0o" => 8,
            "0b" => 2,
            _ => 10,
        };
        if radix != 10 {
            self.here += 2;
        }
        self.advance_while(digits(radix));
        if radix == 10 {
            if self.rest().starts_with('.') && !self.rest().starts_with("..") {
                self.here += 1;
                self.advance_while(digits(radix));
            }
            if self.rest().starts_with(['e', 'E']) {
                self.here += 1;
                if self.rest().starts_with(['+', '-']) {
                    self.here += 1;
                }
                self.advance_while(digits(radix));
            }
        }
        if self.peek().is_some_and(continues_word) {
            self.advance_while(continues_word);
            return Err(self.error(from, "this is no number, and a name does not begin with a digit"));
        }
        Ok(TokenKind::Number(self.text.get(from..self.here).unwrap_or_default()))
    }

    fn text(&mut self, quote: char) -> Result<TokenKind<'a>, FormulaError> {
        let from = self.here;
        self.advance();
        let mut text = String::new();
        loop {
            match self.advance() {
                None | Some('\n') => {
                    return Err(self.error(from, format!("this text has no end: {quote} is missing")));
                }
                Some('\\') => text.push(self.escape(quote)?),
                Some(letter) if letter == quote => return Ok(TokenKind::Text(text)),
                Some(letter) => text.push(letter),
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<char, FormulaError> {
        let from = self.here - 1;
        let letter = match self.advance() {
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('v') => Some('\u{b}'),
            Some('\\') => Some('\\'),
            Some('x') => self.code(16, 2),
            Some('U') => self.code(16, 8),
            Some('u') if self.rest().starts_with('{') => {
                self.here += 1;
                let digits = self.advance_while(|letter| letter.is_ascii_hexdigit());
                let letter = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let closed = self.advance() == Some('}');
                letter.filter(|_| closed && digits.len() <= 6)
            }
            Some('u') => self.code(16, 4),
            Some('0'..='3') => {
                self.here -= 1;
                self.code(8, 3)
            }
            Some(letter) if letter == quote => Some(letter),
            _ => None,
        };
        letter.ok_or_else(|| self.error(from, "there is no such escape in a text; a backslash itself is written \\\\"))
    }

    fn code(&mut self, radix: u32, length: usize) -> Option<char> {
        let digits = self.rest().get(..length)?;
        if !digits.chars().all(|digit| digit.is_digit(radix)) {
            return None;
        }
        self.here += length;
        u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
    }

    /// A text between backticks: no escapes, a backtick itself is written twice.
    fn raw_text(&mut self) -> Result<TokenKind<'a>, FormulaError> {
        let from = self.here;
        self.advance();
        let mut text = String::new();
        loop {
            text.push_str(self.advance_while(|letter| letter != '`'));
            if self.rest().starts_with("``") {
                self.here += 2;
                text.push('`');
            } else if self.advance().is_some() {
                return Ok(TokenKind::Text(text));
            } else {
                return Err(self.error(from, "this text has no end: ` is missing"));
            }
        }
    }
}
