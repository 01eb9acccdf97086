//! From a fresh stream to an open virtual host (AMQP 0-9-1, section 2.2.4).

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::endpoint::{Endpoint, Login, Mechanism};
use super::frame::{LARGEST_FRAME, Reason, Said, read, with_length, write_method, write_short};
use super::frame_reader::FrameReader;
use crate::net::peer::said_bytes;

/// What a client of AMQP 0-9-1 says first.
const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
/// The seconds between two heartbeats that Ebb proposes.
const HEARTBEAT: u16 = 20;
/// The channels that Ebb proposes.
const CHANNELS: u16 = 16;
/// The most frames of a broker before the connection is open. RabbitMQ sends three.
const MOST_FRAMES: usize = 16;

/// Opens the connection. Gives how far two heartbeats may be apart.
///
/// # Errors
/// Why the broker does not open it.
pub(super) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    reader: &mut FrameReader,
    endpoint: &Endpoint,
) -> Result<Duration, String> {
    let mut out = HEADER.to_vec();
    let mut progress = Progress::default();
    for _ in 0..MOST_FRAMES {
        stream.write_all(&out).await.map_err(|error| error.to_string())?;
        out.clear();
        let (0, said) = read(next(stream, reader).await?)? else {
            return Err("an AMQP method of a channel before there is one".into());
        };
        match progress.answer(said, endpoint, &mut out) {
            Ok(Step::Next) => {}
            Ok(Step::Opened(heartbeat)) => return Ok(heartbeat),
            Err(why) => {
                // The close-ok, if there is one: the broker waits for it, and nothing depends on it here.
                let _ = stream.write_all(&out).await;
                return Err(why);
            }
        }
    }
    Err(format!("more than {MOST_FRAMES} AMQP frames before the connection is open"))
}

async fn next<'r>(stream: &mut (impl AsyncRead + Unpin), reader: &'r mut FrameReader) -> Result<&'r [u8], String> {
    while !reader.has_frame()? {
        if reader.fill(stream).await.map_err(|error| error.to_string())? == 0 {
            return Err("the broker closed the connection".into());
        }
    }
    reader.frame()?.ok_or_else(|| "no AMQP frame".into())
}

enum Step {
    Next,
    Opened(Duration),
}

/// How far the handshake is.
#[derive(Default)]
struct Progress {
    has_started: bool,
    /// The heartbeat, once it is agreed on.
    tuned: Option<Duration>,
}

impl Progress {
    /// Appends to `out` the answer to what the broker says.
    fn answer(&mut self, said: Said<'_>, endpoint: &Endpoint, out: &mut Vec<u8>) -> Result<Step, String> {
        match said {
            Said::Nothing => {}
            Said::Start(mechanisms) if !self.has_started => {
                self.has_started = true;
                start_ok(out, mechanisms, endpoint.login())?;
            }
            Said::Secure => return Err("the broker asks for a SASL challenge, which no mechanism of Ebb has".into()),
            Said::Tune(channels, frame, heartbeat) if self.has_started && self.tuned.is_none() => {
                let (channels, frame, heartbeat) =
                    (lower(channels, CHANNELS), lower(frame, LARGEST_FRAME), lower(heartbeat, HEARTBEAT));
                write_method(out, 0, (10, 31), |out| {
                    out.extend(channels.to_be_bytes());
                    out.extend(frame.to_be_bytes());
                    out.extend(heartbeat.to_be_bytes());
                });
                // connection.open.
                write_method(out, 0, (10, 40), |out| {
                    write_short(out, endpoint.vhost());
                    out.extend([0, 0]);
                });
                self.tuned = Some(Duration::from_secs(heartbeat.into()));
            }
            Said::Opened => {
                if let Some(heartbeat) = self.tuned {
                    return Ok(Step::Opened(heartbeat));
                }
                return Err("the broker opens a connection that Ebb did not ask for".into());
            }
            Said::Close(reason) => {
                write_method(out, 0, (10, 51), |_| ());
                return Err(closed(reason));
            }
            other => return Err(format!("the AMQP method {other} before the connection is open")),
        }
        Ok(Step::Next)
    }
}

/// The words of a broker that closes a connection or a channel, with the reply code.
pub(super) fn closed(reason: Reason<'_>) -> String {
    format!("{} ({})", said_bytes(reason.text), reason.code)
}

/// The lower of two limits. 0 is no limit.
fn lower<T: Ord + Default>(theirs: T, ours: T) -> T {
    if theirs == T::default() { ours } else { theirs.min(ours) }
}

/// connection.start-ok: who asks, and the proof.
fn start_ok(out: &mut Vec<u8>, mechanisms: &[u8], login: &Login) -> Result<(), String> {
    let mechanism = match login {
        Login::Password { mechanism: Mechanism::Plain, .. } => "PLAIN",
        Login::Password { mechanism: Mechanism::AmqPlain, .. } => "AMQPLAIN",
        Login::Certificate => "EXTERNAL",
    };
    if !mechanisms.split(|byte| *byte == b' ').any(|offered| offered == mechanism.as_bytes()) {
        let offered = said_bytes(mechanisms);
        return Err(format!("the broker does not offer the SASL mechanism {mechanism}, only {offered}"));
    }
    write_method(out, 0, (10, 11), |out| {
        with_length(out, properties);
        write_short(out, mechanism);
        with_length(out, |out| proof(out, login));
        write_short(out, "en_US");
    });
    Ok(())
}

/// What RabbitMQ's tools show of the connection. The capability makes the broker say that a login is wrong.
fn properties(out: &mut Vec<u8>) {
    for (name, text) in
        [("product", "Ebb"), ("version", env!("CARGO_PKG_VERSION")), ("platform", "Rust"), ("connection_name", "ebb")]
    {
        text_field(out, name, text);
    }
    write_short(out, "capabilities");
    out.push(b'F');
    with_length(out, |out| {
        write_short(out, "authentication_failure_close");
        out.extend([b't', 1]);
    });
}

fn proof(out: &mut Vec<u8>, login: &Login) {
    match login {
        Login::Password { user, password, mechanism: Mechanism::Plain } => {
            for part in [user, password] {
                out.push(0);
                out.extend(part.as_bytes());
            }
        }
        Login::Password { user, password, mechanism: Mechanism::AmqPlain } => {
            text_field(out, "LOGIN", user);
            text_field(out, "PASSWORD", password);
        }
        Login::Certificate => {}
    }
}

/// A field of a table with a text.
fn text_field(out: &mut Vec<u8>, name: &str, text: &str) {
    write_short(out, name);
    out.push(b'S');
    with_length(out, |out| out.extend(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::super::endpoint::EndpointParts;
    use super::super::frame::tests::{close, long, method, start};
    use super::*;

    fn endpoint(login: Login) -> Endpoint {
        Endpoint::new(EndpointParts { tls: None, host: "broker".into(), port: 5672, login, vhost: "shop".into() })
    }

    fn password(mechanism: Mechanism) -> Login {
        Login::Password { user: "ebb".into(), password: "secret".into(), mechanism }
    }

    fn tune(channels: u16, frame: u32, heartbeat: u16) -> Vec<u8> {
        let arguments = [&channels.to_be_bytes()[..], &frame.to_be_bytes(), &heartbeat.to_be_bytes()].concat();
        method(0, 10, 30, &arguments)
    }

    /// The outcome with a broker that says each of these when it has heard something, and what it has heard.
    async fn opened(login: Login, says: Vec<Vec<u8>>) -> (Result<Duration, String>, Vec<u8>) {
        let (mut client, mut broker) = tokio::io::duplex(1 << 16);
        let broker = tokio::spawn(async move {
            let mut heard = Vec::new();
            if says.is_empty() {
                return heard;
            }
            for says in says {
                broker.read_buf(&mut heard).await.unwrap();
                broker.write_all(&says).await.unwrap();
            }
            // A client that gives up has closed its end.
            let _ = broker.read_to_end(&mut heard).await;
            heard
        });
        let outcome = open(&mut client, &mut FrameReader::default(), &endpoint(login)).await;
        drop(client);
        (outcome, broker.await.unwrap())
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[tokio::test]
    async fn a_broker_lets_in_who_proves_who_asks() {
        for (login, proof) in [
            (password(Mechanism::Plain), &b"\x05PLAIN\0\0\0\x0b\0ebb\0secret"[..]),
            (
                password(Mechanism::AmqPlain),
                &b"\x08AMQPLAIN\0\0\0\x22\x05LOGINS\0\0\0\x03ebb\x08PASSWORDS\0\0\0\x06secret"[..],
            ),
        ] {
            let says = vec![start(b""), [tune(2_047, 131_072, 60), method(0, 10, 41, &[0])].concat()];
            let (outcome, heard) = opened(login, says).await;
            assert_eq!(outcome, Ok(Duration::from_secs(20)));
            assert!(heard.starts_with(HEADER) && contains(&heard, proof), "{heard:?}");
            assert!(contains(&heard, b"\x05en_US"));
        }
    }

    #[tokio::test]
    async fn the_lower_of_two_limits_holds() {
        for (theirs, tuned, heartbeat) in
            [(tune(0, 0, 0), [0, 16, 0, 0, 0x20, 0, 0, 20], 20), (tune(8, 4_096, 10), [0, 8, 0, 0, 0x10, 0, 0, 10], 10)]
        {
            let says = vec![start(b""), theirs, method(0, 10, 41, &[0])];
            let (outcome, heard) = opened(password(Mechanism::Plain), says).await;
            assert_eq!(outcome, Ok(Duration::from_secs(heartbeat)));
            assert!(contains(&heard, &method(0, 10, 31, &tuned)), "{heard:?}");
        }
    }

    #[tokio::test]
    async fn a_broker_that_does_not_let_in_is_named_and_short() {
        let welcome = || start(b"");
        for (says, error) in [
            (vec![b"AMQP\0\x01\x01\x08".to_vec()], "does not speak AMQP 0-9-1"),
            (
                vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec()],
                "the broker's answer begins with \"HTTP/1.\", which is no AMQP",
            ),
            (vec![vec![1, 0, 0, 0x7f, 0xff, 0xff, 0xff]], "frame of 2147483647 bytes"),
            (vec![welcome(), close(0, 403, "ACCESS_REFUSED - no")], "ACCESS_REFUSED - no (403)"),
            (vec![welcome(), close(0, 530, &"x".repeat(255))], "xxx"),
            (vec![welcome(), method(0, 10, 20, &long(b"?"))], "asks for a SASL challenge"),
            (vec![welcome(), welcome()], "before the connection is open"),
            (vec![tune(0, 0, 0)], "before the connection is open"),
            (vec![method(0, 10, 41, &[0])], "that Ebb did not ask for"),
            (vec![method(1, 20, 11, &[0; 4])], "of a channel before there is one"),
            (vec![], "the broker closed the connection"),
        ] {
            let (outcome, _) = opened(password(Mechanism::Plain), says).await;
            let found = outcome.unwrap_err();
            assert!(found.contains(error) && found.chars().count() <= 210, "{found}");
        }
    }

    #[tokio::test]
    async fn a_mechanism_that_is_not_offered_is_named() {
        let (outcome, heard) = opened(Login::Certificate, vec![start(b"")]).await;
        let error = outcome.unwrap_err();
        assert_eq!(error, "the broker does not offer the SASL mechanism EXTERNAL, only PLAIN AMQPLAIN");
        assert!(!contains(&heard, b"EXTERNAL"));
    }

    #[tokio::test]
    async fn a_broker_that_only_talks_has_an_end() {
        let heartbeat = [8, 0, 0, 0, 0, 0, 0, 0xce];
        let (outcome, _) = opened(password(Mechanism::Plain), vec![heartbeat.repeat(100)]).await;
        assert!(outcome.unwrap_err().contains("more than 16 AMQP frames"));
    }
}
