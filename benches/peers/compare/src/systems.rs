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
    /// The same in another place, where it competes with nobody.
    Elsewhere,
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
    /// Ping-pong, the program by hand and the plain loop are yardsticks of one thing each, tarpc's
    /// other runtime is there for the bars against it, and of those that call only NATS publishes.
    /// What has no streams is asked for them, so that it says so itself.
    pub(crate) fn is_measured_at(&self, point: Point) -> bool {
        match (self.name, point) {
            (SUBJECT, _) | (AXUM, Point::Door(_)) => true,
            (PING_PONG, _) => point == Point::InFlight(1),
            (PLAIN, _) => matches!(point, Point::Body(_)),
            (BY_HAND | TARPC_THREADS, _) => matches!(point, Point::InFlight(_)),
            (MEMORY | NATS_PUBLISH | NATS_ACKNOWLEDGED, _) => matches!(point, Point::Publish(_)),
            (_, point) => !matches!(point, Point::Publish(_) | Point::Door(_)),
        }
    }
}

/// All of them, in the order of tables.
pub(crate) const SYSTEMS: [System; 15] = [
    System {
        name: FLOOR,
        role: Role::Yardstick,
        about: "bare tokio, length-prefixed frames with an id, bincode, multiplexed over one \
                connection, one write per poll after all ready work, on both sides",
        package: Some("tokio"),
    },
    System {
        name: BY_HAND,
        role: Role::Yardstick,
        about: "the same libraries, with what callboard promises to callers and handlers (calls from \
                any thread, cancelled when dropped; deadlines; nodes that may be replaced; endpoints \
                by name; limits; an inbox for each handler, whose panics are contained), written by \
                hand for this one message; calls in flight only",
        package: None,
    },
    System {
        name: PING_PONG,
        role: Role::Yardstick,
        about: "the floor, but a connection that waits for each answer; one call in flight",
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
        about: "`service(name).send(…)` to `Handler<Request<T>>` with all defaults; streams and \
                topics likewise, with the broker `direct`, which acknowledges each event; over HTTP \
                the port that it has anyway",
        package: Some("callboard"),
    },
    System {
        name: MEMORY,
        role: Role::Elsewhere,
        about: "callboard's broker `memory`: publisher and subscribers are in the client's process, \
                on one thread, and each event is acknowledged",
        package: None,
    },
    System {
        name: TARPC,
        role: Role::Rival,
        about: "bincode over TCP, on a runtime of one thread, as all others have",
        package: Some("tarpc"),
    },
    System {
        name: TARPC_THREADS,
        role: Role::Rival,
        about: "the same on tokio's runtime of many threads with its default settings, as tarpc's own \
                examples have it; pinned alike, so that it has one worker beside the thread of the \
                callers",
        package: None,
    },
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
        name: AXUM,
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
    System {
        name: NATS_PUBLISH,
        role: Role::Rival,
        about: "publish and subscribe through a nats-server, **not acknowledged**: the last of each \
                128 events asks the subscribers whether it has come",
        package: None,
    },
    System {
        name: NATS_ACKNOWLEDGED,
        role: Role::Rival,
        about: "the same, and each subscriber answers each event, which a program has to do itself",
        package: None,
    },
];

pub(crate) const FLOOR: &str = "floor";
pub(crate) const BY_HAND: &str = "by-hand";
pub(crate) const PING_PONG: &str = "ping-pong";
pub(crate) const PLAIN: &str = "plain";
pub(crate) const SUBJECT: &str = "callboard";
pub(crate) const TARPC: &str = "tarpc";
pub(crate) const TARPC_THREADS: &str = "tarpc-threads";
pub(crate) const AXUM: &str = "axum";
pub(crate) const NATS_PUBLISH: &str = "nats-publish";
const MEMORY: &str = "callboard-memory";
const NATS_ACKNOWLEDGED: &str = "nats-acknowledged";

#[cfg(test)]
mod tests {
    use callboard_benches::worker::Shape;

    use super::*;

    fn at(point: Point) -> Vec<&'static str> {
        let measured = SYSTEMS.iter().filter(|system| system.is_measured_at(point));
        measured.map(|system| system.name).collect()
    }

    #[test]
    fn each_workload_has_the_systems_that_it_is_about() {
        let publishing = [SUBJECT, MEMORY, NATS_PUBLISH, NATS_ACKNOWLEDGED];
        assert_eq!(at(Point::Publish(8)), publishing);
        assert_eq!(at(Point::Door(64)), [SUBJECT, AXUM]);
        let calling = [FLOOR, SUBJECT, "tarpc", "tonic", "ractor", "kameo", AXUM, "nats"];
        assert_eq!(at(Point::Stream(Shape::Both, 1)), calling);
        assert_eq!(at(Point::OneWay), calling);
        for system in [BY_HAND, TARPC_THREADS] {
            assert!(at(Point::InFlight(256)).contains(&system), "{system}");
        }
    }
}
