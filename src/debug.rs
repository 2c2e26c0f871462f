//! What every node says about itself: the endpoints `Debug.Health` and `Debug.Stats` of Go Micro.
//!
//! They are answered in every codec, protobuf included, which Go Micro's clients use by default. They
//! are [internal](crate::handler::HandlerBuilder::internal): served by every node that serves
//! anything, and not in its record. A program names the node; `curl` does anyway:
//!
//! ```text
//! $ curl -d '{}' http://127.0.0.1:9000/Debug/Health
//! {"status":"ok"}
//! ```
//!
//! [`SystemBuilder::without_debug`](crate::SystemBuilder::without_debug) leaves them out.

mod protobuf;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix::prelude::{Actor, Handler};
use callboard_actors::Context;
use serde::{Deserialize, Serialize};

use crate::codec::ProtobufCodec;
use crate::handler::{HandlerBuilder, HandlerPlan};
use crate::request::{Endpoint, Reply, Request};

/// Asks a node whether it handles requests.
///
/// ```no_run
/// use callboard::debug::Health;
/// use callboard::prelude::*;
///
/// # async fn example(system: ServiceSystem) -> Result<(), callboard::Error> {
/// let health = system.service("greeter").send(Health {}).node("127.0.0.1:9000").await?;
/// assert_eq!(health.status, "ok");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Health {}

/// That a node handles requests.
///
/// The example is at [`Health`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReply {
    /// Always `ok`: a node that is not does not answer.
    pub status: String,
}

/// Asks a node for its figures.
///
/// ```no_run
/// use callboard::debug::Stats;
/// use callboard::prelude::*;
///
/// # async fn example(system: ServiceSystem) -> Result<(), callboard::Error> {
/// let stats = system.service("greeter").send(Stats {}).node("127.0.0.1:9000").await?;
/// println!("up for {} s with {} bytes", stats.uptime, stats.memory);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Stats {}

/// Figures of a node's process, by the names that Go Micro gave them.
///
/// The example is at [`Stats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsReply {
    /// When the node started, in seconds since 1970.
    pub started: u64,
    /// Seconds since then.
    pub uptime: u64,
    /// Resident memory of the process, in bytes; 0 where the system does not tell.
    pub memory: u64,
    /// Threads of the process; 0 where the system does not tell.
    pub threads: u64,
    /// Nanoseconds spent collecting garbage: none, ever.
    pub gc: u64,
}

impl Endpoint for Health {
    type Reply = HealthReply;

    const NAME: &'static str = "Debug.Health";
    const IDEMPOTENT: bool = true;

    fn protobuf() -> Option<ProtobufCodec<Self>> {
        Some(protobuf::HEALTH)
    }
}

impl Endpoint for Stats {
    type Reply = StatsReply;

    const NAME: &'static str = "Debug.Stats";
    const IDEMPOTENT: bool = true;

    fn protobuf() -> Option<ProtobufCodec<Self>> {
        Some(protobuf::STATS)
    }
}

/// Answers both.
struct Debug {
    started: SystemTime,
    since: Instant,
}

impl Actor for Debug {
    type Context = Context<Self>;
}

impl Handler<Request<Health>> for Debug {
    type Result = Reply<Health>;

    fn handle(&mut self, _: Request<Health>, _: &mut Context<Self>) -> Reply<Health> {
        Ok(HealthReply { status: "ok".to_owned() })
    }
}

impl Handler<Request<Stats>> for Debug {
    type Result = Reply<Stats>;

    fn handle(&mut self, _: Request<Stats>, _: &mut Context<Self>) -> Reply<Stats> {
        let process = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Ok(StatsReply {
            started: started.as_secs(),
            uptime: self.since.elapsed().as_secs(),
            memory: field(&process, "VmRSS:") * 1024,
            threads: field(&process, "Threads:"),
            gc: 0,
        })
    }
}

/// The handler, for a node that serves something.
pub(crate) fn plan() -> HandlerPlan {
    // The node's start, also after the actor has been restarted.
    let (started, since) = (SystemTime::now(), Instant::now());
    let builder = HandlerBuilder::new().request::<Health>().request::<Stats>().internal();
    HandlerPlan::new(move || Debug { started, since }, builder)
}

/// A number in the text that Linux gives of a process; 0 if it is not there.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_does_not_tell_is_nothing() {
        let text = "Name:\tx\nVmRSS:\t    1024 kB\nThreads:\t7\n";
        assert_eq!((field(text, "VmRSS:"), field(text, "Threads:")), (1024, 7));
        assert_eq!((field(text, "VmSwap:"), field("", "Threads:")), (0, 0));
    }
}
