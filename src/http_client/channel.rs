//! What carries a client's connection.

use std::error::Error;
use std::io;

use callboard_actors::transport::TransportError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// How connections are secured.
#[derive(Debug, Clone, Default)]
pub(crate) enum Security {
    /// Not at all.
    #[default]
    Plain,
    #[cfg(feature = "tls")]
    Tls(crate::tls::Connector),
}

impl Security {
    #[cfg_attr(not(feature = "tls"), allow(clippy::unused_async, reason = "TLS has to wait"))]
    pub(super) async fn secure(&self, stream: TcpStream) -> io::Result<Box<dyn Duplex>> {
        match self {
            Self::Plain => Ok(Box::new(stream)),
            #[cfg(feature = "tls")]
            Self::Tls(connector) => Ok(Box::new(connector.secure(stream).await?)),
        }
    }
}

/// Why something did not work.
#[derive(Debug)]
pub(crate) struct Cause {
    /// With all that lies behind it.
    pub(crate) reason: String,
    /// Whether the two sides do not agree on TLS, which trying again does not mend.
    pub(crate) is_of_tls: bool,
}

impl Cause {
    /// All causes of an error in one line.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Self { reason: error.to_string(), is_of_tls: is_of_tls(error) };
        let mut source = error.source();
        while let Some(error) = source {
            // Some errors end with the text of what lies behind them.
            let text = error.to_string();
            if !cause.reason.ends_with(&text) {
                cause.reason = format!("{}: {text}", cause.reason);
            }
            cause.is_of_tls |= is_of_tls(error);
            source = error.source();
        }
        cause
    }

    /// The same, for which somebody cannot be connected to.
    pub(super) fn when_connecting_to(self, peer: &str) -> Self {
        let Self { reason, is_of_tls } = self;
        let reason = TransportError::Connect { address: peer.to_owned(), reason }.to_string();
        Self { reason, is_of_tls }
    }

    /// The same, said of somebody.
    pub(super) fn at(self, peer: &str) -> Self {
        Self { reason: format!("{peer}: {}", self.reason), ..self }
    }
}

#[cfg(feature = "tls")]
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(crate::tls::is_of_tls)
}

#[cfg(not(feature = "tls"))]
fn is_of_tls(_: &(dyn Error + 'static)) -> bool {
    false
}
