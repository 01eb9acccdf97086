//! `ebb ui`: a live page about every ScaledObject, on this machine and with the user's rights. It writes nothing to the cluster.
//!
//! The page is in `ui/`. This module watches the cluster, shapes what the page shows, and sends it.

mod assets;
mod detail;
mod feed;
mod guard;
mod history;
mod model;
mod problems;
mod row;
mod server;
mod trail;
mod watch;
mod what_if;
mod windows;

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ebb_crds::ScaledObject;
use futures::StreamExt as _;
use kube::api::ListParams;
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpListener;

use self::assets::one_file;
use self::feed::{Hello, Source};
use self::guard::Guard;
use self::model::{Model, Sent};
use self::watch::Places;
use crate::build_info;
use crate::cli::args::Ui;
use crate::kube_api::key::Key;

/// How long the first lists may take before the page is served without them, or a report is given up.
const WAIT_LIMIT: Duration = Duration::from_secs(30);
/// The most ScaledObjects of a report with all details: one more is some 50 KB.
const MOST_DETAILS: usize = 300;
/// How many details of a report are asked for at the same time.
const AT_ONCE: usize = 8;

/// The page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum UiError {
    /// The kubeconfig cannot be used.
    #[error("cannot read the kubeconfig: {0}; give --kubeconfig and --context, or set KUBECONFIG")]
    Kubeconfig(#[from] KubeconfigError),
    /// There is neither a kubeconfig nor the service account of a pod.
    #[error("cannot find the API server: {0}; give --kubeconfig, or set KUBECONFIG")]
    Nowhere(#[from] InferConfigError),
    /// The API server refuses or does not answer.
    #[error("cannot list ScaledObjects {where_}: {cause}")]
    List {
        /// The namespaces.
        where_: String,
        /// The error of the request.
        cause: kube::Error,
    },
    /// The kinds of keda.sh are not installed.
    #[error("this cluster knows no ScaledObjects: install Ebb, or apply crds/yaml")]
    NoKind,
    /// The client cannot be made.
    #[error("cannot reach the API server: {0}")]
    Client(kube::Error),
    /// The port is taken.
    #[error("cannot listen on 127.0.0.1:{port}: {cause}; give another --port")]
    Listen {
        /// The port.
        port: u16,
        /// The system's error.
        cause: io::Error,
    },
    /// The report cannot be written.
    #[error("cannot write {path}: {cause}")]
    Write {
        /// The file.
        path: String,
        /// The system's error.
        cause: io::Error,
    },
    /// The first lists have not come.
    #[error("the lists of ScaledObjects and HPAs are not complete after {} s", WAIT_LIMIT.as_secs())]
    Late,
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// Standard output cannot be written, or the server has failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Serves the page until the process is interrupted, or writes the report.
///
/// # Errors
/// There is no way to the API server, the user may not list ScaledObjects, or the port or the file cannot be had.
pub async fn run(question: &Ui, mut output: impl Write) -> Result<(), UiError> {
    let (mut config, context) = config(question.kubeconfig.as_deref(), question.context.clone()).await?;
    // The page says at once that something does not answer, and the watches try again.
    config.default_retry = false;
    let server = config.cluster_url.to_string();
    let home = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(UiError::Client)?;
    let wanted = question.namespace.names().to_vec();
    let namespaces = readable(&client, wanted, home, &mut output).await?;
    let model = Arc::new(Model::new());
    tokio::spawn(watch::run(client.clone(), Places(namespaces.clone()), Arc::clone(&model)));
    let hello = Hello { version: build_info::VERSION, context, server, namespaces, simulates: true };
    let source = Source { hello, client, model };
    match &question.export {
        Some(path) => export(&source, path, output).await,
        None => serve(source, question.port, output).await,
    }
}

/// The way to the API server, as kubectl finds it, and what to call it.
async fn config(kubeconfig: Option<&Path>, context: Option<String>) -> Result<(Config, String), UiError> {
    let read = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let file = match read {
        Ok(file) => file,
        // In a pod there is none.
        Err(error) if kubeconfig.is_some() || context.is_some() => return Err(error.into()),
        Err(_) => return Ok((Config::infer().await?, "in the cluster".to_owned())),
    };
    let name = context.clone().or_else(|| file.current_context.clone()).unwrap_or_default();
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    Ok((Config::from_custom_kubeconfig(file, &options).await?, name))
}

/// The namespaces to watch; none for all. Where the user may not list all, the context's own.
async fn readable(
    client: &Client,
    wanted: Vec<String>,
    home: String,
    output: &mut impl Write,
) -> Result<Vec<String>, UiError> {
    let one = ListParams::default().limit(1);
    if wanted.is_empty() {
        match Api::<ScaledObject>::all(client.clone()).list(&one).await {
            Ok(_) => return Ok(wanted),
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(UiError::NoKind),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                writeln!(
                    output,
                    "you may not list the ScaledObjects of all namespaces: this is {home} alone; --namespace names others"
                )?;
            }
            Err(cause) => return Err(UiError::List { where_: "of all namespaces".to_owned(), cause }),
        }
    }
    let namespaces = if wanted.is_empty() { vec![home] } else { wanted };
    for namespace in &namespaces {
        match Api::<ScaledObject>::namespaced(client.clone(), namespace).list(&one).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(UiError::NoKind),
            Err(cause) => return Err(UiError::List { where_: format!("in the namespace {namespace}"), cause }),
        }
    }
    Ok(namespaces)
}

async fn serve(source: Source, port: u16, mut output: impl Write) -> Result<(), UiError> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    let listener = listener.map_err(|cause| UiError::Listen { port, cause })?;
    let port = listener.local_addr()?.port();
    let token = token()?;
    writeln!(output, "http://127.0.0.1:{port}/?token={token}")?;
    output.flush()?;
    let routes = server::routes(Guard::new(token, port), source);
    // Open pages do not keep the process from its end.
    tokio::select! {
        served = axum::serve(listener, routes).into_future() => Ok(served?),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// 128 random bits, in hexadecimal digits.
fn token() -> Result<String, UiError> {
    let mut random = [0_u8; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| UiError::Random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

async fn export(source: &Source, path: &Path, mut output: impl Write) -> Result<(), UiError> {
    if !feed::listed(&source.model, WAIT_LIMIT).await {
        return Err(UiError::Late);
    }
    let mut rows = source.model.changes(&mut Sent::default()).rows;
    let count = rows.len();
    // The worst first, if there are too many.
    rows.sort_by_key(|row| row.problems.first().map_or(u8::MAX, |problem| problem.severity as u8));
    rows.truncate(MOST_DETAILS);
    let details =
        rows.into_iter().map(|row| async move { feed::once(source, &Key::new(row.namespace, row.name)).await });
    let details: Vec<_> = futures::stream::iter(details)
        .buffered(AT_ONCE)
        .filter(|one| std::future::ready(!one.is_null()))
        .collect()
        .await;
    let with = details.len();
    let page = one_file(&feed::report(source, &details));
    fs::write(path, page).map_err(|cause| UiError::Write { path: path.display().to_string(), cause })?;
    writeln!(output, "{}: {count} ScaledObjects, {with} of them with all details", path.display())?;
    Ok(())
}
