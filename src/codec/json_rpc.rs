//! JSON-RPC envelopes as Go Micro writes them, in both its generations.
//!
//! Close to JSON-RPC 1.0: one document per message, an array of exactly one argument, and errors
//! that are strings. Reading is tolerant where Go is: keys in any order and case, unknown keys, ids
//! of any kind, further arguments.
//!
//! Pure.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{EnvelopeError, Generation, RequestEnvelope, ResponseEnvelope};

/// Writes a request; `body` must be JSON.
///
/// ```
/// use callboard::codec::{Generation, json_rpc};
///
/// let request = json_rpc::encode_request(Generation::Early, "Greeter.Hello", 0, b"{}");
/// assert_eq!(request, "{\"method\":\"Greeter.Hello\",\"params\":[{}],\"id\":0}\n");
/// ```
pub fn encode_request(generation: Generation, method: &str, id: u64, body: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(body.len() + method.len() + 64);
    let method = string(method);
    match generation {
        Generation::Early => {
            buffer.put_slice(b"{\"method\":");
            escape(method.as_bytes(), &mut buffer);
            buffer.put_slice(b",\"params\":[");
            escape(trimmed(body), &mut buffer);
            buffer.put_slice(format!("],\"id\":{id}}}\n").as_bytes());
        }
        Generation::Current => {
            buffer.put_slice(b"{\"params\":[");
            escape(trimmed(body), &mut buffer);
            buffer.put_slice(format!("],\"id\":\"{id}\",\"method\":").as_bytes());
            escape(method.as_bytes(), &mut buffer);
            buffer.put_slice(b"}\n");
        }
    }
    buffer.freeze()
}

/// Reads a request; its id is the JSON that was sent, `null` if there was none.
///
/// # Errors
/// [`EnvelopeError::Json`], [`EnvelopeError::Params`].
pub fn decode_request(bytes: &Bytes) -> Result<RequestEnvelope<Bytes>, EnvelopeError> {
    let fields: Fields<'_> = serde_json::from_slice(bytes).map_err(|error| json(&error))?;
    let method = match fields.method {
        None => String::new(),
        Some(raw) => serde_json::from_str(raw.get()).map_err(|error| json(&error))?,
    };
    let params = fields.params.ok_or(EnvelopeError::Params)?;
    let First(Some(first)) =
        serde_json::from_str(params.get()).map_err(|_| EnvelopeError::Params)?
    else {
        return Err(EnvelopeError::Params);
    };
    let id = fields.id.map_or(Bytes::from_static(b"null"), |raw| part(bytes, raw));
    Ok(RequestEnvelope { method, id, body: part(bytes, first) })
}

/// Writes the response with a value; `id` is the request's, `body` must be JSON.
pub fn encode_reply(id: &[u8], body: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(id.len() + body.len() + 48);
    buffer.put_slice(b"{\"id\":");
    escape(id, &mut buffer);
    buffer.put_slice(b",\"result\":");
    escape(trimmed(body), &mut buffer);
    buffer.put_slice(b",\"error\":null}\n");
    buffer.freeze()
}

/// Writes the response with an error's text.
///
/// The generations differ in what stands for the missing result.
pub fn encode_error(generation: Generation, id: &[u8], text: &str) -> Bytes {
    let mut buffer = BytesMut::with_capacity(id.len() + text.len() + 64);
    buffer.put_slice(b"{\"id\":");
    escape(id, &mut buffer);
    buffer.put_slice(match generation {
        Generation::Early => b",\"result\":{},\"error\":".as_slice(),
        Generation::Current => b",\"result\":null,\"error\":".as_slice(),
    });
    escape(string(text).as_bytes(), &mut buffer);
    buffer.put_slice(b"}\n");
    buffer.freeze()
}

/// Reads a response; its id is not looked at.
///
/// # Errors
/// [`EnvelopeError::Json`].
pub fn decode_response(bytes: &Bytes) -> Result<ResponseEnvelope, EnvelopeError> {
    let fields: Fields<'_> = serde_json::from_slice(bytes).map_err(|error| json(&error))?;
    let error = match fields.error.map(RawValue::get) {
        None | Some("null") => None,
        Some(raw) => Some(match serde_json::from_str::<String>(raw) {
            Ok(text) if text.is_empty() => "unspecified error".to_owned(),
            Ok(text) => text,
            Err(_) => format!("invalid error {raw}"),
        }),
    };
    let body = match fields.result {
        Some(result) if error.is_none() => part(bytes, result),
        _ => Bytes::new(),
    };
    Ok(ResponseEnvelope { error, body })
}

/// The members of either kind of message, whatever their order and case.
#[derive(Default)]
struct Fields<'a> {
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
        let mut fields = Fields::default();
        while let Some(mut key) = map.next_key::<String>()? {
            key.make_ascii_lowercase();
            let field = match &*key {
                "method" => &mut fields.method,
                "params" => &mut fields.params,
                "id" => &mut fields.id,
                "result" => &mut fields.result,
                "error" => &mut fields.error,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = Some(map.next_value()?);
        }
        Ok(fields)
    }
}

/// The first element of an array; further ones are ignored, as Go does.
struct First<'a>(Option<&'a RawValue>);

impl<'de> Deserialize<'de> for First<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FirstVisitor;
        impl<'de> Visitor<'de> for FirstVisitor {
            type Value = First<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<S: serde::de::SeqAccess<'de>>(
                self,
                mut seq: S,
            ) -> Result<First<'de>, S::Error> {
                let first = seq.next_element()?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(FirstVisitor)
    }
}

/// The bytes of a value, without copying them.
fn part(bytes: &Bytes, raw: &RawValue) -> Bytes {
    bytes.slice_ref(raw.get().as_bytes())
}

fn trimmed(body: &[u8]) -> &[u8] {
    let body = body.trim_ascii();
    if body.is_empty() { b"null" } else { body }
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends JSON with the characters escaped that Go escapes, so that it is safe inside of HTML.
///
/// Outside of strings JSON has none of them, so it need not be parsed.
fn escape(json: &[u8], buffer: &mut BytesMut) {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xE2)) {
        let (plain, special) = rest.split_at(at);
        buffer.put_slice(plain);
        let (escaped, length): (&[u8], _) = match special {
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            [0xE2, 0x80, 0xA8, ..] => (b"\\u2028", 3),
            [0xE2, 0x80, 0xA9, ..] => (b"\\u2029", 3),
            _ => (&special[..1], 1),
        };
        buffer.put_slice(escaped);
        rest = &special[length..];
    }
    buffer.put_slice(rest);
}

fn json(error: &serde_json::Error) -> EnvelopeError {
    EnvelopeError::Json(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were_sent() {
        for id in ["0", "18446744073709551615", "\"abc-1\"", "null", "{\"a\":1}"] {
            let text = format!("{{\"id\":{id},\"method\":\"A.B\",\"params\":[1]}}");
            let request = decode_request(&Bytes::from(text)).unwrap();
            assert_eq!(request.id, id);
        }
        let without = decode_request(&Bytes::from_static(b"{\"params\":[{}]}")).unwrap();
        assert_eq!((&*without.id, &*without.method), (b"null".as_slice(), ""));
    }

    #[test]
    fn keys_may_have_any_order_and_case_and_further_ones_are_ignored() {
        let text = b"{\"x\":{\"id\":9},\"PARAMS\":[ {\"a\":1} ,2],\"Method\":\"A.B\",\"ID\":3}";
        let request = decode_request(&Bytes::from_static(text)).unwrap();
        assert_eq!(request.method, "A.B");
        assert_eq!((&*request.id, &*request.body), (b"3".as_slice(), b"{\"a\":1}".as_slice()));
    }

    #[test]
    fn a_request_without_an_argument_is_refused() {
        for text in ["{}", "{\"params\":null}", "{\"params\":[]}", "{\"params\":{\"a\":1}}"] {
            let error = decode_request(&Bytes::from(text)).unwrap_err();
            assert_eq!(error, EnvelopeError::Params, "{text}");
        }
        for text in ["", "[", "{\"method\":1,\"params\":[1]}", "7"] {
            let error = decode_request(&Bytes::from(text)).unwrap_err();
            assert!(matches!(error, EnvelopeError::Json(_)), "{text}: {error}");
        }
    }

    #[test]
    fn what_would_be_unsafe_inside_of_html_is_escaped() {
        let text = "<b>&\u{2028}\u{2029}\u{20AC}</b>";
        let reply = encode_reply(b"0", string(text).as_bytes());
        let expected = "{\"id\":0,\"result\":\"\\u003cb\\u003e\\u0026\\u2028\\u2029\u{20AC}\\u003c/b\\u003e\",\"error\":null}\n";
        assert_eq!(reply, expected);
        let back = decode_response(&reply).unwrap();
        assert_eq!(serde_json::from_slice::<String>(&back.body).unwrap(), text);
    }

    #[test]
    fn an_error_is_a_text_whatever_was_sent() {
        let error = |json: &str| {
            let text = format!("{{\"id\":0,\"result\":null,\"error\":{json}}}");
            decode_response(&Bytes::from(text)).unwrap().error
        };
        assert_eq!(error("null"), None);
        assert_eq!(error("\"\"").as_deref(), Some("unspecified error"));
        assert_eq!(error("{\"a\":1}").as_deref(), Some("invalid error {\"a\":1}"));
        assert_eq!(error("\"EOS\"").as_deref(), Some("EOS"));
    }

    #[test]
    fn a_deep_document_is_left_to_the_codec() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!("{{\"x\":{deep},\"params\":[{deep},{deep}]}}");
        assert_eq!(decode_request(&Bytes::from(text)).unwrap().body, deep);
    }
}
