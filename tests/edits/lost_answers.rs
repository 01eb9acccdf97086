//! Writes are lost, or their answers, or come late: in the end everything is as a fresh start makes it.

use anyhow::Context;
use ebb_tests::churn::{self, Size};
use ebb_tests::world::Outcome;
use ebb_tests::{random, size};

use crate::story;

#[test]
fn whatever_write_is_lost_the_end_is_that_of_a_fresh_start() -> Outcome {
    let seed = random::seed("EBB_LOSSES_SEED");
    println!("EBB_LOSSES_SEED={seed}");
    story(async |world| {
        let size = size::choose(Size::SHORT, Size::FULL);
        let lost = churn::edit_and_lose(world, "losses", seed, size).await;
        lost.with_context(|| format!("with EBB_LOSSES_SEED={seed}"))
    })
}
