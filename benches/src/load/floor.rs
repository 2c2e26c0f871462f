//! Bare tokio: the floor, and a connection for each caller.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use callboard_benches::echo::{Echo, text};
use callboard_benches::floor::{self, Flow, Multiplexed, PingPong};
use callboard_benches::meter::Laps;
use callboard_benches::talk::BATCH;
use callboard_benches::worker::{
    Call, Caller, Sample, Shape, System, Unsupported, Workload, announce, block_on, drive,
    end_of_input,
};
use tokio::net::TcpListener;

/// Many calls at once over one connection.
pub(super) struct Floor;

impl System for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn serve(&self, _: &Workload) {
        block_on(serve(floor::serve));
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        let address = address(call);
        block_on(async {
            let mut connections = Vec::new();
            for _ in 0..call.workload.connections {
                let connection = Multiplexed::connect(address).await;
                connections.push(Shared(connection.expect("the server listens")));
            }
            drive(connections, &call.workload, call.server).await
        })
    }
}

#[derive(Clone)]
struct Shared(Multiplexed);

impl Caller for Shared {
    async fn call(&self, echo: Echo) -> Echo {
        self.0.call(&echo).await
    }

    async fn tell(&self, echo: Echo) -> bool {
        self.0.tell(&echo);
        true
    }

    const HAS_STREAMS: bool = true;

    async fn talk(&self, shape: Shape, body: usize) {
        let (mut laps, text) = (Laps::default(), text(body));
        let (mut flow, mut ids) = (Flow::open(&self.0), 0..);
        match shape {
            Shape::Up => {
                let mut echo = Echo { id: 0, text };
                while let Some(id) = laps.next_call() {
                    echo.id = id;
                    (1..BATCH).for_each(|_| self.0.tell(&echo));
                    self.0.call(&echo).await.check_body(id, body);
                }
                return;
            }
            Shape::Down => flow.pour(text.clone()),
            _ => (0..AHEAD).for_each(|id| flow.send(&Echo { id, text: text.clone() })),
        }
        let mut next = Echo { id: AHEAD, text };
        while laps.next_call().is_some() {
            for id in ids.by_ref().take(BATCH as usize) {
                flow.next().await.check_body(id, body);
                if shape == Shape::Both {
                    flow.send(&next);
                    next.id += 1;
                }
            }
        }
    }
}

/// Messages that are under way on a stream both ways.
const AHEAD: u64 = 2 * BATCH as u64;

/// A connection for each caller, which waits for each answer.
pub(super) struct Alone;

impl System for Alone {
    fn name(&self) -> &'static str {
        "ping-pong"
    }

    fn serve(&self, workload: &Workload) {
        Floor.serve(workload);
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        if call.workload.shape == Shape::OneWay {
            return Err(Unsupported("a connection waits for each answer".into()));
        }
        let address = address(call);
        block_on(async {
            let mut connections = Vec::new();
            for _ in 0..call.workload.in_flight {
                let connection = PingPong::connect(address).await.expect("the server listens");
                connections.push(Own(Rc::new(Cell::new(Some(connection)))));
            }
            drive(connections, &call.workload, call.server).await
        })
    }
}

#[derive(Clone)]
struct Own(Rc<Cell<Option<PingPong>>>);

impl Caller for Own {
    async fn call(&self, echo: Echo) -> Echo {
        let mut connection = self.0.take().expect("there is a connection for each caller");
        let reply = connection.call(&echo).await.expect("the server answers");
        self.0.set(Some(connection));
        reply
    }
}

/// Serves on a free port until the input ends.
pub(super) async fn serve<F: Future<Output = io::Result<()>>>(server: impl Fn(TcpListener) -> F) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    announce(listener.local_addr().expect("it is bound"));
    tokio::select! {
        result = server(listener) => result.expect("the listener works"),
        () = end_of_input() => {}
    }
}

/// Where the server is.
pub(super) fn address(call: &Call) -> SocketAddr {
    call.address.parse().expect("the server prints its address")
}
