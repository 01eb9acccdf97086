//! Edits in random order, while Ebb is killed again and again, end in the state that a fresh start gives.

use anyhow::Context;
use ebb_tests::churn::{self, Run, Size};
use ebb_tests::world::Outcome;
use ebb_tests::{random, size};

use crate::story;

#[test]
fn edits_and_kills_end_as_a_fresh_start_does() -> Outcome {
    let seed = random::seed("EBB_CHURN_SEED");
    println!("EBB_CHURN_SEED={seed}");
    story(async |world| {
        let churned = async {
            let size = size::choose(Size::SHORT, Size::FULL);
            let mut runs = [Run::begin(world, "churn", seed, size).await?];
            churn::edit_and_kill(world, &mut runs, size, seed).await?;
            churn::compare(world, &runs).await
        };
        churned.await.with_context(|| format!("with EBB_CHURN_SEED={seed}"))
    })
}
