//! Metadata: what pairs beside the body cost a call over TCP.

use std::time::Duration;

use super::Subject;
use super::pair::{Server, client};
use super::series::FOR_ALL;
use crate::echo::Echo;
use crate::figure::Figure;
use crate::micro::looping::ask;
use crate::micro::rounds::{Way, figures, interleave};

/// None to as many as a message may have.
pub const SUBJECT: Subject =
    Subject { name: "metadata", sizes: &[0, 1, 2, 4, 8, 16, 32, 64], measure };

fn measure(count: u64) -> Vec<Figure> {
    let runner = actix_rt::System::new();
    let (server, client) = runner.block_on(async {
        let server = Server::start().await;
        let client = client(&server.system.node().address, 1).await;
        (server, client)
    });
    let pairs: Vec<(String, String)> =
        (0..count).map(|index| (format!("name-{index:02}"), format!("value-{index:02}"))).collect();
    let call = || {
        let (host, pairs) = (client.service("host"), pairs.clone());
        runner.block_on(ask(IN_FLIGHT, TIME, async move |id| {
            let mut call = host.send(Echo::new(id));
            for (name, value) in &pairs {
                call = call.metadata(name.as_str(), value.as_str());
            }
            call.await.expect("the server answers").check(id);
        }))
    };
    let way = Way::new("a call, 64 in flight, both sides on one thread", call);
    let all = interleave(ROUNDS, vec![way]);
    runner.block_on(async {
        client.stop().await;
        server.system.stop().await;
    });
    let mut figures = figures("metadata", ("pairs", count), &all);
    for figure in &mut figures {
        figure.unit.push_str(FOR_ALL);
    }
    figures
}

const IN_FLIGHT: u64 = 64;
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_millis(200);
