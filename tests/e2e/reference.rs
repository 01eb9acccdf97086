//! Ebb's answers beside those of an external metrics API made with Kubernetes' own libraries, question by question.

use std::fs;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use ebb_tests::direct::{API, Answer, Direct, aggregator};
use ebb_tests::pki::Identity;
use ebb_tests::process::{Tether, free_port};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use ebb_tests::{bed, paths};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::story;

const NAMESPACE: &str = "reference";
const SELECTED: &str = "?labelSelector=scaledobject.keda.sh%2Fname%3Dmy-app";

const ROOT: &[(&str, &str)] = &[("X-Remote-User", "root"), ("X-Remote-Group", "system:masters")];
const EVE: &[(&str, &str)] = &[("X-Remote-User", "eve"), ("X-Remote-Group", "system:authenticated")];
const NOBODY: &[(&str, &str)] = &[];

/// The relation of Ebb's answer to the other one.
#[derive(Clone, Copy)]
enum Expected {
    /// Code, media type and body are the same, but for times; a Status's message may go on where the other ends.
    Same,
    /// Code, media type, reason and kind are the same. The rest differs, for this reason.
    Words(&'static str),
    /// Only the code and the media type are the same, for this reason.
    Body(&'static str),
    /// Ebb answers with this code, for this reason.
    Code(u16, &'static str),
}
use Expected::{Body, Code, Same, Words};

const OWN_WORDS: &str = "Ebb says in its own words what it looked for and what is wrong";
const JSON_ONLY: &str = "Ebb has JSON only, which every client of this API takes";
const NO_INDEX: &str = "Ebb has no list of its paths: a Status says the same";
const OTHER_PROGRAM: &str = "it describes another program";
const PROBES: &str = "whether Ebb lives is no secret: the kubelet asks without credentials";
const NO_LISTS: &str = "a metric is one value: parameters for pages, fields and times of lists change nothing";

type Question = (&'static str, &'static str, &'static [(&'static str, &'static str)], Option<&'static str>, Expected);

/// Method, path (`M` is the metric's), the user, Accept, and how the answers compare.
const QUESTIONS: &[Question] = &[
    // Selectors.
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%3Dmy-app", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%3D%3Dmy-app", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%20in%20(my-app)", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname+in+(my-app)", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%20in%20(my-app,other)", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%20notin%20(other)", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%3Dmy-app,a!%3Db", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%3Dmy-app,!a", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%3Dmy-app,a%3Db", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname!%3Dmy-app", ROOT, None, Same),
    ("GET", "M?labelSelector=!scaledobject.keda.sh%2Fname", ROOT, None, Same),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname", ROOT, None, Same),
    ("GET", "M", ROOT, None, Same),
    ("GET", "M?labelSelector=", ROOT, None, Same),
    ("GET", "M?labelSelector=a&labelSelector=b", ROOT, None, Same),
    ("GET", "M?labelSelector=%zz", ROOT, None, Same),
    ("GET", "M?labelSelector=%3D%3D", ROOT, None, Same),
    ("GET", "M?labelSelector=a%20b", ROOT, None, Same),
    ("GET", "M?labelSelector=(", ROOT, None, Same),
    ("GET", "M?labelSelector=a%20in%20b", ROOT, None, Words(OWN_WORDS)),
    ("GET", "M?labelSelector=-a%3Db", ROOT, None, Words(OWN_WORDS)),
    ("GET", "M?labelSelector=a%3D%24", ROOT, None, Words(OWN_WORDS)),
    ("GET", "M?labelSelector=scaledobject.keda.sh%2Fname%3Dother", ROOT, None, Words(OWN_WORDS)),
    // Parameters of lists.
    ("GET", "MS&limit=1", ROOT, None, Same),
    ("GET", "MS&resourceVersion=0", ROOT, None, Same),
    ("GET", "MS&timeoutSeconds=1", ROOT, None, Same),
    ("GET", "MS&pretty=true", ROOT, None, Same),
    ("GET", "MS&unknown=1", ROOT, None, Same),
    ("GET", "MS&watch=true", ROOT, None, Same),
    ("GET", "MS&watch=false", ROOT, None, Same),
    ("GET", "MS&limit=x", ROOT, None, Code(200, NO_LISTS)),
    ("GET", "MS&fieldSelector=a%3Db", ROOT, None, Code(200, NO_LISTS)),
    // Names and paths.
    ("GET", "N/s9-nothingS", ROOT, None, Words(OWN_WORDS)),
    ("GET", "N/a%20bS", ROOT, None, Words(OWN_WORDS)),
    ("GET", "N/%2e%2eS", ROOT, None, Words(OWN_WORDS)),
    ("GET", "N/a%2FbS", ROOT, None, Words(OWN_WORDS)),
    ("GET", "N/%ffS", ROOT, None, Code(400, "a path that is no text names nothing")),
    ("GET", "M/S", ROOT, None, Same),
    ("GET", "M/nameS", ROOT, None, Same),
    ("GET", "M/name/subS", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1/s0-xS", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1/namespaces/elsewhere/s0-xS", ROOT, None, Words(OWN_WORDS)),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1/namespaces/*/s0-xS", ROOT, None, Words(OWN_WORDS)),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1//namespaces/x/s0-xS", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1/namespaces/x", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1/externalmetrics", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1/namespaces/x/s0-xS", ROOT, None, Same),
    ("GET", "/apis/other.k8s.io/v1", ROOT, None, Body(NO_INDEX)),
    ("GET", "/api/v1", ROOT, None, Body(NO_INDEX)),
    ("GET", "/nothing", ROOT, None, Body(NO_INDEX)),
    ("GET", "/", ROOT, None, Code(404, NO_INDEX)),
    ("GET", "/metrics", ROOT, None, Code(404, "series are served on a port of their own")),
    // Methods.
    ("HEAD", "MS", ROOT, None, Code(200, "HEAD is GET without a body everywhere in HTTP")),
    ("OPTIONS", "MS", ROOT, None, Same),
    ("POST", "MS", ROOT, None, Same),
    ("PUT", "MS", ROOT, None, Same),
    ("PATCH", "MS", ROOT, None, Same),
    ("DELETE", "MS", ROOT, None, Same),
    ("POST", "/apis", ROOT, None, Same),
    // Representations.
    ("GET", "MS", ROOT, Some("application/json"), Same),
    ("GET", "MS", ROOT, Some("*/*"), Same),
    ("GET", "MS", ROOT, Some("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), Same),
    ("GET", "MS", ROOT, Some("application/json;as=Table;v=v1;g=meta.k8s.io"), Words(JSON_ONLY)),
    ("GET", "MS", ROOT, Some("application/vnd.kubernetes.protobuf"), Code(406, JSON_ONLY)),
    ("GET", "MS", ROOT, Some("application/yaml"), Code(406, JSON_ONLY)),
    ("GET", "MS", ROOT, Some("text/html"), Words(JSON_ONLY)),
    ("GET", "MS", ROOT, Some("application/json;q=0"), Code(406, "nought means: not that")),
    // Discovery and descriptions.
    ("GET", "/apis", ROOT, None, Body("Ebb names apiVersion, and no address that only the API server has")),
    ("GET", "/apis/", ROOT, None, Body("Ebb names apiVersion, and no address that only the API server has")),
    (
        "GET",
        "/apis",
        ROOT,
        Some("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
        Body("the library leaves its own group out"),
    ),
    ("GET", "/apis/external.metrics.k8s.io", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1", ROOT, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1/", ROOT, None, Same),
    ("GET", "/version", ROOT, None, Body(OTHER_PROGRAM)),
    ("GET", "/openapi/v2", ROOT, None, Body(OTHER_PROGRAM)),
    ("GET", "/openapi/v3", ROOT, None, Body(OTHER_PROGRAM)),
    ("GET", "/openapi/v3/apis/external.metrics.k8s.io/v1beta1", ROOT, None, Body(OTHER_PROGRAM)),
    ("GET", "/healthz", ROOT, None, Same),
    ("GET", "/livez", ROOT, None, Same),
    ("GET", "/readyz", ROOT, None, Same),
    // The client.
    ("GET", "MS", NOBODY, None, Same),
    ("GET", "MS", &[("Authorization", "Bearer wrong")], None, Same),
    ("GET", "MS", &[("Authorization", "Basic eDp5")], None, Same),
    ("GET", "/apis", NOBODY, None, Same),
    ("GET", "/nothing", NOBODY, None, Same),
    ("GET", "/healthz", NOBODY, None, Code(200, PROBES)),
    ("GET", "MS", EVE, None, Same),
    ("GET", "M/xS", EVE, None, Same),
    ("GET", "MS&watch=true", EVE, None, Same),
    ("DELETE", "MS", EVE, None, Same),
    ("POST", "MS", EVE, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1/s0-x", EVE, None, Same),
    ("GET", "/apis/external.metrics.k8s.io/v1beta1", EVE, None, Same),
    ("GET", "/nothing", EVE, None, Same),
    ("GET", "/metrics", EVE, None, Same),
    ("POST", "/apis", EVE, None, Same),
];

#[test]
fn the_answers_are_those_of_an_api_server() -> Outcome {
    story(async |world| {
        let user = world.sandbox(NAMESPACE).await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        // A window that is open all year, but for a minute in which nobody tests.
        let mut trigger = cron("0 0 1 1 *", "59 23 31 12 *", "1");
        trigger["metadata"]["timezone"] = json!("UTC");
        user.apply(&scaled_object("my-app", json!({"triggers": [trigger]}))).await?;
        user.wait_ready("my-app").await?;
        let hpa = user.wait_for("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        let metric = hpa["spec"]["metrics"][0]["external"]["metric"]["name"].as_str().context("no metric")?;

        let proxy = aggregator(&world.bed)?;
        let (reference, _running) = start_reference(world, metric, &proxy).await?;
        let ebb = Direct::as_aggregator(world).await?;

        ensure!(QUESTIONS.len() >= 40, "{} questions are too few", QUESTIONS.len());
        let mut differences = Vec::new();
        for (method, path, who, accept, expected) in QUESTIONS {
            let path = path.strip_suffix('S').map_or_else(|| (*path).to_owned(), |path| format!("{path}{SELECTED}"));
            let path = path.replacen("MS", &format!("M{SELECTED}"), 1);
            let namespace = format!("{API}/namespaces/{NAMESPACE}");
            let path = match (path.strip_prefix('M'), path.strip_prefix('N')) {
                (Some(rest), _) => format!("{namespace}/{metric}{rest}"),
                (_, Some(rest)) => format!("{namespace}{rest}"),
                _ => path,
            };
            let mut headers = who.to_vec();
            headers.extend(accept.map(|accept| ("Accept", accept)));
            let theirs = reference.ask(method, &path, &headers).await.with_context(|| format!("{method} {path}"))?;
            let ours = ebb.ask(method, &path, &headers).await.with_context(|| format!("{method} {path}"))?;
            if let Err(difference) = compare(&theirs, &ours, *expected) {
                differences.push(format!("{method} {path} {headers:?}: {difference}"));
            }
        }
        ensure!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
        Ok(())
    })
}

/// The running other server, until it is dropped.
struct Running {
    child: Child,
    /// Ends it if this process is killed.
    _tether: Tether,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the other server with the metric that Ebb has.
async fn start_reference(world: &World, metric: &str, proxy: &Identity) -> Result<(Direct, Running)> {
    let folder = paths::work("reference");
    fs::create_dir_all(&folder)?;
    let (certificate, key, log) = (folder.join("tls.crt"), folder.join("tls.key"), folder.join("log"));
    let pair = KeyPair::generate()?;
    let authorities = CertificateParams::new(["localhost".to_owned()])?.self_signed(&pair)?.pem();
    fs::write(&certificate, &authorities)?;
    fs::write(&key, pair.serialize_pem())?;
    let port = free_port()?;
    let kubeconfig = world.bed.facts.kubeconfig.display();
    let child = Command::new(paths::bed_program()?)
        .arg("external-metrics")
        .args(["--bind-address=127.0.0.1".to_owned(), format!("--secure-port={port}")])
        .args(["authentication", "authorization", "lister"].map(|what| format!("--{what}-kubeconfig={kubeconfig}")))
        .arg(format!("--tls-cert-file={}", certificate.display()))
        .arg(format!("--tls-private-key-file={}", key.display()))
        .args([format!("--metric-namespace={NAMESPACE}"), format!("--metric-name={metric}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?)
        .spawn()?;
    let running = Running { _tether: Tether::to(child.id())?, child };
    let reference = Direct { port, name: "localhost".to_owned(), authorities, identity: Some(proxy.clone()) };
    let ready = wait::until("the reference server", secs(30), async || {
        // At first it knows no authority, and takes everybody for nobody.
        let answer = reference.ask("GET", &format!("{API}/namespaces/{NAMESPACE}/{metric}{SELECTED}"), ROOT).await?;
        ensure!(answer.code == 200, "{answer:?}");
        Ok(())
    });
    ready.await.with_context(|| bed::tail(&log, 20))?;
    Ok((reference, running))
}

fn compare(theirs: &Answer, ours: &Answer, expected: Expected) -> Result<(), String> {
    let shown = |answer: &Answer| {
        let body: String = String::from_utf8_lossy(&answer.body).chars().take(400).collect();
        format!("{} {:?} {body}", answer.code, answer.content_type)
    };
    let expectation = match expected {
        Same => "the same",
        Words(why) | Body(why) | Code(_, why) => why,
    };
    let differs = |what: &str| {
        let (theirs, ours) = (shown(theirs), shown(ours));
        Err(format!("{what}, where the table says: {expectation}\n    theirs: {theirs}\n    ours:   {ours}"))
    };
    if let Code(code, _) = expected {
        // Where they agree again, the reason is gone.
        return if ours.code == code && theirs.code != code { Ok(()) } else { differs("code") };
    }
    if theirs.code != ours.code {
        return differs("code");
    }
    if theirs.content_type != ours.content_type {
        return differs("content type");
    }
    let (mut theirs_body, mut ours_body) = (theirs.json(), ours.json());
    match expected {
        Same if theirs_body.is_null() => {
            if theirs.body != ours.body {
                return differs("body");
            }
        }
        Same => {
            for body in [&mut theirs_body, &mut ours_body] {
                if let Some(items) = body.get_mut("items").and_then(Value::as_array_mut) {
                    for item in items {
                        item["timestamp"] = Value::Null;
                    }
                }
            }
            let message = |body: &Value| body["message"].as_str().unwrap_or_default().to_owned();
            if message(&ours_body).starts_with(&message(&theirs_body)) && theirs_body.get("message").is_some() {
                ours_body["message"] = theirs_body["message"].clone();
            }
            if theirs_body != ours_body {
                return differs("body");
            }
        }
        Words(_) => {
            let fixed = |body: &Value| ["kind", "apiVersion", "status", "reason", "code"].map(|key| body[key].clone());
            if fixed(&theirs_body) != fixed(&ours_body) {
                return differs("Status");
            }
        }
        Body(_) | Code(..) => {}
    }
    Ok(())
}
