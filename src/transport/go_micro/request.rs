//! A call as a Go Micro node reads it.
//!
//! Pure.

use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::message::{RequestId, Route};
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};

use super::address::{Address, Generation};
use crate::codec::bson_rpc::{self, Seq};
use crate::codec::{json_rpc, proto_rpc};

/// A call, before it is written.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: RequestId,
    pub(super) route: Route,
    pub(super) time_left: Option<Duration>,
    pub(super) metadata: Metadata,
    pub(super) body: Bytes,
}

/// How bodies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Protobuf,
    /// In the BSON-RPC envelope of a plugin, in both generations.
    Bson,
}

impl Format {
    /// The format of a content type that Go Micro knows, by itself or with its plugin for BSON.
    pub(super) fn named(content_type: &str) -> Option<Self> {
        match content_type {
            "application/json" => Some(Self::Json),
            "application/protobuf" => Some(Self::Protobuf),
            "application/bson" => Some(Self::Bson),
            _ => None,
        }
    }
}

impl Call {
    /// The HTTP request; none when a header cannot carry what it should.
    pub(super) fn to_http(&self, to: &Address, format: Format) -> Option<Request<Full<Bytes>>> {
        // A connection carries one call at a time, so all are the first of their kind.
        let body = self.envelope(to.generation, format, 0, &self.body);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = self.headers(to)?;
        Some(request)
    }

    /// The headers of the request; none when one cannot carry what it should.
    pub(super) fn headers(&self, to: &Address) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.metadata.iter() {
            // Go drops names that are no tokens, and replaces line breaks in values.
            let value = value.replace(['\r', '\n'], " ");
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into())
                && !RESERVED.contains(&name.as_str())
            {
                headers.insert(name, value);
            }
        }
        let content_type: HeaderValue = self.route.content_type.parse().ok()?;
        headers.insert(HOST, to.peer.parse().ok()?);
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, content_type.clone());
        headers.insert(CONTENT_TYPE, content_type);
        if let Some(left) = self.time_left {
            let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            headers.insert("timeout", nanos.into());
        }
        if to.generation == Generation::Current {
            self.name(&mut headers, to)?;
        }
        Some(headers)
    }

    /// The headers that name what is called.
    fn name(&self, headers: &mut HeaderMap, to: &Address) -> Option<()> {
        let endpoint: HeaderValue = self.route.endpoint.parse().ok()?;
        headers.insert("micro-endpoint", endpoint.clone());
        headers.insert("micro-method", endpoint);
        headers.insert("micro-service", to.service.parse().ok()?);
        headers.insert("micro-id", self.id.0.into());
        Some(())
    }

    /// The body of the message of this number, by whose generation.
    pub(super) fn envelope(
        &self,
        generation: Generation,
        format: Format,
        number: u64,
        body: &Bytes,
    ) -> Bytes {
        let endpoint = &self.route.endpoint;
        match (generation, format) {
            (Generation::Current, Format::Bson) => {
                bson_rpc::encode_request(endpoint, &Seq::from(&*number.to_string()), body)
            }
            (Generation::Early, Format::Bson) => {
                // No number of a message comes near the sign.
                let seq = Seq::from(i64::try_from(number).unwrap_or(i64::MAX));
                bson_rpc::encode_request(endpoint, &seq, body)
            }
            (Generation::Current, _) => body.clone(),
            (Generation::Early, Format::Json) => {
                json_rpc::encode_request(generation, endpoint, number, body)
            }
            (Generation::Early, Format::Protobuf) => {
                proto_rpc::encode_request(generation, endpoint, number, body)
            }
        }
    }
}

/// Headers that metadata must not set: they frame the message.
const RESERVED: &[&str] =
    &["host", "content-length", "transfer-encoding", "trailer", "connection", "upgrade", "expect"];

const AGENT: &str = concat!("callboard/", env!("CARGO_PKG_VERSION"));
