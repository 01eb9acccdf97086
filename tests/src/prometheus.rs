//! A Prometheus of a test's own, which scrapes Ebb as its users' do, or has a series to scale by. Debian's program;
//! ends with the test.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::ebb::{Ebb, NAMESPACE};
use crate::process::{self, Tether};
use crate::wait::{self, secs};

/// How users have Ebb scraped. It decides which label holds the namespace of a ScaledObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scraping {
    /// By a ServiceMonitor. The target has a namespace, so that the ScaledObject's becomes `exported_namespace`.
    ServiceMonitor,
    /// By a ServiceMonitor with `honorLabels: true`. The ScaledObject's `namespace` stays.
    HonorLabels,
    /// By the pod's annotations, without a namespace of the target.
    Annotations,
}

impl Scraping {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ServiceMonitor, Self::HonorLabels, Self::Annotations];

    /// The label that holds the namespace of a ScaledObject.
    pub fn namespace_label(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "exported_namespace",
            Self::HonorLabels | Self::Annotations => "namespace",
        }
    }

    /// The labels that a replica's series get.
    fn target_labels(self, pod: &str) -> Value {
        match self {
            Self::ServiceMonitor | Self::HonorLabels => json!({
                "namespace": NAMESPACE, "pod": pod, "service": "ebb", "endpoint": "metrics", "container": "ebb", "job": "ebb",
            }),
            Self::Annotations => json!({"kubernetes_namespace": NAMESPACE, "kubernetes_pod_name": pod, "app": "ebb"}),
        }
    }

    /// The labels of an HPA's series from kube-state-metrics, scraped in the same way.
    fn hpa_labels(self, namespace: &str, hpa: &str) -> Value {
        match self {
            Self::ServiceMonitor => {
                json!({"namespace": "monitoring", "exported_namespace": namespace, "horizontalpodautoscaler": hpa})
            }
            Self::HonorLabels | Self::Annotations => json!({"namespace": namespace, "horizontalpodautoscaler": hpa}),
        }
    }
}

/// One result of a query: its labels, and its value.
pub type Sample = (BTreeMap<String, String>, f64);

/// A running Prometheus. Dropping this ends it.
#[derive(Debug)]
pub struct Prometheus {
    /// How it scrapes.
    pub scraping: Scraping,
    /// How many replicas of Ebb it scrapes.
    pub replicas: usize,
    url: String,
    dir: PathBuf,
    child: Child,
    tether: Option<Tether>,
}

impl Prometheus {
    /// Starts one that scrapes these replicas each second. There is no kube-state-metrics here: a rule makes the series
    /// that it would have of the HPA of the ScaledObject `my-app` in `namespace`.
    pub async fn start(scraping: Scraping, replicas: &[Ebb], namespace: &str) -> Result<Self> {
        let dir = folder(&format!("{namespace}-{scraping:?}"))?;
        let targets: Vec<_> = replicas
            .iter()
            .enumerate()
            .map(|(number, replica)| {
                let labels = scraping.target_labels(&format!("ebb-{number}"));
                json!({"targets": [replica.metrics_address()], "labels": labels})
            })
            .collect();
        let rule = |name: &str| {
            let labels = scraping.hpa_labels(namespace, "keda-hpa-my-app");
            json!({"record": format!("kube_horizontalpodautoscaler_status_{name}_replicas"), "expr": "vector(1)", "labels": labels})
        };
        // JSON is YAML, too.
        let rules = json!({"groups": [{"name": "hpas", "rules": [rule("current"), rule("desired")]}]});
        fs::write(dir.join("rules.yml"), rules.to_string())?;
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [dir.join("rules.yml")],
            "scrape_configs": [{
                "job_name": "ebb", "honor_labels": scraping == Scraping::HonorLabels, "static_configs": targets,
            }],
        });
        Self::run(scraping, replicas.len(), dir, &config, None).await
    }

    /// Starts one that scrapes nothing and has the series that [`Prometheus::record`] makes. `user`: the one user who
    /// may log in, and the hash of the password (bcrypt).
    pub async fn with_series(name: &str, user: Option<(&str, &str)>) -> Result<Self> {
        let dir = folder(name)?;
        fs::write(dir.join("rules.yml"), json!({"groups": []}).to_string())?;
        let config = json!({"global": {"evaluation_interval": "1s"}, "rule_files": [dir.join("rules.yml")]});
        let users = user.map(|(name, hash)| json!({"basic_auth_users": {name: hash}}));
        Self::run(Scraping::Annotations, 0, dir, &config, users).await
    }

    /// Has these series from now on: each an expression, such as `vector(7)`.
    pub async fn record(&self, series: &[(&str, &str)]) -> Result<()> {
        let rules: Vec<_> = series.iter().map(|(name, expr)| json!({"record": name, "expr": expr})).collect();
        let groups = json!({"groups": [{"name": "series", "interval": "1s", "rules": rules}]});
        fs::write(self.dir.join("rules.yml"), groups.to_string())?;
        let reload = reqwest::Client::new().post(format!("{}/-/reload", self.url)).send().await?;
        reload.error_for_status()?;
        Ok(())
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    async fn run(
        scraping: Scraping,
        replicas: usize,
        dir: PathBuf,
        config: &Value,
        web: Option<Value>,
    ) -> Result<Self> {
        fs::write(dir.join("prometheus.yml"), config.to_string())?;
        fs::write(dir.join("web.yml"), web.unwrap_or_else(|| json!({})).to_string())?;
        let address = format!("127.0.0.1:{}", process::free_port()?);
        let log = File::create(dir.join("log"))?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--web.config.file={}", dir.join("web.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-lifecycle")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start prometheus; tests/cluster/install.sh installs it")?;
        let tether = Some(Tether::to(child.id())?);
        let prometheus = Self { scraping, replicas, url: format!("http://{address}"), dir, child, tether };
        wait::until("Prometheus to be ready", secs(30), async || {
            let answer = reqwest::get(format!("{}/-/ready", prometheus.url)).await?;
            // One with users asks even here for a password.
            ensure!(answer.status().is_success() || answer.status() == 401, "{answer:?}");
            Ok(())
        })
        .await
        .with_context(|| prometheus.dir.display().to_string())?;
        Ok(prometheus)
    }

    /// The result of a query at this moment.
    pub async fn query(&self, query: &str) -> Result<Vec<Sample>> {
        let found = self.ask("query", &[("query", query)]).await?;
        let results = found["result"].as_array().with_context(|| format!("no result of {query}"))?;
        results
            .iter()
            .map(|result| {
                let labels = serde_json::from_value(result["metric"].clone())?;
                Ok((labels, result["value"][1].as_str().context("no value")?.parse()?))
            })
            .collect()
    }

    /// The values of a label in the series that a selector finds.
    pub async fn label_values(&self, selector: &str, label: &str) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.ask(&format!("label/{label}/values"), &[("match[]", selector)]).await?)?)
    }

    async fn ask(&self, page: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let mut url = reqwest::Url::parse(&format!("{}/api/v1/{page}", self.url))?;
        url.query_pairs_mut().extend_pairs(parameters);
        let answer: Value = reqwest::get(url).await?.json().await?;
        ensure!(answer["status"] == "success", "{answer}");
        Ok(answer["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.tether.take());
    }
}

/// A folder without what an earlier run has left in it.
fn folder(name: &str) -> Result<PathBuf> {
    let dir = crate::paths::work("prometheus").join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    Ok(dir)
}
