//! The parts of the process that run side by side. The process ends when one of them ends before it is asked to.

use std::fmt::Display;
use std::future::Future;

use tokio::task::{JoinError, JoinSet};

use super::RunError;

/// The running parts.
#[derive(Default)]
pub(super) struct Tasks(JoinSet<Ended>);

/// The end of a part: its name, and its error if it has one.
type Ended = (&'static str, Option<String>);

impl Tasks {
    /// Starts a part that ends with a result.
    pub(super) fn spawn<E: Display>(
        &mut self,
        name: &'static str,
        part: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.0.spawn(async move { (name, part.await.err().map(|error| error.to_string())) });
    }

    /// The error of the first part that ends. Never resolves while all run.
    pub(super) async fn first_end(&mut self) -> RunError {
        match self.0.join_next().await {
            Some(ended) => part_ended(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits for the ends of all parts. They have been asked to end. Returns the first error.
    pub(super) async fn ended(mut self) -> Result<(), RunError> {
        let mut outcome = Ok(());
        while let Some(ended) = self.0.join_next().await {
            if !matches!(ended, Ok((_, None))) && outcome.is_ok() {
                outcome = Err(part_ended(ended));
            }
        }
        outcome
    }
}

fn part_ended(ended: Result<Ended, JoinError>) -> RunError {
    match ended {
        Ok((part, cause)) => RunError::Part { part, cause: cause.unwrap_or_else(|| "it has nothing to do".into()) },
        Err(error) => RunError::Part { part: "a part of the process", cause: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[tokio::test]
    async fn the_first_part_that_ends_is_named_with_its_cause() {
        let mut tasks = Tasks::default();
        tasks.spawn("one that stays", std::future::pending::<io::Result<()>>());
        tasks.spawn("the health server", async { Err(io::Error::other("the socket is gone")) });
        assert_eq!(tasks.first_end().await.to_string(), "the health server has ended: the socket is gone");
    }

    #[tokio::test]
    async fn parts_that_end_as_asked_are_no_error() {
        let mut tasks = Tasks::default();
        tasks.spawn("one", async { Ok::<_, io::Error>(()) });
        tasks.spawn("two", async { Ok::<_, io::Error>(()) });
        assert!(tasks.ended().await.is_ok());
        let mut tasks = Tasks::default();
        tasks.spawn("one", async {
            assert!(std::env::args().count() == 0, "a bug");
            Ok::<_, io::Error>(())
        });
        assert!(tasks.ended().await.unwrap_err().to_string().contains("a part of the process has ended"));
    }
}
