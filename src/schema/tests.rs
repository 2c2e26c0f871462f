//! What is found out about types.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use callboard_actors::registry::Schema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use super::fingerprint::fingerprint;
use super::trace::outline;
use super::{describe, fingerprint_in, hash, schema};

/// A schema as nested text: `name:type{…}`.
fn text(schema: &Schema) -> String {
    let Schema { name, kind, values } = schema;
    let values: Vec<_> = values.iter().map(text).collect();
    let values =
        if values.is_empty() { String::new() } else { format!("{{{}}}", values.join(" ")) };
    format!("{name}:{kind}{values}")
}

fn described<T: DeserializeOwned>() -> String {
    text(&describe(&outline::<T>(true).expect("it can be traced"), "Top"))
}

/// The fingerprint, which must be there.
fn print<T: DeserializeOwned>() -> u64 {
    fingerprint(&outline::<T>(false).expect("it can be traced"))
}

#[allow(dead_code, reason = "only read")]
#[allow(clippy::struct_field_names, reason = "as in the service that was captured")]
mod kinds {
    use super::*;

    #[derive(Deserialize)]
    pub(super) struct Kitchen {
        i64: i64,
        dbl: f64,
        flag: bool,
        raw: Vec<u8>,
        inner_msg: Option<Inner>,
        inners: Vec<Inner>,
        nums: Vec<i64>,
        labels: HashMap<String, String>,
        pair: (u8, String),
        #[serde(rename = "snakeCase")]
        snake_case_name: String,
    }

    #[derive(Deserialize)]
    pub(super) struct Inner {
        inner_name: String,
        big: i64,
        deep: Option<Deep>,
    }

    #[derive(Deserialize)]
    pub(super) struct Deep {
        deeper: u8,
    }

    #[derive(Deserialize)]
    pub(super) enum Kind {
        Plain,
        Priced(Cents),
        Both(u8, u16),
        Named { text: String, other: Option<Other> },
    }

    #[derive(Deserialize)]
    pub(super) struct Cents(u32);

    #[derive(Deserialize)]
    pub(super) enum Other {
        First,
        Second(Vec<Kind>),
    }

    #[derive(Deserialize)]
    pub(super) struct Tree {
        name: String,
        parent: Option<Box<Tree>>,
        children: Vec<Tree>,
        by_name: BTreeMap<String, Tree>,
    }

    #[derive(Deserialize)]
    pub(super) enum Expression {
        Add(Box<Expression>, Box<Expression>),
        Call { name: String, arguments: Vec<Expression> },
        Number(i64),
    }

    #[derive(Deserialize)]
    pub(super) struct Forest(Vec<Forest>);

    #[derive(Deserialize)]
    pub(super) struct Page<T> {
        items: Vec<T>,
        next: Option<u64>,
    }

    #[derive(Deserialize)]
    pub(super) struct Pages {
        numbers: Page<u64>,
        texts: Page<String>,
    }

    #[derive(Deserialize)]
    pub(super) struct Renamed {
        #[serde(alias = "nombre", alias = "a_name")]
        name: String,
        #[serde(default, alias = "old")]
        age: u8,
    }

    #[derive(Deserialize)]
    pub(super) struct Demanding {
        count: NonZeroU32,
        address: IpAddr,
        wait: Duration,
        #[serde(deserialize_with = "date")]
        day: String,
        #[serde(deserialize_with = "date")]
        other_day: String,
    }

    fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() == 10 { Ok(text) } else { Err(D::Error::custom("not a date")) }
    }

    #[derive(Deserialize)]
    #[serde(tag = "type")]
    pub(super) enum Tagged {
        One { x: u8 },
    }
}

#[test]
fn a_message_is_described_as_go_micro_does() {
    let inner = "inner_name:string big:int64 deep:Deep";
    let expected = format!(
        "Top:Top{{i64:int64 dbl:float64 flag:bool raw:[]uint8{{uint8:uint8}} \
         inner_msg:Inner{{{inner}}} inners:[]Inner{{Inner:Inner}} nums:[]int64{{int64:int64}} \
         labels: pair:{{0:uint8 1:string}} snakeCase:string}}"
    );
    assert_eq!(described::<kinds::Kitchen>(), expected);
    assert_eq!(described::<String>(), "Top:string");
    assert_eq!(described::<Vec<kinds::Cents>>(), "Top:[]uint32{uint32:uint32}");
    assert_eq!(described::<()>(), "Top:");
}

#[test]
fn all_variants_of_all_enums_are_found() {
    let expected = "Top:Top{Plain: Priced:uint32 Both:{0:uint8 1:uint16} \
                    Named:{text:string other:Other}}";
    assert_eq!(described::<kinds::Kind>(), expected);
    assert_eq!(described::<kinds::Other>(), "Top:Top{First: Second:[]Kind{Kind:Kind}}");
    // The second variant of what is behind the last one of the first.
    print::<kinds::Kind>();
}

#[test]
fn types_within_themselves_have_an_end() {
    let expected = "Top:Top{name:string parent:Tree{name:string parent:Tree children:[]Tree by_name:} \
                    children:[]Tree{Tree:Tree} by_name:}";
    assert_eq!(described::<kinds::Tree>(), expected);
    assert!(
        described::<kinds::Expression>().starts_with("Top:Top{Add:{0:Expression 1:Expression}")
    );
    let _ = described::<kinds::Forest>();
    let prints = [print::<kinds::Tree>(), print::<kinds::Expression>(), print::<kinds::Forest>()];
    assert!(prints.iter().all(|it| prints.iter().filter(|other| *other == it).count() == 1));
}

#[test]
fn other_names_of_fields_are_not_fields() {
    assert_eq!(described::<kinds::Renamed>(), "Top:Top{name:string age:uint8}");
}

#[test]
fn values_that_types_demand_are_guessed() {
    let expected = "Top:Top{count:uint32 address:string wait:Duration{secs:uint64 nanos:uint32} \
                    day:string other_day:string}";
    assert_eq!(described::<kinds::Demanding>(), expected);
    print::<kinds::Demanding>();
}

#[test]
fn one_name_may_stand_for_types_of_several_parameters() {
    let numbers = "numbers:Page{items:[]uint64 next:uint64}";
    let texts = "texts:Page{items:[]string next:uint64}";
    assert_eq!(described::<kinds::Pages>(), format!("Top:Top{{{numbers} {texts}}}"));
}

#[test]
fn what_describes_itself_has_no_fingerprint() {
    assert_eq!(hash::<kinds::Tagged>(), None);
    assert_eq!(hash::<serde_json::Value>(), None);
    assert_eq!(schema::<kinds::Tagged>().name, "Tagged");
}

#[test]
fn who_panics_or_fails_has_none_either() {
    struct Grumpy;

    impl<'de> Deserialize<'de> for Grumpy {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("never");
        }
    }

    struct Never;

    impl<'de> Deserialize<'de> for Never {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?;
            Err(D::Error::custom("never"))
        }
    }

    assert_eq!((hash::<Grumpy>(), hash::<Never>()), (None, None));
    assert_eq!(schema::<Grumpy>(), Schema::from("Grumpy"));
    assert_eq!(schema::<Never>(), Schema::from("Never"));
}

#[allow(dead_code, reason = "only read")]
#[test]
fn a_fingerprint_differs_where_a_body_would_be_misread() {
    macro_rules! types {
        ($($text:ty),*) => { [$(print::<$text>()),*] };
    }
    mod one {
        use serde::Deserialize;
        macro_rules! message {
            ($name:ident { $($field:ident: $kind:ty),* }) => {
                #[derive(Deserialize)]
                pub(super) struct $name { $($field: $kind),* }
            };
        }
        message!(Base { width: u32, height: u32 });
        message!(Turned { height: u32, width: u32 });
        message!(Wider { width: u64, height: u32 });
        message!(Signed { width: i32, height: u32 });
        message!(More { width: u32, height: u32, depth: u32 });
        message!(Less { width: u32 });
        message!(Renamed { width: u32, tall: u32 });
        message!(Optional { width: u32, height: Option<u32> });
        message!(Many { width: u32, height: Vec<u32> });

        #[derive(Deserialize)]
        pub(super) enum Kind {
            A,
            B,
        }
        #[derive(Deserialize)]
        pub(super) enum Turn {
            B,
            A,
        }
        #[derive(Deserialize)]
        pub(super) enum Three {
            A,
            B,
            C,
        }
        #[derive(Deserialize)]
        pub(super) enum Filled {
            A,
            B(u8),
        }
        #[derive(Deserialize)]
        pub(super) enum Braced {
            A,
            B { x: u8 },
        }
    }
    let prints = types![
        one::Base, one::Turned, one::Wider, one::Signed, one::More, one::Less, one::Renamed,
        one::Optional, one::Many, one::Kind, one::Turn, one::Three, one::Filled, one::Braced,
        (u32, u32), [u32; 3], Vec<u32>, String, Vec<u8>, HashMap<u32, u32>, (), bool
    ];
    for (index, print) in prints.iter().enumerate() {
        let same = prints.iter().position(|other| other == print);
        assert_eq!(same, Some(index), "each of them looks different");
    }
}

#[allow(dead_code, reason = "only read")]
#[test]
fn a_fingerprint_is_the_same_where_both_sides_have_types_of_their_own() {
    #[derive(Deserialize)]
    struct Theirs {
        at: Point,
        name: String,
    }
    #[derive(Deserialize)]
    struct Point {
        x: i32,
        y: i32,
    }
    #[derive(Deserialize)]
    struct Ours {
        at: Place,
        name: Name,
    }
    #[derive(Deserialize)]
    struct Place {
        x: Length,
        y: i32,
    }
    #[derive(Deserialize)]
    struct Name(String);
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Length {
        metres: i32,
    }
    assert_eq!(print::<Theirs>(), print::<Ours>());
}

/// Nodes of different versions compare these numbers: they must never change.
#[test]
fn fingerprints_are_these_numbers() {
    let prints = [
        print::<kinds::Kitchen>(),
        print::<kinds::Kind>(),
        print::<kinds::Tree>(),
        print::<kinds::Demanding>(),
    ];
    let texts = prints.map(|print| format!("{print:016x}"));
    assert_eq!(
        texts,
        ["f4332b0abe437e0e", "3e1b96f99dbe26ff", "163b7f217df91ce2", "90b6e2405da02a96"]
    );
}

#[test]
fn a_fingerprint_goes_with_a_content_type() {
    assert_eq!(fingerprint_in("application/x-bincode; schema=00000000000000ff"), Some(255));
    assert_eq!(fingerprint_in("a/b;charset=utf-8; SCHEMA = \"1f\""), Some(31));
    for none in ["a/b", "a/b; schema", "a/b; schema=x", "a/b; other=12", "schema=1"] {
        assert_eq!(fingerprint_in(none), None, "{none}");
    }
}
