//! HTTP/1.1 as a careful reader would have it, to compare with what the door makes of it.
//!
//! Requests are understood only if nothing about them is unusual: what is left to the door's own
//! judgement is not judged here. Answers must be flawless.
//!
//! Pure.

/// The plain requests that some bytes begin with.
#[derive(Debug, Default)]
pub(super) struct AllAsked {
    pub(super) requests: Vec<Asked>,
    /// Whether nothing follows them.
    pub(super) is_all: bool,
}

/// A whole request about which there can be no two opinions.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) is_head: bool,
    /// Its body, if it asks for a greeting and has no headers that could change the answer.
    pub(super) greeting: Option<Vec<u8>>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) closes: bool,
    pub(super) body: Vec<u8>,
}

/// Reads plain requests up to the first that is not.
pub(super) fn asked(mut bytes: &[u8]) -> AllAsked {
    let mut all = AllAsked::default();
    while let Some((request, rest)) = one_asked(bytes) {
        all.requests.push(request);
        bytes = rest;
    }
    all.is_all = bytes.is_empty();
    all
}

/// Whether some bytes may open a stream.
pub(super) fn names_stream(bytes: &[u8]) -> bool {
    bytes.windows(STREAM.len()).any(|window| window == STREAM)
}

fn one_asked(bytes: &[u8]) -> Option<(Asked, &[u8])> {
    let (head, rest) = head(bytes)?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    let is_plain = METHODS.contains(&method) && version == "HTTP/1.1" && words.next().is_none();
    if !is_plain || !path.starts_with('/') || !path.bytes().all(is_path) {
        return None;
    }
    let (mut length, mut is_usual) = (None, true);
    for (index, line) in lines.enumerate() {
        let (name, value) = line.split_once(": ")?;
        let name = name.to_ascii_lowercase();
        let is_token =
            !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
        let is_text = !value.is_empty() && value.bytes().all(|it| it.is_ascii_graphic());
        if !is_token || !is_text || index >= HEADERS || FRAMING.contains(&&*name) {
            return None;
        }
        match &*name {
            "content-length" if length.is_none() && value.len() <= 5 => {
                length = Some(
                    value.bytes().all(|it| it.is_ascii_digit()).then(|| value.parse().ok())??,
                );
            }
            "content-length" => return None,
            "host" => {}
            "content-type" if value.eq_ignore_ascii_case("application/json") => {}
            _ => is_usual = false,
        }
    }
    let (body, rest) = rest.split_at_checked(length.unwrap_or(0))?;
    // A stream is not answered request by request.
    let whole = &bytes[..bytes.len() - rest.len()];
    if names_stream(whole) {
        return None;
    }
    let is_greeting = method == "POST" && matches!(path, "/Greeter/Hello" | "/Greeter.Hello");
    let greeting = (is_greeting && is_usual).then(|| body.to_vec());
    Some((Asked { is_head: method == "HEAD", greeting }, rest))
}

/// Reads answers; the first ones are to requests of which `is_head` tells.
///
/// # Panics
/// When one is not as it must be. Those to requests that nobody knows are looked at less closely.
pub(super) fn answers(mut bytes: &[u8], is_head: &[bool]) -> Vec<Answer> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let Some(is_head) = is_head.get(all.len()) else {
            // To a request with `HEAD` or `Expect`, perhaps.
            assert!(bytes.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(bytes));
            break;
        };
        let (answer, rest) = one_answer(bytes, *is_head);
        all.push(answer);
        bytes = rest;
    }
    all
}

fn one_answer(bytes: &[u8], is_head: bool) -> (Answer, &[u8]) {
    let wrong = || format!("not an answer: {}", String::from_utf8_lossy(bytes));
    let (head, rest) = head(bytes).unwrap_or_else(|| panic!("{}", wrong()));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let code = status.and_then(|line| line.get(..3)?.parse().ok());
    let mut answer =
        Answer { code: code.unwrap_or_else(|| panic!("{}", wrong())), closes: false, body: vec![] };
    let mut length = None;
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}", wrong()));
        match &*name.to_ascii_lowercase() {
            "content-length" => assert_eq!(length.replace(value.parse().ok()), None, "{}", wrong()),
            "transfer-encoding" => panic!("{}", wrong()),
            "connection" => answer.closes = value == "close",
            _ => {}
        }
    }
    // That of an answer to `HEAD` is of what is not sent, and may be left out.
    let length = if is_head { Some(0) } else { length.flatten() };
    let length = length.unwrap_or_else(|| panic!("no length: {}", wrong()));
    let (body, rest) = rest.split_at_checked(length).unwrap_or_else(|| panic!("{}", wrong()));
    answer.body = body.to_vec();
    (answer, rest)
}

/// A head without the empty line that ends it, if it is text.
fn head(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(4).take(HEAD).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]))
}

fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_')
}

const METHODS: &[&str] = &["POST", "GET", "HEAD", "PUT", "DELETE"];

/// Headers that change where a request or its connection ends.
const FRAMING: &[&str] = &["connection", "expect", "transfer-encoding", "upgrade", "te"];

/// In the name of the endpoint that is one.
const STREAM: &[u8] = b"Chat";

/// Less than any limit of the door.
const HEADERS: usize = 50;
const HEAD: usize = 16 * 1024;
