//! The serving certificates: Ebb repairs every damage of the Secret within seconds, and no client fails meanwhile.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ebb_tests::direct::{API, CONTROLLER, Direct, answer, ca_bundle, head};
use ebb_tests::ebb::{API_SERVICE, Ebb, NAMESPACE};
use ebb_tests::paths;
use ebb_tests::pki::{Authority, Identity};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;
use http::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use crate::story;

const SECRET: &str = "/api/v1/namespaces/ebb-system/secrets/ebb-certs";
const NAMES: [&str; 4] = ["ebb.ebb-system.svc", "ebb.ebb-system", "ebb.ebb-system.svc.cluster.local", "localhost"];

async fn entry(user: &Sandbox, key: &str) -> Result<String> {
    let secret = user.send(Method::GET, SECRET, None).await?;
    let value = secret["data"][key].as_str().with_context(|| format!("no {key}"))?;
    Ok(String::from_utf8_lossy(&STANDARD.decode(value)?).into_owned())
}

/// The certificate that the metrics API shows.
async fn shown(direct: &Direct) -> Result<Vec<u8>> {
    let wire = direct.connect().await?;
    let (_, session) = wire.get_ref();
    let chain = session.peer_certificates().context("no certificate")?;
    Ok(chain.first().context("an empty chain")?.to_vec())
}

fn der(pem: &str) -> Result<Vec<u8>> {
    Ok(CertificateDer::from_pem_slice(pem.as_bytes())?.to_vec())
}

/// Asks through the API server, and verifies Ebb as the API server does, again and again.
struct Asker {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
    running: tokio::task::JoinHandle<Result<()>>,
}

impl Asker {
    fn start(world: &'static World) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (ended, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let running = tokio::spawn(async move {
            let user = Sandbox::existing(&world.bed, "default");
            while !ended.load(Ordering::Relaxed) {
                user.send(Method::GET, API, None).await.context("through the API server")?;
                let direct = Direct::as_aggregator(world).await?;
                let answer = direct.ask("GET", API, CONTROLLER).await.context("verified by the caBundle")?;
                ensure!(answer.code == 200, "{answer:?}");
                count.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        });
        Self { stop, asked, running }
    }

    async fn end(self) -> Result<u32> {
        self.stop.store(true, Ordering::Relaxed);
        self.running.await??;
        Ok(self.asked.load(Ordering::Relaxed))
    }
}

#[test]
fn damage_is_made_good_within_seconds_and_nobody_notices() -> Outcome {
    story(async |world| {
        let user = Sandbox::existing(&world.bed, NAMESPACE);
        let direct = async || Direct::as_aggregator(world).await;
        let asker = Asker::start(world);
        // A connection that is kept, with a question that is half asked.
        let mut kept = direct().await?.connect().await?;
        let question = head("GET", API, CONTROLLER);
        let (first_half, second_half) = question.split_at(question.len() / 2);
        kept.write_all(question.as_bytes()).await?;
        ensure!(answer(&mut kept, "GET").await?.code == 200, "the kept connection");
        kept.write_all(first_half.as_bytes()).await?;
        kept.flush().await?;

        let own = Authority { certificate: entry(&user, "ca.crt").await?, key: entry(&user, "ca.key").await? };
        let strange = Authority::new("strange")?;
        let aging = own.server(&NAMES, (2026, 2027))?;
        let expired = own.server(&NAMES, (2020, 2021))?;
        let misnamed = own.server(&["elsewhere.svc"], (2026, 2090))?;
        let foreign = strange.server(&NAMES, (2026, 2090))?;
        // Damages of the Secret; null means that it is deleted.
        let damages: [(&str, Value); 10] = [
            ("a certificate near its end", json!({"tls.crt": aging.certificate, "tls.key": aging.key})),
            ("an expired certificate", json!({"tls.crt": expired.certificate, "tls.key": expired.key})),
            ("a certificate for other names", json!({"tls.crt": misnamed.certificate, "tls.key": misnamed.key})),
            ("a certificate of another authority", json!({"tls.crt": foreign.certificate, "tls.key": foreign.key})),
            ("rubbish for a certificate", json!({"tls.crt": "rubbish"})),
            ("the key of another certificate", json!({"tls.key": foreign.key})),
            ("rubbish for the authority's key", json!({"ca.key": "rubbish"})),
            ("another authority without its key", json!({"ca.crt": strange.certificate})),
            ("rubbish everywhere", json!({"ca.crt": "", "ca.key": "x", "tls.crt": "x", "tls.key": "x"})),
            ("no Secret", Value::Null),
        ];
        for (damage, entries) in damages {
            let before = shown(&direct().await?).await?;
            let begin = Instant::now();
            if entries.is_null() {
                user.send(Method::DELETE, SECRET, None).await?;
            } else {
                let encoded = entries
                    .as_object()
                    .context("entries")?
                    .iter()
                    .map(|(key, value)| (key.clone(), json!(STANDARD.encode(value.as_str().unwrap_or_default()))));
                let data = json!({"data": encoded.collect::<serde_json::Map<_, _>>()}).to_string();
                user.kubectl.run(&["patch", "secret", "ebb-certs", "--type=merge", "-p", &data]).await?;
            }
            let what = format!("{damage} to be made good");
            let made_good = wait::until(&what, secs(20), async || {
                let written = der(&entry(&user, "tls.crt").await?)?;
                ensure!(written != before, "the certificate is the old one");
                let shown = shown(&direct().await?).await?;
                ensure!(shown == written, "the one in the Secret is not shown yet");
                Ok(())
            });
            made_good.await?;
            println!("{damage}: made good and in use after {:.1} s", begin.elapsed().as_secs_f64());
            if asker.running.is_finished() {
                asker.end().await.with_context(|| format!("after {damage}"))?;
                bail!("the asker ended");
            }
        }
        kept.write_all(second_half.as_bytes()).await?;
        ensure!(answer(&mut kept, "GET").await?.code == 200, "the question that was half asked");
        kept.write_all(question.as_bytes()).await?;
        ensure!(answer(&mut kept, "GET").await?.code == 200, "the kept connection afterwards");
        println!("{} questions and verifications meanwhile, none failed", asker.end().await?);

        // A damaged caBundle has an effect, but not for long.
        let spoil = json!({"spec": {"caBundle": STANDARD.encode(&strange.certificate)}}).to_string();
        user.kubectl.run(&["patch", "apiservice", API_SERVICE, "--type=merge", "-p", &spoil]).await?;
        let begin = Instant::now();
        wait::until("the caBundle to be right", secs(10), async || shown(&direct().await?).await.map(drop)).await?;
        println!("a spoilt caBundle was right again after {:.1} s", begin.elapsed().as_secs_f64());
        wait::until("the API server to ask again", secs(20), async || user.send(Method::GET, API, None).await.map(drop))
            .await
    })
}

/// An Ebb that writes nothing but what its arguments name, for a namespace without ScaledObjects.
async fn beside(world: &World, name: &str, arguments: &[&str]) -> Result<Ebb> {
    let watched = format!("--watch-namespace={name}");
    let mut all = vec![watched.as_str(), "--enable-apiservice-patching=false"];
    all.extend_from_slice(arguments);
    Ebb::new(&world.bed, name, &all, false).await
}

#[test]
fn replicas_that_start_at_once_show_one_certificate() -> Outcome {
    story(async |world| {
        let user = world.sandbox("certs-race").await?;
        let secret = "--cert-secret-name=certs-race";
        let mut replicas = Vec::new();
        for number in 0..3 {
            replicas
                .push(beside(world, &format!("certs-race-{number}"), &[secret, "--watch-namespace=certs-race"]).await?);
        }
        try_join_all(replicas.iter().map(Ebb::restart)).await?;
        let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/certs-race");
        let made = user.send(Method::GET, &path, None).await?;
        ensure!(made["type"] == "kubernetes.io/tls", "{}", made["type"]);
        let text = |key: &str| -> Result<String> {
            Ok(String::from_utf8(STANDARD.decode(made["data"][key].as_str().context("no entry")?)?)?)
        };
        for replica in &replicas {
            let direct = Direct {
                port: replica.secure_port,
                name: "localhost".to_owned(),
                authorities: text("ca.crt")?,
                identity: None,
            };
            ensure!(shown(&direct).await? == der(&text("tls.crt")?)?, "a replica shows another certificate");
        }
        Ok(())
    })
}

#[test]
fn certificates_of_others_are_used_and_reloaded() -> Outcome {
    story(async |world| {
        let user = world.sandbox("certs-foreign").await?;
        let folder = paths::work("certs-foreign");
        fs::create_dir_all(&folder)?;
        let (one, two) = (Authority::new("one")?, Authority::new("two")?);
        let write = |authority: &Authority, pair: &Identity| -> Result<()> {
            fs::write(folder.join("ca.crt"), &authority.certificate)?;
            fs::write(folder.join("tls.crt"), &pair.certificate)?;
            fs::write(folder.join("tls.key"), &pair.key)?;
            Ok(())
        };
        let first = one.server(&NAMES, (2026, 2090))?;
        let second = two.server(&NAMES, (2026, 2090))?;
        let direct = |ebb: &Ebb| Direct {
            port: ebb.secure_port,
            name: "localhost".to_owned(),
            authorities: format!("{}{}", one.certificate, two.certificate),
            identity: None,
        };

        // Files.
        write(&one, &first)?;
        let from_files = format!("--cert-dir={}", folder.display());
        let files = beside(world, "certs-foreign", &[&from_files]).await?;
        files.restart().await?;
        ensure!(shown(&direct(&files)).await? == der(&first.certificate)?, "the files are not shown");
        // A pair that does not fit is not used, and the former certificate stays.
        write(&two, &Identity { certificate: second.certificate.clone(), key: first.key.clone() })?;
        wait::throughout("the first certificate is shown", secs(5), async || {
            ensure!(shown(&direct(&files)).await? == der(&first.certificate)?, "another one is");
            Ok(())
        })
        .await?;
        let mut kept = direct(&files).connect().await?;
        let question = head("GET", "/healthz", &[]);
        kept.write_all(question.as_bytes()).await?;
        ensure!(answer(&mut kept, "GET").await?.code == 200, "before the change");
        write(&two, &second)?;
        wait::until("the new files to be shown", secs(10), async || {
            ensure!(shown(&direct(&files)).await? == der(&second.certificate)?, "the old one is");
            Ok(())
        })
        .await?;
        kept.write_all(question.as_bytes()).await?;
        ensure!(answer(&mut kept, "GET").await?.code == 200, "the kept connection");
        files.stop().await?;

        // A Secret that cert-manager fills.
        let secret = |authority: &Authority, pair: &Identity| {
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
                "metadata": {
                    "name": "certs-foreign", "namespace": NAMESPACE,
                    "annotations": {"cert-manager.io/certificate-name": "ebb", "cert-manager.io/issuer-name": "one"},
                },
                "stringData": {"ca.crt": authority.certificate, "tls.crt": pair.certificate, "tls.key": pair.key},
            })
        };
        let system = Sandbox::existing(&world.bed, NAMESPACE);
        let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/certs-foreign");
        let version =
            async || anyhow::Ok(user.send(Method::GET, &path, None).await?["metadata"]["resourceVersion"].clone());
        // A certificate that Ebb would replace if it were its own: it has expired.
        let expired = one.server(&NAMES, (2020, 2021))?;
        system.apply(&secret(&one, &expired)).await?;
        let before = version().await?;
        files.restart_with(&["--enable-cert-rotation=true", "--cert-secret-name=certs-foreign"], &[]).await?;
        wait::throughout("the Secret is left alone", secs(3), async || {
            ensure!(version().await? == before, "it was written");
            Ok(())
        })
        .await?;
        system.apply(&secret(&two, &second)).await?;
        wait::until("the new Secret to be shown", secs(20), async || {
            ensure!(shown(&direct(&files)).await? == der(&second.certificate)?, "the old one is");
            Ok(())
        })
        .await?;
        files.stop().await?;
        let bundle = ca_bundle(&world.bed).await?;
        ensure!(!bundle.contains(&two.certificate), "the APIService got an authority that it was not to get");
        Ok(())
    })
}
