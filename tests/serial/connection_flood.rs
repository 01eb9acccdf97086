//! A connection flood at the external metrics API. While it lasts, it keeps other unauthenticated clients out.

use std::time::Instant;

use anyhow::ensure;
use ebb_tests::direct::{API, CONTROLLER, Direct, answer, head};
use ebb_tests::wait::secs;
use ebb_tests::world::Outcome;
use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::story;

#[test]
fn a_thousand_idle_connections_keep_nobody_out() -> Outcome {
    story(async |world| {
        let direct = Direct::as_aggregator(world).await?;
        // The aggregator's connection that is open already.
        let mut open = direct.connect().await?;
        let question = head("GET", API, CONTROLLER);
        open.write_all(question.as_bytes()).await?;
        ensure!(answer(&mut open, "GET").await?.code == 200, "the open connection at first");
        let stranger = direct.showing(None);
        // Each sends a request that anybody may send, so that it is more than a handshake, and then nothing.
        let idle = join_all((0..1000).map(async |_| {
            let mut wire = stranger.connect().await.ok()?;
            wire.write_all(head("GET", "/healthz", &[]).as_bytes()).await.ok()?;
            (answer(&mut wire, "GET").await.ok()?.code == 200).then_some(wire)
        }))
        .await;
        let held: Vec<_> = idle.into_iter().flatten().collect();
        ensure!(held.len() >= 500, "only {} idle connections were had", held.len());
        ensure!(held.len() <= 768, "{} connections of strangers at once", held.len());
        let begin = Instant::now();
        let another = direct.ask("GET", API, CONTROLLER).await?;
        ensure!(another.code == 200, "a new connection: {another:?}");
        let (new, begin) = (begin.elapsed(), Instant::now());
        open.write_all(question.as_bytes()).await?;
        ensure!(answer(&mut open, "GET").await?.code == 200, "the open connection");
        println!(
            "{} of 1000 strangers held a connection: a new one of the aggregator's took {new:?}, the open one {:?}",
            held.len(),
            begin.elapsed()
        );
        // They are sent away, too.
        let ended = join_all(
            held.into_iter()
                .map(async |mut wire| matches!(timeout(secs(40), wire.read(&mut [0; 512])).await, Ok(Ok(0) | Err(_)))),
        )
        .await;
        ensure!(ended.iter().all(|ended| *ended), "some are still open");
        Ok(())
    })
}
