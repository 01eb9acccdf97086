//! The bodies of HTTP answers, bounded one by one and all together.

use std::io;
use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use crate::budget::{Budget, Reservation, SMALL};

/// The longest body of an answer that says no, or comes from whom nobody has proved anything to.
pub(crate) const LONGEST_REFUSAL: usize = 32 << 10;
/// How long a body may take to come, whatever time a trigger gives the whole exchange: memory is reserved for it meanwhile.
const ARRIVAL: Duration = Duration::from_secs(5);

/// A body, and the memory that is reserved for it and for what it is read as.
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

/// Reads a body of at most `longest` bytes. What it is read as takes at most as much again, which is for its reader to see
/// to.
///
/// # Errors
/// It is longer, fails, does not come, or there is no memory for it.
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
            // What is held is small: nobody who holds a large reservation waits for a small one.
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
