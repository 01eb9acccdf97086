//! Ebb beside another server of the cluster's external metrics: KEDA, or another Ebb.

use anyhow::ensure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ebb_tests::direct::ca_bundle;
use ebb_tests::ebb::API_SERVICE;
use ebb_tests::pki::Authority;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::Outcome;
use reqwest::Method;
use serde_json::json;

use super::{log, with_settings};
use crate::story;

const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/keda-admission";

#[test]
fn what_leads_to_another_service_is_left_alone() -> Outcome {
    story(async |world| {
        let user = world.sandbox("settings-beside").await?;
        let theirs = Authority::new("whoever serves it")?.certificate;
        let webhooks = async || user.send(Method::GET, WEBHOOKS, None).await;
        // As far as this Ebb knows its Service has another name: the APIService and the webhooks lead to another one.
        with_settings(world, &["--service-name=another-ebb"], &[], async || {
            let change = json!({"spec": {"caBundle": STANDARD.encode(&theirs)}}).to_string();
            user.kubectl.run(&["patch", "apiservice", API_SERVICE, "--type=merge", "-p", &change]).await?;
            let change = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string();
            let of = "validatingwebhookconfiguration";
            user.kubectl.run(&["patch", of, "keda-admission", "--type=json", "-p", &change]).await?;
            // Longer than it is between two looks.
            wait::throughout("both stay as they are", secs(17), async || {
                let bundle = ca_bundle(&world.bed).await?;
                ensure!(bundle == theirs, "the APIService has {bundle}");
                let webhook = &webhooks().await?["webhooks"][0]["clientConfig"];
                ensure!(webhook["caBundle"].is_null(), "the webhook has {webhook}");
                Ok(())
            })
            .await?;
            let log = log(world)?;
            let recorded =
                log.matches("the object leads to a Service that is not Ebb's; Ebb does not change it").count();
            // Both APIServices, and the webhooks.
            ensure!(recorded == 3, "it was recorded {recorded} times:\n{log}");
            Ok(())
        })
        .await?;
        wait::until("its own to be right", secs(20), async || {
            let bundle = ca_bundle(&world.bed).await?;
            ensure!(bundle != theirs, "the APIService has {bundle}");
            ensure!(!webhooks().await?["webhooks"][0]["clientConfig"]["caBundle"].is_null(), "the webhook has none");
            Ok(())
        })
        .await
    })
}
