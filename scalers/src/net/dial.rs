//! The one dialer: TCP, or TLS over it, to an address that is not denied.

use std::io;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Outbound;

/// The limit of time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// An open connection.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

impl Outbound {
    /// Connects to `host`: to the first of its addresses that may be reached and answers within `each`. With `tls` the
    /// server is verified as `host`.
    ///
    /// # Errors
    /// The name cannot be resolved, every address is denied or does not answer, or the TLS handshake fails.
    pub(crate) async fn connect(
        &self,
        host: &str,
        port: u16,
        tls: Option<&TlsConnector>,
        each: Duration,
    ) -> io::Result<Box<dyn Transport>> {
        let stream = self.tcp(host, port, each).await?;
        let Some(tls) = tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let handshake = timeout(HANDSHAKE, tls.connect(name, stream)).await;
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer to the TLS handshake");
        Ok(Box::new(handshake.map_err(late)??))
    }

    async fn tcp(&self, host: &str, port: u16, each: Duration) -> io::Result<TcpStream> {
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in self.denied.resolve(host, port).await? {
            failed = match timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => error,
                Err(_) => io::Error::new(io::ErrorKind::TimedOut, format!("{} does not answer", address.ip())),
            };
        }
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::outbound::Denied;

    const EACH: Duration = Duration::from_secs(2);

    #[tokio::test]
    async fn a_connection_leads_to_an_address_that_is_not_denied() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut stream = Outbound::default().connect("127.0.0.1", port, None, EACH).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), b'x');

        let outbound = Outbound { denied: Denied::parse("127.0.0.0/8,::1").unwrap(), ..Outbound::default() };
        for host in ["127.0.0.1", "localhost"] {
            let error = outbound.connect(host, port, None, EACH).await.err().unwrap();
            assert!(error.to_string().contains("--denied-addresses"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_at_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(Outbound::default().connect("127.0.0.1", port, None, EACH).await.is_err());
    }
}
