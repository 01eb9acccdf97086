//! Authentication of a connection: PLAIN (RFC 4616), SCRAM and OAUTHBEARER (RFC 7628), in the frames of
//! `SaslAuthenticate`.

use std::fmt;
use std::time::Duration;

use super::super::endpoint::{Mechanism, Sasl};
use super::api::{Challenge, Request as _, SaslAuthenticate, SaslHandshake, Versions};
use super::connection::Connection;
use super::error::Fault;
use super::scram::{self, Hash};
use crate::net::oauth::Token;
use crate::net::peer::said;

/// The credentials that the client shows.
pub(super) enum Proof<'a> {
    Password { mechanism: Mechanism, username: &'a str, password: &'a str },
    Token { token: Token, extensions: &'a [(String, String)] },
}

impl<'a> Proof<'a> {
    /// The credentials of an endpoint's triggers, with a token where they use one.
    pub(super) fn of(sasl: &'a Sasl, token: Option<Token>) -> Option<Self> {
        match sasl {
            Sasl::Password { mechanism, username, password } => {
                Some(Self::Password { mechanism: *mechanism, username, password })
            }
            Sasl::Bearer { extensions, .. } => token.map(|token| Self::Token { token, extensions }),
        }
    }

    /// Checks that the mechanism can express the credentials.
    ///
    /// # Errors
    /// The part of them that it cannot express.
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Password { username, password, .. } if username.contains('\0') || password.contains('\0') => {
                Err("the name or the password holds a null character".into())
            }
            Self::Password { .. } => Ok(()),
            Self::Token { extensions, .. } => extensions.iter().try_for_each(|(key, value)| {
                // RFC 7628, section 3.1.
                let letters = !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphabetic());
                if !letters || key == "auth" {
                    return Err(format!("the extension {key:?} has no name of letters, or one that is taken"));
                }
                let printable = |letter: char| matches!(letter, ' '..='~' | '\t' | '\r' | '\n');
                if value.chars().all(printable) {
                    Ok(())
                } else {
                    Err(format!("the value of the extension {key:?} holds characters that cannot be printed"))
                }
            }),
        }
    }

    fn mechanism(&self) -> &'static str {
        match self {
            Self::Password { mechanism: Mechanism::Plain, .. } => "PLAIN",
            Self::Password { mechanism: Mechanism::ScramSha256, .. } => "SCRAM-SHA-256",
            Self::Password { mechanism: Mechanism::ScramSha512, .. } => "SCRAM-SHA-512",
            Self::Token { .. } => "OAUTHBEARER",
        }
    }
}

/// Authenticates a connection. Returns how long it may be used, where that has an end.
///
/// # Errors
/// The broker refuses it: with the broker's text.
pub(super) async fn authenticate(
    connection: &Connection,
    proof: Proof<'_>,
    versions: &Versions,
    limit: Duration,
) -> Result<Option<Duration>, Fault> {
    proof.check().map_err(failed)?;
    let mechanism = proof.mechanism();
    if let Err((code, mechanisms)) = connection.ask(&SaslHandshake { mechanism }, limit).await? {
        let known = mechanisms.join(", ");
        return Err(failed(format!("{mechanism}: {code}; the broker has {known}")));
    }
    let version = versions.get(&SaslAuthenticate::KEY).map_or(0, |(_, newest)| *newest).min(1);
    let step = async |bytes: &[u8]| match connection.ask(&SaslAuthenticate { bytes, version }, limit).await? {
        Ok(challenge) => Ok(challenge),
        Err((code, said)) => Err(failed(said.unwrap_or_else(|| code.to_string()))),
    };
    let last = match proof {
        Proof::Password { mechanism: Mechanism::Plain, username, password } => {
            step(format!("\0{username}\0{password}").as_bytes()).await?
        }
        Proof::Password { mechanism, username, password } => {
            let hash = if mechanism == Mechanism::ScramSha512 { Hash::Sha512 } else { Hash::Sha256 };
            let first = scram::First::new(hash, username).map_err(failed)?;
            let said = text(&step(first.message().as_bytes()).await?)?;
            // Thousands of rounds are milliseconds, in which this thread has other things to do.
            let password = password.to_owned();
            let last = tokio::task::spawn_blocking(move || first.answer(&password, &said)).await;
            let last = last.map_err(failed)?.map_err(failed)?;
            let answer = step(last.message.as_bytes()).await?;
            last.check(&text(&answer)?).map_err(failed)?;
            answer
        }
        Proof::Token { token, extensions } => {
            let mut first = format!("n,,\x01auth=Bearer {}", token.value());
            for (key, value) in extensions {
                first.extend(["\x01", key, "=", value]);
            }
            first.push_str("\x01\x01");
            let answer = step(first.as_bytes()).await?;
            if !answer.bytes.is_empty() {
                // An error about the token comes as a challenge; the answer to that is a dummy (RFC 7628, section
                // 3.2.3).
                let why = text(&answer)?;
                step(b"\x01").await?;
                return Err(failed(why));
            }
            answer
        }
    };
    Ok(u64::try_from(last.session_ms).ok().filter(|session| *session > 0).map(Duration::from_millis))
}

fn text(challenge: &Challenge) -> Result<String, Fault> {
    std::str::from_utf8(&challenge.bytes).map(ToOwned::to_owned).map_err(|_| failed("the broker's message is no text"))
}

fn failed(why: impl fmt::Display) -> Fault {
    Fault::Unreachable(format!("authentication failed: {}", said(why)))
}
