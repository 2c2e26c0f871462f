//! The HTTP API of a Consul agent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::registry::{RegistryError, Service};
use http_body_util::Full;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::failure::{self, Failure};
use super::record::{self, Entry};
use super::{ConsulOptions, NAME};
use crate::http_client::{Exchanged, Pool, Security, exchange};

/// A Consul agent; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `host:port`.
    address: String,
    security: Security,
    options: ConsulOptions,
}

/// An answer of any kind.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    body: Bytes,
    index: u64,
}

/// What was read, and the index that it has; a query that is given the index waits for a change.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) index: u64,
}

impl<T> Read<T> {
    /// The same with an index to go on with: one that went back says nothing of what was missed.
    pub(super) fn after(self, before: u64) -> Self {
        let index = if self.index < before { 0 } else { self.index };
        Self { index, ..self }
    }
}

impl Reply {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().chars().take(ERROR_TEXT).collect()
    }

    pub(super) fn expect_ok(&self, agent: &Agent) -> Result<(), RegistryError> {
        if self.status.is_success() {
            return Ok(());
        }
        Err(self.failure(agent, &self.text()).into_error())
    }

    /// Whether an agent that was asked to register takes offence at the record.
    pub(super) fn is_of_record(&self, agent: &Agent) -> bool {
        self.failure(agent, &self.text()).is_of_record()
    }

    fn failure<'a>(&self, agent: &'a Agent, text: &'a str) -> Failure<'a> {
        Failure { address: agent.address(), status: self.status, text }
    }
}

impl Agent {
    pub(super) fn new(options: ConsulOptions) -> Result<Self, RegistryError> {
        let misconfigured = |reason| {
            let address = options.address.clone();
            RegistryError::Misconfigured { registry: NAME, address, reason }
        };
        let (address, is_secure) = parse_address(&options.address).map_err(misconfigured)?;
        let security = if is_secure { options.secure(&address) } else { Ok(Security::Plain) };
        let security = security.map_err(misconfigured)?;
        Ok(Self { inner: Arc::new(Inner { address, security, options }) })
    }

    pub(super) fn address(&self) -> &str {
        &self.inner.address
    }

    pub(super) async fn put(&self, path: &str, body: String) -> Result<Reply, RegistryError> {
        self.send(Method::PUT, path, body, self.inner.options.timeout).await
    }

    /// The nodes of a service that are not critical.
    pub(super) async fn health(&self, name: &str) -> Result<Vec<Service>, RegistryError> {
        Ok(record::decode(name, &self.entries(name, None).await?.value))
    }

    /// The nodes of a service, undecoded; with an index, once there is something new.
    pub(super) async fn entries(
        &self,
        name: &str,
        after: Option<u64>,
    ) -> Result<Read<Vec<Entry>>, RegistryError> {
        self.query(&format!("/v1/health/service/{}", segment(name)), after).await
    }

    /// The names of all services.
    pub(super) async fn names(&self) -> Result<impl Iterator<Item = String>, RegistryError> {
        Ok(self.catalog(None).await?.value.into_keys())
    }

    /// All services that can be asked for, and the tags that their nodes have together, which come
    /// in any order.
    pub(super) async fn catalog(
        &self,
        after: Option<u64>,
    ) -> Result<Read<BTreeMap<String, BTreeSet<String>>>, RegistryError> {
        let mut read: Read<BTreeMap<_, _>> = self.query("/v1/catalog/services", after).await?;
        read.value.retain(|name: &String, _| is_expressible(name));
        Ok(read)
    }

    /// Reads, and waits for a change if `after` is given.
    pub(super) async fn query<T: DeserializeOwned>(
        &self,
        path: &str,
        after: Option<u64>,
    ) -> Result<Read<T>, RegistryError> {
        let ConsulOptions { timeout, wait, datacenter, .. } = &self.inner.options;
        let wait = (*wait).clamp(WAIT_LEAST, WAIT_MOST);
        let mut path = path.to_owned();
        let mut separator = '?';
        let mut add = |name: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = write!(path, "{separator}{name}={value}");
            separator = '&';
        };
        if let Some(datacenter) = datacenter {
            add("dc", &segment(datacenter));
        }
        let mut limit = *timeout;
        if let Some(index) = after {
            add("index", &index.to_string());
            add("wait", &format!("{}ms", wait.as_millis()));
            // Consul adds up to a sixteenth, so that not everybody comes back at once.
            limit += wait + wait / 8;
        }
        let reply = self.send(Method::GET, &path, String::new(), limit).await?;
        if let (Some(datacenter), true) = (datacenter, self.is_lost(&reply)) {
            return Err(self.without_path(datacenter, &reply).await);
        }
        reply.expect_ok(self)?;
        let value = serde_json::from_slice(&reply.body)
            .map_err(|error| self.unavailable(format!("{path}: {error}")))?;
        Ok(Read { value, index: reply.index })
    }

    fn is_lost(&self, reply: &Reply) -> bool {
        !reply.status.is_success() && reply.failure(self, &reply.text()).is_of_datacenter()
    }

    /// Whether a datacenter is unknown or only out of reach tells the list of those that are known.
    async fn without_path(&self, datacenter: &str, reply: &Reply) -> RegistryError {
        let said = self.unavailable(format!("{}: {}", reply.status, reply.text()));
        let limit = self.inner.options.timeout;
        let list = self.send(Method::GET, "/v1/catalog/datacenters", String::new(), limit).await;
        let known = list.ok().filter(|list| list.status.is_success());
        let known = known.and_then(|list| serde_json::from_slice::<Vec<String>>(&list.body).ok());
        match known {
            Some(known) if !known.iter().any(|it| it == datacenter) => {
                failure::unknown_datacenter(self.address(), datacenter, &known)
            }
            _ => said,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
        limit: Duration,
    ) -> Result<Reply, RegistryError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() =
            path.parse().map_err(|error| self.unavailable(format!("{path}: {error}")))?;
        let header = |name, value: &str| {
            HeaderValue::from_str(value).map_err(|_| RegistryError::Misconfigured {
                registry: NAME,
                address: self.address().to_owned(),
                reason: format!("the {name} has a character that no header may have"),
            })
        };
        request.headers_mut().insert(HOST, header("address", self.address())?);
        if let Some(token) = &self.inner.options.token {
            let mut token = header("ACL token", token)?;
            token.set_sensitive(true);
            request.headers_mut().insert("x-consul-token", token);
        }
        // A connection of its own: requests come seconds apart, and from any thread, whose runtime
        // may end before the others'.
        let security = self.inner.security.clone();
        let pool = Pool::secured(self.address(), security, 0, Duration::ZERO);
        match timeout(limit, exchange(pool, request, ANSWER_MOST)).await {
            Ok(Exchanged::Answered(answer)) => {
                let index = answer.headers.get("x-consul-index");
                let index = index.and_then(|value| value.to_str().ok()?.parse().ok());
                let index = index.unwrap_or_default();
                Ok(Reply { status: answer.status, body: answer.body, index })
            }
            Ok(Exchanged::Lost { cause, .. }) if cause.is_of_tls => {
                Err(RegistryError::Misconfigured {
                    registry: NAME,
                    address: self.address().to_owned(),
                    reason: format!("{}; check address and certificates", cause.reason),
                })
            }
            Ok(Exchanged::Lost { cause, .. }) => Err(self.unavailable(cause.reason)),
            Err(_) => Err(self.unavailable(format!("no answer within {limit:?}"))),
        }
    }

    pub(super) fn unavailable(&self, reason: impl std::fmt::Display) -> RegistryError {
        RegistryError::Unavailable {
            registry: NAME,
            address: self.address().to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// `host:port` of what a person wrote, and whether it asks for TLS.
fn parse_address(text: &str) -> Result<(String, bool), String> {
    let (rest, is_secure) = match text.strip_prefix("https://") {
        Some(rest) => (rest, true),
        None => (text.strip_prefix("http://").unwrap_or(text), false),
    };
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() || rest.contains(['/', ' ', '@']) {
        return Err("expected host:port, http://host:port or https://host:port".to_owned());
    }
    let has_port = rest.rsplit_once(':').is_some_and(|(host, port)| {
        !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) && !host.ends_with(':')
    });
    let port = if is_secure { SECURE_PORT } else { PORT };
    let address = if has_port { rest.to_owned() } else { format!("{rest}:{port}") };
    Ok((address, is_secure))
}

/// A part of a path, with everything encoded that has a meaning there (RFC 3986, section 2).
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Whether Consul can be asked for a service of this name: its router takes such parts of a path
/// out, encoded or not.
pub(super) fn is_expressible(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Those that Consul's documentation gives.
const PORT: u16 = 8500;
const SECURE_PORT: u16 = 8501;

/// What a blocking query may wait; zero would be Consul's own default of 5 min.
const WAIT_LEAST: Duration = Duration::from_millis(1);
const WAIT_MOST: Duration = Duration::from_secs(600);

/// Bytes of the largest answer; the records of some ten thousand nodes.
const ANSWER_MOST: usize = 64 * 1024 * 1024;

/// Characters of an error of Consul's that are repeated.
const ERROR_TEXT: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_written_in_several_ways() {
        for (text, expected) in [
            ("127.0.0.1", ("127.0.0.1:8500", false)),
            ("consul.local:80", ("consul.local:80", false)),
            ("http://127.0.0.1:8500/", ("127.0.0.1:8500", false)),
            ("[::1]:8500", ("[::1]:8500", false)),
            ("https://consul.local", ("consul.local:8501", true)),
            ("https://[::1]:443/", ("[::1]:443", true)),
        ] {
            let (address, is_secure) = parse_address(text).unwrap();
            assert_eq!((address.as_str(), is_secure), expected);
        }
        for text in ["", "http://", "https://", "a/b", "user@host"] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_has_a_meaning_in_a_path_is_encoded() {
        assert_eq!(segment("topic:a/b ü?"), "topic:a%2Fb%20%C3%BC%3F");
    }
}
