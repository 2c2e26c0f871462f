//! What the HTTP library calls for each request of a connection.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};

use super::ask::Desk;
use super::options::HttpOptions;
use super::serving::Serving;

/// The side of a connection that takes requests.
pub(super) struct Door {
    pub(super) desk: Arc<Desk>,
    pub(super) options: Arc<HttpOptions>,
    /// Bytes of a body.
    pub(super) max_body: usize,
}

impl Service<Request<Incoming>> for Door {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Serving;

    fn call(&self, request: Request<Incoming>) -> Serving {
        self.desk.begin();
        Serving::new(self, request)
    }
}
