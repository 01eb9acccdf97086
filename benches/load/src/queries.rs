//! The HPA controller's questions for external metrics, asked as fast as they are answered.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ebb_tests::direct::{API, CONTROLLER, aggregator, ca_bundle};
use ebb_tests::ebb::service_account_token;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use futures::future::try_join_all;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity};
use serde_json::Value;

use crate::contender::Contender;
use crate::percentile::percentile;
use crate::stage::Stage;

/// How long one answer may take.
const LIMIT: Duration = secs(30);

/// A way to an external metrics API.
#[derive(Clone)]
pub(crate) struct Way {
    base: String,
    authority: Certificate,
    /// The host that is not to be looked up, and where it is.
    host: Option<(String, SocketAddr)>,
    identity: Option<Identity>,
    headers: HeaderMap,
}

/// The answers to a number of clients.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// How long each good answer took.
    pub(crate) took: Vec<Duration>,
    /// How many were no good.
    pub(crate) errors: u64,
    /// How long all of it took.
    pub(crate) span: Duration,
}

impl Way {
    /// Through the API server and its aggregator, as the HPA controller asks.
    pub(crate) async fn aggregated(stage: &Stage) -> Result<Self> {
        let facts = &stage.bed.facts;
        let token = service_account_token(&stage.bed, "kube-system", "horizontal-pod-autoscaler").await?;
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
        Ok(Self {
            base: facts.apiserver.clone(),
            authority: Certificate::from_pem(&std::fs::read(&facts.ca)?)?,
            host: None,
            identity: None,
            headers: HeaderMap::from_iter([(AUTHORIZATION, bearer)]),
        })
    }

    /// To the contender itself, as the aggregator asks it.
    pub(crate) async fn direct(stage: &Stage, contender: &Contender) -> Result<Self> {
        let host = Contender::host();
        let identity = aggregator(&stage.bed)?;
        let pem = identity.key + &identity.certificate;
        let header = |(name, value): &(&'static str, &'static str)| {
            anyhow::Ok((HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_static(value)))
        };
        Ok(Self {
            base: format!("https://{host}:{}", contender.port),
            authority: Certificate::from_pem(ca_bundle(&stage.bed).await?.as_bytes())?,
            host: Some((host, SocketAddr::from((Ipv4Addr::LOCALHOST, contender.port)))),
            identity: Some(Identity::from_pem(pem.as_bytes())?),
            headers: CONTROLLER.iter().map(header).collect::<Result<_>>()?,
        })
    }

    /// A client with one connection.
    fn client(&self) -> Result<Client> {
        let mut builder = Client::builder()
            .tls_certs_only([self.authority.clone()])
            .http1_only()
            .pool_max_idle_per_host(1)
            .timeout(LIMIT)
            .default_headers(self.headers.clone());
        if let Some((host, address)) = &self.host {
            builder = builder.resolve(host, *address);
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        Ok(builder.build()?)
    }

    async fn ask(&self, client: &Client, path: &str) -> Result<()> {
        let answer = client.get(format!("{}{path}", self.base)).send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        let list: Value = serde_json::from_slice(&body)?;
        ensure!(list["items"].as_array().is_some_and(|items| !items.is_empty()), "no value: {list}");
        Ok(())
    }

    /// Asks one question after the other, with `clients` clients at once, for a while. Each client has connected
    /// before.
    pub(crate) async fn drive(&self, paths: &Arc<[String]>, clients: usize, span: Duration) -> Result<Answers> {
        let (first, next) = (paths.first().context("there is no metric")?, Arc::<AtomicUsize>::default());
        let connected = try_join_all((0..clients).map(async |_| {
            let client = self.client()?;
            // How this one is answered is of no interest.
            let _ = self.ask(&client, first).await;
            anyhow::Ok(client)
        }))
        .await?;
        let begin = Instant::now();
        let tasks = connected.into_iter().map(|client| {
            let (way, paths, next) = (self.clone(), Arc::clone(paths), Arc::clone(&next));
            tokio::spawn(async move { way.ask_until(begin + span, &client, &paths, &next).await })
        });
        let mut all = Answers::default();
        for answers in try_join_all(tasks).await? {
            all.took.extend(answers.took);
            all.errors += answers.errors;
        }
        all.span = begin.elapsed();
        Ok(all)
    }

    async fn ask_until(&self, end: Instant, client: &Client, paths: &[String], next: &AtomicUsize) -> Answers {
        let mut answers = Answers::default();
        while Instant::now() < end {
            let path = &paths[next.fetch_add(1, Ordering::Relaxed) % paths.len()];
            let begin = Instant::now();
            match self.ask(client, path).await {
                Ok(()) => answers.took.push(begin.elapsed()),
                Err(_) => answers.errors += 1,
            }
        }
        answers
    }

    /// Waits until every question has been answered once.
    pub(crate) async fn all_answered(&self, paths: &Arc<[String]>, clients: usize, limit: Duration) -> Result<()> {
        let next = AtomicUsize::new(0);
        let sweep = (0..clients).map(async |_| {
            let client = self.client()?;
            while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                wait::until(&format!("an answer of {}", self.base), limit, async || self.ask(&client, path).await)
                    .await?;
            }
            anyhow::Ok(())
        });
        try_join_all(sweep).await.map(drop)
    }
}

impl Answers {
    /// How many good answers came.
    pub(crate) fn good(&self) -> u64 {
        self.took.len() as u64
    }

    /// The duration within which `percent` percent of the answers came.
    pub(crate) fn percentile(&mut self, percent: usize) -> Option<Duration> {
        percentile(&mut self.took, percent)
    }
}

/// The questions of a namespace's HPAs: the paths of their external metrics. The HPA of one workload is left out.
pub(crate) async fn questions(user: &Sandbox, but: &str) -> Result<Arc<[String]>> {
    let hpas = user.get("HorizontalPodAutoscaler", "").await?;
    let hpas = hpas["items"].as_array().context("no list of HPAs")?;
    let hpas = hpas.iter().filter(|hpa| hpa["spec"]["scaleTargetRef"]["name"] != but);
    let metrics = hpas.flat_map(|hpa| hpa["spec"]["metrics"].as_array().into_iter().flatten());
    Ok(metrics.filter_map(|metric| question(&user.name, &metric["external"]["metric"])).collect())
}

fn question(namespace: &str, metric: &Value) -> Option<String> {
    let name = utf8_percent_encode(metric["name"].as_str()?, NON_ALPHANUMERIC).to_string();
    let labels = metric["selector"]["matchLabels"].as_object().into_iter().flatten();
    let labels: Vec<_> = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let selector = utf8_percent_encode(&labels.join(","), NON_ALPHANUMERIC).to_string();
    Some(format!("{API}/namespaces/{namespace}/{name}?labelSelector={selector}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_that_of_the_hpa() {
        let metric = json!({"name": "s0-rabbitmq-a", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "a"}}});
        assert_eq!(
            question("load", &metric).as_deref(),
            Some(
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/load/s0%2Drabbitmq%2Da\
                 ?labelSelector=scaledobject%2Ekeda%2Esh%2Fname%3Da"
            )
        );
        assert_eq!(question("load", &json!(null)), None);
    }
}
