//! The manifests of `tests/parity/in`, and whether Ebb gives the same results as KEDA.

use anyhow::bail;
use ebb_tests::world::Outcome;
use ebb_tests::{parity, paths};

use crate::story;

#[test]
fn the_same_manifests_give_the_same_objects() -> Outcome {
    story(async |world| {
        let user = world.sandbox(parity::NAMESPACE).await?;
        let cases = parity::cases(&paths::root().join("tests/parity"))?;
        let mut wrong = Vec::new();
        for verdict in parity::run(&user, &world.rabbit, world.kafka()?, &cases).await? {
            wrong.extend(verdict.differences.unexpected.iter().map(|found| format!("{}{found}", verdict.case)));
        }
        if !wrong.is_empty() {
            bail!("{} differences:\n{}", wrong.len(), wrong.join("\n"));
        }
        Ok(())
    })
}
