//! Tests of a trigger's requests, shared clients and errors, towards a server that notes the requests.

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::net::Outbound;
use crate::pool::NamespaceQuota;

type Asked = Arc<Mutex<Vec<String>>>;

/// A server that gives this answer to every request, and the requests.
async fn server(status: &str, body: &str) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asked, answer) =
        (Asked::default(), format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (noted, answer) = (Arc::clone(&noted), answer.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    noted.lock().push(String::from_utf8_lossy(&request[..length]).into_owned());
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (address, asked)
}

fn pools() -> ClientPools {
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientPools::new(Outbound::default(), NamespaceQuota::default())
}

fn trigger(metadata: &[(&str, &str)], auth: &[(&str, &str)]) -> TriggerConfig {
    let map =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    TriggerConfig { kind: "prometheus".into(), metadata: map(metadata), auth: map(auth), ..TriggerConfig::default() }
}

const TWO: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}}"#;
const NONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

async fn read(metadata: &[(&str, &str)], auth: &[(&str, &str)]) -> Result<Reading, ReadError> {
    build(&trigger(metadata, auth), &pools()).unwrap().read(Utc::now()).await
}

#[tokio::test]
async fn a_request_holds_what_the_trigger_says() {
    let (address, asked) = server("200 OK", TWO).await;
    let server = format!("http://u:p%40ss@{address}/prometheus/");
    let metadata = [
        ("serverAddress", &*server),
        ("query", "sum(up) + 1"),
        ("threshold", "5"),
        ("namespace", "a b"),
        ("queryParameters", "dedup=true"),
        ("customHeaders", "X-Scope-OrgID=tenant, X-Client=ebb"),
    ];
    assert_eq!(read(&metadata, &[]).await.unwrap(), Reading { value: 2.0, active: true });
    let asked = asked.lock().join("\n");
    assert!(asked.starts_with("GET /prometheus/api/v1/query?query=sum%28up%29+%2B+1&time=2"), "{asked}");
    assert!(asked.contains("&namespace=a+b&dedup=true HTTP/1.1\r\n"), "{asked}");
    for header in ["x-scope-orgid: tenant\r\n", "x-client: ebb\r\n", "authorization: Basic dTpwQHNz\r\n"] {
        assert!(asked.contains(header), "{header} in {asked}");
    }
}

#[tokio::test]
async fn the_first_mode_is_used_in_place_of_other_logins() {
    let custom = [("customAuthHeader", "X-Key"), ("customAuthValue", "k1")];
    let basic = [("username", "user"), ("password", "pass")];
    for (modes, auth, sent) in [
        ("bearer,custom", [&custom[..], &[("bearerToken", "t0ken")]].concat(), "authorization: Bearer t0ken\r\n"),
        ("basic, custom", [custom, basic].concat(), "authorization: Basic dXNlcjpwYXNz\r\n"),
        ("custom", custom.to_vec(), "x-key: k1\r\n"),
        ("", basic.to_vec(), "authorization: Basic dTpw\r\n"),
    ] {
        let (address, asked) = server("200 OK", TWO).await;
        let server = format!("http://u:p@{address}");
        let metadata = [("serverAddress", &*server), ("query", "up"), ("threshold", "1"), ("authModes", modes)];
        read(&metadata, &auth).await.unwrap();
        let asked = asked.lock().join("\n");
        assert!(asked.contains(sent), "{modes}: {asked}");
        assert_eq!(asked.matches("authorization: ").count(), 1, "{modes}: {asked}");
    }
}

#[tokio::test]
async fn an_answer_without_a_value_reads_zero_or_is_an_error() {
    let (address, _) = server("200 OK", NONE).await;
    let server = format!("http://{address}");
    let given = |ignore: &'static str| {
        [
            ("serverAddress", server.clone()),
            ("query", "absent".into()),
            ("threshold", "1".into()),
            ("ignoreNullValues", ignore.into()),
        ]
    };
    let read_with = async |ignore| {
        let given: [(&str, String); 4] = given(ignore);
        read(&given.each_ref().map(|(key, value)| (*key, value.as_str())), &[]).await
    };
    assert_eq!(read_with("true").await.unwrap(), Reading { value: 0.0, active: false });
    let error = read_with("false").await.unwrap_err().to_string();
    assert!(error.contains("prometheus metrics 'prometheus' target may be lost, the result is empty"), "{error}");
    assert!(error.contains(&format!("Prometheus at {server}")) && error.contains("absent"), "{error}");
}

#[tokio::test]
async fn a_refusal_has_the_servers_words_and_no_credential() {
    let complaint = r#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected end of input"}"#;
    let (address, _) = server("400 Bad Request", complaint).await;
    let server = format!("http://u:hunter2@{address}");
    let metadata = [("serverAddress", &*server), ("query", "sum("), ("threshold", "1"), ("authModes", "bearer")];
    let trigger = trigger(&metadata, &[("bearerToken", "hunter3")]);
    let scaler = build(&trigger, &pools()).unwrap();
    let error = scaler.read(Utc::now()).await.unwrap_err().to_string();
    assert!(error.contains("prometheus query api returned error. status: 400: parse error"), "{error}");
    let shown = format!("{error} {scaler:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[tokio::test]
async fn a_redirect_to_another_host_gets_no_credentials() {
    let (address, asked) = server("200 OK", TWO).await;
    let other = address.replace("127.0.0.1", "localhost");
    let (moved, _) = server(&format!("302 Found\r\nLocation: http://{other}/"), "").await;
    let server = format!("http://{moved}");
    let metadata = [("serverAddress", &*server), ("query", "up"), ("threshold", "1"), ("authModes", "custom")];
    let error = read(&metadata, &[("customAuthHeader", "X-Key"), ("customAuthValue", "k1")]).await.unwrap_err();
    assert!(matches!(error, ReadError::Connect { .. }), "{error}");
    assert!(asked.lock().is_empty());
}

#[tokio::test]
async fn a_server_that_is_away_is_left_alone_for_a_while() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let metadata = [("serverAddress", &*server), ("query", "up"), ("threshold", "1")];
    let pools = pools();
    let scaler = build(&trigger(&metadata, &[]), &pools).unwrap();
    let first = scaler.read(Utc::now()).await.unwrap_err();
    assert!(
        matches!(&first, ReadError::Connect { broker, .. } if *broker == format!("Prometheus at {server}")),
        "{first}"
    );
    assert_eq!(scaler.read(Utc::now()).await.unwrap_err(), first);
}

#[test]
fn triggers_of_one_server_share_its_client_whoever_they_ask_as() {
    let pools = pools();
    let built = |auth: &[(&str, &str)], timeout: &str| {
        let metadata = [
            ("serverAddress", "http://prometheus:9090"),
            ("query", "up"),
            ("threshold", "1"),
            ("authModes", if auth.is_empty() { "" } else { "bearer" }),
            ("timeout", timeout),
        ];
        build(&trigger(&metadata, auth), &pools).unwrap()
    };
    let triggers = [built(&[], ""), built(&[("token", "a")], ""), built(&[("token", "b")], ""), built(&[], "1s")];
    assert_eq!(pools.in_use::<Client, client::Endpoint>(), 2);
    drop(triggers);
    assert_eq!(pools.in_use::<Client, client::Endpoint>(), 0);
}

#[test]
fn what_is_wrong_has_kedas_text_or_names_the_key() {
    let given = |metadata: &[(&str, &str)], auth: &[(&str, &str)]| {
        let always = [("serverAddress", "http://prometheus:9090"), ("query", "up"), ("threshold", "1")];
        build(&trigger(&[&always[..], metadata].concat(), auth), &pools()).err().unwrap().to_string()
    };
    for (metadata, auth, says) in [
        (&[("serverAddress", "prometheus:9090")][..], &[][..], "serverAddress is no address of an HTTP server"),
        (&[("serverAddress", "http://$(PROMETHEUS):9090")], &[], "serverAddress is no address of an HTTP server"),
        (&[("serverAddress", "http://{host}:9090")], &[], "serverAddress is no address of an HTTP server"),
        (&[("threshold", "0")], &[], "threshold must be at least 0.001, got 0"),
        (
            &[("customHeaders", "a=b,c")],
            &[],
            "unable to set param \"customHeaders\" value \"a=b,c\": expected format key=value, got \"c\"",
        ),
        (&[("customHeaders", "a b=c")], &[], "customHeaders: that is no header of HTTP"),
        (&[("authModes", "bearer")], &[], "bearer token=<empty> is required when bearer auth is enabled"),
        (&[("authMode", "basic")], &[], "username=<empty> is required when basic auth is enabled"),
        (
            &[("authModes", "tls")],
            &[("cert", "c")],
            "cert=<present> and key=<empty> are required when tls auth is enabled",
        ),
        (
            &[("authModes", "custom")],
            &[("customAuthHeader", "h")],
            "customAuthHeader=<present> and customAuthValue=<empty> are required when custom auth is enabled",
        ),
        (
            &[("authModes", "basic,bearer")],
            &[("username", "u"), ("token", "t")],
            "parameter \"authModes,authMode\" value \"basic,bearer\" must contain only one of [bearer basic oauth]",
        ),
        (&[("authModes", "magic")], &[], "must be one of [apiKey basic tls bearer custom oauth]"),
        (&[("awsRegion", "eu-west-1")], &[], "awsRegion: authentication at AWS (SigV4) is not supported yet"),
        (&[], &[("GoogleApplicationCredentials", "{}")], "authentication at Google Cloud is not supported yet"),
    ] {
        let error = given(metadata, auth);
        assert!(error.starts_with("error parsing prometheus metadata: ") && error.contains(says), "{says}: {error}");
    }
}

#[test]
fn a_mode_without_effect_is_pointed_out() {
    let given = trigger(&[("authModes", "apiKey")], &[]);
    let (text, _) = KIND.unused_credentials(&given, &|name| name == "apiKey").unwrap();
    assert_eq!(text, "authModes: apiKey (apiKey) has no effect for a prometheus trigger, in KEDA neither");
    let basic = trigger(&[("authModes", "basic")], &[]);
    assert_eq!(KIND.unused_credentials(&basic, &|name| name == "username"), None);
    let (text, _) = KIND.unused_credentials(&basic, &|name| name == "GoogleApplicationCredentials").unwrap();
    assert_eq!(text, "GoogleApplicationCredentials: authentication at Google Cloud is not supported yet");
    let from_env = trigger(&[("credentialsFromEnv", "KEY")], &[]);
    let (text, _) = KIND.unused_credentials(&from_env, &|_| false).unwrap();
    assert_eq!(text, "credentialsFromEnv: authentication at Google Cloud is not supported yet");
}
