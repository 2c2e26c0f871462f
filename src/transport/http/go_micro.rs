//! Calls by Go Micro's clients, of 2016 and of today.
//!
//! Answers are always 200: what went wrong is in the envelope of 2016, or in a header today. What
//! Go Micro closes the connection for is answered, and the connection stays open.
//!
//! Pure.

use bytes::{BufMut, Bytes, BytesMut};
use callboard_actors::Status;
use callboard_actors::message::{Message, Refusal};
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::answer::Answer;
use super::ask::Called;
use super::dialect::Trouble;
use super::head::{Fields, Head, text};
use super::headers::{add_metadata, is_go_micros};
use super::host::Host;
use crate::codec::{Generation, MediaType, bson_rpc, json_rpc, proto_rpc};

/// A call over Go Micro's wire.
pub(super) struct GoMicro {
    generation: Generation,
    form: Form,
    /// Repeated in the answer.
    content_type: HeaderValue,
    /// From the headers, or from the envelope once that has been opened.
    method: String,
    /// Of the envelope, once that has been opened.
    id: Id,
}

/// How the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Protobuf,
    JsonRpc,
    ProtoRpc,
    /// As a plugin of Go Micro has it, with the same bytes in both generations.
    BsonRpc,
}

/// What a further message of a stream holds.
pub(super) enum Next {
    Item(Bytes),
    /// There are no more.
    End,
}

/// The number of a request within its envelope.
#[derive(Debug, Clone)]
pub(super) enum Id {
    None,
    Json(Bytes),
    Proto(u64),
    Bson(bson_rpc::Seq),
}

impl GoMicro {
    /// The call that a request is, if it is one by Go Micro's rules.
    pub(super) fn of(head: &Head<'_>) -> Option<Result<Self, Box<Answer>>> {
        let fields = head.fields;
        let is_early = *head.method == Method::POST && head.path == "/";
        // Looking for each of them costs more.
        if !is_early && !fields.iter().any(|(name, _)| is_go_micros(name)) {
            return None;
        }
        let method = ["micro-endpoint", "micro-method"].iter().find_map(|name| said(fields, name));
        let generation = if method.is_some() || said(fields, "micro-service").is_some() {
            Generation::Current
        } else if is_early {
            Generation::Early
        } else {
            return None;
        };
        let Some((form, content_type)) = form(generation, fields) else {
            return Some(Err(Box::new(unsupported(generation, fields))));
        };
        let method = method.unwrap_or_default();
        Some(Ok(Self { generation, form, content_type, method, id: Id::None }))
    }

    pub(super) fn open(&mut self, body: Bytes) -> Result<(Called, Bytes), Box<Answer>> {
        let body = match self.unwrap(body) {
            Ok(body) => body,
            Err(text) => return Err(Box::new(self.error(&text))),
        };
        if self.method.matches('.').count() != 1 {
            let what = match self.generation {
                Generation::Early => "service/method",
                Generation::Current => "service/endpoint",
            };
            let text = format!("rpc: {what} request ill-formed: {}", self.method);
            return Err(Box::new(self.error(&text)));
        }
        let content_type = match self.form {
            Form::Json | Form::JsonRpc => "application/json",
            Form::Protobuf | Form::ProtoRpc => "application/protobuf",
            Form::BsonRpc => "application/bson",
        };
        let called = Called { endpoint: self.method.clone(), content_type: content_type.into() };
        Ok((called, body))
    }

    /// Takes the message out of its envelope, and notes what that says.
    fn unwrap(&mut self, body: Bytes) -> Result<Bytes, String> {
        Ok(match self.form {
            // An empty message has an empty body, whatever its fields are.
            Form::Json if body.is_empty() => Bytes::from_static(b"{}"),
            Form::Json | Form::Protobuf => body,
            Form::JsonRpc => {
                let request = json_rpc::decode_request(&body).map_err(|error| error.to_string())?;
                self.id = Id::Json(request.id);
                self.take_method(request.method);
                request.body
            }
            Form::ProtoRpc => {
                let request =
                    proto_rpc::decode_request(&body).map_err(|error| error.to_string())?;
                self.id = Id::Proto(request.id);
                self.take_method(request.method);
                request.body
            }
            Form::BsonRpc => {
                let request = bson_rpc::decode_request(&body).map_err(|error| error.to_string())?;
                self.id = Id::Bson(request.id);
                self.take_method(request.method);
                request.body
            }
        })
    }

    /// The header names what is called; the envelope does where there is none.
    fn take_method(&mut self, method: String) {
        if self.method.is_empty() {
            self.method = method;
        }
    }

    /// The engine's answer.
    pub(super) fn answer(&self, message: Message, host: Host<'_>) -> Answer {
        match message {
            Message::Reply { body, metadata, .. } => {
                let mut answer = self.reply(&body);
                add_metadata(&mut answer, &metadata);
                answer
            }
            Message::Status { status, refusal, .. } => {
                self.error(&self.text(&status, refusal, host))
            }
            _ => self.error("the node did not answer"),
        }
    }

    /// What one more message of a stream holds.
    ///
    /// # Errors
    /// The text says what is wrong with it.
    pub(super) fn next(&mut self, fields: Fields<'_>, body: Bytes) -> Result<Next, String> {
        if said(fields, "micro-error").as_deref() == Some(END_OF_STREAM) {
            return Ok(Next::End);
        }
        let form = form(self.generation, fields).map(|(form, _)| form);
        if form != Some(self.form) {
            return Err("all messages of a stream have one content type".into());
        }
        self.unwrap(body).map(Next::Item)
    }

    /// The last answer of a stream that ended in order, if it was opened by this request.
    pub(super) fn end(&self) -> Answer {
        self.error(END_OF_STREAM)
    }

    /// The number of the message that was opened last.
    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    /// Answers another message from here on.
    pub(super) fn set_id(&mut self, id: Id) {
        self.id = id;
    }

    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    pub(super) fn trouble(&self, trouble: &Trouble) -> Answer {
        let mut answer = self.error(&as_text(&trouble.status()));
        if trouble.is_final() {
            answer.close();
        }
        answer
    }

    pub(super) fn reply(&self, body: &Bytes) -> Answer {
        let (generation, method) = (self.generation, &*self.method);
        self.respond(match &self.id {
            Id::Json(id) => json_rpc::encode_reply(id, body),
            Id::Proto(seq) => proto_rpc::encode_reply(generation, method, *seq, body),
            Id::Bson(seq) => bson_rpc::encode_reply(method, seq, body),
            Id::None if self.form == Form::Json => {
                let mut line = BytesMut::with_capacity(body.len() + 1);
                line.put_slice(body);
                line.put_u8(b'\n');
                line.freeze()
            }
            Id::None => body.clone(),
        })
    }

    pub(super) fn error(&self, text: &str) -> Answer {
        let (generation, method) = (self.generation, &*self.method);
        let mut answer = self.respond(match (&self.id, self.form) {
            (Id::Json(id), _) => json_rpc::encode_error(generation, id, text),
            (Id::Proto(seq), _) => proto_rpc::encode_error(generation, method, *seq, text),
            (Id::Bson(seq), _) => bson_rpc::encode_error(method, seq, text),
            // The envelope could not be opened.
            (Id::None, Form::JsonRpc) => json_rpc::encode_error(generation, b"null", text),
            (Id::None, Form::ProtoRpc) => proto_rpc::encode_error(generation, method, 0, text),
            (Id::None, Form::BsonRpc) => {
                bson_rpc::encode_error(method, &bson_rpc::Seq::default(), text)
            }
            (Id::None, Form::Json | Form::Protobuf) => Bytes::new(),
        });
        if self.generation == Generation::Current {
            let line: String =
                text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
            if let Ok(value) = HeaderValue::from_str(&line) {
                answer.set(HeaderName::from_static("micro-error"), value.clone());
                answer.set(HeaderName::from_static("x-micro-error"), value);
            }
        }
        answer
    }

    fn respond(&self, body: Bytes) -> Answer {
        let mut answer = Answer::new(body);
        answer.set(CONTENT_TYPE, self.content_type.clone());
        answer
    }

    /// How an error is told: Go Micro's own words where it has some, else the status as JSON.
    fn text(&self, status: &Status, refusal: Option<Refusal>, host: Host<'_>) -> String {
        let (service, method) = self.method.split_once('.').unwrap_or((&self.method, ""));
        match refusal {
            Some(Refusal::UnknownEndpoint) => {
                let (what, name) = if host.has_service(service) {
                    ("method", method)
                } else {
                    ("service", service)
                };
                match self.generation {
                    Generation::Early => format!("rpc: can't find {what} {}", self.method),
                    Generation::Current => format!("rpc: can't find {what} {name}"),
                }
            }
            Some(Refusal::Undecodable) => status.detail.clone(),
            _ => as_text(status),
        }
    }
}

/// A header of today's Go Micro, which may be written with an `X-` before it.
fn said(fields: Fields<'_>, name: &str) -> Option<String> {
    let value = fields.get(name).or_else(|| fields.get(&format!("x-{name}")))?;
    text(value).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// How the body of a content type is written, and what the answer says of it.
fn form(generation: Generation, fields: Fields<'_>) -> Option<(Form, HeaderValue)> {
    let Some(value) = fields.get(CONTENT_TYPE.as_str()) else {
        let default = (Form::Protobuf, HeaderValue::from_static("application/protobuf"));
        return (generation == Generation::Current).then_some(default);
    };
    let media_type = MediaType::parse(text(value)?).ok()?;
    let form = match (generation, media_type.essence()) {
        (Generation::Current, "application/json") => Form::Json,
        (Generation::Current, "application/protobuf") => Form::Protobuf,
        (_, "application/json" | "application/json-rpc") => Form::JsonRpc,
        (_, "application/bson" | "application/bson-rpc" | "application/bsonrpc") => Form::BsonRpc,
        (_, "application/proto-rpc")
        | (Generation::Early, "application/protobuf" | "application/octet-stream") => {
            Form::ProtoRpc
        }
        _ => return None,
    };
    Some((form, HeaderValue::from_bytes(value).ok()?))
}

fn unsupported(generation: Generation, fields: Fields<'_>) -> Answer {
    let content_type = fields.get(CONTENT_TYPE.as_str()).unwrap_or_default();
    let begin = match generation {
        Generation::Early => "Unsupported",
        Generation::Current => "unsupported",
    };
    let text = format!("{begin} Content-Type: {}", String::from_utf8_lossy(content_type));
    let mut answer = Answer::new(text);
    answer.set(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

/// What stands for an error where a stream ends in order.
const END_OF_STREAM: &str = "EOS";

fn as_text(status: &Status) -> String {
    // Four fields of a struct can always be written.
    serde_json::to_string(status).unwrap_or_else(|_| status.detail.clone())
}
