//! Hundreds of edits in random order, while Ebb is killed again and again, end in the state that a fresh start gives.

use anyhow::Context;
use ebb_tests::churn::{self, Run, Size};
use ebb_tests::random;
use ebb_tests::world::Outcome;

use crate::story;

#[test]
fn five_hundred_edits_and_kills_end_as_a_fresh_start_does() -> Outcome {
    let seed = random::seed("EBB_CHURN_SEED");
    println!("EBB_CHURN_SEED={seed}");
    story(async |world| {
        let churned = async {
            let mut runs = [Run::begin(world, "churn", seed, Size::FULL).await?];
            churn::edit_and_kill(world, &mut runs, Size::FULL, seed).await?;
            churn::compare(world, &runs).await
        };
        churned.await.with_context(|| format!("with EBB_CHURN_SEED={seed}"))
    })
}
