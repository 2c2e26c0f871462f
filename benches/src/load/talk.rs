//! Streams of callboard, as its users have them.

use callboard::StreamCall;
use callboard::prelude::*;
use callboard::stream::CallSender;
use callboard_benches::echo::{Echo, text};
use callboard_benches::meter::Laps;
use callboard_benches::talk::{BATCH, Talk};
use callboard_benches::worker::Shape;
use tokio::task::spawn_local;

/// Streams in this way until the measurement is over; each lap is a [`BATCH`] of messages.
pub(super) async fn talk(service: &ServiceRef, shape: Shape, body: usize) {
    let talk = match shape {
        Shape::Down => Talk::Down { body },
        Shape::Up => Talk::Up,
        _ => Talk::Both,
    };
    let mut call = service.stream(talk).await.expect("the server takes it");
    let mut laps = Laps::default();
    match talk {
        Talk::Up => {
            let text = text(body);
            while let Some(id) = laps.next_call() {
                for _ in 0..BATCH {
                    let sent = call.send(Echo { id, text: text.clone() }).await;
                    sent.expect("the server reads");
                }
                next(&mut call).await.check_body(id, body);
            }
        }
        Talk::Down { .. } => {
            let mut ids = 0..;
            while laps.next_call().is_some() {
                for id in ids.by_ref().take(BATCH as usize) {
                    next(&mut call).await.check_body(id, body);
                }
            }
        }
        Talk::Both => {
            let (sender, mut receiver) = call.split();
            let sending = spawn_local(send(sender, body));
            let mut ids = 0..;
            while laps.next_call().is_some() {
                for id in ids.by_ref().take(BATCH as usize) {
                    let echo = receiver.recv().await.expect("the server goes on");
                    echo.expect("the server goes on").check_body(id, body);
                }
            }
            drop(receiver);
            sending.abort();
        }
    }
}

async fn next(call: &mut StreamCall<Talk>) -> Echo {
    call.recv().await.expect("the server goes on").expect("the server goes on")
}

/// Sends ahead as much as may be, whatever comes back.
async fn send(mut sender: CallSender<Talk>, body: usize) {
    let text = text(body);
    for id in 0.. {
        // It is ended by whoever receives: were it to end by itself, so would what is measured.
        if sender.send(Echo { id, text: text.clone() }).await.is_err() {
            return;
        }
    }
}
