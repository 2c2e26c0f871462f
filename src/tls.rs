//! TLS towards servers that callboard asks, such as Consul; with the feature `tls`.
//!
//! What nodes say to each other is not encrypted.
//!
//! Source: RFC 8446 (TLS 1.3), and RFC 5246 (TLS 1.2) for servers that speak no other; both by
//! rustls with ring.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, AlertDescription, ClientConfig, RootCertStore};

/// Whom a client trusts, and how it says who it is.
///
/// ```
/// use callboard::tls::ClientTls;
///
/// # let authorities = "-----BEGIN CERTIFICATE-----";
/// // Certificates that this authority has signed, for another name than that of the address.
/// let tls = ClientTls::new().authorities(authorities).server_name("server.dc1.consul");
/// ```
#[derive(Clone, Default)]
pub struct ClientTls {
    authorities: Option<Vec<u8>>,
    identity: Option<Identity>,
    server_name: Option<String>,
}

#[derive(Clone)]
struct Identity {
    certificates: Vec<u8>,
    key: Vec<u8>,
}

impl ClientTls {
    /// Trusts the authorities that the operating system trusts, and says of itself nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these authorities and no others: certificates as PEM (RFC 7468), one or several.
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// Says who it is to a server that asks: its certificate, with those between it and the
    /// authority if there are any, and its key, both as PEM.
    #[must_use]
    pub fn identity(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let (certificates, key) = (certificates.into(), key.into());
        self.identity = Some(Identity { certificates, key });
        self
    }

    /// The name that the server's certificate has to have; by default that of the address.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The same, with what is in these files.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let mut tls = Self { server_name: files.server_name.clone(), ..Self::default() };
        if let Some(path) = &files.authorities {
            tls = tls.authorities(read(path)?);
        }
        match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => Ok(tls.identity(read(certificate)?, read(key)?)),
            (None, None) => Ok(tls),
            _ => Err(TlsError::Incomplete),
        }
    }

    /// For connections to a host.
    pub(crate) fn connector(&self, host: &str) -> Result<Connector, TlsError> {
        let versions = rustls::DEFAULT_VERSIONS;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::Unusable(error.to_string()))?
            .with_root_certificates(self.trusted()?);
        let config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(Identity { certificates, key }) => {
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| TlsError::Key(error.to_string()))?;
                config
                    .with_client_auth_cert(parse(certificates)?, key)
                    .map_err(|error| TlsError::Key(error.to_string()))?
            }
        };
        let name = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::ServerName(name.to_owned()))?;
        Ok(Connector { inner: TlsConnector::from(Arc::new(config)), name })
    }

    fn trusted(&self) -> Result<RootCertStore, TlsError> {
        let mut store = RootCertStore::empty();
        if let Some(pem) = &self.authorities {
            for certificate in parse(pem)? {
                let added = store.add(certificate);
                added.map_err(|error| TlsError::Certificate(error.to_string()))?;
            }
        } else {
            // One that cannot be read takes nothing away from the others.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(TlsError::NoAuthority);
            }
        }
        Ok(store)
    }
}

/// Without the key.
impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("has_authorities", &self.authorities.is_some())
            .field("has_identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish()
    }
}

/// Why there is no TLS with what was given.
///
/// ```
/// use callboard::tls::TlsError;
///
/// let error = TlsError::ServerName("not a name".into());
/// assert!(error.to_string().contains("not a name"));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
    /// A certificate without a key, or a key without a certificate.
    #[error("a certificate needs its key, and a key its certificate; give both or neither")]
    Incomplete,
    /// What should be certificates is none.
    #[error("there is no certificate that can be used: {0}")]
    Certificate(String),
    /// A key that cannot be used, or not with its certificate.
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// The operating system names no authority.
    #[error("this machine trusts no authority; name those of the server")]
    NoAuthority,
    /// Neither a DNS name nor an IP address.
    #[error("no certificate can be for {0:?}, which is neither a DNS name nor an IP address")]
    ServerName(String),
    /// rustls cannot do it.
    #[error("TLS cannot be used: {0}")]
    Unusable(String),
}

/// Where a client's certificates and key are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) authorities: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
}

/// Secures connections to one host; cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(crate) async fn secure(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.inner.connect(self.name.clone(), stream).await
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether the two sides do not agree on TLS, for good: one does not accept who the other is, or does
/// not speak it. A server that has no certificate yet, or fails, may do better later.
pub(crate) fn is_of_tls(error: &io::Error) -> bool {
    let passes = [AlertDescription::InternalError, AlertDescription::UnrecognisedName];
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => !passes.contains(alert),
        found => found.is_some(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path)
        .map_err(|error| TlsError::File { path: path.to_owned(), reason: error.to_string() })
}

/// Certificates, at least one.
fn parse(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => {
            Err(TlsError::Certificate("no `BEGIN CERTIFICATE` was found".into()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(TlsError::Certificate(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_may_do_better_later_is_not_for_good() {
        let alert = |alert| io::Error::other(rustls::Error::AlertReceived(alert));
        assert!(is_of_tls(&alert(AlertDescription::UnknownCA)));
        assert!(is_of_tls(&io::Error::other(rustls::Error::DecryptError)));
        assert!(!is_of_tls(&alert(AlertDescription::InternalError)));
        assert!(!is_of_tls(&io::ErrorKind::ConnectionReset.into()));
    }
}
