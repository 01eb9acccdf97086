//! The Helm chart and the manifests of `deploy/`: rendered by Helm 3, Helm 4 and kustomize, and applied to a test
//! cluster. `make release-test` installs the tools and runs these tests; `make test` leaves them out.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod apply;
mod chart;
mod gitops;
mod lifecycle;
mod manifests;
mod migration;
mod schema;
mod tool;
mod tutorial;
mod values;

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use ebb_tests::bed::{Bed, Options};
use ebb_tests::durations;
use ebb_tests::world::Outcome;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static BED: OnceCell<Bed> = OnceCell::const_new();
/// A cluster has one Ebb, so that these tests run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test on the test cluster, which has RabbitMQ, which the first such test starts, and which has no kind
/// of keda.sh.
fn on_cluster(test: impl AsyncFnOnce(&'static Bed) -> Result<()>) -> Outcome {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let start = async || {
        let options = Options::new("release");
        durations::begin(&options.dir)?;
        Bed::start(options).await
    };
    RUNTIME.block_on(async {
        let bed = BED.get_or_try_init(start).await?;
        // Those that another test leaves belong to its release, or to its kubectl.
        let kinds = ["scaledobjects", "triggerauthentications", "clustertriggerauthentications"];
        let [objects, authentications, cluster] = kinds.map(|kind| format!("{kind}.keda.sh"));
        let delete = ["delete", "crd", "--ignore-not-found", &objects, &authentications, &cluster];
        bed.kubectl().run(&delete).await?;
        let begin = Instant::now();
        let outcome = test(bed).await;
        durations::add(&bed.dir, begin.elapsed())?;
        Ok(outcome?)
    })
}
