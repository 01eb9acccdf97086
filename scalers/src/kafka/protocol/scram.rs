//! SASL/SCRAM, the client's side (RFC 5802; RFC 7677). Pure but for the nonce.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac, pbkdf2};

/// More rounds than this are not worth an answer: a broker must not be able to keep a thread busy for long. Kafka's own
/// most is 16,384 (`org.apache.kafka.common.security.scram`).
const MOST_ROUNDS: u32 = 1_000_000;
/// "n,,": no channel binding, and nobody else to be.
const NO_BINDING: &str = "n,,";

/// The hash of a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::kafka) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// A client that has sent its name.
pub(super) struct First {
    hash: Hash,
    bare: String,
    nonce: String,
}

/// A client that has proved that it knows the password, and the proof that the server has to give.
pub(super) struct Last {
    pub(super) message: String,
    signature: String,
}

impl First {
    /// Makes the first message, with a nonce of its own.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(super) fn new(hash: Hash, username: &str) -> Result<Self, String> {
        let mut random = [0; 24];
        ring::rand::SystemRandom::new().fill(&mut random).map_err(|_| "no random numbers to be had")?;
        Ok(Self::with_nonce(hash, username, STANDARD.encode(random)))
    }

    fn with_nonce(hash: Hash, username: &str, nonce: String) -> Self {
        let username = username.replace('=', "=3D").replace(',', "=2C");
        Self { hash, bare: format!("n={username},r={nonce}"), nonce }
    }

    pub(super) fn message(&self) -> String {
        format!("{NO_BINDING}{}", self.bare)
    }

    /// Answers the server's first message. Takes the time that the server's rounds take.
    ///
    /// # Errors
    /// The message is none, or is about another conversation.
    pub(super) fn answer(self, password: &str, server: &str) -> Result<Last, String> {
        let [nonce, salt, rounds] = fields(server, ["r", "s", "i"])?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the server's nonce does not go on from the client's".into());
        }
        let salt = STANDARD.decode(salt).map_err(|_| "the server's salt is not in Base64")?;
        let rounds = rounds.parse().ok().filter(|rounds: &NonZeroU32| rounds.get() <= MOST_ROUNDS);
        let rounds = rounds.ok_or("the server asks for a number of rounds that is none, or too large")?;

        let mut salted = vec![0; digest_length(self.hash)];
        pbkdf2::derive(self.hash.pbkdf2(), rounds, &salt, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(self.hash.hmac(), key), text);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.hash.hmac().digest_algorithm(), client_key.as_ref());
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(NO_BINDING));
        let signed = format!("{},{server},{without_proof}", self.bare);
        let client_signature = sign(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(client_signature.as_ref()).map(|(one, other)| one ^ other).collect();
        let server_key = sign(&salted, b"Server Key");
        Ok(Last {
            message: format!("{without_proof},p={}", STANDARD.encode(proof)),
            signature: STANDARD.encode(sign(server_key.as_ref(), signed.as_bytes())),
        })
    }
}

impl Last {
    /// Checks that the server knows the password, too.
    ///
    /// # Errors
    /// The server does not know it, or reports an error.
    pub(super) fn check(&self, server: &str) -> Result<(), String> {
        if let Ok([error]) = fields(server, ["e"]) {
            return Err(error.to_owned());
        }
        let [signature] = fields(server, ["v"])?;
        if signature == self.signature { Ok(()) } else { Err("the server does not know the password".into()) }
    }
}

fn digest_length(hash: Hash) -> usize {
    hash.hmac().digest_algorithm().output_len()
}

/// The values of these attributes, with which a message begins.
fn fields<'a, const N: usize>(message: &'a str, names: [&str; N]) -> Result<[&'a str; N], String> {
    let mut values = [""; N];
    let mut parts = message.split(',');
    for (value, name) in values.iter_mut().zip(names) {
        let part = parts.next().and_then(|part| part.split_once('=')).filter(|(found, _)| *found == name);
        *value = part.ok_or_else(|| format!("the server's message has no {name:?}"))?.1;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SERVER_LAST: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn first() -> First {
        First::with_nonce(Hash::Sha256, "user", NONCE.into())
    }

    #[test]
    fn the_conversation_of_the_rfc() {
        assert_eq!(first().message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = first().answer("pencil", SERVER_FIRST).unwrap();
        assert_eq!(
            last.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(last.check(SERVER_LAST), Ok(()));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        let last = first().answer("pencil", SERVER_FIRST).unwrap();
        for said in ["v=AAAA", "v=", "", "x=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="] {
            assert!(last.check(said).is_err(), "{said}");
        }
        assert_eq!(last.check("e=other-error"), Err("other-error".into()));
    }

    #[test]
    fn messages_that_are_none_are_refused() {
        for (message, says) in [
            ("", "no \"r\""),
            ("r=abc,s=AAAA,i=4096", "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096", "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=%,i=4096", "salt"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=0", "rounds"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1000001", "rounds"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA", "no \"i\""),
            ("m=extension,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096", "no \"r\""),
        ] {
            let error = first().answer("pencil", message).err().unwrap();
            assert!(error.contains(says), "{message}: {error}");
        }
    }

    #[test]
    fn names_are_escaped_and_nonces_differ() {
        let named = First::with_nonce(Hash::Sha512, "a=b,c", "x".into());
        assert_eq!(named.message(), "n,,n=a=3Db=2Cc,r=x");
        let nonce = || First::new(Hash::Sha512, "u").unwrap().nonce;
        assert_ne!(nonce(), nonce());
    }
}
