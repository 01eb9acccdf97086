//! `boundServiceAccountToken`: tokens of service accounts from the TokenRequest API. They are reused while they are
//! valid, and renewed before they end (keda.sh/docs, "Bound service account token").

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ebb_scalers::go;
use ebb_scalers::pool::SingleFlight;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock;
use ebb_plan::status;

/// The shortest and the longest life that may be asked for, as in KEDA.
const LIVES: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(6));
/// The part of its life after which a token is renewed.
const RENEWED_AFTER: f64 = 0.8;
/// A token that a broker may have refused is renewed if it is older than this.
const DOUBTED: Duration = Duration::from_mins(1);

/// A token and when it is to be renewed.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) renew_at: Instant,
    issued: Instant,
    ends: Instant,
}

type Account = (String, String);
type Issued = Result<Token, Arc<kube::Error>>;

/// The tokens in use.
pub(crate) struct Tokens {
    client: Client,
    life: Duration,
    known: Mutex<HashMap<Account, Token>>,
    requests: SingleFlight<Account, Issued>,
}

impl Tokens {
    /// None yet. New ones are asked for with this `life`.
    pub(crate) fn new(client: Client, life: Duration) -> Self {
        Self { client, life, known: Mutex::default(), requests: SingleFlight::default() }
    }

    /// A token of a service account. `force_refresh`: a trigger with the last token does not work.
    pub(crate) async fn get(&self, namespace: &str, name: &str, force_refresh: bool) -> Issued {
        let account = (namespace.to_owned(), name.to_owned());
        let known = self.known.lock().get(&account).cloned();
        if let Some(token) = known.filter(|token| token.is_good(Instant::now(), force_refresh)) {
            return Ok(token);
        }
        let token = self.requests.join(&account, request(self.client.clone(), account.clone(), self.life)).await?;
        let mut known = self.known.lock();
        known.retain(|_, token| token.ends > token.issued && token.ends > Instant::now());
        known.insert(account, token.clone());
        drop(known);
        Ok(token)
    }
}

impl Token {
    fn new(text: String, issued: Instant, life: Duration) -> Self {
        Self { text, issued, renew_at: issued + life.mul_f64(RENEWED_AFTER), ends: issued + life }
    }

    fn is_good(&self, now: Instant, force_refresh: bool) -> bool {
        now < self.renew_at && !(force_refresh && now.saturating_duration_since(self.issued) > DOUBTED)
    }
}

async fn request(client: Client, (namespace, name): Account, life: Duration) -> Issued {
    let accounts: Api<ServiceAccount> = Api::namespaced(client, &namespace);
    let wanted = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: i64::try_from(life.as_secs()).ok(),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let issued = Instant::now();
    let answer = accounts.create_token_request(&name, &PostParams::default(), &wanted).await.map_err(Arc::new)?;
    // The API server may give another life than it was asked for.
    let granted = answer.status.and_then(|granted| Some((granted.token?, granted.expiration_timestamp?)));
    let Some((text, ends)) = granted else {
        return Err(Arc::new(kube::Error::Service("the answer to a TokenRequest holds no token".into())));
    };
    let life = (status::instant(&ends) - clock::now()).to_std().unwrap_or_default();
    Ok(Token::new(text, issued, life))
}

/// Reads `KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY`: a duration as Go writes it, `1h30m`.
///
/// # Errors
/// It is no duration, or KEDA would not take it.
pub fn token_life(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(LIVES.0);
    }
    let life = go::duration(text).ok_or_else(|| format!("{text:?} is no duration such as 1h30m"))?;
    if life < LIVES.0 || life > LIVES.1 {
        return Err(format!("{text}, must be between 1h and 6h"));
    }
    Ok(life)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_tokens_is_kedas() {
        for (text, minutes) in [("", 60), ("1h", 60), ("90m", 90), ("1h30m", 90), ("2.5h", 150), ("21600s", 360)] {
            assert_eq!(token_life(text), Ok(Duration::from_mins(minutes)), "{text}");
        }
        for text in ["59m", "6h1s", "0s"] {
            assert!(token_life(text).unwrap_err().contains("must be between 1h and 6h"), "{text}");
        }
        for text in ["1", "h", "one hour", "1d", "1h 30m", "-1h", "1h3", "1..5h", "ü"] {
            assert!(token_life(text).unwrap_err().contains("is no duration"), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_for_four_fifths_of_its_life_and_shorter_when_it_is_doubted() {
        let begun = Instant::now();
        let token = Token::new("t".into(), begun, Duration::from_hours(1));
        let good = |minutes, force_refresh| token.is_good(begun + Duration::from_mins(minutes), force_refresh);
        assert!(good(0, false) && good(47, false) && !good(48, false) && !good(61, false));
        assert!(good(1, true) && !good(2, true));
    }
}
