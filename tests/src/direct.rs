//! Requests to an external metrics API itself, past the aggregator, with any certificate and as raw bytes where needed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bed::Bed;
use crate::ebb::API_SERVICE;
use crate::pki::Identity;
use crate::sandbox::Sandbox;
use crate::world::World;

/// The path of the API.
pub const API: &str = "/apis/external.metrics.k8s.io/v1beta1";
/// The headers by which the aggregator names the HPA controller as the user.
pub const CONTROLLER: &[(&str, &str)] = &[
    ("X-Remote-User", "system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
    ("X-Remote-Group", "system:authenticated"),
];

const LIMIT: Duration = Duration::from_secs(30);

/// A connection over TLS.
pub type Wire = TlsStream<TcpStream>;

/// Where an external metrics API is, and who vouches for it.
#[derive(Clone, Debug)]
pub struct Direct {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The name that its certificate must be good for.
    pub name: String,
    /// The authorities that are trusted, as PEM.
    pub authorities: String,
    /// The certificate that the client shows.
    pub identity: Option<Identity>,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The media type, empty if there is none.
    pub content_type: String,
    /// The headers, each on a line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The authorities in the `caBundle` of the APIService, as PEM.
pub async fn ca_bundle(bed: &Bed) -> Result<String> {
    let user = Sandbox::existing(bed, "default");
    let service = format!("/apis/apiregistration.k8s.io/v1/apiservices/{API_SERVICE}");
    let service = user.send(Method::GET, &service, None).await?;
    let bundle = STANDARD.decode(service["spec"]["caBundle"].as_str().context("no caBundle")?)?;
    Ok(String::from_utf8(bundle)?)
}

/// The identity of the aggregator.
pub fn aggregator(bed: &Bed) -> Result<Identity> {
    let proxy = &bed.facts.front_proxy;
    Ok(Identity { certificate: std::fs::read_to_string(&proxy.cert)?, key: std::fs::read_to_string(&proxy.key)? })
}

impl Direct {
    /// Ebb at this port, verified as the API server does it, for a client with this certificate.
    pub async fn ebb(bed: &Bed, port: u16, identity: Option<Identity>) -> Result<Self> {
        Ok(Self { port, name: "ebb.ebb-system.svc".to_owned(), authorities: ca_bundle(bed).await?, identity })
    }

    /// The Ebb of these tests, for a client with the aggregator's certificate.
    pub async fn as_aggregator(world: &World) -> Result<Self> {
        Self::ebb(&world.bed, world.ebb.secure_port, Some(aggregator(&world.bed)?)).await
    }

    /// The same with another identity.
    #[must_use]
    pub fn showing(&self, identity: Option<Identity>) -> Self {
        Self { identity, ..self.clone() }
    }

    /// A connection, by HTTP/1.1.
    pub async fn connect(&self) -> Result<Wire> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(self.authorities.as_bytes()) {
            roots.add(authority?)?;
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let mut config = match &self.identity {
            Some(Identity { certificate, key }) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes())?)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from(self.name.clone())?;
        let connect = async {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            anyhow::Ok(connector.connect(name, stream).await?)
        };
        timeout(LIMIT, connect).await.context("no connection within 30 s")?
    }

    /// A request on a connection of its own.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let mut wire = self.connect().await?;
        let mut all = vec![("Connection", "close")];
        all.extend_from_slice(headers);
        // A server may answer and close before it has read all.
        let _ = wire.write_all(head(method, path, &all).as_bytes()).await;
        answer(&mut wire, method).await
    }
}

/// The text of a request.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let lines = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]);
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", lines.collect::<String>())
}

/// Reads one answer.
pub async fn answer(wire: &mut Wire, method: &str) -> Result<Answer> {
    timeout(LIMIT, read_answer(wire, method)).await.context("no answer within 30 s")?
}

async fn read_answer(wire: &mut Wire, method: &str) -> Result<Answer> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        more(wire, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let code = head.split(' ').nth(1).context("no status line")?.parse()?;
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    if method == "HEAD" || code == 304 {
        body.clear();
    } else if let Some(length) = header("content-length") {
        let length: usize = length.parse()?;
        while body.len() < length {
            more(wire, &mut body).await?;
        }
    } else {
        while more(wire, &mut body).await.is_ok() {}
        if header("transfer-encoding").is_some() {
            body = joined(&body)?;
        }
    }
    let content_type = header("content-type").unwrap_or_default();
    Ok(Answer { code, content_type, head, body })
}

async fn more(wire: &mut Wire, bytes: &mut Vec<u8>) -> Result<()> {
    let count = wire.read_buf(bytes).await?;
    ensure!(count > 0, "the connection was closed");
    Ok(())
}

/// The chunks of a body as one.
fn joined(chunked: &[u8]) -> Result<Vec<u8>> {
    let mut rest = chunked;
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").context("a chunk without a length")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end])?.trim(), 16)?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length).context("a chunk that is cut off")?);
        rest = rest.get(end + 4 + length..).context("a chunk without an end")?;
    }
}
