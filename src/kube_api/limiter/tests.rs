use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::*;
use crate::kube_api::client::for_leader;
use crate::leader::Leadership;
use crate::telemetry::metrics::Metrics;

/// An API server that bears a few requests at the same time. More make it answer 429, as API Priority and
/// Fairness does.
struct Server {
    bears: usize,
    out: AtomicUsize,
    most: AtomicUsize,
    refused: AtomicUsize,
    is_down: AtomicBool,
    order: Mutex<Vec<String>>,
}

impl Server {
    fn new(bears: usize) -> Arc<Self> {
        let (out, most, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { bears, out, most, refused, is_down: AtomicBool::new(false), order: Mutex::default() })
    }

    fn client(self: &Arc<Self>) -> Client {
        let server = Arc::clone(self);
        let answer = tower::service_fn(move |request: Request<Body>| {
            let server = Arc::clone(&server);
            async move {
                if server.is_down.load(Ordering::Relaxed) {
                    return Err(tower::BoxError::from("connection refused"));
                }
                let out = server.out.fetch_add(1, Ordering::Relaxed) + 1;
                server.most.fetch_max(out, Ordering::Relaxed);
                server.order.lock().push(request.uri().path().to_owned());
                sleep(Duration::from_millis(20)).await;
                server.out.fetch_sub(1, Ordering::Relaxed);
                let code = if out > server.bears { 429 } else { 200 };
                if code == 429 {
                    server.refused.fetch_add(1, Ordering::Relaxed);
                }
                let body = if code == 429 {
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "TooManyRequests", "code": code})
                } else {
                    json!({"metadata": {"name": "x"}, "involvedObject": {}})
                };
                Ok::<_, tower::BoxError>(
                    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap(),
                )
            }
        });
        Client::new(answer, "default")
    }
}

fn limiter() -> Arc<Limiter> {
    Limiter::new(Metrics::new(false, Leadership::always()).unwrap().api_server.clone())
}

async fn read(client: Client) -> Result<ConfigMap, kube::Error> {
    Api::<ConfigMap>::default_namespaced(client).get("x").await
}

async fn scale(client: Client) -> Result<(), kube::Error> {
    let api: Api<k8s_openapi::api::apps::v1::Deployment> = Api::default_namespaced(client);
    let change = json!({"spec": {"replicas": 1}});
    api.patch_scale("x", &PatchParams::default(), &Patch::Merge(&change)).await.map(drop)
}

async fn report(client: Client) -> Result<Event, kube::Error> {
    let change = json!({"count": 2});
    Api::<Event>::default_namespaced(client).patch("x", &PatchParams::default(), &Patch::Merge(&change)).await
}

/// Two thousand requests at once, each made again until it is done.
#[tokio::test(start_paused = true)]
async fn the_api_server_gets_what_it_bears_and_nothing_is_lost() {
    let (server, limiter) = (Server::new(10), limiter());
    let client = limited(&server.client(), &limiter);
    let requests = (0..2000).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            while read(client.clone()).await.is_err() {
                sleep(Duration::from_millis(500)).await;
            }
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap();
    }
    assert!(server.most.load(Ordering::Relaxed) <= 40, "{:?} at the same time", server.most);
    let refused = server.refused.load(Ordering::Relaxed);
    assert!(refused < 200, "{refused} were refused");
    assert_eq!(limiter.metrics.overloaded.get(), 1);
    assert_eq!(limiter.metrics.overloads.get(), u64::try_from(refused).unwrap());
    // It is calm for two minutes.
    sleep(Duration::from_secs(121)).await;
    read(client).await.unwrap();
    assert_eq!(limiter.metrics.overloaded.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_wakes_overtakes_checks_and_reports() {
    let (server, limiter) = (Server::new(1000), limiter());
    let client = limited(&server.client(), &limiter);
    let mut waiting = Vec::new();
    for _ in 0..200 {
        waiting.push(tokio::spawn({
            let client = client.clone();
            async move { report(client).await.map(drop) }
        }));
        waiting.push(tokio::spawn({
            let client = client.clone();
            async move { read(client).await.map(drop) }
        }));
    }
    sleep(Duration::from_millis(1)).await;
    assert!(limiter.metrics.waiting[2].get() > 100);
    scale(client).await.unwrap();
    let position = server.order.lock().iter().position(|path| path.ends_with("/scale")).unwrap();
    assert!(position <= 66, "it went out as number {position}");
    for request in waiting {
        request.await.unwrap().unwrap();
    }
    let order = server.order.lock();
    let last_check = order.iter().rposition(|path| path.contains("configmaps")).unwrap();
    assert!(order[..last_check].iter().any(|path| path.contains("events")), "reports are not starved");
    assert_eq!(limiter.state.lock().out, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_its_caller_gives_up_frees_its_place() {
    let (server, limiter) = (Server::new(1000), limiter());
    let client = limited(&server.client(), &limiter);
    let all = futures::future::join_all((0..300).map(|_| read(client.clone())));
    assert!(timeout(Duration::from_millis(30), all).await.is_err());
    assert_eq!(limiter.state.lock().out, 0);
    read(client).await.unwrap();
}

/// Requests wait for the end of a pause that the API server has asked for, and are given up. The next one does
/// not wait for them.
#[tokio::test(start_paused = true)]
async fn requests_that_were_given_up_in_a_pause_hold_up_no_other() {
    let (server, limiter) = (Server::new(1000), limiter());
    let client = limited(&server.client(), &limiter);
    let pause = Outcome::Overloaded { retry_after: Some(Duration::from_secs(5)) };
    limiter.admit(Urgency::Check).await.unwrap().end(pause);
    let all = futures::future::join_all((0..3).map(|_| read(client.clone())));
    assert!(timeout(Duration::from_secs(1), all).await.is_err(), "it is paused");
    sleep(Duration::from_secs(5)).await;
    timeout(Duration::from_millis(100), read(client)).await.unwrap().unwrap();
}

/// The API server is slow, so that a write waits for its turn. The leadership ends before that.
#[tokio::test(start_paused = true)]
async fn a_write_whose_turn_comes_after_the_end_of_the_leadership_is_not_sent() {
    let (server, limiter, leadership) = (Server::new(1000), limiter(), Leadership::elected());
    leadership.renew(Instant::now() + Duration::from_secs(10));
    assert!(leadership.open(1));
    let (reader, leader) =
        (limited(&server.client(), &limiter), for_leader(&server.client(), leadership.clone(), &limiter));
    let reads = futures::future::join_all((0..40).map(|_| read(reader.clone())));
    let write = async {
        sleep(Duration::from_millis(1)).await;
        let write = scale(leader);
        tokio::pin!(write);
        assert!(timeout(Duration::from_millis(1), &mut write).await.is_err(), "the window is full");
        leadership.end();
        write.await
    };
    let (_, written) = tokio::join!(reads, write);
    assert!(written.unwrap_err().to_string().contains("does not hold the lease"));
    assert!(!server.order.lock().iter().any(|path| path.ends_with("/scale")));
    assert_eq!(limiter.metrics.overloads.get(), 0, "that says nothing about the API server");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_back_is_asked_again_at_once() {
    let (server, limiter) = (Server::new(1000), limiter());
    let client = limited(&server.client(), &limiter);
    server.is_down.store(true, Ordering::Relaxed);
    for _ in 0..100 {
        assert!(read(client.clone()).await.is_err());
        sleep(Duration::from_millis(500)).await;
    }
    server.is_down.store(false, Ordering::Relaxed);
    timeout(Duration::from_millis(100), read(client)).await.unwrap().unwrap();
}
