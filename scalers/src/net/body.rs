//! The bodies of HTTP answers, bounded one by one and all together.

use std::io;
use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use crate::net::budget::{Budget, Reservation, SMALL};

/// The longest body of an answer whose status is no success.
pub(crate) const LONGEST_REFUSAL: usize = 32 << 10;
/// The longest that a body may take to come, for every timeout of a trigger: memory is reserved for the body meanwhile.
const ARRIVAL: Duration = Duration::from_secs(5);

/// A body, and the memory that is reserved for it and for its parsed values.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    _reserved: Reservation,
}

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is longer than this.
    TooLong(usize),
    /// There was no memory for it, or it came too slowly.
    NotNow(String),
    /// The connection has failed.
    Http(reqwest::Error),
}

/// Reads a body of at most `longest` bytes. The budget counts twice a body's bytes: the caller must parse it into no
/// more memory than its bytes take.
///
/// # Errors
/// The body is longer, fails or does not come in time, or there is no memory for it.
pub(crate) async fn read(response: Response, longest: usize, budget: &Budget) -> Result<Body, Fault> {
    let reading = timeout(ARRIVAL, read_whole(response, longest, budget)).await;
    reading.unwrap_or_else(|_| Err(Fault::NotNow(format!("the answer had not come after {} s", ARRIVAL.as_secs()))))
}

async fn read_whole(mut response: Response, longest: usize, budget: &Budget) -> Result<Body, Fault> {
    let announced = response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > longest {
        return Err(Fault::TooLong(longest));
    }
    let memory = async |bytes: usize| {
        let reserved = budget.reserve_soon(2 * bytes).await;
        reserved.map_err(|error: io::Error| Fault::NotNow(error.to_string()))
    };
    // Nobody says how long a body in pieces will be: it may be small.
    let mut room = if announced > 0 { announced } else { longest.min(SMALL / 2) };
    let mut reserved = memory(room).await?;
    let mut bytes = Vec::with_capacity(announced);
    while let Some(piece) = response.chunk().await.map_err(Fault::Http)? {
        let length = bytes.len() + piece.len();
        if length > longest {
            return Err(Fault::TooLong(longest));
        }
        if length > room {
            // The reservation that is held here is small. A reader with a large reservation never waits for a small
            // one.
            room = longest;
            reserved = memory(room).await?;
        }
        if length > bytes.capacity() {
            bytes.reserve_exact(room.min(2 * length) - bytes.len());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Body { bytes, _reserved: reserved })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::budget::LARGEST;

    const LONGEST: usize = 1 << 20;

    /// Asks a server that says this, and then leaves the connection open.
    async fn ask(head: &str, body: Vec<u8>, budget: &Budget) -> Result<usize, Fault> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let says = [format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").into_bytes(), body].concat();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&says).await;
            std::future::pending::<()>().await;
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let read = read(client.get(&url).send().await.unwrap(), LONGEST, budget).await;
        server.abort();
        read.map(|body| body.bytes.len())
    }

    fn chunked(length: usize) -> Vec<u8> {
        [format!("{length:x}\r\n").as_bytes(), &vec![b'x'; length], b"\r\n0\r\n\r\n"].concat()
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound_however_its_length_is_told() {
        let (budget, pieces) = (Budget::default(), "transfer-encoding: chunked");
        for length in [0, 1, SMALL / 2, SMALL / 2 + 1, LONGEST] {
            assert_eq!(ask(pieces, chunked(length), &budget).await.unwrap(), length);
            let head = format!("content-length: {length}");
            assert_eq!(ask(&head, vec![b'x'; length], &budget).await.unwrap(), length);
        }
        for (head, body) in [
            (pieces, chunked(LONGEST + 1)),
            ("content-length: 1048577", vec![]),
            ("content-length: 1099511627776", vec![]),
        ] {
            let read = ask(head, body, &budget).await;
            assert!(matches!(read, Err(Fault::TooLong(LONGEST))), "{head}: {read:?}");
        }
    }

    #[tokio::test]
    async fn a_long_body_waits_for_memory_and_one_that_does_not_come_gives_it_back() {
        let budget = Budget::default();
        let held = [budget.reserve(LARGEST).await, budget.reserve(LARGEST).await];
        let read = ask("transfer-encoding: chunked", chunked(SMALL), &budget).await;
        assert!(matches!(&read, Err(Fault::NotNow(why)) if why.contains("all memory for answers")), "{read:?}");
        assert_eq!(ask("transfer-encoding: chunked", chunked(100), &budget).await.unwrap(), 100);
        drop(held);

        let read = ask("content-length: 1000000", vec![b'x'], &budget).await;
        assert!(matches!(&read, Err(Fault::NotNow(why)) if why.contains("had not come")), "{read:?}");
        assert!(budget.reserve_soon(LARGEST).await.is_ok());
    }
}
