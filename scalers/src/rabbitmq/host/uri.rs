//! The parts of a URI by RFC 3986. A URI that Go's `net/url` refuses is refused here.

use percent_encoding::percent_decode_str;

use super::UserInfo;

/// The error of text that is no part of a URI. It does not repeat the text, which may be a password.
#[derive(Debug)]
pub(super) struct Unreadable;

/// A URI behind its scheme; every part still percent-encoded.
pub(super) struct Uri<'a> {
    user: Option<&'a str>,
    /// Name and port, as they are written.
    pub(super) machine: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) fragment: &'a str,
}

impl<'a> Uri<'a> {
    /// Parses the part after the scheme and its colon.
    pub(super) fn parse(rest: &'a str) -> Result<Self, Unreadable> {
        if rest.contains(|letter: char| letter.is_ascii_control()) {
            return Err(Unreadable);
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let Some(rest) = rest.strip_prefix("//") else {
            return Ok(Self { user: None, machine: "", path: rest, query, fragment });
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, machine) = match authority.rsplit_once('@') {
            Some((user, machine)) => (Some(user), machine),
            None => (None, authority),
        };
        Ok(Self { user, machine, path, query, fragment })
    }

    /// User and password.
    pub(super) fn user_info(&self) -> Result<Option<UserInfo>, Unreadable> {
        let Some(user) = self.user else { return Ok(None) };
        if !user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)) {
            return Err(Unreadable);
        }
        let (name, password) = match user.split_once(':') {
            Some((name, password)) => (name, Some(decoded(password)?)),
            None => (user, None),
        };
        Ok(Some(UserInfo { name: decoded(name)?, password }))
    }

    /// The machine's name or address, if there is one.
    pub(super) fn name(&self) -> Result<Option<String>, Unreadable> {
        let name = decoded(self.name_and_port()?.0)?;
        let odd = |letter: char| {
            letter.is_whitespace() || letter.is_control() || "/?#@[]<>\"\\^`{|}$()*!&'+,;=".contains(letter)
        };
        if name.contains(odd) { Err(Unreadable) } else { Ok(Some(name).filter(|name| !name.is_empty())) }
    }

    /// The port, if there is one.
    pub(super) fn port(&self) -> Result<Option<u16>, Unreadable> {
        match self.name_and_port()?.1 {
            "" => Ok(None),
            port if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().map(Some).map_err(|_| Unreadable),
            _ => Err(Unreadable),
        }
    }

    fn name_and_port(&self) -> Result<(&'a str, &'a str), Unreadable> {
        if let Some(rest) = self.machine.strip_prefix('[') {
            let (name, port) = rest.split_once(']').ok_or(Unreadable)?;
            let port = if port.is_empty() { "" } else { port.strip_prefix(':').ok_or(Unreadable)? };
            return Ok((name, port));
        }
        let (name, port) = self.machine.split_once(':').unwrap_or((self.machine, ""));
        if port.contains(':') { Err(Unreadable) } else { Ok((name, port)) }
    }
}

/// The text behind the percent-encoding.
///
/// # Errors
/// A `%` begins no byte, or the bytes are no UTF-8. Two texts that differ are never read as one.
pub(super) fn decoded(text: &str) -> Result<String, Unreadable> {
    let mut after_percents = text.split('%').skip(1);
    if !after_percents.all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit())) {
        return Err(Unreadable);
    }
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| Unreadable)
}
