//! Agents that answer what they are told to, as a real one does only when something is wrong.

use std::time::Duration;

use callboard::prelude::*;
use callboard::registry::{ConsulOptions, ConsulRegistry, Registry, RegistryError, WatchScope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Echo, LIMIT, Ping, TTL, greeter, within};

#[tokio::test]
async fn what_does_not_pass_by_itself_ends_a_start_at_once() {
    for (answer, told) in [
        ("301 Moved Permanently", "give the agent's own address"),
        ("400 Bad Request", "refused the record of greeter"),
        ("401 Unauthorized", "check the ACL token"),
        ("404 Not Found", "not the HTTP API of a Consul agent; check the address"),
        ("405 Method Not Allowed", "not the HTTP API of a Consul agent; check the address"),
        ("413 Payload Too Large", "refused the record of greeter"),
        ("414 URI Too Long", "raise its limits"),
        ("418 I'm a teapot", "check the address and the agent's version"),
    ] {
        let registry = answering(answer).await;
        // A start that tried again would take all the time it has.
        let error = within(system(registry, LIMIT * 10).start()).await.unwrap_err();
        assert!(error.report().contains(told), "{answer}: {}", error.report());
        assert!(error.report().contains(answer), "{answer}: {}", error.report());
    }
}

#[tokio::test]
async fn what_may_pass_by_itself_is_tried_for_as_long_as_a_start_may_take() {
    for answer in ["429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"]
    {
        let registry = answering(answer).await;
        let began = tokio::time::Instant::now();
        let error = within(system(registry, PATIENCE).start()).await.unwrap_err();
        assert!(error.report().contains(answer), "{answer}: {}", error.report());
        // It gives up when the pause before the next attempt would end after the time it has.
        assert!(began.elapsed() > PATIENCE / 4, "{answer}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn whoever_asks_is_told_the_same() {
    for (answer, is_retryable) in [
        ("400 Bad Request", false),
        ("404 Not Found", false),
        ("413 Payload Too Large", false),
        ("502 Bad Gateway", true),
    ] {
        let registry = answering(answer).await;
        for error in [
            registry.register(greeter(1), TTL).await.unwrap_err(),
            registry.get("greeter".into()).await.unwrap_err(),
            registry.list().await.unwrap_err(),
            registry.watch(WatchScope::All).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.is_retryable(), is_retryable, "{answer}: {error}");
            assert!(error.to_string().contains(answer), "{error}");
        }
    }
}

#[test]
fn an_address_that_cannot_be_is_told_before_anything_is_asked() {
    let error = ConsulRegistry::new(ConsulOptions::new("ftp://consul.local")).unwrap_err();
    assert!(matches!(error, RegistryError::Misconfigured { .. }), "{error}");
    assert!(error.to_string().contains("consul at ftp://consul.local"), "{error}");
    assert!(error.to_string().contains("https://host:port"), "{error}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn what_tls_needs_is_told_before_anything_is_asked() {
    let error = ConsulRegistry::new(ConsulOptions::new("https://consul.local:8501")).unwrap_err();
    assert!(matches!(error, RegistryError::Misconfigured { .. }), "{error}");
    assert!(error.to_string().contains("feature `tls`"), "{error}");
}

#[tokio::test]
async fn a_token_that_no_header_takes_is_told() {
    let options = ConsulOptions::new("127.0.0.1:1").token("two\nlines");
    let error = ConsulRegistry::new(options).unwrap().list().await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("ACL token"), "{error}");
}

fn system(registry: ConsulRegistry, patience: Duration) -> callboard::SystemBuilder {
    let builder = ServiceSystem::new("greeter").without_environment().registry(registry);
    let builder = builder.handler(|| Echo, |h| h.request::<Ping>());
    builder.configure(move |config| config.start_timeout = patience)
}

/// The registry of an agent that answers everything like this.
async fn answering(status: &'static str) -> ConsulRegistry {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut request, mut piece) = (Vec::new(), [0; 4096]);
                while !is_whole(&request) {
                    match stream.read(&mut piece).await {
                        Ok(count) if count > 0 => request.extend_from_slice(&piece[..count]),
                        _ => return,
                    }
                }
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                // Whoever asked may have gone.
                let _ = stream.write_all(head.as_bytes()).await;
            });
        }
    });
    ConsulRegistry::new(ConsulOptions::new(address)).expect("a good address")
}

/// Whether a request has been read to its end.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap_or(0))
}

/// Enough for some attempts.
const PATIENCE: Duration = Duration::from_secs(2);
