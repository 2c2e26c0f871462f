//! Reads the options in `#[endpoint(…)]`.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, DeriveInput, Error, LitBool, LitStr, Meta, Path, Result, Token, Type};

use crate::{name, spelling};

/// What a user wrote in `#[endpoint(…)]`, complete and checked.
pub(crate) struct Options {
    pub(crate) name: LitStr,
    pub(crate) reply: Type,
    /// What the client of a stream sends; only a stream has it.
    pub(crate) item: Option<Type>,
    pub(crate) idempotent: bool,
    pub(crate) library: Path,
}

impl Options {
    /// Reads the options of `input`; reports everything that is missing at once.
    pub(crate) fn of(input: &DeriveInput) -> Result<Self> {
        let mut written = Written::default();
        let mut place = None;
        for attribute in input.attrs.iter().filter(|each| each.path().is_ident("endpoint")) {
            written.read(attribute)?;
            place.get_or_insert(attribute.path());
        }
        let message = &input.ident;
        let Some(place) = place else {
            return Err(Error::new_spanned(message, missing_attribute(&message.to_string())));
        };
        let name = written.name(place, &message.to_string());
        let item = written.checked_item(place);
        let reply = written.reply.ok_or_else(|| {
            Error::new_spanned(place, format!("the reply is missing; add {}", reply_of(message)))
        });
        let (name, (reply, item)) = both(name, both(reply, item))?;
        Ok(Self {
            name,
            reply,
            item,
            idempotent: written.idempotent.unwrap_or(false),
            library: written.library.unwrap_or_else(|| syn::parse_quote!(::callboard)),
        })
    }
}

/// What was seen so far.
#[derive(Default)]
struct Written {
    name: Option<LitStr>,
    reply: Option<Type>,
    item: Option<Type>,
    stream: Option<bool>,
    idempotent: Option<bool>,
    library: Option<Path>,
}

impl Written {
    fn read(&mut self, attribute: &Attribute) -> Result<()> {
        if !matches!(attribute.meta, Meta::List(_)) {
            let text = "options stand in parentheses: \
                        `#[endpoint(name = \"Service.Method\", reply = Type)]`";
            return Err(Error::new_spanned(&attribute.meta, text));
        }
        attribute.parse_nested_meta(|option| self.option(&option))
    }

    fn option(&mut self, option: &ParseNestedMeta<'_>) -> Result<()> {
        let path = &option.path;
        let known = path.get_ident().map(ToString::to_string).unwrap_or_default();
        match known.as_str() {
            "name" => once(&mut self.name, path, text(option, NAME)?),
            "reply" => once(&mut self.reply, path, type_of(option, REPLY)?),
            "item" => once(&mut self.item, path, type_of(option, ITEM)?),
            "stream" => once(&mut self.stream, path, flag(option, STREAM)?),
            "idempotent" => once(&mut self.idempotent, path, flag(option, IDEMPOTENT)?),
            "crate" => once(&mut self.library, path, library(option)?),
            _ => Err(Error::new_spanned(path, unknown(path))),
        }
    }

    /// What the client of a stream sends; nothing for what is no stream.
    fn checked_item(&self, place: &Path) -> Result<Option<Type>> {
        let text = match (self.stream.unwrap_or(false), &self.item) {
            (true, None) => {
                "the item is missing; add `item = Type`, what the client sends, or `item = ()`"
            }
            (false, Some(_)) => "only a stream has items; add `stream`, or remove `item`",
            (true, Some(_)) if self.idempotent == Some(true) => {
                "a stream is never repeated once a node has taken it; remove `idempotent`"
            }
            (_, item) => return Ok(item.clone()),
        };
        Err(Error::new_spanned(place, text))
    }

    fn name(&self, place: &Path, message: &str) -> Result<LitStr> {
        let Some(name) = &self.name else {
            let text = format!("the name is missing; add `name = \"MyService.{message}\"`");
            return Err(Error::new_spanned(place, text));
        };
        match name::objection(&name.value(), message) {
            Some(objection) => Err(Error::new(name.span(), objection)),
            None => Ok(name.clone()),
        }
    }
}

// ===== Values =====

pub(crate) fn text(option: &ParseNestedMeta<'_>, form: &'static str) -> Result<LitStr> {
    let value = value(option, form)?;
    value.parse().map_err(|error| Error::new(error.span(), form))
}

fn type_of(option: &ParseNestedMeta<'_>, form: &'static str) -> Result<Type> {
    let value = value(option, form)?;
    if value.peek(LitStr) {
        let text: LitStr = value.parse()?;
        return text.parse().map_err(|_| Error::new(text.span(), form));
    }
    value.parse().map_err(|error| Error::new(error.span(), form))
}

fn flag(option: &ParseNestedMeta<'_>, form: &'static str) -> Result<bool> {
    if option.input.is_empty() || option.input.peek(Token![,]) {
        return Ok(true);
    }
    let literal = value(option, form)?.parse::<LitBool>();
    literal.map(|literal| literal.value).map_err(|error| Error::new(error.span(), form))
}

pub(crate) fn library(option: &ParseNestedMeta<'_>) -> Result<Path> {
    const FORM: &str = "`crate` is a path: write `crate = ::callboard`";
    let value = value(option, FORM)?;
    if value.peek(LitStr) {
        let text: LitStr = value.parse()?;
        return text.parse_with(Path::parse_mod_style).map_err(|_| Error::new(text.span(), FORM));
    }
    value.call(Path::parse_mod_style).map_err(|error| Error::new(error.span(), FORM))
}

/// What stands behind the `=`; the error says the form that was expected.
fn value<'a>(option: &ParseNestedMeta<'a>, form: &str) -> Result<syn::parse::ParseStream<'a>> {
    if !option.input.peek(Token![=]) {
        return Err(Error::new_spanned(&option.path, form));
    }
    option.value()
}

pub(crate) fn once<T>(place: &mut Option<T>, path: &Path, value: T) -> Result<()> {
    if place.replace(value).is_some() {
        let text = format!("`{}` is given twice; keep one", written(path));
        return Err(Error::new_spanned(path, text));
    }
    Ok(())
}

// ===== Texts =====

fn unknown(path: &Path) -> String {
    let word = written(path);
    match spelling::nearest(&word, KNOWN) {
        Some(meant) => format!("unknown option `{word}`; did you mean `{meant}`?"),
        None => format!("unknown option `{word}`; known are `{}`", KNOWN.join("`, `")),
    }
}

fn missing_attribute(message: &str) -> String {
    format!(
        "an endpoint has a name and a reply; add \
         `#[endpoint(name = \"MyService.{message}\", reply = {message}Reply)]`"
    )
}

fn reply_of(message: &syn::Ident) -> String {
    format!("`reply = {message}Reply`, the type that the handler returns, or `reply = ()`")
}

fn written(path: &Path) -> String {
    let segments: Vec<String> = path.segments.iter().map(|each| each.ident.to_string()).collect();
    segments.join("::")
}

fn both<T, U>(left: Result<T>, right: Result<U>) -> Result<(T, U)> {
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        (Err(mut left), Err(right)) => {
            left.combine(right);
            Err(left)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

const NAME: &str = "`name` is a string: write `name = \"Service.Method\"`";

const REPLY: &str = "`reply` is a type: write `reply = HelloReply`, or `reply = ()` for nothing";

const ITEM: &str = "`item` is a type: write `item = Ping`, or `item = ()` for nothing";

const STREAM: &str = "`stream` is a flag: write `stream` or `stream = true`";

const IDEMPOTENT: &str = "`idempotent` is a flag: write `idempotent` or `idempotent = true`";

/// In the order in which they are documented.
const KNOWN: &[&str] = &["name", "reply", "idempotent", "stream", "item", "crate"];

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};
    use syn::parse_quote;

    use super::*;

    fn tokens(tokens: &impl ToTokens) -> String {
        tokens.to_token_stream().to_string()
    }

    fn error(input: &DeriveInput) -> String {
        let error = Options::of(input).err().unwrap();
        error.into_iter().map(|each| each.to_string()).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn reads_every_option() {
        let options = Options::of(&parse_quote! {
            #[endpoint(name = "A.B", reply = Vec<u8>, idempotent = true, crate = crate::inner)]
            struct Hello;
        });
        let Options { name, reply, item, idempotent, library } = options.unwrap();
        assert!(item.is_none());
        assert_eq!(name.value(), "A.B");
        assert_eq!(tokens(&reply), tokens(&quote!(Vec<u8>)));
        assert!(idempotent);
        assert_eq!(tokens(&library), tokens(&quote!(crate::inner)));
    }

    #[test]
    fn a_call_is_not_repeated_unless_the_message_says_so() {
        let plain: DeriveInput = parse_quote!(
            #[endpoint(name = "A.B", reply = ())]
            struct Hello;
        );
        assert!(!Options::of(&plain).unwrap().idempotent);
        let flag: DeriveInput = parse_quote!(
            #[endpoint(idempotent, name = "A.B", reply = ())]
            struct Hello;
        );
        assert!(Options::of(&flag).unwrap().idempotent);
    }

    #[test]
    fn a_stream_says_what_its_items_are() {
        let options = Options::of(&parse_quote! {
            #[endpoint(stream, name = "A.B", item = "Vec<u8>", reply = ())]
            struct Hello;
        });
        assert_eq!(tokens(&options.unwrap().item), tokens(&quote!(Vec<u8>)));
        assert_eq!(
            error(&parse_quote!(
                #[endpoint(stream, name = "A.B", reply = ())]
                struct Hello;
            )),
            "the item is missing; add `item = Type`, what the client sends, or `item = ()`"
        );
        assert_eq!(
            error(&parse_quote!(
                #[endpoint(name = "A.B", item = u8, reply = ())]
                struct Hello;
            )),
            "only a stream has items; add `stream`, or remove `item`"
        );
        assert_eq!(
            error(&parse_quote!(
                #[endpoint(stream, idempotent, name = "A.B", item = u8, reply = ())]
                struct Hello;
            )),
            "a stream is never repeated once a node has taken it; remove `idempotent`"
        );
    }

    #[test]
    fn types_and_paths_may_be_strings() {
        let options = Options::of(&parse_quote! {
            #[endpoint(name = "A.B", reply = "Vec<u8>", crate = "::other")]
            struct Hello;
        });
        let options = options.unwrap();
        assert_eq!(tokens(&options.reply), tokens(&quote!(Vec<u8>)));
        assert_eq!(tokens(&options.library), tokens(&quote!(::other)));
    }

    #[test]
    fn options_may_be_spread_over_attributes() {
        let input: DeriveInput = parse_quote!(
            #[endpoint(name = "A.B")]
            #[endpoint(reply = ())]
            struct Hello;
        );
        assert!(Options::of(&input).is_ok());
        let twice: DeriveInput = parse_quote!(
            #[endpoint(name = "A.B")]
            #[endpoint(name = "A.B")]
            struct Hello;
        );
        assert_eq!(error(&twice), "`name` is given twice; keep one");
    }

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        assert_eq!(
            error(&parse_quote!(
                #[endpoint()]
                struct Hello;
            )),
            "the name is missing; add `name = \"MyService.Hello\"` | the reply is missing; add \
             `reply = HelloReply`, the type that the handler returns, or `reply = ()`"
        );
    }

    #[test]
    fn an_unknown_option_finds_the_known_ones() {
        assert_eq!(
            error(&parse_quote!(
                #[endpoint(nam = "A.B")]
                struct Hello;
            )),
            "unknown option `nam`; did you mean `name`?"
        );
        assert_eq!(
            error(&parse_quote!(
                #[endpoint(timeout)]
                struct Hello;
            )),
            "unknown option `timeout`; known are `name`, `reply`, `idempotent`, `stream`, `item`, \
             `crate`"
        );
    }
}
