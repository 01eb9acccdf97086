//! The parts that all requests have in common, and the requests that begin a connection.

use std::collections::HashMap;

use super::codec::{self, Malformed, Reader, Writer};
use super::error::Code;
use crate::net::budget::LARGEST;

/// The longest answer that is taken, in bytes, where nothing else is said: sixty thousand partitions.
const LONGEST_ANSWER: usize = codec::longest(LARGEST);
/// The longest answer of a broker that has not accepted the login, in bytes: parsed, it takes 64 KiB. The versions of
/// all requests are half a kilobyte.
const LONGEST_UNAUTHENTICATED: usize = codec::longest(64 << 10);
/// As many kinds of requests as a broker may know. Kafka 4 has less than a hundred.
const KINDS: i16 = 1_000;

/// A question to a broker. All versions are ones that every broker from Kafka 1.0 to 4 takes (KIP-896 took none of them
/// away), and the newest of them without tagged fields that Ebb has any use for.
pub(in crate::kafka) trait Request {
    /// `api_key`.
    const KEY: i16;
    /// Its name, for errors.
    const NAME: &'static str;
    /// The longest answer that is taken, in bytes.
    const LONGEST: usize = LONGEST_ANSWER;
    /// How many bytes of an answer are read; the rest is passed over.
    const READ: usize = Self::LONGEST;
    /// The type of the answer.
    type Answer;

    /// `api_version`.
    fn version(&self) -> i16;

    /// Writes the request after its header.
    fn write(&self, to: &mut Writer);

    /// Reads the answer after its header.
    ///
    /// # Errors
    /// It is no answer to this request.
    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed>;

    /// The request with its header (version 1), which has `number` in it as its answer will.
    fn frame(&self, number: i32) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.i16(Self::KEY);
        writer.i16(self.version());
        writer.i32(number);
        writer.string("ebb");
        self.write(&mut writer);
        writer.framed()
    }
}

/// The versions of requests that a broker knows.
pub(in crate::kafka) struct ApiVersions;

/// The versions, from and to, by `api_key`.
pub(in crate::kafka) type Versions = HashMap<i16, (i16, i16)>;

impl Request for ApiVersions {
    const KEY: i16 = 18;
    const NAME: &'static str = "ApiVersions";
    const LONGEST: usize = LONGEST_UNAUTHENTICATED;
    type Answer = Result<Versions, Code>;

    fn version(&self) -> i16 {
        0
    }

    fn write(&self, _to: &mut Writer) {}

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let checked = Code::check(from.i16()?);
        let versions = from.array(|from| Ok((from.i16()?, (from.i16()?, from.i16()?))))?;
        let known = versions.into_iter().filter(|(key, _)| (0..KINDS).contains(key));
        Ok(checked.map(|()| known.collect()))
    }
}

/// The SASL mechanism by which the client authenticates.
pub(in crate::kafka) struct SaslHandshake {
    pub(super) mechanism: &'static str,
}

impl Request for SaslHandshake {
    const KEY: i16 = 17;
    const NAME: &'static str = "SaslHandshake";
    const LONGEST: usize = LONGEST_UNAUTHENTICATED;
    /// The mechanisms that the broker has, if that is not among them.
    type Answer = Result<(), (Code, Vec<String>)>;

    fn version(&self) -> i16 {
        1
    }

    fn write(&self, to: &mut Writer) {
        to.string(self.mechanism);
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let checked = Code::check(from.i16()?);
        let mechanisms = from.array(Reader::string)?;
        Ok(checked.map_err(|code| (code, mechanisms)))
    }
}

/// One step of a mechanism.
pub(in crate::kafka) struct SaslAuthenticate<'a> {
    pub(super) bytes: &'a [u8],
    /// 1 where the broker knows it: the answer has the end of the session (KIP-368).
    pub(super) version: i16,
}

/// The broker's step.
pub(in crate::kafka) struct Challenge {
    pub(super) bytes: Vec<u8>,
    /// How long the session lasts, in milliseconds; 0 without an end.
    pub(super) session_ms: i64,
}

impl Request for SaslAuthenticate<'_> {
    const KEY: i16 = 36;
    const NAME: &'static str = "SaslAuthenticate";
    const LONGEST: usize = LONGEST_UNAUTHENTICATED;
    /// The code and the broker's own text, where the authentication failed.
    type Answer = Result<Challenge, (Code, Option<String>)>;

    fn version(&self) -> i16 {
        self.version
    }

    fn write(&self, to: &mut Writer) {
        to.bytes(self.bytes);
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let checked = Code::check(from.i16()?);
        let said = from.nullable_string()?;
        let bytes = from.bytes_owned()?;
        let session_ms = if self.version > 0 { from.i64()? } else { 0 };
        Ok(checked.map(|()| Challenge { bytes, session_ms }).map_err(|code| (code, said)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_length_its_kind_and_its_number() {
        let frame = SaslHandshake { mechanism: "PLAIN" }.frame(7);
        assert_eq!(frame, b"\0\0\0\x14\0\x11\0\x01\0\0\0\x07\0\x03ebb\0\x05PLAIN");
    }

    #[test]
    fn answers_are_read() {
        let versions = b"\0\0\0\0\0\x02\0\x03\0\0\0\x0c\0\x12\0\0\0\x04";
        let read = ApiVersions.read(&mut Reader::new(versions)).unwrap().unwrap();
        assert_eq!(read, HashMap::from([(3, (0, 12)), (18, (0, 4))]));

        let refused = SaslHandshake { mechanism: "PLAIN" }.read(&mut Reader::new(b"\0\x21\0\0\0\x01\0\x03SCR"));
        let (code, mechanisms) = refused.unwrap().unwrap_err();
        assert_eq!(
            (code.to_string().as_str(), mechanisms),
            ("unsupported SASL mechanism (Kafka error 33)", vec!["SCR".into()])
        );

        let step = SaslAuthenticate { bytes: b"x", version: 1 };
        let challenge = step.read(&mut Reader::new(b"\0\0\xff\xff\0\0\0\x01y\0\0\0\0\0\0\x0b\xb8")).unwrap().unwrap();
        assert_eq!((challenge.bytes, challenge.session_ms), (b"y".to_vec(), 3000));
        let old = SaslAuthenticate { bytes: b"x", version: 0 };
        let Err((_, said)) = old.read(&mut Reader::new(b"\0\x3a\0\x02no\0\0\0\0")).unwrap() else {
            panic!("authenticated")
        };
        assert_eq!(said.as_deref(), Some("no"));
    }
}
