//! Ebb's ways to log in, and the errors where a login fails.

use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::bed::KafkaUser;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{KINDS, scale, scale_from, trigger, with_authentication};
use crate::story;

/// Part of every wrong password here, and of nothing else.
const MARK: &str = "S3CR3T";

/// A topic of three records that its group has yet to read, and a namespace of the same name.
async fn three_records(world: &World, name: &str) -> Result<Sandbox> {
    let kafka = world.kafka()?;
    kafka.create_topic(name, 1).await?;
    kafka.commit_all(name, name).await?;
    kafka.produce(name, 3).await?;
    world.sandbox(name).await
}

fn pem(file: &std::path::Path) -> Result<String> {
    Ok(fs::read_to_string(file)?)
}

/// Everything that a user can see of a ScaledObject, and the log.
async fn said(world: &World, user: &Sandbox, app: &str) -> Result<String> {
    let status = user.get("ScaledObject", app).await?["status"].to_string();
    Ok(format!("{status} {:?} {}", user.events(app).await?, fs::read_to_string(&world.ebb.log)?))
}

#[test]
fn every_mechanism_of_sasl_with_and_without_tls() -> Outcome {
    story(async |world| {
        let (name, facts) = ("kafka-sasl", world.bed.kafka()?);
        let user = three_records(world, name).await?;
        let KafkaUser { name: viewer, password } = &facts.viewer;
        let ca = pem(&facts.ca)?;
        let mut apps = Vec::new();
        for mechanism in ["plaintext", "scram_sha256", "scram_sha512"] {
            let let_in = [("sasl", mechanism), ("username", viewer), ("password", password)];
            let dashed = mechanism.replace('_', "-");
            user.authenticate(&format!("{dashed}-open"), &let_in).await?;
            let with_tls = [&let_in[..], &[("tls", "enable"), ("ca", &ca)]].concat();
            user.authenticate(&format!("{dashed}-tls"), &with_tls).await?;
            for (way, servers) in [("open", &facts.sasl_plaintext), ("tls", &facts.sasl_ssl)] {
                for kind in KINDS {
                    let app = format!("{kind}-{dashed}-{way}");
                    let trigger = trigger(world, kind, name, &json!({"bootstrapServers": servers}))?;
                    scale(&user, &app, with_authentication(&format!("{dashed}-{way}"), trigger)).await?;
                    apps.push(app);
                }
            }
        }
        try_join_all(apps.iter().map(|app| user.wait_metric(app, "s0-kafka-kafka-sasl", 3.0))).await?;
        try_join_all(apps.iter().map(|app| user.wait_replicas(app, "1", secs(20), |replicas| replicas == 1))).await?;
        Ok(())
    })
}

#[test]
fn who_may_look_and_not_read_is_woken_as_soon() -> Outcome {
    story(async |world| {
        let (name, facts, kafka) = ("kafka-viewer", world.bed.kafka()?, world.kafka()?);
        kafka.create_topic(name, 1).await?;
        kafka.commit_all(name, name).await?;
        let user = world.sandbox(name).await?;
        let KafkaUser { name: viewer, password } = &facts.viewer;
        user.authenticate("viewer", &[("sasl", "scram_sha512"), ("username", viewer), ("password", password)]).await?;
        let trigger = trigger(world, "kafka", name, &json!({"bootstrapServers": facts.sasl_plaintext}))?;
        let spec = json!({"pollingInterval": 300, "triggers": [with_authentication("viewer", trigger)]});
        user.apply(&deployment("my-app", 0, &[])).await?;
        user.apply(&scaled_object("my-app", spec)).await?;
        user.wait_ready("my-app").await?;
        user.wait_condition("my-app", "Active", "False").await?;
        let watch = user.watch_replicas("my-app").await?;
        let begin = Instant::now();
        kafka.produce(name, 1).await?;
        let woken = watch.wait_since(begin, "1", secs(10), |replicas| replicas == 1).await?;
        // Far from the pollingInterval. How fast it is while nothing else runs, serial/wake_up.rs measures.
        ensure!(woken.at - begin < secs(3), "only after {:?}", woken.at - begin);
        Ok(())
    })
}

#[test]
fn a_wrong_password_is_an_error_that_names_the_broker_and_never_the_password() -> Outcome {
    story(async |world| {
        let (name, facts) = ("kafka-wrong-password", world.bed.kafka()?);
        let user = three_records(world, name).await?;
        let ca = pem(&facts.ca)?;
        let wrong = format!("{MARK}-no-password");
        let mut apps = Vec::new();
        for mechanism in ["plaintext", "scram_sha256", "scram_sha512"] {
            let dashed = mechanism.replace('_', "-");
            let let_in = [("sasl", mechanism), ("username", facts.admin.name.as_str()), ("password", wrong.as_str())];
            for (way, servers, more) in [
                ("open", &facts.sasl_plaintext, &[][..]),
                ("tls", &facts.sasl_ssl, &[("tls", "enable"), ("ca", ca.as_str())][..]),
            ] {
                let app = format!("{dashed}-{way}");
                user.authenticate(&app, &[&let_in[..], more].concat()).await?;
                let trigger = trigger(world, "kafka", name, &json!({"bootstrapServers": servers}))?;
                scale_from(&user, &app, 2, with_authentication(&app, trigger)).await?;
                apps.push((app, servers));
            }
        }
        try_join_all(apps.iter().map(async |(app, servers)| {
            let says = user.wait_failing(app, servers).await?;
            ensure!(says.to_lowercase().contains("authentication"), "{app}: {says}");
            anyhow::Ok(())
        }))
        .await?;
        stay(&user, apps.iter().map(|(app, _)| (app.as_str(), 2))).await?;
        for (app, _) in &apps {
            let said = said(world, &user, app).await?;
            let shown = said.lines().find(|line| line.contains(MARK));
            ensure!(shown.is_none(), "{app}: {shown:?}");
        }
        Ok(())
    })
}

/// The replicas stay where they are for longer than the cooldown.
async fn stay<'a>(user: &Sandbox, apps: impl Iterator<Item = (&'a str, i64)> + Clone) -> Result<()> {
    wait::throughout("an error takes no replicas away", secs(4), async || {
        for (app, replicas) in apps.clone() {
            let now = user.replicas(app).await?;
            ensure!(now == replicas, "{app} has {now}");
        }
        Ok(())
    })
    .await
}

#[test]
fn client_certificates_are_accepted_and_strangers_are_refused() -> Outcome {
    story(async |world| {
        let (name, facts) = ("kafka-certificates", world.bed.kafka()?);
        let user = three_records(world, name).await?;
        let (ca, cert, key) = (pem(&facts.ca)?, pem(&facts.client_cert)?, pem(&facts.client_key)?);
        let encrypted = pem(&facts.encrypted_client_key)?;
        let wrong = format!("{MARK}-no-password");
        let tls = ("tls", "enable");
        let KafkaUser { name: viewer, password } = &facts.viewer;
        let named = [("sasl", "scram_sha512"), ("username", viewer.as_str()), ("password", password.as_str())];
        let whole = [tls, ("ca", &ca), ("cert", &cert), ("key", &key)];
        let locked = |password| [tls, ("ca", &ca), ("cert", &cert), ("key", &encrypted), ("keyPassword", password)];
        user.authenticate("whole", &whole).await?;
        user.authenticate("encrypted", &locked(&facts.client_key_password)).await?;
        user.authenticate("wrong-key-password", &locked(&wrong)).await?;
        user.authenticate("no-certificate", &[tls, ("ca", &ca)]).await?;
        user.authenticate("no-authority", &[&[tls][..], &named].concat()).await?;

        let at = |servers: &str, more: Value| {
            let mut all = json!({"bootstrapServers": servers});
            for (key, value) in more.as_object().into_iter().flatten() {
                all[key] = value.clone();
            }
            trigger(world, "kafka", name, &all)
        };
        let apache = trigger(world, "apache-kafka", name, &json!({"bootstrapServers": facts.mtls}))?;
        scale(&user, "apache", with_authentication("whole", apache)).await?;
        for app in ["whole", "encrypted"] {
            scale(&user, app, with_authentication(app, at(&facts.mtls, json!({}))?)).await?;
        }
        let unsafe_ssl = at(&facts.sasl_ssl, json!({"unsafeSsl": "true"}))?;
        scale(&user, "unsafe", with_authentication("no-authority", unsafe_ssl)).await?;
        for app in ["apache", "whole", "encrypted", "unsafe"] {
            user.wait_metric(app, "s0-kafka-kafka-certificates", 3.0).await?;
            user.wait_replicas(app, "1", secs(20), |replicas| replicas == 1).await?;
        }

        let refused = [
            ("wrong-key-password", &facts.mtls, "key cannot be decrypted"),
            // The broker hangs up on a client without a certificate.
            ("no-certificate", &facts.mtls, facts.mtls.as_str()),
            ("no-authority", &facts.sasl_ssl, "UnknownIssuer"),
        ];
        for (app, servers, _) in refused {
            scale_from(&user, app, 2, with_authentication(app, at(servers, json!({}))?)).await?;
        }
        for (app, _, says) in refused {
            let says = user.wait_failing(app, says).await?;
            ensure!(!says.contains(MARK), "{says}");
        }
        stay(&user, refused.iter().map(|(app, ..)| (*app, 2))).await?;
        for (app, ..) in refused {
            ensure!(!said(world, &user, app).await?.contains(MARK), "{app} shows the key's password");
        }
        Ok(())
    })
}

#[test]
fn tokens_are_shared_and_renewed() -> Outcome {
    /// The life of the test cluster's tokens; Kafka wants a client to authenticate again at their end.
    const LIFETIME: u64 = 10;
    story(async |world| {
        let (name, facts, tokens) = ("kafka-tokens", world.bed.kafka()?, world.bed.tokens()?);
        let user = three_records(world, name).await?;
        let ca = pem(&facts.ca)?;
        let given = [
            ("sasl", "oauthbearer"),
            ("username", tokens.client_id.as_str()),
            ("password", tokens.client_secret.as_str()),
            ("oauthTokenEndpointUri", tokens.token_url.as_str()),
            ("scopes", "kafka"),
        ];
        user.authenticate("open", &given).await?;
        user.authenticate("tls", &[&given[..], &[("tls", "enable"), ("ca", &ca)]].concat()).await?;
        let before = world.bed.token_stats().await?.issued.get(&tokens.client_id).copied().unwrap_or_default();
        let apps: Vec<(String, &str)> = (0..12)
            .map(|number| if number % 2 == 0 { "open" } else { "tls" })
            .enumerate()
            .map(|(number, way)| (format!("{way}-{number}"), way))
            .collect();
        for (app, way) in &apps {
            let servers = if *way == "tls" { &facts.sasl_ssl } else { &facts.sasl_plaintext };
            let trigger = trigger(world, "kafka", name, &json!({"bootstrapServers": servers}))?;
            scale(&user, app, with_authentication(way, trigger)).await?;
        }
        let all = async |lag: f64| {
            try_join_all(apps.iter().map(|(app, _)| user.wait_metric(app, "s0-kafka-kafka-tokens", lag))).await
        };
        all(3.0).await?;
        // Other tests ask for tokens too, as the same client; twelve triggers on their own would be twelve.
        let stats = world.bed.token_stats().await?;
        let issued = stats.issued[&tokens.client_id] - before;
        ensure!(issued < 12, "{issued} tokens for twelve triggers");

        wait::throughout("they are read on and on", secs(LIFETIME * 2 + 5), async || {
            for (app, _) in &apps {
                let lag = user.metric(app, "s0-kafka-kafka-tokens").await?;
                ensure!((lag - 3.0).abs() < 1e-9, "{app}: {lag}");
            }
            Ok(())
        })
        .await?;
        for (app, _) in &apps {
            let failed = user.events(app).await?.into_iter().find(|event| event.reason == "KEDAScalerFailed");
            ensure!(failed.is_none(), "{app}: {failed:?}");
        }
        world.kafka()?.produce(name, 1).await?;
        all(4.0).await?;

        let wrong = format!("{MARK}-no-secret");
        let refused = [given[0], given[1], ("password", wrong.as_str()), given[3]];
        user.authenticate("wrong", &refused).await?;
        let stranger = tokens.stranger_secret.as_str();
        let strange = [given[0], ("username", &tokens.stranger_id), ("password", stranger), given[3]];
        user.authenticate("stranger", &strange).await?;
        for (app, says) in [("wrong", "invalid_client"), ("stranger", "topic \"kafka-tokens\"")] {
            let trigger = trigger(world, "kafka", name, &json!({"bootstrapServers": facts.sasl_plaintext}))?;
            scale_from(&user, app, 2, with_authentication(app, trigger)).await?;
            let says = user.wait_failing(app, says).await?;
            ensure!(!says.contains(MARK) && !says.contains(stranger), "{says}");
        }
        stay(&user, [("wrong", 2), ("stranger", 2)].into_iter()).await?;
        ensure!(!said(world, &user, "wrong").await?.contains(MARK), "the secret is shown");
        Ok(())
    })
}

#[test]
fn a_missing_right_is_an_error_that_names_the_topic_or_the_group() -> Outcome {
    story(async |world| {
        let (name, facts, kafka) = ("kafka-rights", world.bed.kafka()?, world.kafka()?);
        let user = three_records(world, name).await?;
        let own = format!("{}rights", facts.limited_prefix);
        kafka.create_topic(&own, 1).await?;
        kafka.commit_all(&own, &own).await?;
        kafka.produce(&own, 2).await?;
        for (way, KafkaUser { name, password }) in [("stranger", &facts.stranger), ("limited", &facts.limited)] {
            user.authenticate(way, &[("sasl", "scram_sha256"), ("username", name), ("password", password)]).await?;
        }
        let (ca, cert, key) = (pem(&facts.ca)?, pem(&facts.limited_cert)?, pem(&facts.limited_key)?);
        user.authenticate("certificate", &[("tls", "enable"), ("ca", &ca), ("cert", &cert), ("key", &key)]).await?;

        // The topic and the group that are asked for, and the one that is not to be had.
        let topic = format!("topic \"{name}\"");
        let cases = [
            ("stranger-topic", "stranger", name, name, Some(topic.clone())),
            ("limited-topic", "limited", name, own.as_str(), Some(topic.clone())),
            ("limited-group", "limited", &own, name, Some(format!("consumer group \"{name}\""))),
            ("limited-any-topic", "limited", "", name, Some(format!("consumer group \"{name}\""))),
            ("certificate-topic", "certificate", name, own.as_str(), Some(topic)),
            ("limited-own", "limited", &own, &own, None),
            ("certificate-own", "certificate", &own, &own, None),
        ];
        for (app, way, topic, group, _) in &cases {
            let servers = if *way == "certificate" { &facts.mtls } else { &facts.sasl_plaintext };
            let mut more = json!({"bootstrapServers": servers, "consumerGroup": group});
            if topic.is_empty() {
                more["topic"] = Value::Null;
            }
            scale_from(&user, app, 2, with_authentication(way, trigger(world, "kafka", topic, &more)?)).await?;
        }
        for (app, .., refused) in &cases {
            if let Some(what) = refused {
                let says = user.wait_failing(app, what).await?;
                ensure!(says.to_lowercase().contains("authorization failed"), "{app}: {says}");
            } else {
                user.wait_metric(app, &format!("s0-kafka-{own}"), 2.0).await?;
                user.wait_ready(app).await?;
            }
        }
        let refused = cases.iter().filter(|case| case.4.is_some()).map(|case| (case.0, 2));
        stay(&user, refused).await
    })
}

#[test]
fn ways_that_are_not_there_yet_are_refused_by_their_names() -> Outcome {
    story(async |world| {
        let name = "kafka-not-yet";
        let user = world.sandbox(name).await?;
        let secret = ("password", "S3CR3T-of-somebody");
        let kerberos = [("username", "ebb"), secret, ("realm", "EXAMPLE.COM"), ("kerberosConfig", "[libdefaults]")];
        user.authenticate("kerberos", &kerberos).await?;
        user.authenticate("aws", &[("tls", "enable")]).await?;
        let cases = [
            ("kerberos", "kafka", json!({"sasl": "gssapi"}), "sasl: gssapi (Kerberos) is not supported yet"),
            ("kerberos", "apache-kafka", json!({"sasl": "gssapi"}), "err sasl type \"gssapi\" given"),
            (
                "aws",
                "kafka",
                json!({"sasl": "oauthbearer", "saslTokenProvider": "aws_msk_iam", "awsRegion": "eu-west-1"}),
                "saslTokenProvider: aws_msk_iam (AWS MSK IAM) is not supported yet",
            ),
            (
                "aws",
                "apache-kafka",
                json!({"sasl": "aws_msk_iam", "awsRegion": "eu-west-1"}),
                "sasl: aws_msk_iam (AWS MSK IAM) is not supported yet",
            ),
        ];
        for (way, kind, more, says) in cases {
            let app = format!("{kind}-{way}");
            scale_from(&user, &app, 2, with_authentication(way, trigger(world, kind, name, &more)?)).await?;
            let says = user.wait_failing(&app, says).await?;
            ensure!(!says.contains(MARK), "{says}");
            ensure!(user.replicas(&app).await? == 2, "{app} was scaled");
        }
        Ok(())
    })
}

#[test]
fn credentials_that_nothing_uses_are_named_where_no_broker_answers() -> Outcome {
    story(async |world| {
        let (name, facts) = ("kafka-unused", world.bed.kafka()?);
        let user = three_records(world, name).await?;
        let KafkaUser { name: viewer, password } = &facts.viewer;
        user.authenticate("without-sasl", &[("username", viewer), ("password", password)]).await?;
        for kind in KINDS {
            // KEDA logs in nowhere either, and a broker that asks nobody for a name is read.
            scale(&user, kind, with_authentication("without-sasl", trigger(world, kind, name, &json!({}))?)).await?;
            user.wait_metric(kind, "s0-kafka-kafka-unused", 3.0).await?;
            let app = format!("{kind}-refused");
            let asks = json!({"bootstrapServers": facts.sasl_plaintext});
            scale_from(&user, &app, 2, with_authentication("without-sasl", trigger(world, kind, name, &asks)?)).await?;
            let says = user.wait_failing(&app, "username, password: given and not used, as sasl is not given").await?;
            ensure!(!says.contains(password.as_str()), "{says}");
            ensure!(user.replicas(&app).await? == 2, "{app} was scaled");
        }
        Ok(())
    })
}
