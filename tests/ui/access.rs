//! The users who may see the page, and texts that a user may put into the cluster for others to see.

use anyhow::{Result, ensure};
use ebb_tests::browser::{Browser, Ui};
use ebb_tests::ebb::service_account_kubeconfig;
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

/// A script that would run where it is taken for markup.
const SCRIPT: &str = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>";

/// The same for names that may have no slash.
const TAG: &str = "<img src=x onerror=window.hacked=1>";

#[test]
fn the_token_opens_the_page_and_nothing_else_does() -> Outcome {
    story(async |world| {
        let ui = Ui::start(&world.bed.facts.kubeconfig, &["--namespace", "default"]).await?;
        let (base, token) = ui.parts()?;
        ensure!(token.len() == 32 && base.starts_with("http://127.0.0.1:"), "{}", ui.url);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let asked = async |path: &str, headers: &[(&str, &str)]| -> Result<reqwest::Response> {
            let request = headers
                .iter()
                .fold(client.get(format!("{base}{path}")), |request, (name, value)| request.header(*name, *value));
            Ok(request.send().await?)
        };
        let bearer = format!("Bearer {token}");
        for (path, headers, status) in [
            ("/", vec![], 401),
            ("/api/stream", vec![], 401),
            ("/app.js", vec![], 401),
            ("/?token=0123", vec![], 401),
            ("/api/hello", vec![("authorization", "Bearer 0123")], 401),
            ("/api/hello", vec![("authorization", bearer.as_str())], 200),
            ("/api/hello", vec![("authorization", bearer.as_str()), ("host", "rebound.example")], 403),
            ("/api/hello", vec![("authorization", bearer.as_str()), ("origin", "http://evil.example")], 403),
            ("/api/hello", vec![("authorization", bearer.as_str()), ("sec-fetch-site", "same-site")], 403),
            ("/no-such", vec![("authorization", bearer.as_str())], 404),
        ] {
            let answer = asked(path, &headers).await?;
            ensure!(answer.status() == status, "{path} {headers:?}: {}", answer.status());
            let policy = answer.headers().get("content-security-policy");
            ensure!(
                policy.is_some_and(|policy| policy.to_str().is_ok_and(|text| text.starts_with("default-src 'none'"))),
                "{path}"
            );
        }
        let redirected = asked(&format!("/?token={token}"), &[]).await?;
        let cookie = redirected.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok()).unwrap_or_default();
        ensure!(redirected.status() == 303 && cookie.contains("HttpOnly; SameSite=Strict"), "{redirected:?}");

        let browser = Browser::start()?;
        browser.open(&ui.url).await?;
        browser.wait_text(".bar .link", "live", secs(20)).await?;
        let address = browser.step(json!({"do": "evaluate", "code": "location.href"})).await?;
        ensure!(!address.to_string().contains("token"), "the token stays out of the history: {address}");
        let cookie = browser.step(json!({"do": "evaluate", "code": "document.cookie"})).await?;
        ensure!(cookie == "", "no script reads the cookie: {cookie}");
        browser.no_complaints(&[]).await
    })
}

#[test]
fn a_script_in_whatever_a_user_controls_stays_text() -> Outcome {
    story(async |world| {
        let user = world.sandbox("ui-scripts").await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        let spec = json!({
            "triggers": [
                {"type": SCRIPT, "name": SCRIPT, "metadata": {"query": SCRIPT}},
                {"type": "cron", "name": SCRIPT, "metadata": {"timezone": SCRIPT, "start": SCRIPT, "end": SCRIPT, "desiredReplicas": SCRIPT}},
            ],
        });
        let mut object = scaled_object("my-app", spec);
        object["metadata"]["annotations"] = json!({"note": SCRIPT, "autoscaling.keda.sh/paused-replicas": SCRIPT});
        user.apply(&object).await?;
        user.apply(&json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "foreign", "labels": {"scaledobject.keda.sh/name": "my-app"}},
            "spec": {
                "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": TAG, "name": TAG},
                "metrics": [{"type": "External", "external": {"metric": {"name": TAG}, "target": {"type": "Value", "value": "1"}}}],
            },
        }))
        .await?;
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "script", "namespace": user.name},
            "involvedObject": {"kind": "ScaledObject", "name": "my-app", "namespace": user.name},
            "reason": SCRIPT, "message": SCRIPT, "type": SCRIPT, "source": {"component": SCRIPT},
        });
        user.send(http::Method::POST, &format!("/api/v1/namespaces/{}/events", user.name), Some(&event)).await?;

        let ui = Ui::start(&world.bed.facts.kubeconfig, &["--namespace", &user.name]).await?;
        let browser = Browser::start()?;
        browser.open(&ui.url).await?;
        browser.wait_text(".foot", "1 ScaledObject", secs(20)).await?;
        browser.step(json!({"do": "click", "of": ".row:not(.head) a"})).await?;
        browser.wait_text(".events", "<img src=x", secs(20)).await?;
        browser.step(json!({"do": "click", "of": ".tabs a:text-is(\"What if\")"})).await?;
        for state in ["what-if", "now"] {
            ensure!(
                browser.step(json!({"do": "evaluate", "code": "window.hacked ?? null"})).await?.is_null(),
                "{state}"
            );
            ensure!(browser.count("img, #app script, iframe, [onerror]").await? == 0, "{state}");
            browser.step(json!({"do": "click", "of": ".tabs a:text-is(\"Now\")"})).await?;
        }
        browser.no_complaints(&[]).await?;
        user.delete_all("ScaledObject").await
    })
}

#[test]
fn who_may_see_one_namespace_sees_that_one() -> Outcome {
    story(async |world| {
        let user = world.app("ui-rights", 0, 0, json!({})).await?;
        user.kubectl.run(&["create", "serviceaccount", "viewer"]).await?;
        user.kubectl
            .run(&["create", "role", "viewer", "--verb=get,list,watch", "--resource=scaledobjects.keda.sh"])
            .await?;
        user.kubectl
            .run(&["create", "rolebinding", "viewer", "--role=viewer", "--serviceaccount=ui-rights:viewer"])
            .await?;
        let kubeconfig = service_account_kubeconfig(&world.bed, "ui-rights", "viewer").await?;
        let ui = Ui::start(&kubeconfig, &[]).await?;
        let browser = Browser::start()?;
        browser.open(&ui.url).await?;
        browser.wait_text(".foot", "1 ScaledObject", secs(20)).await?;
        // Neither HPAs nor events nor decisions may be read: the status is there all the same.
        browser.step(json!({"do": "click", "of": ".row:not(.head) a"})).await?;
        browser.wait_text(".conditions", "Ready True", secs(20)).await?;
        browser.wait_text(".bar .link", "without decisions", secs(10)).await?;
        browser.is_accessible().await?;
        browser.no_complaints(&[]).await
    })
}
