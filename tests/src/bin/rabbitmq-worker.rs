//! A worker as applications have them: takes one message at a time from a queue and needs a while for each.
//!
//! It reads `RABBITMQ_URL` and `QUEUE`; `WORK_SECONDS` (2) is the time a message takes. With `RESULTS_QUEUE` it puts
//! the body of each message it finished there before it acknowledges the message, so that a test can count what was
//! done. SIGTERM lets it finish the message in hand and no other.

use std::env;
use std::time::Duration;

use anyhow::{Context, Result};
use ebb_tests::rabbit;
use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let variable = |name: &str| env::var(name).with_context(|| format!("the variable {name} is not set"));
    let (url, queue) = (variable("RABBITMQ_URL")?, variable("QUEUE")?);
    let seconds = env::var("WORK_SECONDS").map_or(Ok(2.0), |text| text.parse()).context("WORK_SECONDS")?;
    let work = Duration::from_secs_f64(seconds);
    let results = env::var("RESULTS_QUEUE").ok();

    let connection = rabbit::connect(&url, "rabbitmq-worker").await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let reports = connection.create_channel().await?;
    reports.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut messages = channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await?;

    let mut terminated = false;
    while !terminated {
        let message: Delivery = tokio::select! {
            biased;
            _ = terminate.recv() => break,
            next = messages.next() => next.context("RabbitMQ closed the consumer")??,
        };
        // Every other message on its way goes back to the queue when the channel closes.
        let done = tokio::time::sleep(work);
        tokio::pin!(done);
        tokio::select! {
            () = &mut done => {}
            _ = terminate.recv() => {
                terminated = true;
                channel.basic_cancel(messages.tag(), BasicCancelOptions::default()).await?;
                done.await;
            }
        }
        if let Some(results) = &results {
            rabbit::publish_confirmed(&reports, results, &message.data).await?;
        }
        message.ack(BasicAckOptions::default()).await?;
    }
    // Closing waits for the broker, which has then seen the last acknowledgement.
    connection.close(200, "done".into()).await?;
    Ok(())
}
