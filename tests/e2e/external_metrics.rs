//! external.metrics.k8s.io behind the real aggregator: its answers, and its authentication and authorization.

use anyhow::{Context, Result, ensure};
use ebb_tests::direct::{API, Direct};
use ebb_tests::ebb::{API_SERVICE, service_account_token};
use ebb_tests::pki::{Authority, Identity};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::world::{Outcome, World};
use http::Method;
use serde_json::{Value, json};

use crate::story;

/// The years in which certificates of the tests are valid.
const YEARS: (i32, i32) = (2020, 2090);

/// A namespace with a ScaledObject `my-app` whose queue has three messages.
async fn three_messages(world: &World, name: &str) -> Result<Sandbox> {
    world.app(name, 0, 3, json!({})).await
}

/// The path that the HPA controller asks for.
fn path(namespace: &str) -> String {
    let selector = "labelSelector=scaledobject.keda.sh%2Fname%3Dmy-app";
    format!("{API}/namespaces/{namespace}/s0-rabbitmq-{namespace}?{selector}")
}

#[test]
fn kubectl_reads_a_metric_and_understands_why_there_is_none() -> Outcome {
    story(async |world| {
        let name = "external-kubectl";
        let user = three_messages(world, name).await?;

        let raw = user.kubectl.run(&["get", "--raw", &path(name)]).await?;
        let list: Value = serde_json::from_str(&raw)?;
        ensure!(list["kind"] == "ExternalMetricValueList", "{list}");
        ensure!(list["apiVersion"] == "external.metrics.k8s.io/v1beta1", "{list}");
        ensure!(list["items"].as_array().is_some_and(|items| items.len() == 1), "{list}");
        let item = &list["items"][0];
        ensure!(item["metricName"] == "s0-rabbitmq-external-kubectl" && item["value"] == "3", "{item}");
        let age = chrono::Utc::now()
            - item["timestamp"].as_str().context("no timestamp")?.parse::<chrono::DateTime<chrono::Utc>>()?;
        ensure!(age.num_seconds() < 30, "{item}");

        let unknown = format!("{API}/namespaces/{name}/s9-nothing?labelSelector=scaledobject.keda.sh%2Fname%3Dmy-app");
        let refused = user.kubectl.output(&["get", "--raw", &unknown], None).await?;
        let readable = refused.stderr.starts_with("Error from server") && refused.stderr.contains("s9-nothing");
        ensure!(!refused.ok && readable, "{refused:?}");

        let nobody =
            format!("{API}/namespaces/{name}/s0-rabbitmq-x?labelSelector=scaledobject.keda.sh%2Fname%3Dnobody");
        let refused = user.kubectl.output(&["get", "--raw", &nobody], None).await?;
        ensure!(!refused.ok && refused.stderr.starts_with("Error from server"), "{refused:?}");

        let unselected = format!("{API}/namespaces/{name}/s0-rabbitmq-{name}");
        let refused = user.kubectl.output(&["get", "--raw", &unselected], None).await?;
        ensure!(!refused.ok && refused.stderr.starts_with("Error from server"), "{refused:?}");
        Ok(())
    })
}

#[test]
fn the_api_describes_itself() -> Outcome {
    story(async |world| {
        let user = three_messages(world, "external-discovery").await?;
        let resources = user.send(Method::GET, API, None).await?;
        ensure!(resources["kind"] == "APIResourceList", "{resources}");
        ensure!(resources["groupVersion"] == "external.metrics.k8s.io/v1beta1", "{resources}");
        let namespaced = resources["resources"].as_array().is_some_and(|all| {
            all.iter().any(|resource| resource["kind"] == "ExternalMetricValueList" && resource["namespaced"] == true)
        });
        ensure!(namespaced, "{resources}");
        // kubectl complains about every group that cannot describe itself.
        let listed = user.kubectl.output(&["api-resources", "--api-group=external.metrics.k8s.io"], None).await?;
        ensure!(listed.ok && listed.stderr.is_empty(), "{listed:?}");
        let openapi = user.send(Method::GET, &format!("/openapi/v3{API}"), None).await?;
        ensure!(openapi.to_string().contains("ExternalMetricValueList"), "{openapi}");
        Ok(())
    })
}

#[test]
fn the_real_hpa_gets_its_metric() -> Outcome {
    story(async |world| {
        let user = three_messages(world, "external-hpa").await?;
        let wait = ["wait", "--for=condition=ScalingActive", "--timeout=60s", "hpa/keda-hpa-my-app"];
        user.kubectl.run(&wait).await?;
        let active = user.wait_condition("my-app", "HPAActive", "True").await?;
        ensure!(active.reason == "HPAActive" || active.reason == "ScalingDisabled", "{active:?}");
        Ok(())
    })
}

#[test]
fn its_certificate_is_verified() -> Outcome {
    story(async |world| {
        let user = world.sandbox("external-tls").await?;
        let service =
            user.send(Method::GET, &format!("/apis/apiregistration.k8s.io/v1/apiservices/{API_SERVICE}"), None).await?;
        let spec = &service["spec"];
        ensure!(spec["insecureSkipTLSVerify"].as_bool() != Some(true), "{spec}");
        ensure!(spec["caBundle"].as_str().is_some_and(|bundle| !bundle.is_empty()), "{spec}");
        Ok(())
    })
}

#[test]
fn who_skips_the_aggregator_is_nobody() -> Outcome {
    story(async |world| {
        let name = "external-direct";
        three_messages(world, name).await?;
        let direct = Direct::as_aggregator(world).await?;
        let path = path(name);

        let status = get(&direct, &path, None, None).await?;
        ensure!(status == 401, "without credentials: {status}");
        let controller = Some("system:serviceaccount:kube-system:horizontal-pod-autoscaler");
        let status = get(&direct, &path, None, controller).await?;
        ensure!(status == 401, "with forged headers: {status}");

        // A user of the API server has a certificate too, but not from the authority of the aggregator.
        let facts = &world.bed.facts;
        let user = Authority::read(&facts.client_ca.ca, &facts.client_ca.key)?.client("eve", YEARS)?;
        let status = get(&direct, &path, Some(user), controller).await;
        ensure!(refused(&status), "with a user's certificate: {status:?}");

        // The authority of the aggregator may vouch for others, who are not the aggregator.
        let proxies = Authority::read(&facts.front_proxy.ca, &facts.front_proxy.ca_key)?;
        let status = get(&direct, &path, Some(proxies.client("another-proxy", YEARS)?), controller).await;
        ensure!(refused(&status), "with another name: {status:?}");
        Ok(())
    })
}

#[test]
fn whom_the_aggregator_brings_needs_the_right() -> Outcome {
    story(async |world| {
        let name = "external-rights";
        let user = three_messages(world, name).await?;
        let direct = Direct::as_aggregator(world).await?;
        let facts = &world.bed.facts;
        let proxy = || direct.identity.clone();

        let controller = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
        let status = get(&direct, &path(name), proxy(), Some(controller)).await?;
        ensure!(status == 200, "the HPA controller: {status}");
        let status = get(&direct, &path(name), proxy(), Some("eve")).await?;
        ensure!(status == 403, "a user without rights: {status}");
        let status = get(&direct, &path(name), proxy(), None).await?;
        ensure!(status == 401, "a proxy that names nobody: {status}");

        // The same as people meet it: a ServiceAccount that may read nothing, then one that may.
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}});
        user.apply(&account).await?;
        let token = service_account_token(&world.bed, name, "reader").await?;
        let token = format!("--token={token}");
        let server = format!("--server={}", facts.apiserver);
        let ca = format!("--certificate-authority={}", facts.ca.display());
        let get = ["get", "--raw", &path(name), "--kubeconfig=/dev/null", &server, &ca, &token];
        let output = user.kubectl.output(&get, None).await?;
        ensure!(!output.ok && output.stderr.contains("Forbidden"), "{output:?}");
        user.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ebb-external-metrics-reader",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": name}],
        }))
        .await?;
        ebb_tests::wait::until("the reader to be let in", ebb_tests::wait::secs(15), async || {
            let output = user.kubectl.output(&get, None).await?;
            ensure!(output.ok, "{output:?}");
            Ok(())
        })
        .await
    })
}

/// Whether the headers were not believed: the certificate's own user has no rights, or the TLS handshake failed
/// already. With the name in the headers the answer would be 200.
fn refused(answer: &Result<u16>) -> bool {
    let refusals = [401, 403];
    answer.as_ref().map_or(true, |status| refusals.contains(status))
}

/// The status of a GET of Ebb itself with this client certificate and the headers that name this user.
async fn get(direct: &Direct, path: &str, certificate: Option<Identity>, user: Option<&str>) -> Result<u16> {
    let headers = user.map(|user| [("X-Remote-User", user), ("X-Remote-Group", "system:authenticated")]);
    let headers: Vec<_> = headers.into_iter().flatten().collect();
    Ok(direct.showing(certificate).ask("GET", path, &headers).await?.code)
}
