//! The systems that are compared.

use crate::point::Point;

/// A system under measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct System {
    /// As its program knows it, and as tables show it.
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// What is written about it.
    pub(crate) about: &'static str,
    /// The package whose version counts.
    pub(crate) package: Option<&'static str>,
}

/// What a system is measured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Shows what the machine can do.
    Yardstick,
    /// Is what all this is about.
    Subject,
    /// Is what one would pick instead.
    Rival,
}

impl System {
    /// The system of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        SYSTEMS.iter().find(|system| system.name == name)
    }

    /// Whether the system is measured at this point.
    ///
    /// Ping-pong and the plain loop are yardsticks of one thing each.
    pub(crate) fn is_measured_at(&self, point: Point) -> bool {
        match self.name {
            "ping-pong" => point == Point::InFlight(1),
            "plain" => matches!(point, Point::Body(_)),
            _ => true,
        }
    }
}

/// All of them, in the order of tables.
pub(crate) const SYSTEMS: [System; 10] = [
    System {
        name: FLOOR,
        role: Role::Yardstick,
        about: "bare tokio, length-prefixed frames with an id, bincode, multiplexed over one \
                connection, one write per poll after all ready work, on both sides",
        package: Some("tokio"),
    },
    System {
        name: PING_PONG,
        role: Role::Yardstick,
        about: "the same, but a connection that waits for each answer; one call in flight",
        package: None,
    },
    System {
        name: PLAIN,
        role: Role::Yardstick,
        about: "a `write` and `read` loop of raw bytes on one connection, bodies pipelined; \
                nothing is encoded, decoded or copied",
        package: None,
    },
    System {
        name: SUBJECT,
        role: Role::Subject,
        about: "`service(name).send(…)` to `Handler<Request<T>>` with all defaults",
        package: Some("callboard"),
    },
    System { name: "tarpc", role: Role::Rival, about: "bincode over TCP", package: Some("tarpc") },
    System {
        name: "tonic",
        role: Role::Rival,
        about: "gRPC: prost over HTTP/2",
        package: Some("tonic"),
    },
    System {
        name: "ractor",
        role: Role::Rival,
        about: "ractor_cluster: calls to a remote actor",
        package: Some("ractor_cluster"),
    },
    System {
        name: "kameo",
        role: Role::Rival,
        about: "remote actors over libp2p, encrypted",
        package: Some("kameo"),
    },
    System {
        name: "axum",
        role: Role::Rival,
        about: "JSON over HTTP/1.1, with hyper's client",
        package: Some("axum"),
    },
    System {
        name: "nats",
        role: Role::Rival,
        about: "request and reply through a nats-server, which counts as part of the server",
        package: Some("async-nats"),
    },
];

pub(crate) const FLOOR: &str = "floor";
pub(crate) const PING_PONG: &str = "ping-pong";
pub(crate) const PLAIN: &str = "plain";
pub(crate) const SUBJECT: &str = "callboard";
