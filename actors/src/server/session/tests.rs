use parking_lot::Mutex;

use super::*;
use crate::inbox::InboxStatus;
use crate::metadata::Metadata;
use crate::registry::EndpointInfo;
use crate::server::{AcceptorOptions, HandlerPort, RouteTable};
use crate::transport::{Hello, OwnedMessages};

#[tokio::test]
async fn what_came_before_a_breach_of_the_protocol_is_handed_over() {
    for (is_serial, handed_over) in [(false, "flush"), (true, "flush and run")] {
        let mut stage = Stage::new(is_serial);
        let result = stage.receive(vec![request(1, 0), request(2, 7)]);
        assert!(matches!(result, Err(TransportError::Protocol(_))), "{result:?}");
        assert_eq!(stage.take(), ["push 1", handed_over]);
        stage.receive(vec![request(3, 0)]).unwrap();
        let gone = Message::GoAway { reason: GoAway::Error("gone".into()) };
        stage.receive(vec![request(4, 0), gone]).unwrap_err();
        assert_eq!(stage.take(), ["push 3", handed_over, "push 4", handed_over]);
    }
}

#[tokio::test]
async fn nobody_has_a_turn_between_a_request_and_its_cancellation() {
    for (is_serial, handed_over) in [(false, "flush"), (true, "flush and run")] {
        let mut stage = Stage::new(is_serial);
        let cancel = Message::Cancel { id: RequestId(1) };
        stage.receive(vec![request(1, 0), cancel.clone(), request(2, 0)]).unwrap();
        assert_eq!(stage.take(), ["push 1", "hand over", "cancel 1", "push 2", handed_over]);
        stage.receive(vec![cancel]).unwrap();
        assert_eq!(stage.take(), ["cancel 1"], "nothing came with it");
    }
}

#[tokio::test]
async fn a_lane_rests_with_its_connection() {
    let mut stage = Stage::new(false);
    stage.role.rest();
    assert_eq!(stage.take(), [""; 0], "there is none yet");
    stage.receive(vec![request(1, 0)]).unwrap();
    stage.role.rest();
    assert_eq!(stage.take(), ["push 1", "flush", "rest"]);
}

/// A request by the number of its route, which the first one explains.
fn request(id: u64, slot: u32) -> Message {
    let route = Route { endpoint: "Echo.Say".into(), content_type: "text/plain".into() };
    Message::Request {
        id: RequestId(id),
        one_way: false,
        stream: false,
        route: RouteSlot(slot),
        define: (id == 1).then(|| Box::new(route)),
        time_left: None,
        metadata: Metadata::new(),
        body: bytes::Bytes::new(),
    }
}

/// The server's end of a connection, without the connection.
struct Stage {
    role: ServerRole,
    log: Log,
}

type Log = Arc<Mutex<Vec<String>>>;

impl Stage {
    fn new(is_serial: bool) -> Self {
        let log = Log::default();
        let info = EndpointInfo { name: "Echo.Say".into(), ..EndpointInfo::default() };
        let port = Arc::new(Port { infos: [info], log: Arc::clone(&log) });
        let routes = RouteTable::new(vec![port]).unwrap();
        let options = AcceptorOptions::default();
        let idle_time = options.idle_time;
        let server = Server::new(Hello::new("echo", "a", 1), routes, options);
        let outbox = Arc::new(Outbox::new(""));
        outbox.open(Box::new(OwnedMessages::new(1024)), 0);
        let peer = Arc::new(Hello::new("", "peer", 1));
        let role = ServerRole {
            server,
            asker: Arc::new(Asker { outbox, peer }),
            routes: Vec::new(),
            lanes: Vec::new(),
            heard: Instant::now(),
            has_items: false,
            idle_time,
            is_serial,
        };
        Self { role, log }
    }

    fn receive(&mut self, mut messages: Vec<Message>) -> Result<(), TransportError> {
        let result = self.role.receive(&mut messages, Instant::now());
        assert_eq!(messages, []);
        result
    }

    /// Returns and forgets what the lane was told so far.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock())
    }
}

/// A handler whose lanes write down what they are told.
struct Port {
    infos: [EndpointInfo; 1],
    log: Log,
}

impl HandlerPort for Port {
    fn endpoints(&self) -> &[EndpointInfo] {
        &self.infos
    }

    fn codec(&self, _: &str) -> Option<u16> {
        Some(0)
    }

    fn lane(&self) -> Box<dyn Lane> {
        Box::new(Noting(Arc::clone(&self.log)))
    }

    fn inboxes(&self) -> Vec<Arc<dyn InboxStatus>> {
        Vec::new()
    }

    fn local(&self, _: usize) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        None
    }
}

struct Noting(Log);

impl Noting {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().push(what.into());
    }
}

impl Lane for Noting {
    fn push(&mut self, _: usize, _: u16, arrival: Arrival) {
        self.note(format!("push {}", arrival.reply.key().1.0));
    }

    fn flush(&mut self, _: Instant) {
        self.note("flush");
    }

    fn hand_over(&mut self, _: Instant) {
        self.note("hand over");
    }

    fn flush_and_run(&mut self, _: Instant) {
        self.note("flush and run");
    }

    fn cancel(&self, _: u64, id: Option<RequestId>) {
        // The end of the connection cancels what has no number.
        if let Some(id) = id {
            self.note(format!("cancel {}", id.0));
        }
    }

    fn rest(&mut self) {
        self.note("rest");
    }
}
