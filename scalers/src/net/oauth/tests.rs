//! Tests against a small endpoint of our own that can be made to fail in every way; the end-to-end tests ask a real
//! one.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "hunter2&co";

/// An endpoint that answers each request with `answer`, which gets the number of earlier requests and the request.
struct Endpoint {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    async fn new(answer: impl Fn(usize, &str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !is_whole(&request) {
                    let mut chunk = [0; 1024];
                    match socket.read(&mut chunk).await {
                        Ok(length) if length > 0 => request.extend_from_slice(&chunk[..length]),
                        _ => break,
                    }
                }
                let answer = answer(count.fetch_add(1, Ordering::SeqCst), &String::from_utf8_lossy(&request));
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn source(&self) -> TokenSource {
        TokenSource::new(&Account { credentials: credentials(&self.url), tls: Tls::default() }, &Outbound::default())
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn credentials(url: &str) -> ClientCredentials {
    ClientCredentials {
        token_url: url.into(),
        client_id: "ebb".into(),
        client_secret: SECRET.into(),
        scopes: vec!["rabbitmq.read:*/*".into()],
        params: BTreeMap::new(),
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn token(number: usize, expires_in: &str) -> String {
    http("200 OK", &format!(r#"{{"access_token": "token-{number}", "token_type": "bearer"{expires_in}}}"#))
}

#[tokio::test]
async fn a_hundred_askers_share_one_request_and_one_token() {
    let endpoint = Endpoint::new(|number, _| token(number, r#", "expires_in": 60"#)).await;
    let source = endpoint.source();
    let tokens = futures::future::join_all((0..100).map(|_| source.token())).await;
    assert!(tokens.iter().all(|token| token.as_ref().unwrap().value() == "token-0"));
    assert_eq!(source.token().await.unwrap().value(), "token-0");
    assert_eq!(endpoint.asked(), 1);

    let mut first = source.token().await.unwrap();
    source.refused(&first);
    assert_eq!(source.token().await.unwrap().value(), "token-0", "a new token is not worth another");
    first.issued_at -= TOO_YOUNG_TO_BE_REVOKED;
    source.refused(&first);
    assert_eq!(source.token().await.unwrap().value(), "token-1");
    // A token that has been replaced already is not refused again.
    source.refused(&first);
    assert_eq!(source.token().await.unwrap().value(), "token-1");
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_used_to_its_end_when_that_fails() {
    let endpoint = Endpoint::new(|number, _| match number {
        0 => token(0, r#", "expires_in": "1""#),
        _ => http("503 Service Unavailable", ""),
    })
    .await;
    let source = endpoint.source();
    let first = source.token().await.unwrap();
    let life = first.expires_at.duration_since(Instant::now());
    assert!(life <= Duration::from_secs(1) && life > Duration::from_millis(800), "{life:?}");
    tokio::time::sleep_until(first.renew_at).await;
    assert_eq!(source.token().await.unwrap(), first);
    assert_eq!(endpoint.asked(), 2);
    tokio::time::sleep_until(first.expires_at).await;
    assert!(source.token().await.is_err());
    // The endpoint is left alone after a failure.
    assert!(endpoint.asked() <= 3, "{}", endpoint.asked());
}

#[tokio::test]
async fn an_endpoint_that_wants_the_secret_in_the_body_gets_it_there_from_then_on() {
    let endpoint = Endpoint::new(|number, request| {
        if request.contains("client_secret=hunter2%26co") && !request.contains("authorization:") {
            token(number, r#", "expires_in": 1"#)
        } else {
            http("401 Unauthorized", r#"{"error": "invalid_client"}"#)
        }
    })
    .await;
    let source = endpoint.source();
    let mut first = source.token().await.unwrap();
    assert_eq!(first.value(), "token-1");
    first.issued_at -= TOO_YOUNG_TO_BE_REVOKED;
    source.refused(&first);
    assert_eq!(source.token().await.unwrap().value(), "token-2");
}

#[tokio::test]
async fn errors_name_the_endpoint_and_the_code_and_never_the_secret() {
    let long = "x".repeat(200_000);
    let cases = [
        (
            http("401 Unauthorized", r#"{"error": "invalid_client", "error_description": "bad hunter2&co"}"#),
            "invalid_client: bad ***",
        ),
        (http("400 Bad Request", r#"{"error": "invalid_scope"}"#), "invalid_scope"),
        (http("500 Internal Server Error", "hunter2&co"), "500 Internal Server Error"),
        (http("302 Found", ""), "302 Found"),
        (http("200 OK", "<html>"), "the answer holds no access_token"),
        (http("200 OK", r#"{"access_token": "a\nb"}"#), "the answer holds no access_token"),
        (http("200 OK", r#"{"access_token": "a", "token_type": "mac"}"#), "not of the type Bearer"),
        (http("200 OK", &long), "longer than 32768 bytes"),
        ("rubbish".into(), "cannot connect to the token endpoint"),
    ];
    for (answer, text) in cases {
        let endpoint = Endpoint::new(move |_, _| answer.clone()).await;
        let source = endpoint.source();
        let error = source.token().await.unwrap_err().to_string();
        assert!(error.contains(text) && error.contains(&endpoint.url), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(!format!("{source:?}").contains("hunter2"), "{source:?}");
        // At once, and without a request.
        let asked = endpoint.asked();
        assert_eq!(source.token().await.unwrap_err().to_string(), error);
        assert_eq!(endpoint.asked(), asked);
    }
}

#[tokio::test]
async fn a_token_is_not_printed() {
    let endpoint = Endpoint::new(|number, _| token(number, "")).await;
    let source = endpoint.source();
    let token = source.token().await.unwrap();
    assert!(!format!("{token:?} {source:?}").contains("token-0"), "{source:?}");
}

#[test]
fn an_address_that_is_none_is_refused_without_repeating_it() {
    for (url, good) in [
        ("https://idp.example/realms/x/token?tenant=1", true),
        ("http://idp:8080", true),
        ("idp.example/token", false),
        ("ftp://idp", false),
        ("https://u:hunter2@ idp", false),
    ] {
        let checked = credentials(url).check();
        assert_eq!(checked.is_ok(), good, "{url}");
        assert!(!format!("{checked:?} {:?}", credentials(url)).contains("hunter2"));
    }
    assert_eq!(credentials("https://u:hunter2@idp:8443/t?k=hunter2").endpoint(), "https://idp:8443/t");
}
