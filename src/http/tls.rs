//! TLS for what tollgate calls itself, by the one provider there is, ring.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A connection, whatever it goes over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

/// Secures a connection to this host, a name or an address without brackets.
pub async fn secured(connector: &TlsConnector, host: &str, stream: TcpStream) -> Result<Box<dyn Stream>, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("'{host}' is no name that a certificate could be for"))?;
    let secured = connector.connect(name, stream).await;
    Ok(Box::new(secured.map_err(|error| format!("TLS: {error}"))?))
}

/// Believes the authorities that browsers trust, and the private ones that are named.
pub fn connector(private: &[CertificateDer<'static>]) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in private {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
