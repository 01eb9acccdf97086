//! Attacks on the external metrics API, each on the running Ebb, and each with a good client that is served all the
//! while. `docs/certificates.md` lists the clients that are authenticated.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ebb_tests::direct::{API, CONTROLLER, Direct};
use ebb_tests::pki::{Authority, Identity};
use ebb_tests::wait::secs;
use ebb_tests::world::{Outcome, World};
use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::story;

const MASTER: &[(&str, &str)] = &[("X-Remote-User", "root"), ("X-Remote-Group", "system:masters")];

/// The good client: the HPA controller through the aggregator's identity, on a connection of its own.
async fn good(world: &World) -> Result<Duration> {
    // Another test changes the authority meanwhile.
    let direct = Direct::as_aggregator(world).await?;
    let begin = Instant::now();
    let answer = direct.ask("GET", API, CONTROLLER).await.context("the good client")?;
    ensure!(answer.code == 200, "the good client: {answer:?}");
    Ok(begin.elapsed())
}

/// Its name, what is shown, the headers, and what comes back: a code, or nothing, where the connection ends in
/// the handshake.
type Attack = (&'static str, Option<Identity>, &'static [(&'static str, &'static str)], Option<u16>);

#[test]
fn nobody_gets_in_with_another_ones_name() -> Outcome {
    story(async |world| {
        let direct = Direct::as_aggregator(world).await?;
        let facts = &world.bed.facts;
        let proxies = Authority::read(&facts.front_proxy.ca, &facts.front_proxy.ca_key)?;
        let users = Authority::read(&facts.client_ca.ca, &facts.client_ca.key)?;
        let fake = Authority::new("front-proxy-ca")?;
        let of = |authority: &Authority, name: &str, years| authority.client(name, years).map(Some);
        let now = (2020, 2090);
        let name = "front-proxy-client";

        let attacks: [Attack; 11] = [
            ("no credentials", None, &[], Some(401)),
            ("forged headers", None, MASTER, Some(401)),
            ("a token that is none", None, &[("Authorization", "Bearer x.y.z")], Some(401)),
            ("forged headers with a user's certificate", of(&users, "eve", now)?, MASTER, Some(200)),
            (
                "forged headers with the aggregator's name from the users' authority",
                of(&users, name, now)?,
                MASTER,
                Some(200),
            ),
            ("another name from the aggregator's authority", of(&proxies, "another-proxy", now)?, MASTER, Some(401)),
            ("a certificate of another authority", of(&fake, name, now)?, MASTER, None),
            ("an expired certificate", of(&proxies, name, (2020, 2021))?, MASTER, None),
            ("a certificate of the future", of(&proxies, name, (2089, 2090))?, MASTER, None),
            ("an expired user's certificate", of(&users, "eve", (2020, 2021))?, MASTER, None),
            ("the aggregator that names nobody", direct.identity.clone(), &[], Some(401)),
        ];
        for (attack, identity, headers, expected) in attacks {
            let answer = direct.showing(identity).ask("GET", API, headers).await;
            let code = answer.as_ref().ok().map(|answer| answer.code);
            ensure!(code == expected, "{attack}: {answer:?}");
            good(world).await.with_context(|| format!("after {attack}"))?;
        }
        // Every user of the cluster may read the answers of those two 200s. A request that only a master may make shows
        // the user.
        for name in ["eve", name] {
            let answer = direct.showing(of(&users, name, now)?).ask("GET", &format!("{API}/x"), MASTER).await?;
            ensure!(answer.code == 403, "{answer:?}");
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            ensure!(message.contains(&format!("User \"{name}\" cannot list")), "{message}");
        }
        ensure!(direct.ask("GET", &format!("{API}/x"), MASTER).await?.code == 404, "the real one may");
        Ok(())
    })
}

#[test]
fn what_is_too_large_is_refused() -> Outcome {
    story(async |world| {
        let direct = Direct::as_aggregator(world).await?;
        let stranger = direct.showing(None);
        let large = "a".repeat(600_000);
        let long = format!("{API}?x={}", "a".repeat(70_000));
        let token = format!("Bearer {}", "a".repeat(20_000));
        for client in [&direct, &stranger] {
            let code = async |path: &str, header: (&str, &str)| {
                let mut headers = CONTROLLER.to_vec();
                headers.push(header);
                client.ask("GET", path, &headers).await.map(|answer| answer.code)
            };
            let header = code(API, ("X-Large", &large)).await;
            ensure!(header.as_ref().map_or(true, |code| *code == 431), "a large header: {header:?}");
            let uri = code(&long, ("X-Small", "a")).await;
            ensure!(uri.as_ref().map_or(true, |code| [414, 431].contains(code)), "a long path: {uri:?}");
            good(world).await?;
        }
        let answer = stranger.ask("GET", API, &[("Authorization", &token)]).await?;
        ensure!(answer.code == 401, "a long token: {answer:?}");
        // A body that is announced and never sent is not waited for.
        let begin = Instant::now();
        let mut headers = CONTROLLER.to_vec();
        headers.push(("Content-Length", "10000000000"));
        let answer = direct.ask("POST", API, &headers).await?;
        ensure!([403, 405].contains(&answer.code) && begin.elapsed() < secs(5), "{answer:?} in {:?}", begin.elapsed());
        good(world).await?;
        Ok(())
    })
}

#[test]
fn who_is_slow_is_sent_away() -> Outcome {
    story(async |world| {
        let direct = Direct::as_aggregator(world).await?;
        let stranger = direct.showing(None);
        // A silent connection, without even a handshake.
        let silent = async {
            let mut stream = TcpStream::connect(("127.0.0.1", direct.port)).await?;
            let ended = timeout(secs(12), stream.read(&mut [0; 16])).await;
            ensure!(matches!(ended, Ok(Ok(0) | Err(_))), "silence before the handshake: {ended:?}");
            anyhow::Ok(())
        };
        // A header of one byte a second.
        let dribble = async |place: u64| {
            sleep(Duration::from_millis(place * 10)).await;
            let mut wire = stranger.connect().await?;
            wire.write_all(format!("GET {API} HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").as_bytes()).await?;
            let begin = Instant::now();
            while begin.elapsed() < secs(40) {
                sleep(secs(1)).await;
                let written = wire.write_all(b"a").await.is_ok() && wire.flush().await.is_ok();
                let ended = timeout(Duration::from_millis(1), wire.read(&mut [0; 512])).await;
                if !written || matches!(ended, Ok(Ok(0) | Err(_))) {
                    return Ok(());
                }
            }
            anyhow::bail!("a header is still waited for after {:?}", begin.elapsed())
        };
        let others = async {
            for _ in 0..20 {
                good(world).await?;
                sleep(Duration::from_millis(500)).await;
            }
            anyhow::Ok(())
        };
        let (silent, slow, others) = tokio::join!(silent, join_all((0..50).map(dribble)), others);
        silent?;
        others?;
        slow.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(())
    })
}

#[test]
fn old_tls_and_weak_suites_are_refused() -> Outcome {
    story(async |world| {
        let port = world.ebb.secure_port;
        // TLS 1.0 and 1.1 with a suite of theirs; TLS 1.2 with suites without forward secrecy, with CBC, with RC4.
        let offers: [(u8, &[u8]); 5] =
            [(1, &[0xc0, 0x13]), (2, &[0xc0, 0x13]), (3, &[0x00, 0x9c]), (3, &[0xc0, 0x13]), (3, &[0x00, 0x05])];
        for (minor, suite) in offers {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(&client_hello(minor, suite)).await?;
            let mut reply = [0; 7];
            timeout(secs(5), stream.read_exact(&mut reply)).await?.context("no alert")?;
            // An alert, and a fatal one.
            ensure!(reply[0] == 21 && reply[5] == 2, "TLS 1.{} with {suite:x?}: {reply:x?}", minor - 1);
        }
        good(world).await?;
        Ok(())
    })
}

/// The greeting of a client that speaks this version at most, and this suite.
fn client_hello(minor: u8, suite: &[u8]) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2]);
    hello.extend(suite);
    // No compression; groups and signatures that everybody has.
    hello.extend([1, 0]);
    let extensions: [u8; 18] = [0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 6, 0, 4, 4, 3, 8, 4];
    hello.extend([0, 18]);
    hello.extend(extensions);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}

#[test]
fn errors_show_no_token() -> Outcome {
    story(async |world| {
        let direct = Direct::as_aggregator(world).await?.showing(None);
        let secret = "do-not-show-this-token";
        let answer = direct.ask("GET", API, &[("Authorization", &format!("Bearer {secret}"))]).await?;
        ensure!(answer.code == 401 && answer.json()["message"] == json!("Unauthorized"), "{answer:?}");
        let log = std::fs::read_to_string(&world.ebb.log)?;
        ensure!(!log.contains(secret), "the log has it");
        Ok(())
    })
}
