//! Peers that break every rule, beside one that keeps them.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use callboard::wire::Preface;
use callboard_actors::transport::Hello;

use crate::journal::Journal;
use crate::stage::{ServerProcess, Stage, wait_until};

pub(crate) fn run() {
    let stage = Stage::with_registry_file("hostile");
    let mut server = stage.server("node-1", &[]);
    stage.announce([&server]);
    let mut clients = vec![stage.client(&[(RATE, SECONDS)], |_| ())];
    clients[0].wait_for_calls(100, STEADY);
    let (files, sockets) = (descriptors(&server), connections(&server));

    let attacks: Vec<_> = ATTACKS
        .iter()
        .map(|(name, attack)| {
            let address = server.address.clone();
            let thread = thread::Builder::new().name((*name).to_owned());
            thread.spawn(move || attack(&address)).expect("a thread can be made")
        })
        .collect();
    // Somebody new is served in the middle of it.
    wait_until("the attack to begin", STEADY, || connections(&server) >= sockets + SILENT_PEERS);
    clients.push(stage.client(&[(RATE, 5)], |_| ()));
    for attack in attacks {
        attack.join().expect("the attack ended as it should");
    }
    assert!(clients[0].is_calling(), "the attacks outlasted the load");
    clients[1].finish();
    wait_until("descriptors to be given back", RETURN, || descriptors(&server) <= files);
    wait_until("connections to be given back", RETURN, || connections(&server) <= sockets);
    clients[0].finish();
    server.terminate();
    Journal::read(&clients, [&server]).assert_no_failure();
}

type Attack = (&'static str, fn(&str));

const ATTACKS: &[Attack] = &[
    ("garbage", garbage),
    ("another protocol", another_protocol),
    ("HTTP that ends in its head", http_that_ends_in_its_head),
    ("silence", silence),
    ("a greeting in drops", greeting_in_drops),
    ("half a greeting", half_a_greeting),
    ("an oversized frame", oversized_frame),
    ("garbage after the greeting", garbage_after_greeting),
    ("a frame in drops", frame_in_drops),
    ("silence after the greeting", silence_after_greeting),
    ("pings without reading", pings_without_reading),
];

/// Bytes of every kind, from many connections.
fn garbage(address: &str) {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..100 {
        let bytes: Vec<u8> = (0..4096)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect();
        let mut stream = connect(address);
        // The server may hang up before it has everything.
        let _ = stream.write_all(&bytes);
        expect_end(&mut stream, AT_ONCE);
    }
}

fn another_protocol(address: &str) {
    let mut stream = connect(address);
    // The beginning of TLS.
    send(&mut stream, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert_eq!(expect_end(&mut stream, AT_ONCE), b"", "it must not answer what it cannot know");
}

fn http_that_ends_in_its_head(address: &str) {
    let mut streams: Vec<TcpStream> = (0..SILENT_PEERS).map(|_| connect(address)).collect();
    for stream in &mut streams {
        send(stream, b"POST /Echo/Echo HTTP/1.1\r\nHost: localhost\r\nX-");
    }
    for stream in &mut streams {
        assert_eq!(expect_end(stream, GREETING), b"");
    }
}

fn silence(address: &str) {
    let mut streams: Vec<TcpStream> = (0..SILENT_PEERS).map(|_| connect(address)).collect();
    for stream in &mut streams {
        expect_end(stream, GREETING);
    }
}

fn greeting_in_drops(address: &str) {
    let mut stream = connect(address);
    let begun = Instant::now();
    for byte in preface().iter().cycle().take(100) {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        // Slowness is what this attack is made of.
        thread::sleep(Duration::from_millis(300));
        if begun.elapsed() > GREETING {
            break;
        }
    }
    expect_end(&mut stream, AT_ONCE);
}

fn half_a_greeting(address: &str) {
    let mut stream = connect(address);
    send(&mut stream, &preface()[..10]);
    expect_end(&mut stream, GREETING);
}

fn oversized_frame(address: &str) {
    for length in [u32::MAX, 4 * 1024 * 1024 + 1] {
        let mut stream = greet(address);
        send(&mut stream, &length.to_le_bytes());
        send(&mut stream, &[1, 0, 0, 0]);
        let answer = expect_end(&mut stream, AT_ONCE);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("outside 2 to 4194304 bytes"), "it must say why: {text:?}");
    }
}

fn garbage_after_greeting(address: &str) {
    for frame in [&[2, 0, 0, 0, 0, 0][..], &[3, 0, 0, 0, 1, 0x0F, 0], &[4, 0, 0, 0, 1, 0, 9, 9]] {
        let mut stream = greet(address);
        send(&mut stream, frame);
        let answer = expect_end(&mut stream, AT_ONCE);
        assert!(!answer.is_empty(), "it must say why {frame:?} is wrong");
    }
}

/// A frame that never becomes whole; no answer is due, so it takes the keepalive of an idle peer.
fn frame_in_drops(address: &str) {
    let mut stream = greet(address);
    send(&mut stream, &[0, 0, 16, 0, 1, 0]);
    let begun = Instant::now();
    while begun.elapsed() < KEEPALIVE && stream.write_all(&[0]).is_ok() {
        thread::sleep(Duration::from_millis(300));
    }
    expect_end(&mut stream, AT_ONCE);
}

fn silence_after_greeting(address: &str) {
    let mut streams: Vec<TcpStream> = (0..20).map(|_| greet(address)).collect();
    for stream in &mut streams {
        expect_end(stream, KEEPALIVE);
    }
}

/// Asks for answers and never takes them, until the server stops reading.
fn pings_without_reading(address: &str) {
    let mut stream = greet(address);
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("the time is not zero");
    let pings = [3_u8, 0, 0, 0, 5, 0, 1].repeat(10_000);
    let mut sent = 0;
    while let Ok(count) = stream.write(&pings) {
        sent += count;
        assert!(sent < FLOOD_MOST, "the server reads on although its answers are not taken");
    }
    expect_end(&mut stream, KEEPALIVE);
}

// ===== Raw connections =====

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_nodelay(true).expect("the connection is open");
    stream
}

fn preface() -> Vec<u8> {
    Preface::new(Hello::new("intruder", "intruder-1", 1)).encode().expect("the names are short")
}

/// Connects and exchanges greetings.
fn greet(address: &str) -> TcpStream {
    let mut stream = connect(address);
    send(&mut stream, &preface());
    stream.set_read_timeout(Some(AT_ONCE)).expect("the time is not zero");
    let mut fixed = [0; Preface::FIXED];
    stream.read_exact(&mut fixed).expect("the server greets");
    let mut fields = vec![0; Preface::fields_size(&fixed).expect("it is a greeting")];
    stream.read_exact(&mut fields).expect("the server greets");
    stream
}

fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("the server reads");
}

/// Reads until the server closes the connection, which it must within `limit`.
fn expect_end(stream: &mut TcpStream, limit: Duration) -> Vec<u8> {
    let until = Instant::now() + limit;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "the server did not close the connection within {limit:?}");
        stream.set_read_timeout(Some(left)).expect("the time is not zero");
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(count) => answer.extend(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // A reset is an end too.
            Err(_) => return answer,
        }
    }
}

/// Files that a server has open, sockets included.
fn descriptors(server: &ServerProcess) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", server.child.id()));
    open.expect("the server runs").count()
}

/// Connections to a server as the kernel knows them, whatever their state; but not those that
/// the server has closed and whose ends linger.
fn connections(server: &ServerProcess) -> usize {
    let port = server.address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let local = format!("0100007F:{:04X}", port.expect("it listens on a port"));
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel has such a table");
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let open = fields.filter(|fields| {
        fields.get(1).is_some_and(|address| *address == local)
            && fields.get(3).is_some_and(|state| ["01", "08"].contains(state))
    });
    open.count()
}

const RATE: u32 = 100;
const SECONDS: u32 = 35;
const STEADY: Duration = Duration::from_secs(15);

/// Connections that never greet.
const SILENT_PEERS: usize = 300;

/// Time for what needs no waiting, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The server waits 5 s for a greeting.
const GREETING: Duration = Duration::from_secs(8);

/// An idle peer is pinged after 15 s, and given up two intervals of 900 ms later.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// What the buffers of the kernel and the server hold together at the very most.
const FLOOD_MOST: usize = 64 * 1024 * 1024;

/// How long after the last attack everything must have been given back.
const RETURN: Duration = Duration::from_secs(10);
