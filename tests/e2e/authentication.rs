//! TriggerAuthentication and ClusterTriggerAuthentication: every source of parameters, refusals, users, and how soon a
//! change takes effect.

mod refresh;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ebb_tests::ebb::NAMESPACE;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::story;

const OWN: &str = "TriggerAuthentication";
const CLUSTER: &str = "ClusterTriggerAuthentication";

fn authentication(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// A rabbitmq trigger without a host.
fn trigger(queue: &str, metadata: Value, reference: &Value) -> Value {
    let mut trigger = json!({
        "type": "rabbitmq", "metadata": {"queueName": queue, "mode": "QueueLength", "value": "5"},
    });
    if let (Some(all), Value::Object(more)) = (trigger["metadata"].as_object_mut(), metadata) {
        all.extend(more);
    }
    if !reference.is_null() {
        trigger["authenticationRef"] = reference.clone();
    }
    trigger
}

/// The namespace in which ClusterTriggerAuthentications find their Secrets.
fn ebbs_own(world: &World) -> Sandbox {
    Sandbox::existing(&world.bed, NAMESPACE)
}

/// Waits until the HPA would get this number.
async fn counts(user: &Sandbox, name: &str, queue: &str, wanted: f64) -> Result<()> {
    user.wait_metric(name, &format!("s0-rabbitmq-{queue}"), wanted).await
}

#[test]
fn every_source_gives_its_parameters_and_a_later_one_wins() -> Outcome {
    story(async |world| {
        let queue = "auth-sources";
        let user = world.sandbox(queue).await?;
        world.rabbit.declare(queue).await?;
        world.rabbit.publish(queue, 2).await?;
        let (url, wrong) = (world.rabbit.url(), "amqp://nobody:wrong@127.0.0.1:1/");
        user.apply(&secret("good", &json!({"url": url}))).await?;
        user.apply(&config_map("good", &json!({"url": url}))).await?;
        user.apply(&config_map("wrong", &json!({"url": wrong}))).await?;
        // The same names mean something else in Ebb's own namespace.
        user.apply(&secret("auth-sources", &json!({"url": wrong}))).await?;
        ebbs_own(world).apply(&secret("auth-sources", &json!({"url": url}))).await?;
        std::fs::create_dir_all(world.ebb.files.join("brokers"))?;
        std::fs::write(world.ebb.files.join("brokers/good.json"), json!({"host": url}).to_string())?;

        let from = |name: &str| json!([{"parameter": "host", "name": name, "key": "url"}]);
        let env = |container: &str| json!([{"parameter": "host", "name": "URL", "containerName": container}]);
        let sources = [
            (
                "secret",
                OWN,
                json!({"secretTargetRef": from("good"), "configMapTargetRef": from("wrong"), "env": env("wrong")}),
            ),
            (
                "config-map",
                OWN,
                json!({"configMapTargetRef": from("good"), "env": env("wrong"), "podIdentity": {"provider": "none"}}),
            ),
            ("env", OWN, json!({"env": env("sidecar")})),
            ("cluster", CLUSTER, json!({"secretTargetRef": from("auth-sources")})),
            ("file", CLUSTER, json!({"filePath": "brokers/good.json", "secretTargetRef": from("nothing")})),
        ];
        for (name, kind, spec) in &sources {
            let name = format!("auth-sources-{name}");
            let mut target = deployment(&name, 0, &[("URL", wrong)]);
            let from_secret = json!({"secretKeyRef": {"name": "good", "key": "url"}});
            let containers = &mut target["spec"]["template"]["spec"]["containers"];
            containers[0]["name"] = json!("wrong");
            containers.as_array_mut().context("no containers")?.push(json!({
                "name": "sidecar", "image": "app:latest", "env": [{"name": "URL", "valueFrom": from_secret}],
            }));
            user.apply(&target).await?;
            user.apply(&authentication(kind, &name, spec)).await?;
            let trigger = trigger(queue, json!({}), &json!({"kind": kind, "name": name}));
            user.apply(&scaled_object(&name, json!({"pollingInterval": 2, "triggers": [trigger]}))).await?;
        }
        try_join_all(sources.iter().map(async |(name, ..)| {
            let name = format!("auth-sources-{name}");
            user.wait_ready(&name).await?;
            counts(&user, &name, queue, 2.0).await
        }))
        .await?;
        // Charts write a reference without a name where nothing is set.
        user.apply(&deployment("nameless", 0, &[])).await?;
        let trigger = trigger(queue, json!({"host": url}), &json!({"name": ""}));
        user.apply(&scaled_object("nameless", json!({"pollingInterval": 2, "triggers": [trigger]}))).await?;
        user.wait_ready("nameless").await?;
        counts(&user, "nameless", queue, 2.0).await
    })
}

#[test]
fn a_bound_token_is_the_service_accounts_own() -> Outcome {
    story(async |world| {
        let name = "auth-token";
        let user = world.sandbox(name).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let host = format!("http://127.0.0.1:{}/", listener.local_addr()?.port());
        user.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}})).await?;
        user.apply(&authentication(
            OWN,
            "token",
            &json!({
                "configMapTargetRef": [{"parameter": "username", "name": "user", "key": "name"}],
                "boundServiceAccountToken": [{"parameter": "password", "serviceAccountName": "reader"}],
            }),
        ))
        .await?;
        user.apply(&config_map("user", &json!({"name": "reader"}))).await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        let trigger = trigger(name, json!({"host": host, "protocol": "http"}), &json!({"name": "token"}));
        user.apply(&scaled_object("my-app", json!({"triggers": [trigger]}))).await?;

        // Nobody may have such a token unless its owner allows it.
        let ready = user.wait_condition("my-app", "Ready", "False").await?;
        ensure!(ready.message.contains("serviceaccounts/token with resourceNames [reader]"), "{ready:?}");
        user.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "ebb-tokens"},
            "rules": [{
                "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["reader"], "verbs": ["create"],
            }],
        }))
        .await?;
        user.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "ebb-tokens"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "ebb-tokens"},
            "subjects": [{"kind": "ServiceAccount", "name": "ebb", "namespace": NAMESPACE}],
        }))
        .await?;

        let token = tokio::time::timeout(secs(20), password_shown_to(&listener)).await.context("nobody came")??;
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
        });
        let review = user.send(Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews", Some(&review)).await?;
        let status = &review["status"];
        ensure!(status["authenticated"] == true, "{status}");
        ensure!(status["user"]["username"] == "system:serviceaccount:auth-token:reader", "{status}");
        let ready = user.wait_condition("my-app", "Ready", "False").await?;
        ensure!(!ready.message.contains(&token), "the token is shown");
        Ok(())
    })
}

/// Accepts one HTTP request, refuses it, and gives the password that came with it.
async fn password_shown_to(listener: &TcpListener) -> Result<String> {
    let (mut stream, _) = listener.accept().await?;
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut request).await? > 0, "the request ended early");
    }
    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
    let request = String::from_utf8(request)?;
    let header = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then_some(value)
    });
    let basic = header.and_then(|value| value.strip_prefix("Basic ")).context("no basic authentication")?;
    let pair = String::from_utf8(BASE64_STANDARD.decode(basic)?)?;
    let (user, password) = pair.split_once(':').context("no password")?;
    ensure!(user == "reader", "the user is {user}");
    Ok(password.to_owned())
}

#[test]
fn an_oauth2_client_is_handed_to_the_trigger_and_its_secret_may_change() -> Outcome {
    story(async |world| {
        let name = "auth-oauth2";
        let (rabbit, tokens) = (world.bed.rabbitmq()?, world.bed.tokens()?);
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 2).await?;
        user.apply(&secret("client", &json!({"secret": "hunter2"}))).await?;
        let oauth2 = json!({
            "type": "clientCredentials", "clientId": tokens.client_id, "tokenUrl": tokens.token_url,
            "clientSecret": {"valueFrom": {"secretKeyRef": {"name": "client", "key": "secret"}}},
            "scopes": ["rabbitmq.read:*/*", "rabbitmq.tag:monitoring"],
            "tokenUrlParams": {"audience": "rabbitmq", "lifetime": "61"},
        });
        user.apply(&authentication(OWN, "client", &json!({"oauth2": oauth2}))).await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        let host = format!("http://{}:{}/", rabbit.host, rabbit.http_port);
        let trigger = trigger(name, json!({"host": host}), &json!({"name": "client"}));
        user.apply(&scaled_object("my-app", json!({"pollingInterval": 1, "triggers": [trigger]}))).await?;
        let ready = user.wait_condition("my-app", "Ready", "False").await?;
        ensure!(ready.message.contains("invalid_client") && !ready.message.contains("hunter2"), "{ready:?}");

        user.apply(&secret("client", &json!({"secret": tokens.client_secret}))).await?;
        counts(&user, "my-app", name, 2.0).await?;
        user.wait_ready("my-app").await
    })
}

#[test]
fn what_cannot_be_had_is_named() -> Outcome {
    story(async |world| {
        let user = world.sandbox("auth-refused").await?;
        user.apply(&secret("half", &json!({"user": "u"}))).await?;
        std::fs::write(world.ebb.files.join("wrong.json"), r#"{"host": ["hunter2"]}"#)?;
        let of_vault = json!([{"parameter": "host", "path": "p", "key": "k"}]);
        let vault = json!({"address": "https://v", "authentication": "token", "secrets": of_vault});
        let azure = json!({"vaultUri": "https://v", "secrets": [{"parameter": "host", "name": "n"}]});
        let gcp = json!({"secrets": [{"parameter": "host", "id": "i"}]});
        let aws = json!({"secrets": [{"parameter": "host", "name": "n"}]});
        let from = |name: &str| json!([{"parameter": "host", "name": name, "key": "url"}]);
        let token = json!([{"parameter": "host", "serviceAccountName": "nobody"}]);
        let oauth2 = json!({
            "clientId": "c", "tokenUrl": "https://t",
            "clientSecret": {"valueFrom": {"secretKeyRef": {"name": "half", "key": "secret"}}},
        });
        let cases = [
            ("vault", OWN, json!({"hashiCorpVault": vault}), "hashiCorpVault is not supported"),
            ("azure", OWN, json!({"azureKeyVault": azure}), "azureKeyVault is not supported"),
            ("gcp", OWN, json!({"gcpSecretManager": gcp}), "gcpSecretManager is not supported"),
            ("aws", OWN, json!({"awsSecretManager": aws}), "awsSecretManager is not supported"),
            (
                "identity",
                OWN,
                json!({"podIdentity": {"provider": "azure-workload"}}),
                "podIdentity.provider \"azure-workload\" is not supported",
            ),
            (
                "role",
                OWN,
                json!({"podIdentity": {"provider": "aws", "externalID": "x"}}),
                "externalID of PodIdentity requires roleArn",
            ),
            ("key", OWN, json!({"secretTargetRef": from("half")}), "Secret auth-refused/half has no key \"url\""),
            ("secret", OWN, json!({"secretTargetRef": from("nothing")}), "Secret auth-refused/nothing not found"),
            ("map", OWN, json!({"configMapTargetRef": from("nothing")}), "ConfigMap auth-refused/nothing not found"),
            (
                "env",
                OWN,
                json!({"env": [{"parameter": "host", "name": "NOTHING"}]}),
                "no environment variable \"NOTHING\"",
            ),
            ("oauth", OWN, json!({"oauth2": oauth2}), "Secret auth-refused/half has no key \"secret\""),
            ("token", OWN, json!({"boundServiceAccountToken": token}), "serviceaccounts/token"),
            (
                "own-file",
                OWN,
                json!({"filePath": "wrong.json"}),
                "filePath is only supported for ClusterTriggerAuthentication",
            ),
            ("escape", CLUSTER, json!({"filePath": "../e2e.kubeconfig"}), "must be relative and not contain '..'"),
            ("wrong-file", CLUSTER, json!({"filePath": "wrong.json"}), "must hold a JSON object of texts"),
            ("no-file", CLUSTER, json!({"filePath": "nothing.json"}), "cannot read the file \"nothing.json\""),
            ("cluster", CLUSTER, json!({"secretTargetRef": from("half")}), "Secret ebb-system/half not found"),
        ];
        for (name, kind, spec, _) in &cases {
            let name = format!("auth-refused-{name}");
            user.apply(&deployment(&name, 1, &[])).await?;
            user.apply(&authentication(kind, &name, spec)).await?;
            let trigger = trigger("auth-refused", json!({}), &json!({"kind": kind, "name": name}));
            user.apply(&scaled_object(&name, json!({"triggers": [trigger]}))).await?;
        }
        for (name, kind, _, says) in &cases {
            let name = format!("auth-refused-{name}");
            let ready = user.wait_condition(&name, "Ready", "False").await?;
            let whole = ready.message.contains(says) && ready.message.contains(&format!("{kind} \"{name}\""));
            ensure!(whole && !ready.message.contains("hunter2"), "{name} does not say {says:?}: {ready:?}");
            let event = user.wait_event(&name, "KEDAScalerFailed").await?;
            ensure!(event.message.contains(says) && !event.message.contains("hunter2"), "{event:?}");
            ensure!(user.replicas(&name).await? == 1, "{name} was scaled");
        }
        Ok(())
    })
}

/// `status.scaledobjects`, empty if there is none.
async fn listed(user: &Sandbox, kind: &str, name: &str) -> Result<String> {
    Ok(user.get(kind, name).await?["status"]["scaledobjects"].as_str().unwrap_or_default().to_owned())
}

async fn wait_listed(user: &Sandbox, kind: &str, name: &str, wanted: &str) -> Result<()> {
    wait::until(&format!("{kind} {name} to list {wanted:?}"), secs(10), async || {
        let listed = listed(user, kind, name).await?;
        ensure!(listed == wanted, "it lists {listed:?}");
        Ok(())
    })
    .await
}

async fn wait_told(user: &Sandbox, namespace: &str, kind: &str, name: &str, reason: &str, says: &str) -> Result<()> {
    wait::until(&format!("an event {reason} about {kind} {name}"), secs(15), async || {
        let events = user.events_about(namespace, kind, name).await?;
        let found: Vec<_> = events.iter().filter(|event| event.reason == reason && event.message == says).collect();
        ensure!(found.len() == 1, "{events:?}");
        Ok(())
    })
    .await
}

#[test]
fn the_status_lists_the_users_and_a_deletion_does_not_stick() -> Outcome {
    story(async |world| {
        let name = "auth-status";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        let spec = json!({"secretTargetRef": [{"parameter": "host", "name": name, "key": "url"}]});
        let data = json!({"url": world.rabbit.url()});
        user.apply(&secret(name, &data)).await?;
        ebbs_own(world).apply(&secret(name, &data)).await?;
        for kind in [OWN, CLUSTER] {
            user.apply(&authentication(kind, name, &spec)).await?;
        }
        wait_told(&user, name, OWN, name, "TriggerAuthenticationAdded", "New TriggerAuthentication configured").await?;
        let added = "ClusterTriggerAuthenticationAdded";
        wait_told(&user, "default", CLUSTER, name, added, "New ClusterTriggerAuthentication configured").await?;
        let spec_by =
            |kind: &str| json!({"triggers": [trigger(name, json!({}), &json!({"kind": kind, "name": name}))]});
        for app in ["first", "second"] {
            user.apply(&deployment(app, 0, &[])).await?;
            user.apply(&scaled_object(app, spec_by(OWN))).await?;
            user.wait_ready(app).await?;
        }
        wait_listed(&user, OWN, name, "first,second").await?;
        ensure!(listed(&user, CLUSTER, name).await?.is_empty(), "nobody uses the cluster-wide one");
        for kind in [OWN, CLUSTER] {
            let finalizers = user.get(kind, name).await?["metadata"]["finalizers"].clone();
            ensure!(finalizers == json!(["finalizer.keda.sh"]), "{finalizers}");
        }
        let registered = |line: &str| line.starts_with("keda_resource_registered_total") && line.ends_with(" 1");
        let metrics = world.ebb.metrics().await?;
        let series = r#"{namespace="auth-status",type="trigger_authentication"}"#;
        ensure!(metrics.lines().any(|line| registered(line) && line.contains(series)), "no {series}");
        ensure!(
            metrics.contains(r#"{namespace="default",type="cluster_trigger_authentication"}"#),
            "no cluster-wide series"
        );

        // One moves to the other kind, one is deleted.
        user.apply(&scaled_object("first", spec_by(CLUSTER))).await?;
        wait_listed(&user, CLUSTER, name, "first").await?;
        wait_listed(&user, OWN, name, "second").await?;
        user.delete("ScaledObject", "second").await?;
        wait_listed(&user, OWN, name, "").await?;
        let status = user.get(OWN, name).await?["status"].clone();
        ensure!(status.get("scaledobjects").is_none(), "{status}");

        let mut changed = spec.clone();
        changed["env"] = json!([]);
        for kind in [OWN, CLUSTER] {
            user.apply(&authentication(kind, name, &changed)).await?;
            let namespace = if kind == OWN { name } else { "default" };
            let says = format!("{kind} {name} is updated");
            wait_told(&user, namespace, kind, name, &format!("{kind}Updated"), &says).await?;
        }
        // One is in use when it is deleted.
        for kind in [OWN, CLUSTER] {
            user.delete(kind, name).await?;
            user.wait_gone(kind, name).await?;
            let namespace = if kind == OWN { name } else { "default" };
            wait_told(&user, namespace, kind, name, &format!("{kind}Deleted"), &format!("{kind} was deleted")).await?;
        }
        let ready = user.wait_condition("first", "Ready", "False").await?;
        ensure!(ready.message.contains("ClusterTriggerAuthentication \"auth-status\" not found"), "{ready:?}");
        user.apply(&authentication(CLUSTER, name, &spec)).await?;
        user.wait_ready("first").await?;
        wait_listed(&user, CLUSTER, name, "first").await
    })
}
