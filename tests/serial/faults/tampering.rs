//! Brokers whose answers a proxy changes on their way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ebb_tests::process;
use ebb_tests::random::{self, Random};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{kafka_at, rabbitmq_at};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;

use super::{App, all_work, busy_queue, busy_topic_on, leave};
use crate::story;
use ebb_tests::impostor::{Impostor, Manner, PortPair, Tampering};

/// How long answers are changed where the variable says nothing else.
const LONG: u64 = 30;
/// The most memory that Ebb may take besides: no length in an answer is to be believed.
const MEMORY_KB: u64 = 64 << 10;

#[test]
fn answers_that_were_tampered_with_end_nothing() -> Outcome {
    let seed = random::seed("EBB_TAMPERING_SEED");
    println!("EBB_TAMPERING_SEED={seed}");
    let long = std::env::var("EBB_TAMPERING_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(LONG);
    story(async |world| tamper(world, seed, long).await.with_context(|| format!("with EBB_TAMPERING_SEED={seed}")))
}

async fn tamper(world: &World, seed: u64, long: u64) -> Result<()> {
    let user = world.sandbox("faults-tampering").await?;
    let (rabbit, facts) = (world.bed.rabbitmq()?, world.bed.kafka()?);
    let name = "faults-tampering";
    busy_topic_on(world, name, &[1, 2, 1, 2, 1]).await?;
    busy_queue(world, name).await?;
    let (topic, queue) = ("s0-kafka-faults-tampering", "s0-rabbitmq-faults-tampering");
    let healthy = [
        App::apply(&user, "kafka", topic, kafka_at(&facts.plaintext, name)).await?,
        App::apply(&user, "amqp", queue, rabbitmq_at(&world.rabbit.url(), name)).await?,
        App::apply(&user, "http", queue, rabbitmq_at(&world.rabbit.http_url(), name)).await?,
    ];
    all_work(&user, &healthy).await?;

    // One impostor for each listener. Kafka's brokers name themselves in their answers: there the impostors' ports take
    // their place.
    let mut brokers: Vec<String> = facts.brokers.iter().map(|broker| broker.plaintext.clone()).collect();
    brokers.push(format!("{}:{}", rabbit.host, rabbit.amqp_port));
    brokers.push(format!("{}:{}", rabbit.host, rabbit.http_port));
    let impostors = try_join_all(brokers.iter().map(|_| Impostor::start(Manner::Silent))).await?;
    let port = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let ports = brokers
        .iter()
        .zip(&impostors)
        .map(|(broker, impostor)| Some(PortPair { broker: port(broker)?, impostor: port(&impostor.address)? }));
    let ports: Arc<[PortPair]> = ports.collect::<Option<_>>().context("an address without a port")?;
    let pass_through = |chance: usize| {
        for (number, (broker, impostor)) in brokers.iter().zip(&impostors).enumerate() {
            let seed = seed.wrapping_add(number as u64);
            let (broker, ports) = (broker.clone(), Arc::clone(&ports));
            impostor.behave(Manner::Tampering(Tampering { broker, ports, chance, seed }));
        }
    };
    pass_through(0);
    let [.., amqp, http] = impostors.as_slice() else { return Ok(()) };
    let servers: Vec<&str> =
        impostors[..facts.brokers.len()].iter().map(|impostor| impostor.address.as_str()).collect();
    let at = |scheme: &str, address: &str| format!("{scheme}://{}:{}@{address}/", rabbit.user, rabbit.password);
    let tampered = [
        App::apply(&user, "tampered-kafka", topic, kafka_at(&servers.join(","), name)).await?,
        App::apply(&user, "tampered-amqp", queue, rabbitmq_at(&at("amqp", &amqp.address), name)).await?,
        App::apply(&user, "tampered-http", queue, rabbitmq_at(&at("http", &http.address), name)).await?,
    ];
    all_work(&user, &tampered).await?;

    let pid = world.ebb.pid().context("Ebb does not run")?;
    let memory = process::resident_kb(pid)?;
    let mut most = 0;
    let until = Instant::now() + secs(long);
    let mut rounds = 0;
    let mut random = Random::new(seed);
    while Instant::now() < until {
        // Seldom, so that deep answers are reached; often, so that the first ones are.
        pass_through([40, 8, 3][rounds % 3]);
        rounds += 1;
        let cut = Duration::from_millis(random.within(200..2000) as u64);
        wait::throughout("the others are served", cut, async || {
            for app in &healthy {
                app.serves_quickly(&user).await?;
            }
            most = most.max(process::resident_kb(pid)?.saturating_sub(memory));
            ensure!(most < MEMORY_KB, "Ebb has grown by {most} kB");
            Ok(())
        })
        .await?;
    }
    ensure!(world.ebb.pid() == Some(pid), "Ebb has ended");
    let came: Vec<usize> = impostors.iter().map(Impostor::came).collect();
    println!("{long} s of answers that were changed, on {came:?} connections: {most} kB more memory");
    ensure!(came.iter().all(|came| *came > 1), "nobody minded: {came:?}");
    healthy.iter().try_for_each(App::unchanged)?;

    pass_through(0);
    let works = async |app: &App| -> Result<()> { app.works(&user).await };
    try_join_all(tampered.iter().map(works)).await?;
    all_work(&user, &healthy).await?;
    leave(&user).await
}
