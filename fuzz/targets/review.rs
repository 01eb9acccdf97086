//! Any AdmissionReview: an error of the request, or an answer that allows or refuses and has the question's uid.
//!
//! The first letter chooses the kind under review: `s` a ScaledObject, `t` a TriggerAuthentication, anything else a
//! ClusterTriggerAuthentication.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use ebb::admission::{self, Admission};
use ebb::review::AuthParams;
use ebb::kube_api::scope::Scope;
use ebb_scalers::pool::ClientPools;
use http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// A runtime on this thread, and the webhook.
struct World(Runtime, Router);

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("no runtime");
    // Nobody is asked there: that is what a trigger of cpu or memory finds out.
    let nowhere = kube::Config::new(http::Uri::from_static("http://127.0.0.1:1"));
    let client = runtime.block_on(async { kube::Client::try_from(nowhere) }).expect("no client");
    let admission = Admission {
        objects: kube::runtime::reflector::store().0,
        foreign: Arc::default(),
        given: Box::new(|reference, _| if reference.name.len() % 2 == 0 { AuthParams::Anything } else { AuthParams::Nothing }),
        users: Box::new(|_, _| Vec::new()),
        targets: ebb::kube_api::scale::Targets::new(client.clone()),
        client,
        brokers: ClientPools::default(),
        scope: Scope::default(),
        strict: false,
        metrics: ebb::telemetry::metrics::Metrics::new(false, ebb::leader::Leadership::always()).expect("no metrics"),
        counted: parking_lot::Mutex::default(),
    };
    World(runtime, admission::router(Arc::new(admission), Duration::from_secs(10)))
});

fuzz_target!(|sent: &[u8]| {
    let World(runtime, router) = &*WORLD;
    let Some((kind, body)) = sent.split_first() else { return };
    let kind = match kind {
        b's' => "scaledobject",
        b't' => "triggerauthentication",
        _ => "clustertriggerauthentication",
    };
    let request = Request::post(format!("/validate-keda-sh-v1alpha1-{kind}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_vec()))
        .expect("a request");
    let (status, answer) = runtime.block_on(async {
        let response = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        (response.status(), to_bytes(response.into_body(), usize::MAX).await.expect("a body"))
    });
    match status {
        StatusCode::BAD_REQUEST => {}
        StatusCode::OK => {
            // In parts of it that nobody reads it may be no JSON.
            let Ok(asked) = serde_json::from_slice::<Value>(body) else { return };
            let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
            let response = &answer["response"];
            assert_eq!(response["uid"].as_str(), Some(asked["request"]["uid"].as_str().unwrap_or_default()));
            let allowed = response["allowed"].as_bool().expect("a word");
            assert_eq!(allowed, response["status"]["message"].is_null(), "a refusal says why: {answer}");
        }
        other => panic!("{other}"),
    }
});
