//! The application's side of RabbitMQ: queues, messages, users, and the broker's view of its clients.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::bed::RabbitFacts;

/// The application that uses RabbitMQ, and its management API. It connects again after the broker was away.
pub struct Rabbit {
    facts: RabbitFacts,
    url: String,
    session: Mutex<Option<(Connection, Channel)>>,
    http: reqwest::Client,
}

/// Connects to an AMQP URL. A path of `/` alone is the default vhost here as it is for most clients.
pub async fn connect(url: &str, name: &str) -> Result<Connection> {
    crate::init_tls();
    let url = url.strip_suffix('/').map_or_else(|| url.to_owned(), |base| format!("{base}/%2f"));
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    Connection::connect(&url, properties).await.context("cannot connect to RabbitMQ")
}

fn url_of(facts: &RabbitFacts, user: &str, password: &str) -> String {
    format!("amqp://{user}:{password}@{}:{}/", facts.host, facts.amqp_port)
}

/// Publishes one message to a queue over a channel with confirms, and waits until the broker has taken it.
pub async fn publish_confirmed(channel: &Channel, queue: &str, body: &[u8]) -> Result<()> {
    let confirmation = publish(channel, queue, body).await?.await?;
    ensure!(confirmation.is_ack(), "RabbitMQ did not take a message for {queue}");
    Ok(())
}

async fn publish(channel: &Channel, queue: &str, body: &[u8]) -> lapin::Result<PublisherConfirm> {
    let persistent = BasicProperties::default().with_delivery_mode(2);
    channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), body, persistent).await
}

impl Rabbit {
    /// Connects as the administrator to the default vhost.
    pub async fn connect(facts: &RabbitFacts) -> Result<Self> {
        Self::connect_to(facts, "").await
    }

    /// Connects as the administrator to a vhost.
    pub async fn connect_to(facts: &RabbitFacts, vhost: &str) -> Result<Self> {
        let url = format!("{}{vhost}", url_of(facts, &facts.user, &facts.password));
        let rabbit = Self { facts: facts.clone(), url, session: Mutex::default(), http: reqwest::Client::new() };
        rabbit.channel().await?;
        Ok(rabbit)
    }

    /// The AMQP URL of the administrator, as an application's Secret would hold it.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The AMQP URL of another user, in the default vhost.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        url_of(&self.facts, user, password)
    }

    /// The URL of the management API, with the administrator in it.
    pub fn http_url(&self) -> String {
        let RabbitFacts { user, password, host, http_port, .. } = &self.facts;
        format!("http://{user}:{password}@{host}:{http_port}/")
    }

    /// Declares a durable classic queue.
    pub async fn declare(&self, queue: &str) -> Result<()> {
        let options = QueueDeclareOptions::durable();
        self.channel().await?.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(())
    }

    /// Declares a durable queue of another type: `quorum` or `stream`.
    pub async fn declare_as(&self, queue: &str, kind: &str) -> Result<()> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        self.channel().await?.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments).await?;
        Ok(())
    }

    /// Deletes a queue.
    pub async fn delete(&self, queue: &str) -> Result<()> {
        self.channel().await?.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        Ok(())
    }

    /// Publishes `count` messages whose bodies are `0`, `1`, … and waits until the broker has taken all of them.
    pub async fn publish(&self, queue: &str, count: usize) -> Result<()> {
        self.publish_numbers(queue, 0..count).await
    }

    /// Publishes messages with these numbers for bodies and waits until the broker has taken all of them.
    pub async fn publish_numbers(&self, queue: &str, numbers: std::ops::Range<usize>) -> Result<()> {
        let channel = self.channel().await?;
        let mut pending = Vec::with_capacity(numbers.len());
        for id in numbers {
            pending.push(publish(&channel, queue, id.to_string().as_bytes()).await?);
        }
        for confirmation in pending {
            ensure!(confirmation.await?.is_ack(), "RabbitMQ did not take a message for {queue}");
        }
        Ok(())
    }

    /// Takes up to `most` messages out of a queue, as a worker that acknowledges each, and hands their bodies over
    /// before it does.
    pub async fn work_off(&self, queue: &str, most: usize, mut done: impl FnMut(&str)) -> Result<usize> {
        let channel = self.channel().await?;
        for count in 0..most {
            let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await? else {
                return Ok(count);
            };
            done(&String::from_utf8_lossy(&message.data));
            message.delivery.ack(BasicAckOptions::default()).await?;
        }
        Ok(most)
    }

    /// Drops the messages that wait in a queue.
    pub async fn purge(&self, queue: &str) -> Result<()> {
        self.channel().await?.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// How many messages wait in a queue, by a passive declare: exact, but without those a worker has in hand.
    pub async fn depth(&self, queue: &str) -> Result<u32> {
        let passive = QueueDeclareOptions::default().passive();
        let queue = self.channel().await?.queue_declare(queue.into(), passive, FieldTable::default()).await?;
        Ok(queue.message_count())
    }

    /// Takes everything out of a queue and gives the bodies, in order.
    pub async fn drain(&self, queue: &str) -> Result<Vec<String>> {
        let channel = self.channel().await?;
        let mut bodies = Vec::new();
        while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await? {
            bodies.push(String::from_utf8_lossy(&message.data).into_owned());
        }
        Ok(bodies)
    }

    /// Takes messages out of a queue without acknowledging them. They go back when what it gives is dropped.
    pub async fn take_in_hand(&self, queue: &str, count: usize) -> Result<(Connection, Channel)> {
        let connection = connect(&self.url, "a slow worker").await?;
        let channel = connection.create_channel().await?;
        for _ in 0..count {
            let message = channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
            ensure!(message.is_some(), "{queue} has fewer than {count} messages");
        }
        Ok((connection, channel))
    }

    /// Makes a vhost that the administrator may use.
    pub async fn add_vhost(&self, name: &str) -> Result<()> {
        let vhost = utf8_percent_encode(name, NON_ALPHANUMERIC);
        self.put(&format!("vhosts/{vhost}"), &json!({})).await?;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        self.put(&format!("permissions/{vhost}/{}", self.facts.user), &all).await
    }

    /// Makes a user who may do everything in the default vhost, and look at it through the management API.
    pub async fn add_user(&self, name: &str, password: &str) -> Result<()> {
        self.put(&format!("users/{name}"), &json!({"password": password, "tags": "management"})).await?;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        self.put(&format!("permissions/%2F/{name}"), &all).await
    }

    /// Takes a user away; the broker closes the connections that the user has open.
    pub async fn remove_user(&self, name: &str) -> Result<()> {
        let answer = self.management(reqwest::Method::DELETE, &format!("users/{name}")).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// The names of the connections that a user has open. The broker's statistics are up to five seconds old.
    pub async fn connections_of(&self, user: &str) -> Result<HashSet<String>> {
        let all: Value = self.management(reqwest::Method::GET, "connections").send().await?.json().await?;
        let all = all.as_array().context("the management API gave no list of connections")?;
        let of_user = all.iter().filter(|connection| connection["user"] == user);
        Ok(of_user.filter_map(|connection| Some(connection["name"].as_str()?.to_owned())).collect())
    }

    /// The broker's own count of a queue: waiting, in the hands of workers, and acknowledged so far.
    pub async fn counts(&self, queue: &str) -> Result<Counts> {
        let path = format!("queues/%2F/{}", utf8_percent_encode(queue, NON_ALPHANUMERIC));
        let answer = self.management(reqwest::Method::GET, &path).send().await?.error_for_status()?;
        let queue: Value = answer.json().await?;
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        Ok(Counts {
            waiting: number(&queue["messages_ready"]),
            in_hand: number(&queue["messages_unacknowledged"]),
            acknowledged: number(&queue["message_stats"]["ack"]),
        })
    }

    /// A channel with confirms; a new one where the old one was closed, as after a queue that is not there.
    async fn channel(&self) -> Result<Channel> {
        let mut session = self.session.lock().await;
        let connected = session.as_ref().is_some_and(|(connection, _)| connection.status().connected());
        let usable = session.as_ref().is_some_and(|(_, channel)| connected && channel.status().connected());
        if let (true, Some((_, channel))) = (usable, session.as_ref()) {
            return Ok(channel.clone());
        }
        let connection = match session.take() {
            Some((connection, _)) if connected => connection,
            _ => connect(&self.url, "the application").await?,
        };
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        *session = Some((connection, channel.clone()));
        Ok(channel)
    }

    async fn put(&self, path: &str, body: &Value) -> Result<()> {
        self.management(reqwest::Method::PUT, path).json(body).send().await?.error_for_status()?;
        Ok(())
    }

    fn management(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let RabbitFacts { user, password, host, http_port, .. } = &self.facts;
        let url = format!("http://{host}:{http_port}/api/{path}");
        self.http.request(method, url).basic_auth(user, Some(password))
    }
}

/// The management API's counts; a few seconds old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that a worker has and has not acknowledged.
    pub in_hand: u64,
    /// Messages that were acknowledged since the queue was declared.
    pub acknowledged: u64,
}
