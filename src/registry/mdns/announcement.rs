//! What a node says of itself in DNS records, and how that is read.
//!
//! The TXT record has these strings; the first four are for people who browse and are left out
//! when they are long. Readers skip strings they do not know.
//!
//! | string | meaning |
//! |---|---|
//! | `service`, `version`, `id`, `address` | as in the record |
//! | `txtvers` | version of this table, `1` |
//! | `origin` | 64 random bits of the announcing registry, hexadecimal |
//! | `beat` | grows with each announcement, hexadecimal |
//! | `ttl` | milliseconds from one beat to the next at the latest |
//! | `r0`, `r1`, … | the record as JSON in pieces, if it fits |
//! | `digest`, `size`, `at` | else what names it, its bytes, and the TCP port that hands it out |
//! | `bye` | the node leaves; the goodbye of DNS itself is heeded a second late |
//!
//! Pure.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use callboard_actors::registry::Service;
use mdns_sd::{TxtProperties, TxtProperty};

use super::record::{Digest, Key, RECORD_MAX, Record, decode};

/// When and by whom a record was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) origin: u64,
    pub(super) beat: u64,
    pub(super) ttl: Duration,
}

/// An announcement that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) stamp: Stamp,
    pub(super) digest: Digest,
    pub(super) body: Body,
}

/// What an announcement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// The record.
    Here(Box<Service>),
    /// Where the record can be fetched.
    Elsewhere { size: usize, at: Vec<SocketAddr> },
    /// That the node leaves.
    Gone,
}

/// Whether a record can be announced without help.
pub(super) fn fits(record: &Record) -> bool {
    let decoration: usize = decoration(record).iter().map(|(key, text)| string(key, text)).sum();
    let pieces = record.json.len().div_ceil(PIECE);
    decoration + STAMP_BYTES + record.json.len() + pieces * PIECE_OVERHEAD <= TXT_MAX
}

/// The TXT strings of a record; `outsize` is the port that hands it out when it does not fit.
pub(super) fn properties(record: &Record, stamp: Stamp, outsize: Option<u16>) -> Vec<TxtProperty> {
    let mut all = stamped(stamp);
    all.extend(decoration(record).iter().map(|(key, value)| text(key, value)));
    match outsize {
        None => {
            let pieces = record.json.chunks(PIECE).enumerate();
            all.extend(pieces.map(|(index, piece)| property(&format!("r{index}"), piece)));
        }
        Some(port) => {
            all.push(text("digest", &record.digest.to_string()));
            all.push(text("size", &record.json.len().to_string()));
            all.push(text("at", &port.to_string()));
        }
    }
    all
}

/// The TXT strings with which a node leaves.
pub(super) fn farewell(stamp: Stamp) -> Vec<TxtProperty> {
    let mut all = stamped(stamp);
    all.push(text("bye", "1"));
    all
}

/// Reads an announcement, or says why it is none of ours.
pub(super) fn read(strings: &TxtProperties, addresses: &[IpAddr]) -> Result<Sighting, String> {
    let text = |key: &'static str| {
        let value =
            strings.get(key).and_then(TxtProperty::val).ok_or(format!("{key} is missing"))?;
        str::from_utf8(value).map_err(|_| format!("{key} is not text"))
    };
    let hexadecimal =
        |key| u64::from_str_radix(text(key)?, 16).map_err(|error| format!("{key}: {error}"));
    let number = |key| text(key)?.parse::<u64>().map_err(|error| format!("{key}: {error}"));
    if text("txtvers")? != "1" {
        return Err("of another version".into());
    }
    let ttl = Duration::from_millis(number("ttl")?).clamp(TTL_MIN, TTL_MAX);
    let stamp = Stamp { origin: hexadecimal("origin")?, beat: hexadecimal("beat")?, ttl };
    if strings.get("bye").is_some() {
        return Ok(Sighting { stamp, digest: Digest::of(b""), body: Body::Gone });
    }
    if strings.get("digest").is_none() {
        let json = pieces(strings);
        let body = Body::Here(Box::new(decode(&json)?));
        return Ok(Sighting { stamp, digest: Digest::of(&json), body });
    }
    let digest = text("digest")?.parse().map_err(|error| format!("digest: {error}"))?;
    let size = usize::try_from(number("size")?).unwrap_or(usize::MAX);
    if size > RECORD_MAX {
        return Err(format!("{size} bytes are more than {RECORD_MAX}"));
    }
    let port = text("at")?.parse().map_err(|error| format!("at: {error}"))?;
    let at = addresses.iter().take(ADDRESSES_MAX).map(|ip| SocketAddr::new(*ip, port)).collect();
    Ok(Sighting { stamp, digest, body: Body::Elsewhere { size, at } })
}

/// The name of a node's DNS-SD instance: `id service version` where that is possible.
///
/// A DNS name has 63 bytes and does not tell capitals from small letters, and our daemon looks its
/// own names up in small letters; what is lost that way is made up for by a hash.
pub(super) fn label(key: &Key) -> String {
    let faithful =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
    let plain = [&key.node, &key.name, &key.version].into_iter().all(|part| faithful(part));
    let whole = format!("{} {} {}", key.node, key.name, key.version);
    if plain && whole.len() <= LABEL_MAX - GENERATION_MAX {
        return whole.trim_end().to_owned();
    }
    let hash = Digest::of(format!("{}\0{}\0{}", key.node, key.name, key.version).as_bytes());
    let room = LABEL_MAX - GENERATION_MAX - LABEL_HASH - 1;
    let readable = |c: char| if c.is_ascii_graphic() { c.to_ascii_lowercase() } else { '-' };
    let start: String = key.node.chars().map(readable).take(room).collect();
    format!("{start} {}", &hash.to_string()[..LABEL_HASH])
}

/// The name of the host that the instance `label` points to.
///
/// Each instance has its own, because withdrawing an instance withdraws its host's address too.
pub(super) fn host(label: &str) -> String {
    format!("callboard-{}.local.", &Digest::of(label.as_bytes()).to_string()[..LABEL_HASH])
}

/// The service type; `avahi-browse _callboard._tcp` shows the nodes.
pub(super) const SERVICE_TYPE: &str = "_callboard._tcp.local.";

/// The shortest lease that announcements can keep up with.
pub(super) const TTL_MIN: Duration = Duration::from_millis(100);

/// The longest lease that is believed.
pub(super) const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

// ===== Private helpers =====

fn stamped(stamp: Stamp) -> Vec<TxtProperty> {
    vec![
        text("txtvers", "1"),
        text("origin", &format!("{:x}", stamp.origin)),
        text("beat", &format!("{:x}", stamp.beat)),
        text("ttl", &stamp.ttl.as_millis().to_string()),
    ]
}

fn text(key: &str, value: &str) -> TxtProperty {
    property(key, value.as_bytes())
}

fn property(key: &str, value: &[u8]) -> TxtProperty {
    TxtProperty::from((key.to_owned(), value))
}

fn decoration(record: &Record) -> Vec<(&'static str, &str)> {
    let node = &record.service.nodes[0];
    let all = [
        ("service", &*record.key.name),
        ("version", &record.key.version),
        ("id", &record.key.node),
        ("address", &node.address),
    ];
    all.into_iter().filter(|(_, text)| text.len() <= DECORATION_MAX).collect()
}

fn pieces(txt: &TxtProperties) -> Vec<u8> {
    let piece = |index| txt.get(&format!("r{index}")).and_then(TxtProperty::val);
    (0..).map_while(piece).flatten().copied().collect()
}

/// Bytes of a string on the wire, with its length and its equals sign.
fn string(key: &str, text: &str) -> usize {
    key.len() + text.len() + 2
}

/// Bytes of a TXT record, so that all records of a node fit one packet.
const TXT_MAX: usize = 1_000;

/// Bytes of record per string; a string has at most 255.
const PIECE: usize = 240;

/// Bytes of a piece's key, its length and its equals sign.
const PIECE_OVERHEAD: usize = 4;

/// Bytes of `txtvers`, `origin`, `beat` and `ttl` at most.
const STAMP_BYTES: usize = 10 + (8 + 16) + (6 + 16) + (5 + 20);

/// Bytes of a text that is shown to people.
const DECORATION_MAX: usize = 160;

/// Bytes of a DNS label.
const LABEL_MAX: usize = 63;

/// Bytes kept free for the suffix of a label that is used again.
const GENERATION_MAX: usize = 6;

/// Hexadecimal digits of a hash in a label.
const LABEL_HASH: usize = 16;

/// Addresses that are tried to fetch one record.
const ADDRESSES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use callboard_actors::registry::NodeInfo;
    use mdns_sd::IntoTxtProperties;
    use proptest::prelude::*;

    use super::*;

    const STAMP: Stamp = Stamp { origin: 7, beat: 0xabc, ttl: Duration::from_secs(3) };

    fn record(label: &str) -> Record {
        let node = NodeInfo::new("greeter-1", "127.0.0.1:9000").label("text", label);
        Record::split(&Service::new("greeter", "1.0.0").node(node)).unwrap().remove(0)
    }

    fn bytes(properties: &[TxtProperty]) -> usize {
        properties.iter().map(|p| p.key().len() + p.val().unwrap().len() + 2).sum()
    }

    #[test]
    fn a_small_record_travels_in_the_announcement() {
        let record = record("grüße = 東京");
        assert!(fits(&record));
        let sighting = read(&properties(&record, STAMP, None).into_txt_properties(), &[]).unwrap();
        assert_eq!(sighting.stamp, STAMP);
        assert_eq!(sighting.digest, record.digest);
        assert_eq!(sighting.body, Body::Here(Box::new(record.service)));
    }

    #[test]
    fn a_large_record_is_named_by_digest_size_and_port() {
        let record = record(&"x".repeat(2_000));
        assert!(!fits(&record));
        let txt = properties(&record, STAMP, Some(4711));
        assert!(bytes(&txt) <= TXT_MAX);
        let ip = IpAddr::from([127, 0, 0, 1]);
        let sighting = read(&txt.into_txt_properties(), &[ip]).unwrap();
        assert_eq!(sighting.digest, record.digest);
        let at = vec![SocketAddr::new(ip, 4711)];
        assert_eq!(sighting.body, Body::Elsewhere { size: record.json.len(), at });
    }

    #[test]
    fn what_fits_keeps_to_the_limits_of_dns() {
        let stamp = Stamp { origin: u64::MAX, beat: u64::MAX, ttl: TTL_MAX };
        let mut largest = 0;
        for length in 0..1_000 {
            let record = record(&"x".repeat(length));
            if fits(&record) {
                let txt = properties(&record, stamp, None);
                assert!(txt.iter().all(|p| p.key().len() + p.val().unwrap().len() < 255));
                largest = largest.max(bytes(&txt));
            }
        }
        assert!((TXT_MAX - 50..=TXT_MAX).contains(&largest), "{largest}");
    }

    #[test]
    fn labels_are_readable_unless_they_would_clash() {
        let key = |node: &str, name: &str, version: &str| {
            label(&Key { name: name.into(), version: version.into(), node: node.into() })
        };
        assert_eq!(key("greeter-1", "greeter", "1.0.0"), "greeter-1 greeter 1.0.0");
        assert_eq!(key("greeter-1", "greeter", ""), "greeter-1 greeter");
        let capital = key("Greeter-1", "greeter", "1.0.0");
        assert!(capital.starts_with("greeter-1 ") && capital.len() == "greeter-1 ".len() + 16);
        assert_ne!(key("a b", "c", "1"), key("a", "b c", "1"));
        assert_ne!(key("é", "c", "1"), key("è", "c", "1"));
        let long = [key(&"x".repeat(99), "c", "1"), key(&"x".repeat(98), "c", "1")];
        assert!(long.iter().all(|label| label.len() <= LABEL_MAX - GENERATION_MAX));
        assert_ne!(long[0], long[1]);
    }

    #[test]
    fn a_farewell_says_so() {
        let sighting = read(&farewell(STAMP).into_txt_properties(), &[]).unwrap();
        assert_eq!((sighting.stamp, sighting.body), (STAMP, Body::Gone));
    }

    #[test]
    fn garbage_is_refused_with_a_reason() {
        let refused = |pairs: &[(&str, &str)]| {
            let txt: Vec<TxtProperty> =
                pairs.iter().map(|(k, v)| TxtProperty::from(((*k).to_owned(), v))).collect();
            read(&txt.into_txt_properties(), &[]).unwrap_err()
        };
        assert_eq!(refused(&[]), "txtvers is missing");
        assert_eq!(refused(&[("txtvers", "2")]), "of another version");
        let stamp = [("txtvers", "1"), ("origin", "1"), ("beat", "1"), ("ttl", "1")];
        let with = |more: &[(&'static str, &'static str)]| refused(&[&stamp[..], more].concat());
        assert!(with(&[("r0", "{")]).contains("EOF"));
        assert!(with(&[("digest", "zz")]).starts_with("digest: "));
        assert!(with(&[("digest", "1"), ("size", "65537"), ("at", "1")]).contains("more than"));
        assert!(with(&[("digest", "1"), ("size", "1"), ("at", "65536")]).starts_with("at: "));
    }

    proptest! {
        #[test]
        fn no_text_record_makes_the_reader_panic(
            pairs in prop::collection::vec(
                ("txtvers|origin|beat|ttl|r0|r1|digest|size|at", prop::collection::vec(any::<u8>(), 0..40)),
                0..12,
            ),
        ) {
            let txt: Vec<TxtProperty> = pairs.into_iter().map(TxtProperty::from).collect();
            let txt = txt.into_txt_properties();
            let version = txt.get("txtvers").and_then(TxtProperty::val) == Some(b"1");
            prop_assert!(version || read(&txt, &[]).is_err());
        }

        #[test]
        fn any_text_survives_an_announcement(text in ".{0,80}") {
            let record = record(&text);
            prop_assume!(fits(&record));
            let txt = properties(&record, STAMP, None).into_txt_properties();
            prop_assert_eq!(read(&txt, &[]).unwrap().body, Body::Here(Box::new(record.service)));
        }
    }
}
