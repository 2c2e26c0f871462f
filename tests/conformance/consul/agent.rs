//! A Consul agent of our own, on free ports of the loopback interface.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ports::free_address;

/// Runs until it is dropped; keeps nothing on disk.
pub(super) struct Agent {
    process: Option<Child>,
    arguments: Vec<String>,
    http_port: u16,
}

impl Agent {
    pub(super) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with further arguments.
    pub(super) async fn start_with(further: &[&str]) -> Self {
        for _ in 0..STARTS_MOST {
            let mut agent = Self::on_free_ports(further);
            if agent.run().await {
                return agent;
            }
        }
        panic!("no agent starts: tests/servers/consul says where the program is");
    }

    fn on_free_ports(further: &[&str]) -> Self {
        let [http_port, server, serf] = [(); 3].map(|()| free_address().port());
        let mut arguments: Vec<_> = [
            "agent",
            "-dev",
            "-bind=127.0.0.1",
            "-client=127.0.0.1",
            "-log-level=err",
            "-dns-port=-1",
            "-grpc-port=-1",
            "-serf-wan-port=-1",
        ]
        .map(str::to_owned)
        .into();
        for (name, port) in [("http", http_port), ("server", server), ("serf-lan", serf)] {
            arguments.push(format!("-{name}-port={port}"));
        }
        arguments.extend(further.iter().map(|text| (*text).to_owned()));
        Self { process: None, arguments, http_port }
    }

    /// Starts again, without what it knew.
    pub(super) async fn restart(&mut self) {
        self.kill().await;
        assert!(self.run().await, "the agent comes back on its ports");
    }

    /// Starts it; false when it ends by itself, as one does whose ports were taken meanwhile.
    async fn run(&mut self) -> bool {
        let process = Command::new(binary())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = self.process.insert(process.expect("the agent can be started"));
        let id = process.id();
        let ready = async {
            loop {
                let process = self.process.as_mut().expect("it was started");
                if process.try_wait().expect("it is ours").is_some() {
                    return false;
                }
                if self.ask("/v1/status/leader").await.is_some_and(|leader| leader.len() >= 5) {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(START, ready).await.unwrap_or_else(|_| panic!("agent {id} becomes no leader"))
    }

    pub(super) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is ours");
            tokio::task::spawn_blocking(move || process.wait())
                .await
                .expect("no panic")
                .expect("it ends");
        }
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }

    /// What its API says.
    pub(super) async fn get(&self, path: &str) -> serde_json::Value {
        let text = self.ask(path).await.expect("it answers");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Tells it something that callboard never would.
    pub(super) async fn put(&self, path: &str, body: &str) {
        let length = body.len();
        let head = format!("PUT {path} HTTP/1.0\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        self.exchange(head + body).await.expect("it answers");
    }

    async fn ask(&self, path: &str) -> Option<String> {
        self.exchange(format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n")).await
    }

    async fn exchange(&self, request: String) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended; then there is nothing left to do.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Where the agent is, fetched if need be.
fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/consul");
        let output = Command::new(&script).output().expect("the script can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", script.display());
        let path = String::from_utf8(output.stdout).expect("a path is text");
        path.trim().lines().last().expect("it prints a path").to_owned()
    })
}

/// Starts on other ports, should the first have been taken meanwhile.
const STARTS_MOST: usize = 5;

/// Time for an agent to start and to become the leader of itself.
const START: Duration = Duration::from_secs(30);
