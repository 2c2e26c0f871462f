//! Hands out records that are too large for an announcement, and fetches them.
//!
//! One exchange per TCP connection: the reader sends the digest as 32 hexadecimal digits; the
//! answer is a length in 4 bytes, big endian, and that many bytes of JSON. A length of 0 means
//! that no such record is announced any more.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::record::Digest;

/// Hands out records; listens from the first one on, and until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Outsize {
    listeners: Vec<Listener>,
    records: Records,
}

type Records = Arc<Mutex<HashMap<Digest, Arc<[u8]>>>>;

impl Outsize {
    /// Offers a record on an address of this machine and returns the port.
    pub(super) fn offer(&mut self, ip: IpAddr, digest: Digest, json: &[u8]) -> io::Result<u16> {
        let port = match self.listeners.iter().find(|listener| listener.address.ip() == ip) {
            Some(listener) => listener.address.port(),
            None if self.listeners.len() >= LISTENERS_MAX => {
                return Err(io::Error::other("large records are offered on too many addresses"));
            }
            None => {
                let listener = Listener::start(ip, self.records.clone())?;
                let port = listener.address.port();
                self.listeners.push(listener);
                port
            }
        };
        self.records.lock().insert(digest, json.into());
        Ok(port)
    }

    /// Stops offering a record.
    pub(super) fn forget(&mut self, digest: Digest) {
        self.records.lock().remove(&digest);
    }
}

/// Fetches a record from the first address that has it.
pub(super) fn fetch(at: &[SocketAddr], digest: Digest, size: usize) -> Result<Vec<u8>, String> {
    let mut reason = "it has no address".to_owned();
    for address in at {
        match fetch_from(*address, digest, size) {
            Ok(json) if Digest::of(&json) == digest => return Ok(json),
            Ok(_) => reason = format!("{address} sent something else"),
            Err(error) => reason = format!("{address}: {error}"),
        }
    }
    Err(reason)
}

fn fetch_from(address: SocketAddr, digest: Digest, size: usize) -> io::Result<Vec<u8>> {
    let until = Instant::now() + EXCHANGE_MAX;
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
    write_until(&mut stream, digest.to_string().as_bytes(), until)?;
    let mut length = [0; 4];
    read_until(&mut stream, &mut length, until)?;
    // The announced size is the limit, so a liar cannot make this allocate more.
    if usize::try_from(u32::from_be_bytes(length)) != Ok(size) {
        return Err(io::Error::other("the record is gone"));
    }
    let mut json = vec![0; size];
    read_until(&mut stream, &mut json, until)?;
    Ok(json)
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Listener {
    fn start(ip: IpAddr, records: Records) -> io::Result<Self> {
        let listener = TcpListener::bind((ip, 0))?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = stopped.clone();
        thread::Builder::new()
            .name("callboard-mdns-records".into())
            .spawn(move || accept(&listener, &records, &stop))?;
        Ok(Self { address, stopped })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Accepting a connection is what the thread waits for. If this fails, it is not waiting.
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let address = SocketAddr::new(ip, self.address.port());
        let _woken = TcpStream::connect_timeout(&address, WAKE_MAX);
    }
}

fn accept(listener: &TcpListener, records: &Records, stopped: &AtomicBool) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stopped.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file descriptors, most likely; nothing tells when there are some again.
            thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        // Beyond the limit the connection is closed, and the reader tries again later.
        if busy.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
            busy.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let (records, seat) = (records.clone(), Seat(busy.clone()));
        let thread = thread::Builder::new().name("callboard-mdns-record".into());
        let spawned = thread.spawn(move || {
            let _seat = seat;
            if let Err(error) = answer(stream, &records) {
                tracing::debug!(%error, "a large record was not handed out");
            }
        });
        if let Err(error) = spawned {
            tracing::debug!(%error, "a large record was not handed out");
        }
    }
}

fn answer(mut stream: TcpStream, records: &Records) -> io::Result<()> {
    let until = Instant::now() + EXCHANGE_MAX;
    let mut text = [0; Digest::TEXT];
    read_until(&mut stream, &mut text, until)?;
    let digest = str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    let json = digest.and_then(|digest: Digest| records.lock().get(&digest).cloned());
    let json = json.unwrap_or_default();
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    write_until(&mut stream, &length.to_be_bytes(), until)?;
    write_until(&mut stream, &json, until)
}

/// One of the connections that are served at a time.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Fills `buffer`; unlike a read timeout alone, a peer that trickles does not prolong it.
fn read_until(stream: &mut TcpStream, buffer: &mut [u8], until: Instant) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn write_until(stream: &mut TcpStream, mut bytes: &[u8], until: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Addresses of this machine that records are offered on.
const LISTENERS_MAX: usize = 8;

/// Connections served at a time per address, each by a thread of its own.
const CONNECTIONS_MAX: usize = 16;

/// Time for one exchange on either side.
const EXCHANGE_MAX: Duration = Duration::from_secs(2);

/// Time to connect; the peer is on the same network.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// Time to wake a listener that shall stop.
const WAKE_MAX: Duration = Duration::from_millis(100);

/// Pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn offered(json: &[u8]) -> (Outsize, [SocketAddr; 1], Digest) {
        let mut outsize = Outsize::default();
        let digest = Digest::of(json);
        let port = outsize.offer(HERE, digest, json).unwrap();
        (outsize, [SocketAddr::new(HERE, port)], digest)
    }

    #[test]
    fn an_offered_record_is_fetched_until_it_is_forgotten() {
        let json = vec![b'x'; 64 * 1024];
        let (mut outsize, at, digest) = offered(&json);
        assert_eq!(fetch(&at, digest, json.len()), Ok(json.clone()));
        outsize.forget(digest);
        assert!(fetch(&at, digest, json.len()).unwrap_err().contains("the record is gone"));
    }

    #[test]
    fn one_listener_serves_all_records_of_an_address() {
        let (mut outsize, at, _) = offered(b"first");
        assert_eq!(outsize.offer(HERE, Digest::of(b"second"), b"second").unwrap(), at[0].port());
        assert_eq!(fetch(&at, Digest::of(b"second"), 6), Ok(b"second".to_vec()));
    }

    #[test]
    fn a_record_that_is_not_what_was_announced_is_refused() {
        let mut outsize = Outsize::default();
        let digest = Digest::of(b"announced");
        let port = outsize.offer(HERE, digest, b"different").unwrap();
        let reason = fetch(&[SocketAddr::new(HERE, port)], digest, 9).unwrap_err();
        assert!(reason.ends_with("sent something else"), "{reason}");
    }

    #[test]
    fn too_many_connections_are_closed_and_room_returns() {
        let (_outsize, at, digest) = offered(b"record");
        let idle: Vec<TcpStream> =
            (0..CONNECTIONS_MAX).map(|_| TcpStream::connect(at[0]).unwrap()).collect();
        // Connections are accepted in order, so this one comes after all the idle ones.
        assert!(fetch(&at, digest, 6).is_err());
        drop(idle);
        let until = Instant::now() + Duration::from_secs(10);
        while fetch(&at, digest, 6).is_err() {
            assert!(Instant::now() < until, "no seat became free");
            thread::yield_now();
        }
    }

    #[test]
    fn dropping_it_closes_the_port() {
        let (outsize, at, digest) = offered(b"record");
        drop(outsize);
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect_timeout(&at[0], CONNECT_MAX).is_ok() {
            assert!(Instant::now() < until, "the port stayed open");
            thread::yield_now();
        }
        assert!(fetch(&at, digest, 6).is_err());
    }
}
