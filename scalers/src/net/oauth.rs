//! OAuth 2.0 client credentials (RFC 6749, section 4.4): one cached token for all triggers that ask as the same client.
//!
//! Owns: the token request, the token's life, and the time of the next request. Must not know the purpose of a token,
//! and must not print a token or a secret: errors name the endpoint and the OAuth error code.

mod request;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::net::outbound::Outbound;
use crate::net::tls::Tls;
use crate::pool::{Backoff, Breaker, ClientPools, SingleFlight, jitter};
use crate::scaler::ReadError;
use request::{Requester, Success};

/// A token is renewed after this part of its life.
const RENEW_AFTER: f64 = 0.8;
/// How long a token is taken to live when the endpoint does not say (`expires_in` is only recommended).
const DEFAULT_LIFE: Duration = Duration::from_mins(5);
/// A token that is refused at this age is not replaced: another one would be refused as well.
const TOO_YOUNG_TO_BE_REVOKED: Duration = Duration::from_secs(5);
/// No token is used for longer, even where the endpoint says so.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// The account of a client at a token endpoint, and the scopes of its tokens.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientCredentials {
    /// The token endpoint, `http` or `https`.
    pub token_url: String,
    /// The client's name.
    pub client_id: String,
    /// The client's secret: never printed.
    pub client_secret: String,
    /// Scopes to ask for; none for the endpoint's default.
    pub scopes: Vec<String>,
    /// Further parameters of the request, such as `audience`. They may not repeat the fields above.
    pub params: BTreeMap<String, String>,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("endpoint", &self.endpoint())
            .field("client_id", &self.client_id)
            .field("scopes", &self.scopes)
            .field("params", &self.params.keys())
            .finish_non_exhaustive()
    }
}

impl ClientCredentials {
    /// Checks the token endpoint's address. The text of the error does not repeat the address.
    ///
    /// # Errors
    /// The address is not one of `http` or `https` with a host.
    pub fn check(&self) -> Result<(), String> {
        match Url::parse(&self.token_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
            _ => Err("the token endpoint must be a URL that begins with https:// or http://".into()),
        }
    }

    /// The endpoint's address without credentials and query, for texts.
    pub fn endpoint(&self) -> String {
        let Ok(url) = Url::parse(&self.token_url) else { return "(not a URL)".into() };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
    }
}

/// Credentials and how to reach their endpoint. Triggers with equal ones share one [`TokenSource`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// The account that asks for tokens.
    pub credentials: ClientCredentials,
    /// The trusted authorities.
    pub tls: Tls,
}

/// A token and the end of its life.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    value: Arc<str>,
    /// When it ends.
    pub expires_at: Instant,
    renew_at: Instant,
    issued_at: Instant,
}

impl Token {
    /// The token itself, to be sent and never printed.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The shared source of one client's tokens.
#[derive(Debug)]
pub struct TokenSource {
    account: Account,
    requester: Arc<Requester>,
    token: Mutex<Option<Token>>,
    flights: SingleFlight<(), Result<Token, ReadError>>,
    breaker: Arc<Breaker>,
}

impl TokenSource {
    /// The source that all askers of an account share.
    pub(crate) fn shared(account: &Account, pools: &ClientPools) -> Arc<Self> {
        pools.get_uncounted(account.clone(), |account, outbound| Self::new(account, outbound))
    }

    /// A source that has not asked yet. Does no I/O.
    pub fn new(account: &Account, outbound: &Outbound) -> Self {
        Self {
            account: account.clone(),
            requester: Arc::new(Requester::new(account, outbound)),
            token: Mutex::default(),
            flights: SingleFlight::default(),
            breaker: Arc::new(Breaker::new(Backoff::new(Duration::from_millis(500), Duration::from_secs(30)))),
        }
    }

    /// A token that is valid now: the last one, or after most of its life a new one. Callers that ask at the same time
    /// share one request. While the endpoint is down, a token that is still valid goes on being used.
    ///
    /// # Errors
    /// There is no valid token and none can be had. Names the endpoint and the OAuth error code.
    pub async fn token(&self) -> Result<Token, ReadError> {
        let now = Instant::now();
        let held = self.token.lock().clone().filter(|token| token.expires_at > now);
        if let Some(token) = held.as_ref().filter(|token| token.renew_at > now) {
            return Ok(token.clone());
        }
        if let Some(refused) = self.breaker.open_error(now) {
            return held.ok_or(refused);
        }
        match self.renew().await {
            Ok(token) => Ok(token),
            Err(error) => match held.filter(|token| token.expires_at > Instant::now()) {
                Some(token) => {
                    tracing::warn!(%error, "a token could not be renewed; the old one is valid yet");
                    Ok(token)
                }
                None => Err(error),
            },
        }
    }

    /// Forgets `token`, which a server has refused though it is not new: it may have been revoked. The next asker gets
    /// a new one.
    pub fn refused(&self, token: &Token) {
        if token.issued_at.elapsed() < TOO_YOUNG_TO_BE_REVOKED {
            return;
        }
        let mut held = self.token.lock();
        if held.as_ref().is_some_and(|held| held.value == token.value) {
            *held = None;
        }
    }

    /// The account of this source's tokens.
    pub fn credentials(&self) -> &ClientCredentials {
        &self.account.credentials
    }

    async fn renew(&self) -> Result<Token, ReadError> {
        let requester = Arc::clone(&self.requester);
        let breaker = Arc::clone(&self.breaker);
        let answer = self.flights.join(&(), async move {
            match requester.ask().await {
                Ok(success) => {
                    breaker.succeeded();
                    Ok(Token::from(success))
                }
                Err(error) => {
                    breaker.failed(Instant::now(), error.clone(), jitter(&error.to_string()));
                    Err(error)
                }
            }
        });
        let token = answer.await?;
        *self.token.lock() = Some(token.clone());
        Ok(token)
    }
}

impl From<Success> for Token {
    fn from(success: Success) -> Self {
        let life = success.life.unwrap_or(DEFAULT_LIFE).min(LONGEST_LIFE);
        let now = Instant::now();
        Self {
            value: success.token.into(),
            expires_at: now + life,
            renew_at: now + life.mul_f64(RENEW_AFTER),
            issued_at: now,
        }
    }
}

#[cfg(test)]
mod tests;
