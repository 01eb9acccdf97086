//! Everything that one contender is measured on: a new control plane, brokers behind proxies, applications,
//! Deployments.

use anyhow::{Context, Result};
use ebb_tests::bed::{Bed, Options};
use ebb_tests::kafka::Kafka;
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;

use crate::contender::Role;
use crate::proxy::{Protocol, Proxy, Traffic};
use crate::settings::{Kind, Settings};
use crate::workloads::{self, Addresses, Applications, Workload};

/// Where the workloads are.
const NAMESPACE: &str = "load";

/// The servers of a run. Dropping it ends them.
pub(crate) struct Stage {
    /// The scaled workloads.
    pub(crate) workloads: Vec<Workload>,
    /// Where the triggers find the brokers.
    pub(crate) addresses: Addresses,
    /// The namespace of the workloads.
    pub(crate) user: Sandbox,
    /// Those that bring work.
    pub(crate) applications: Applications,
    rabbitmq: Option<Proxy>,
    kafka: Option<Proxy>,
    /// The control plane.
    pub(crate) bed: Bed,
}

impl Stage {
    /// Starts the servers. Nothing is scaled yet.
    pub(crate) async fn set(settings: &Settings, role: Role) -> Result<Self> {
        let mut options = Options::new(&format!("load-{}", role.name()));
        let (with_rabbitmq, with_kafka) = match settings.kind {
            Kind::Rabbitmq => (true, false),
            Kind::Kafka => (false, true),
            Kind::Mixed => (true, true),
            Kind::Cron => (false, false),
        };
        if with_kafka {
            options.with.push("kafka");
        }
        let bed = Bed::start(options).await?;
        let rabbit = Rabbit::connect(bed.rabbitmq()?).await?;
        let mut addresses = Addresses::default();
        let (mut rabbitmq, mut kafka, mut producer) = (None, None, None);
        if with_rabbitmq {
            let facts = bed.rabbitmq()?;
            let proxy = Proxy::start(Protocol::Amqp, facts.amqp_port).await?;
            addresses.rabbitmq = format!("amqp://{}:{}@127.0.0.1:{}/", facts.user, facts.password, proxy.port);
            rabbitmq = Some(proxy);
        }
        if with_kafka {
            let facts = bed.kafka()?;
            let (_, port) = facts.plaintext.rsplit_once(':').context("Kafka has no port")?;
            let proxy = Proxy::start(Protocol::Kafka, port.parse()?).await?;
            addresses.kafka = format!("127.0.0.1:{}", proxy.port);
            (kafka, producer) = (Some(proxy), Some(Kafka::connect(facts).await?));
        }
        let user = Sandbox::create(&bed, NAMESPACE).await?;
        let applications = Applications { rabbit, kafka: producer };
        let workloads = workloads::all(settings);
        Ok(Self { workloads, addresses, user, applications, rabbitmq, kafka, bed })
    }

    /// Makes queues, topics and Deployments, and waits until the control plane has come to rest.
    pub(crate) async fn fill(&self) -> Result<()> {
        workloads::declare(&self.workloads, &self.applications).await?;
        let deployments: Vec<_> = self.workloads.iter().map(|one| one.deployment(&self.addresses)).collect();
        self.user.deploy_all(&deployments).await
    }

    /// The traffic to each broker so far, with the broker's name.
    pub(crate) fn traffic(&self) -> Vec<(&'static str, Traffic)> {
        let of = |name: &'static str, proxy: &Option<Proxy>| proxy.as_ref().map(|proxy| (name, proxy.traffic()));
        of("RabbitMQ", &self.rabbitmq).into_iter().chain(of("Kafka", &self.kafka)).collect()
    }

    /// Brings work for one workload.
    pub(crate) async fn wake(&self, workload: &Workload) -> Result<()> {
        workload.wake(&self.user, &self.applications).await
    }
}
