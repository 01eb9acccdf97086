//! Waiting for a condition, with a failure text that shows the last state.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(50);

/// Polls `probe` until it gives a value. An error of the probe means "not yet, because …"; the last one is part of the
/// failure when `limit` has passed.
pub async fn until<T>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    let mut step = STEP;
    let mut last = String::new();
    loop {
        let left = limit.saturating_sub(begin.elapsed());
        match tokio::time::timeout(left.max(STEP), probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(why)) => last = format!("{why:#}"),
            // A probe that hangs is an answer too.
            Err(_) => last += " (the last look did not come back)",
        }
        if begin.elapsed() >= limit {
            bail!("waited {:.0} s for {what}; last seen: {last}", limit.as_secs_f64());
        }
        tokio::time::sleep(step).await;
        step = (step * 3 / 2).min(Duration::from_millis(500));
    }
}

/// Looks at `probe` again and again for the whole of `span` and fails the first time that it does.
pub async fn throughout(what: &str, span: Duration, mut probe: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < span {
        if let Err(why) = probe().await {
            bail!("after {:.1} s it was not true any more that {what}: {why:#}", begin.elapsed().as_secs_f64());
        }
        tokio::time::sleep(STEP * 4).await;
    }
    Ok(())
}

/// A number of seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
