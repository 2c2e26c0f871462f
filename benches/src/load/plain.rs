//! A bare `write` and `read` loop: what a connection carries when nobody looks at the bytes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use callboard_benches::meter::{Phase, count, phase};
use callboard_benches::worker::{
    Call, Sample, Shape, System, Unsupported, Workload, block_on, measure,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::floor::{address, serve};

/// Raw bytes, as many bodies under way as there are callers.
pub(super) struct Plain;

impl System for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn serve(&self, _: &Workload) {
        block_on(serve(accept));
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        if call.workload.shape != Shape::Unary {
            return Err(Unsupported("bytes are sent back and forth, nothing else".into()));
        }
        let (address, workload) = (address(call), &call.workload);
        block_on(async {
            for index in 0..workload.connections.min(workload.in_flight) {
                let stream = TcpStream::connect(address).await.expect("the server listens");
                stream.set_nodelay(true).expect("it is a TCP connection");
                let (reader, writer) = stream.into_split();
                let flow = Rc::new(Flow::default());
                // Bodies are dealt out in turn, as callers are.
                let share = (workload.in_flight - index).div_ceil(workload.connections);
                spawn_local(write(writer, Rc::clone(&flow), (workload.body, share)));
                spawn_local(read(reader, flow, workload.body));
            }
            Ok(measure(workload, call.server, 1).await)
        })
    }
}

/// The bodies under way on one connection.
#[derive(Default)]
struct Flow {
    begun: RefCell<VecDeque<Instant>>,
    arrived: Notify,
}

/// Keeps as many bodies under way as its share is.
async fn write(mut writer: OwnedWriteHalf, flow: Rc<Flow>, (body, share): (usize, usize)) {
    let bytes = vec![b'x'; body];
    while phase() != Phase::Over {
        while flow.begun.borrow().len() >= share {
            flow.arrived.notified().await;
        }
        flow.begun.borrow_mut().push_back(Instant::now());
        writer.write_all(&bytes).await.expect("the server reads");
    }
}

async fn read(mut reader: OwnedReadHalf, flow: Rc<Flow>, body: usize) {
    let (mut room, mut arrived) = (vec![0; ROOM], 0);
    loop {
        let read = reader.read(&mut room).await.expect("the server writes");
        assert!(read > 0, "the server closed the connection");
        arrived += read;
        let now = Instant::now();
        while arrived >= body {
            arrived -= body;
            let begun = flow.begun.borrow_mut().pop_front().expect("it was sent");
            count(begun, now);
            flow.arrived.notify_one();
        }
    }
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // The peer closing the connection is how each one ends.
            let _ = answer(stream).await;
        });
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut room = vec![0; ROOM];
    loop {
        let count = stream.read(&mut room).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&room[..count]).await?;
    }
}

/// Room for one read.
const ROOM: usize = 256 * 1024;
