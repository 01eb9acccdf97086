//! The whole server over real sockets and TLS, with invented certificates, values and permissions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{TimeZone as _, Utc};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::*;
use crate::metrics_api::auth::{Access, Action, ReviewError, User};
use crate::metrics_api::testing::{Authority, Decided, Identity, Validity};
use crate::metrics_api::{MetricError, MetricValue};

struct Values;

#[async_trait]
impl MetricSource for Values {
    async fn value(&self, namespace: &str, scaled_object: &str, metric: &str) -> Result<MetricValue, MetricError> {
        let timestamp = Utc.with_ymd_and_hms(2026, 8, 20, 12, 0, 0).unwrap();
        match (namespace, scaled_object, metric) {
            ("shop", "orders", "s0-x") => Ok(MetricValue { value: 2.5, timestamp }),
            ("shop", "orders", "s1-a b") => Ok(MetricValue { value: 7.0, timestamp }),
            ("shop", "orders", "s2-nan") => Ok(MetricValue { value: f64::NAN, timestamp }),
            ("shop", "orders", "s3-down") => Err(MetricError::Failed("trigger 3 of shop/orders: no broker".into())),
            ("shop", "orders", "s4-slow") => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                Ok(MetricValue { value: 1.0, timestamp })
            }
            _ => Err(MetricError::NotFound(format!("there is no ScaledObject {namespace}/{scaled_object}"))),
        }
    }
}

/// Knows the token `secret` of joe, who may read metrics in `shop` only, and counts its questions.
#[derive(Default)]
struct Review {
    asked: Mutex<Vec<String>>,
    down: AtomicBool,
}

#[async_trait]
impl Reviewer for Review {
    async fn token(&self, token: &str) -> Result<Option<User>, ReviewError> {
        self.note(format!("token {token}"))?;
        let joe = User { name: "joe".into(), ..User::default() }.authenticated();
        Ok((token == "secret").then_some(joe))
    }

    async fn access(&self, user: &User, action: &Action) -> Result<Access, ReviewError> {
        let (what, allowed) = match action {
            Action::List { namespace, metric } => {
                let hpa = user.name == "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
                (format!("list {namespace}/{metric}"), hpa || (user.name == "joe" && namespace == "shop"))
            }
            Action::Path { verb, path } => {
                (format!("{verb} {path}"), user.groups.contains(&"system:authenticated".to_owned()))
            }
            Action::Resource(asked) => {
                (format!("{} {}/{}", asked.verb, asked.namespace, asked.resource), user.name == HPA[0].1)
            }
        };
        self.note(format!("{} {what}", user.name))?;
        Ok(Access { allowed, reason: String::new() })
    }
}

impl Review {
    fn note(&self, question: String) -> Result<(), ReviewError> {
        self.asked.lock().unwrap().push(question);
        if self.down.load(Ordering::Relaxed) { Err(ReviewError::new("it is down")) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

struct Bed {
    address: SocketAddr,
    servers: Authority,
    proxies: Authority,
    clients: Authority,
    review: Arc<Review>,
    /// The statuses of the queries of metrics.
    answered: Arc<parking_lot::Mutex<Vec<u16>>>,
    trust: watch::Sender<Arc<Trust>>,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<Result<(), ServeError>>,
}

fn trust(proxies: &Authority, clients: &Authority) -> Arc<Trust> {
    let data = [
        ("client-ca-file", clients.pem()),
        ("requestheader-client-ca-file", proxies.pem()),
        ("requestheader-allowed-names", r#"["front-proxy-client"]"#.to_owned()),
        ("requestheader-username-headers", r#"["X-Remote-User"]"#.to_owned()),
        ("requestheader-group-headers", r#"["X-Remote-Group"]"#.to_owned()),
        ("requestheader-extra-headers-prefix", r#"["X-Remote-Extra-"]"#.to_owned()),
    ];
    let data: BTreeMap<_, _> = data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Arc::new(Trust::from_config_map(&data).unwrap())
}

impl Bed {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let (servers, proxies, clients) =
            (Authority::new("servers"), Authority::new("proxies"), Authority::new("clients"));
        let Identity { chain, key } = servers.server("localhost");
        let provider = rustls::crypto::ring::default_provider();
        let certificate = Arc::new(Fixed(Arc::new(CertifiedKey::from_der(chain, key, &provider).unwrap())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = watch::channel(trust(&proxies, &clients));
        let review = Arc::new(Review::default());
        let answered = Arc::new(parking_lot::Mutex::default());
        let counted: Arc<parking_lot::Mutex<Vec<u16>>> = Arc::clone(&answered);
        let config = ServerConfig {
            listener,
            certificate,
            tls: (Arc::new(provider), rustls::ALL_VERSIONS),
            trust: receiver,
            reviewer: Arc::clone(&review) as Arc<dyn Reviewer>,
            source: Arc::new(Values),
            decisions: Arc::new(Decided::default()),
            ready: Arc::new(|| true),
            answered: Arc::new(move |status, _| counted.lock().push(status.as_u16())),
            limits,
        };
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(serve(config, shutdown.clone()));
        Self { address, servers, proxies, clients, review, answered, trust: sender, shutdown, running }
    }

    fn proxy(&self) -> Identity {
        self.proxies.client("front-proxy-client", "", Validity::Now)
    }

    async fn dial(&self, identity: Option<Identity>, protocol: &[u8]) -> std::io::Result<Wire> {
        let mut roots = RootCertStore::empty();
        roots.add(self.servers.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    async fn connect(&self, identity: Option<Identity>) -> Client {
        let io = TokioIo::new(self.dial(identity, b"h2").await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        Client(sender)
    }

    fn asked(&self) -> Vec<String> {
        self.review.asked.lock().unwrap().clone()
    }
}

type Wire = tokio_rustls::client::TlsStream<TcpStream>;

#[derive(Clone)]
struct Client(hyper::client::conn::http2::SendRequest<Full<Bytes>>);

impl Client {
    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.0.clone().send_request(request.body(Full::default()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        (status, serde_json::from_slice(&body).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        self.send(Method::GET, path, headers).await
    }
}

const HPA: [(&str, &str); 2] = [
    ("x-remote-user", "system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
    ("x-remote-group", "system:serviceaccounts"),
];
const MASTER: [(&str, &str); 2] = [("x-remote-user", "root"), ("x-remote-group", "system:masters")];

fn path(metric: &str) -> String {
    let base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop";
    format!("{base}/{metric}?labelSelector=scaledobject.keda.sh%2Fname%3Dorders")
}

#[tokio::test]
async fn the_hpa_gets_its_metric() {
    let bed = Bed::new().await;
    let client = bed.connect(Some(bed.proxy())).await;
    let expected = json!({
        "kind": "ExternalMetricValueList",
        "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {},
        "items": [{
            "metricName": "s0-x",
            "metricLabels": null,
            "timestamp": "2026-08-20T12:00:00Z",
            "value": "2500m",
        }],
    });
    for _ in 0..3 {
        assert_eq!(client.get(&path("s0-x"), &HPA).await, (StatusCode::OK, expected.clone()));
    }
    let (status, body) = client.get(&path("s1-a%20b"), &HPA).await;
    assert_eq!((status, &body["items"][0]["value"]), (StatusCode::OK, &json!("7")));
    assert_eq!(bed.asked(), [format!("{} list /*", HPA[0].1)], "one question covers every metric");
}

#[tokio::test]
async fn queries_of_metrics_are_counted_by_their_status() {
    let bed = Bed::new().await;
    let client = bed.connect(Some(bed.proxy())).await;
    for (path, headers) in
        [(path("s0-x"), &HPA[..]), ("/apis".into(), &HPA), (path("s0-missing"), &HPA), (path("s0-x"), &[])]
    {
        client.get(&path, headers).await;
    }
    assert_eq!(*bed.answered.lock(), [200, 404, 401], "the discovery is no query");
}

#[tokio::test]
async fn http1_is_served_too() {
    let bed = Bed::new().await;
    let io = TokioIo::new(bed.dial(Some(bed.proxy()), b"http/1.1").await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::get(path("s0-x")).header("host", "localhost");
    for (name, value) in HPA {
        request = request.header(name, value);
    }
    // As many groups as a user of a large directory may be in.
    for group in 0..300 {
        request = request.header("x-remote-group", format!("group-{group}"));
    }
    let response = sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_said() {
    let bed = Bed::new().await;
    let client = bed.connect(Some(bed.proxy())).await;
    let base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/s0-x";
    let not_found = "external metric \"s9\" not found in namespace \"shop\" with selector \
                     \"scaledobject.keda.sh/name=orders\": there is no ScaledObject shop/orders";
    let table = [
        (base.to_owned(), 400, "scaledObject name is not specified"),
        (format!("{base}?labelSelector=a%3Db"), 400, "scaledObject name is not specified"),
        (format!("{base}?labelSelector=a%20b"), 400, "unable to parse requirement: found 'b'"),
        (format!("{base}?labelSelector=a&labelSelector=b"), 400, "scaledObject name is not specified"),
        (path("%ff"), 400, "the path is not UTF-8"),
        (format!("{base}?watch=true"), 405, "watch is not supported"),
        (path("s9"), 404, not_found),
        (path("s2-nan"), 500, "the value NaN is not a finite number"),
        (path("s3-down"), 500, "trigger 3 of shop/orders: no broker"),
        ("/apis/external.metrics.k8s.io/v1beta1/nodes".to_owned(), 404, "the server could not find"),
        ("/api/v1/pods".to_owned(), 404, "the server could not find"),
        ("/apis/external.metrics.k8s.io/v1beta1/namespaces//shop/s0-x".to_owned(), 404, "the server could not find"),
    ];
    for (path, code, message) in table {
        let (status, body) = client.get(&path, &HPA).await;
        assert_eq!(status, code, "{path}: {body}");
        assert!(body["message"].as_str().unwrap().starts_with(message), "{path}: {body}");
        assert_eq!((&body["kind"], &body["code"]), (&json!("Status"), &json!(code)));
    }
    let (status, body) = client.send(Method::DELETE, &path("s0-x"), &HPA).await;
    assert_eq!((status, &body["reason"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("MethodNotAllowed")));
    let accept = [HPA[0], HPA[1], ("accept", "application/vnd.kubernetes.protobuf")];
    assert_eq!(client.get(&path("s0-x"), &accept).await.0, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn headers_are_believed_from_the_front_proxy_only() {
    let bed = Bed::new().await;
    let identities: [fn(&Bed) -> Option<Identity>; 2] =
        [|_| None, |bed| Some(bed.proxies.client("somebody", "", Validity::Now))];
    for identity in identities {
        for headers in [&[][..], &MASTER[..], &HPA[..]] {
            let (status, body) = bed.connect(identity(&bed)).await.get(&path("s0-x"), headers).await;
            assert_eq!((status, &body["reason"]), (StatusCode::UNAUTHORIZED, &json!("Unauthorized")));
            let nowhere = bed.connect(identity(&bed)).await.get("/no/such/path", headers).await;
            assert_eq!(nowhere.0, StatusCode::UNAUTHORIZED);
        }
    }
    assert!(bed.asked().is_empty());

    // A client with a name of its own keeps it, even with the headers of a proxy.
    let joe = bed.connect(Some(bed.clients.client("front-proxy-client", "", Validity::Now))).await;
    let (status, body) = joe.get(&path("s0-x"), &MASTER).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body["message"].as_str().unwrap().contains("User \"front-proxy-client\" cannot list"), "{body}");

    let proxy = bed.connect(Some(bed.proxy())).await;
    assert_eq!(proxy.get(&path("s0-x"), &[]).await.0, StatusCode::UNAUTHORIZED, "the proxy itself is nobody");
    let anonymous = [("x-remote-user", "system:anonymous"), ("x-remote-group", "system:masters")];
    assert_eq!(proxy.get(&path("s0-x"), &anonymous).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(proxy.get(&path("s0-x"), &MASTER).await.0, StatusCode::OK);
}

#[tokio::test]
async fn bad_certificates_end_in_the_handshake() {
    let bed = Bed::new().await;
    let stranger = Authority::new("proxies").client("front-proxy-client", "", Validity::Now);
    let expired = bed.proxies.client("front-proxy-client", "", Validity::Past);
    let early = bed.proxies.client("front-proxy-client", "", Validity::Future);
    for identity in [stranger, expired, early] {
        // With TLS 1.3 the client gets the refusal at its first read.
        let refused = match bed.dial(Some(identity), b"h2").await {
            Ok(mut stream) => stream.read_u8().await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
}

#[tokio::test]
async fn a_new_authority_counts_at_once_even_on_open_connections() {
    let bed = Bed::new().await;
    let client = bed.connect(Some(bed.proxy())).await;
    assert_eq!(client.get(&path("s0-x"), &HPA).await.0, StatusCode::OK);
    let new = Authority::new("proxies");
    bed.trust.send_replace(trust(&new, &bed.clients));
    assert_eq!(client.get(&path("s0-x"), &HPA).await.0, StatusCode::UNAUTHORIZED);
    let client = bed.connect(Some(new.client("front-proxy-client", "", Validity::Now))).await;
    assert_eq!(client.get(&path("s0-x"), &HPA).await.0, StatusCode::OK);
}

#[tokio::test]
async fn client_certificates_and_tokens_are_users() {
    let bed = Bed::new().await;
    let admin = bed.connect(Some(bed.clients.client("admin", "system:masters", Validity::Now))).await;
    assert_eq!(admin.get(&path("s0-x"), &[]).await.0, StatusCode::OK);
    assert!(bed.asked().is_empty(), "masters are allowed without asking");

    let with = async |token| bed.connect(None).await.get(&path("s0-x"), &[("authorization", token)]).await.0;
    for _ in 0..3 {
        assert_eq!(with("Bearer secret").await, StatusCode::OK);
        assert_eq!(with("Bearer wrong").await, StatusCode::UNAUTHORIZED);
        assert_eq!(with("Basic secret").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(bed.asked(), ["token secret", "joe list /*", "joe list shop/s0-x", "token wrong"]);
}

#[tokio::test]
async fn permissions_are_kept_and_their_absence_explained() {
    let bed = Bed::new().await;
    let client = bed.connect(Some(bed.proxy())).await;
    let elsewhere = "/apis/external.metrics.k8s.io/v1beta1/namespaces/bank/s0-x?labelSelector=x%3Dy";
    for _ in 0..2 {
        let (status, body) = client.get(elsewhere, &[("x-remote-user", "joe")]).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(
            body["message"],
            "s0-x.external.metrics.k8s.io is forbidden: User \"joe\" cannot list resource \"s0-x\" in API group \
             \"external.metrics.k8s.io\" in the namespace \"bank\""
        );
    }
    assert_eq!(bed.asked(), ["joe list /*", "joe list bank/s0-x"]);
}

#[tokio::test]
async fn without_the_api_server_nobody_gets_in() {
    let bed = Bed::new().await;
    bed.review.down.store(true, Ordering::Relaxed);
    let client = bed.connect(Some(bed.proxy())).await;
    for headers in [&HPA[..], &[("authorization", "Bearer secret")][..]] {
        let (status, body) = client.get(&path("s0-x"), headers).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body["message"].as_str().unwrap().contains("it is down"), "{body}");
    }
    assert_eq!(client.get("/healthz", &[]).await, (StatusCode::OK, json!("ok")));
}

#[tokio::test]
async fn documents_are_for_known_users() {
    let bed = Bed::new().await;
    let client = bed.connect(Some(bed.proxy())).await;
    let joe = ("x-remote-user", "joe");
    let v2 = ("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let table = [
        ("/apis", &[joe][..], "/kind", json!("APIGroupList")),
        ("/apis", &[joe, v2][..], "/apiVersion", json!("apidiscovery.k8s.io/v2")),
        ("/apis/external.metrics.k8s.io", &[joe][..], "/kind", json!("APIGroup")),
        ("/apis/external.metrics.k8s.io/v1beta1", &[joe][..], "/resources/0/name", json!("externalmetrics")),
        ("/openapi/v2", &[joe][..], "/swagger", json!("2.0")),
        ("/openapi/v3/apis/external.metrics.k8s.io/v1beta1", &[joe][..], "/openapi", json!("3.0.0")),
        ("/version", &[joe][..], "/compiler", json!("rustc")),
    ];
    for (path, headers, pointer, expected) in table {
        let (status, body) = client.get(path, headers).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(body.pointer(pointer), Some(&expected), "{path}");
        assert_eq!(client.get(path, &[]).await.0, StatusCode::UNAUTHORIZED);
    }
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(client.get(path, &[]).await.0, StatusCode::OK);
    }

    // The root names the description with its hash, by which it may be kept; another hash leads to the right one.
    let (_, root) = client.get("/openapi/v3", &[joe]).await;
    let place = &root["paths"]["apis/external.metrics.k8s.io/v1beta1"]["serverRelativeURL"];
    assert_eq!(client.get(place.as_str().unwrap(), &[joe]).await.0, StatusCode::OK);
    let stale = client.get("/openapi/v3/apis/external.metrics.k8s.io/v1beta1?hash=x", &[joe]).await;
    assert_eq!(stale.0, StatusCode::MOVED_PERMANENTLY);
}

#[tokio::test]
async fn open_requests_finish_before_the_end() {
    let bed = Bed::new().await;
    let client = bed.connect(Some(bed.proxy())).await;
    let slow = tokio::spawn(async move { client.get(&path("s4-slow"), &HPA).await.0 });
    tokio::time::sleep(Duration::from_millis(100)).await;
    bed.shutdown.cancel();
    assert_eq!(slow.await.unwrap(), StatusCode::OK);
    bed.running.await.unwrap().unwrap();
    assert!(TcpStream::connect(bed.address).await.is_err());
}

#[tokio::test]
async fn time_is_limited() {
    let limits = Limits {
        handshake: Duration::from_millis(100),
        request: Duration::from_millis(50),
        idle: Duration::from_millis(300),
        ..Limits::default()
    };
    let bed = Bed::with(limits).await;

    let client = bed.connect(Some(bed.proxy())).await;
    let (status, body) = client.get(&path("s4-slow"), &HPA).await;
    assert_eq!((status, &body["reason"]), (StatusCode::GATEWAY_TIMEOUT, &json!("Timeout")));

    // Neither silence before the handshake, nor after it, nor between requests holds a connection for long.
    let mut silent = TcpStream::connect(bed.address).await.unwrap();
    let mut greeted = bed.dial(None, b"h2").await.unwrap();
    let mut buffer = Vec::new();
    let _ = timeout(Duration::from_secs(2), silent.read_to_end(&mut buffer)).await.expect("the handshake is limited");
    let _ = timeout(Duration::from_secs(2), greeted.read_to_end(&mut buffer)).await.expect("the wait is limited");
    timeout(Duration::from_secs(2), async {
        while !client.0.is_closed() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("idleness is limited");
}

#[tokio::test]
async fn a_strangers_connection_ends_with_the_first_refusal() {
    let bed = Bed::new().await;
    let gone = async |client: &Client| {
        timeout(Duration::from_secs(2), async {
            while !client.0.is_closed() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    };
    let stranger = bed.connect(None).await;
    assert_eq!(stranger.get(&path("s0-x"), &[]).await.0, StatusCode::UNAUTHORIZED);
    gone(&stranger).await.expect("it is of no further use");
    // The aggregator's goes on: an anonymous user must not end a connection that all others share.
    let proxy = bed.connect(Some(bed.proxy())).await;
    assert_eq!(proxy.get(&path("s0-x"), &[]).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(proxy.get(&path("s0-x"), &HPA).await.0, StatusCode::OK);
}

#[tokio::test]
async fn strangers_leave_room_for_the_aggregator() {
    let bed = Bed::with(Limits { connections: 4, unauthenticated: 2, ..Limits::default() }).await;
    let one = bed.connect(None).await;
    let two = bed.connect(None).await;
    for client in [&one, &two] {
        assert_eq!(client.get("/healthz", &[]).await.0, StatusCode::OK);
    }
    let refused = match bed.dial(None, b"h2").await {
        Ok(mut stream) => matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_)),
        Err(_) => true,
    };
    assert!(refused, "a third stranger is sent away");
    let proxy = bed.connect(Some(bed.proxy())).await;
    assert_eq!(proxy.get(&path("s0-x"), &HPA).await.0, StatusCode::OK);
}

#[tokio::test]
async fn connections_are_bounded() {
    let bed = Bed::with(Limits { connections: 1, ..Limits::default() }).await;
    let first = bed.connect(Some(bed.proxy())).await;
    assert_eq!(first.get("/healthz", &[]).await.0, StatusCode::OK);
    let second = timeout(Duration::from_millis(200), bed.dial(None, b"h2")).await;
    assert!(second.is_err(), "the second one has to wait");
    drop(first);
    timeout(Duration::from_secs(2), bed.dial(None, b"h2")).await.expect("there is room again").unwrap();
}
