//! One test cluster and one Ebb for all the end-to-end tests of a program.
//!
//! Starting them takes half a minute, so the first test starts them and the others join. They end with the program:
//! the control plane reads the end of its input, and a [tether](crate::process::Tether) holds Ebb.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::bed::{Bed, Options};
use crate::durations;
use crate::ebb::{self, Ebb};
use crate::kafka::Kafka;
use crate::rabbit::Rabbit;
use crate::sandbox::Sandbox;
use crate::workload::{deployment, rabbitmq, scaled_object};

/// Outlives the tests: what a client does in the background ends with its runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads for the tests"));

/// How a test ended.
pub type Outcome = Result<(), Failure>;

/// Why a test failed, for people: shown as it is, without the quotes and backtraces of other errors.
pub struct Failure(String);

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The parts that the tests share.
pub struct World {
    /// The autoscaler.
    pub ebb: Ebb,
    /// The application's side of RabbitMQ.
    pub rabbit: Rabbit,
    /// The application's side of Kafka, where there is one.
    kafka: Option<Kafka>,
    /// The control plane.
    pub bed: Bed,
}

impl World {
    /// Starts everything. The tests of a test program use [`Shared`].
    pub async fn start(options: Options) -> Result<Self> {
        let bed = Bed::start(options).await?;
        let ebb = Ebb::start(&bed, false).await?;
        ebb::admit_where_asked(&bed).await?;
        let rabbit = Rabbit::connect(bed.rabbitmq()?).await?;
        let kafka = match &bed.facts.kafka {
            Some(facts) => Some(Kafka::connect(facts).await?),
            None => None,
        };
        Ok(Self { ebb, rabbit, kafka, bed })
    }

    /// The application's side of Kafka.
    pub fn kafka(&self) -> Result<&Kafka> {
        self.kafka.as_ref().context("these stories were started without Kafka")
    }

    /// A namespace for one test.
    pub async fn sandbox(&self, name: &str) -> Result<Sandbox> {
        Sandbox::create(&self.bed, name).await
    }

    /// A namespace with a Deployment `my-app` and a ScaledObject of that name, which is Ready, and a queue of the
    /// namespace's name with `messages` messages. A spec without triggers gets one on that queue.
    pub async fn app(&self, name: &str, replicas: u32, messages: usize, mut spec: Value) -> Result<Sandbox> {
        let user = self.sandbox(name).await?;
        self.rabbit.declare(name).await?;
        self.rabbit.publish(name, messages).await?;
        user.apply(&deployment("my-app", replicas, &[("RABBITMQ_URL", &self.rabbit.url())])).await?;
        if spec["triggers"].is_null() {
            spec["triggers"] = json!([rabbitmq(name)]);
        }
        user.apply(&scaled_object("my-app", spec)).await?;
        user.wait_ready("my-app").await?;
        Ok(user)
    }

    /// A test's error with the end of Ebb's log, and Ebb's exit status where it ended unasked.
    fn failure(&self, error: &anyhow::Error) -> Failure {
        let ended = self.ebb.exit_status().map(|status| format!("Ebb ended by itself: {status}\n"));
        let log = self.ebb.log.display();
        let (ended, tail) = (ended.unwrap_or_default(), self.ebb.log_tail());
        Failure(format!("{error:#}\n\n{ended}the end of {log}:\n{tail}\n"))
    }

    /// Ends everything that is scaled, with Ebb as it was at the start.
    async fn tidy(&self) -> Result<()> {
        self.ebb.kill()?;
        self.ebb.restart().await?;
        ebb::serve_from(&self.bed, self.ebb.secure_port).await?;
        let all = Sandbox::existing(&self.bed, "");
        let objects = all.send(Method::GET, "/apis/keda.sh/v1alpha1/scaledobjects", None).await?;
        let namespaces: BTreeSet<&str> = objects["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|object| object["metadata"]["namespace"].as_str())
            .collect();
        for namespace in namespaces {
            let left = Sandbox::existing(&self.bed, namespace);
            left.delete_all("ScaledObject").await?;
            left.delete_all("Deployment").await?;
        }
        Ok(())
    }
}

/// The shared parts of a program's tests, started by the first test that needs them.
pub struct Shared {
    options: fn() -> Options,
    world: OnceCell<Result<World, String>>,
    alone: Mutex<()>,
}

impl Shared {
    /// Not yet started.
    pub const fn new(options: fn() -> Options) -> Self {
        Self { options, world: OnceCell::const_new(), alone: Mutex::new(()) }
    }

    /// Runs one test in it, beside others. A failure shows the end of Ebb's log.
    pub fn story(&'static self, story: impl AsyncFnOnce(&'static World) -> Result<()>) -> Outcome {
        RUNTIME.block_on(async {
            let world = self.started().await?;
            timed(world, story).await.map_err(|error| world.failure(&error))
        })
    }

    /// Runs one test in it while no other runs. Leftovers of a failure do not hinder the next test.
    pub fn story_alone(&'static self, story: impl AsyncFnOnce(&'static World) -> Result<()>) -> Outcome {
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        RUNTIME.block_on(async {
            let world = self.started().await?;
            let Err(error) = timed(world, story).await else { return Ok(()) };
            let Failure(text) = world.failure(&error);
            let tidied = world.tidy().await.err().map(|error| format!("what it left is still there: {error:#}\n"));
            Err(Failure(text + &tidied.unwrap_or_default()))
        })
    }

    async fn started(&'static self) -> Result<&'static World, Failure> {
        let start = async || {
            let options = (self.options)();
            durations::begin(&options.dir)?;
            World::start(options).await
        };
        let started = async || start().await.map_err(|error| format!("{error:#}"));
        let world = self.world.get_or_init(started).await;
        world.as_ref().map_err(|error| Failure(format!("the servers did not start: {error}")))
    }
}

/// Runs one test and notes how long it took, however it ended.
async fn timed(world: &'static World, test: impl AsyncFnOnce(&'static World) -> Result<()>) -> Result<()> {
    let begin = Instant::now();
    let outcome = test(world).await;
    let noted = durations::add(&world.bed.dir, begin.elapsed()).context("the file of durations");
    outcome.and(noted)
}
