//! axum, called by hyper's pooled client: JSON over HTTP/1.1.
//!
//! HTTP/1.1 has one request at a time on a connection, so what counts as a connection here is a
//! pool, which opens a socket per call in flight.

use std::net::SocketAddr;

use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use callboard_benches::echo::Echo;
use callboard_benches::worker::Caller;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

use crate::rival::{LOOPBACK, Rival};

/// axum as the worker knows it.
pub(crate) struct Axum;

impl Rival for Axum {
    const NAME: &'static str = "axum";

    type Client = Client;

    async fn serve() -> SocketAddr {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let listener = listener.tap_io(|stream| {
            stream.set_nodelay(true).expect("a connected socket takes options");
        });
        let router = Router::new().route("/echo", post(async |Json(echo): Json<Echo>| Json(echo)));
        tokio::spawn(async { axum::serve(listener, router).await });
        address
    }

    async fn connect(address: SocketAddr) -> Client {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        let uri = format!("http://{address}/echo").parse().expect("an address makes a URI");
        Client { pool, uri }
    }
}

/// A pool of connections; it has no message without an answer.
#[derive(Clone)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    uri: Uri,
}

impl Caller for Client {
    async fn call(&self, echo: Echo) -> Echo {
        let body = serde_json::to_vec(&echo).expect("an echo can be encoded");
        let request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .expect("the request is made of valid parts");
        let response = self.pool.request(request).await.expect("the server answers");
        let body = response.into_body().collect().await.expect("the reply arrives").to_bytes();
        serde_json::from_slice(&body).expect("the server encodes echoes")
    }
}
