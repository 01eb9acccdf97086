//! The end of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::RunError;

/// How long a replica that ends goes on answering, where there are others.
const DRAIN: Duration = Duration::from_secs(3);

/// The two moments of the end.
#[derive(Clone)]
pub(super) struct Shutdown {
    /// The end is asked for: nothing new begins.
    pub(super) stop: CancellationToken,
    /// Every balancer has heard of it: nothing is answered any more.
    pub(super) drained: CancellationToken,
}

impl Shutdown {
    /// Waits for SIGTERM or SIGINT in the background. `ready` is false from then on.
    ///
    /// # Errors
    /// Signals cannot be received.
    pub(super) fn on_signals(ready: Arc<AtomicBool>, others: bool) -> Result<Self, RunError> {
        let shutdown = Self { stop: CancellationToken::new(), drained: CancellationToken::new() };
        let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
        let stop = shutdown.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            info!("asked to end");
            stop.cancel();
        });
        tokio::spawn(shutdown.clone().drain(ready, if others { DRAIN } else { Duration::ZERO }));
        Ok(shutdown)
    }

    /// Until every balancer has heard of the end, questions still come and are answered.
    async fn drain(self, ready: Arc<AtomicBool>, grace: Duration) {
        self.stop.cancelled().await;
        ready.store(false, Ordering::Relaxed);
        tokio::time::sleep(grace).await;
        self.drained.cancel();
    }
}
