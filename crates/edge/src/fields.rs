//! The fields of a JSON body. They are checked one by one, and all problems are reported at once.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::RangeInclusive;

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Code, Error, Problem};
use crate::i_json;
use crate::json::{Compact, MAX_DEPTH};
use crate::query::{misspelled, plain};

/// Fields that only the server sets. They are dropped from a body, so a reader may trust them.
const RESERVED: [&str; 3] = ["id", "timestamp", "username"];

/// A JSON object whose fields are taken out one by one.
pub struct Fields<'a> {
    /// The fields that were not asked for yet.
    left: Members<'a>,
    problems: Vec<Problem>,
}

/// The members of an object, in their order. If a name is repeated, its last value counts, as in
/// JavaScript.
type Members<'a> = IndexMap<Name<'a>, Given<'a>>;

/// The value of a field.
struct Given<'a> {
    value: &'a RawValue,
    /// Whether an earlier value of the same name was a different one.
    contradicts: bool,
}

/// The name of a field. It borrows from the body, unless it is written there with escapes. It is
/// hashed as its text is, because it is looked up by its text.
#[derive(PartialEq, Eq, Hash, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// An object, as it is deserialized.
struct Object<'a>(Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    match members.entry(name) {
                        Entry::Vacant(entry) => drop(entry.insert(Given { value, contradicts: false })),
                        Entry::Occupied(mut entry) => {
                            let before = entry.get();
                            let contradicts = before.contradicts || before.value.get() != value.get();
                            entry.insert(Given { value, contradicts });
                        }
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Reader).map(Self)
    }
}

impl<'a> Fields<'a> {
    /// Reads a body that must be one JSON object.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        if body.trim_ascii_start().first() != Some(&b'{') {
            parse(body)?;
            return Err(Error::field("body", "must be a JSON object"));
        }
        match serde_json::from_slice(body) {
            Ok(Object(left)) => {
                i_json::check(body)?;
                Ok(Self { left, problems: Vec::new() })
            }
            Err(error) => {
                // A name with an unpaired surrogate is JSON too; its error says where it is.
                parse(body)?;
                Err(not_json(body, &error))
            }
        }
    }

    /// Fails if the field has two different values, or if another field differs from `name` in
    /// nothing but case, `_` and `-`. For a field whose absence means something else.
    pub fn only_spelled(&self, name: &'static str) -> Result<(), Error> {
        if self.left.get(name).is_some_and(|given| given.contradicts) {
            return Err(Error::field(name, "is given twice, with different values"));
        }
        let meant = plain(name);
        match self.left.keys().find(|other| *other.0 != *name && plain(&other.0) == meant) {
            Some(other) => Err(Error::field(name, misspelled(name, &other.0))),
            None => Ok(()),
        }
    }

    /// Returns a string of `length` characters. It is empty if the field is missing or wrong, which
    /// [`Fields::finish`] then reports.
    pub fn text(&mut self, name: &'static str, length: RangeInclusive<usize>) -> String {
        let text = self.required(name);
        text.and_then(|text| self.checked(name, text, length)).unwrap_or_default()
    }

    /// Returns a string of `length` characters, if the field is there.
    pub fn maybe_text(&mut self, name: &'static str, length: RangeInclusive<usize>) -> Option<String> {
        let text = self.string(name)?;
        self.checked(name, text, length)
    }

    /// Returns a trimmed string, which has `length` characters once it is trimmed.
    pub fn trimmed(&mut self, name: &'static str, length: RangeInclusive<usize>) -> String {
        let text = self.required(name).map(|text| text.trim().to_owned());
        text.and_then(|text| self.checked(name, text, length)).unwrap_or_default()
    }

    /// Returns a name: 1–128 letters, digits and `-_.:@`.
    pub fn name(&mut self, name: &'static str) -> String {
        match self.required(name) {
            Some(text) if is_name(&text) => text,
            Some(_) => {
                self.problem(name, NOT_A_NAME);
                String::new()
            }
            None => String::new(),
        }
    }

    /// Returns one of `choices`, if the field is there.
    pub fn maybe_choice(&mut self, name: &'static str, choices: &[&'static str]) -> Option<&'static str> {
        let text = self.string(name)?;
        let choice = choices.iter().copied().find(|choice| *choice == text);
        if choice.is_none() {
            self.problem(name, format!("must be one of {}", choices.join(", ")));
        }
        choice
    }

    /// Returns a value of any type, if the field is there.
    pub fn maybe_raw(&mut self, name: &'static str) -> Option<Compact> {
        let given = self.left.shift_remove(name)?;
        let compact = Compact::new(given.value).ok();
        if compact.is_none() {
            self.problem(name, format!("nests deeper than {MAX_DEPTH} levels"));
        }
        compact
    }

    /// Whether the field is there and was not asked for yet.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Adds a problem.
    pub fn problem(&mut self, field: &'static str, problem: impl Into<String>) {
        self.problems.push(Problem { field: field.into(), problem: problem.into() });
    }

    /// Returns all fields that were not asked for, to be passed on as they came, except those that
    /// only the server sets.
    pub fn rest(&mut self) -> Vec<(String, Compact)> {
        let mut rest = Vec::with_capacity(self.left.len());
        for (name, given) in std::mem::take(&mut self.left) {
            if RESERVED.contains(&&*name.0) {
                continue;
            }
            match Compact::new(given.value) {
                Ok(compact) => rest.push((name.0.into_owned(), compact)),
                Err(_) => self.problems.push(Problem {
                    field: name.0.into_owned().into(),
                    problem: format!("nests deeper than {MAX_DEPTH} levels"),
                }),
            }
        }
        rest
    }

    /// Fails with all problems that were found, if there are any.
    pub fn finish(self) -> Result<(), Error> {
        if self.problems.is_empty() { Ok(()) } else { Err(Error::validation(self.problems)) }
    }

    fn required(&mut self, name: &'static str) -> Option<String> {
        if let Some(given) = self.left.shift_remove(name) {
            return self.read(name, given.value);
        }
        self.problem(name, "is required");
        None
    }

    fn string(&mut self, name: &'static str) -> Option<String> {
        let given = self.left.shift_remove(name)?;
        self.read(name, given.value)
    }

    fn read(&mut self, name: &'static str, value: &RawValue) -> Option<String> {
        let text = serde_json::from_str(value.get()).ok();
        if text.is_none() {
            self.problem(name, "must be a string");
        }
        text
    }

    fn checked(&mut self, name: &'static str, text: String, length: RangeInclusive<usize>) -> Option<String> {
        let chars = text.chars().count();
        if length.contains(&chars) {
            return Some(text);
        }
        let (least, most) = length.into_inner();
        self.problem(name, format!("must have {least} to {most} characters, it has {chars}"));
        None
    }
}

/// The problem of a text that is not a name ([`is_name`]).
pub const NOT_A_NAME: &str = "must be 1 to 128 letters, digits and -_.:@, and neither . nor ..";

/// Whether `text` may name an entity, a room or a service. `.` and `..` may not: browsers and
/// proxies remove them from a path (RFC 3986, section 5.2.4), which then is another path.
pub fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte))
        && !matches!(text, "." | "..")
}

/// Checks a name in a path or a query.
pub fn checked_name<'a>(field: &'static str, text: &'a str) -> Result<&'a str, Error> {
    if is_name(text) { Ok(text) } else { Err(Error::field(field, NOT_A_NAME)) }
}

/// Parses a whole body as one JSON value of any type.
pub fn parse(body: &[u8]) -> Result<&RawValue, Error> {
    if body.trim_ascii().is_empty() {
        return Err(Error::new(Code::InvalidJson, "The body is empty; send JSON"));
    }
    let value = serde_json::from_slice(body).map_err(|error| not_json(body, &error))?;
    i_json::check(body)?;
    Ok(value)
}

fn not_json(body: &[u8], error: &serde_json::Error) -> Error {
    let message = match body {
        [0xef, 0xbb, 0xbf, ..] => "The body begins with a UTF-8 byte order mark; send JSON without one".into(),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "The body is UTF-16; send JSON in UTF-8".into(),
        _ => format!("The body is not JSON: {error}"),
    };
    Error::new(Code::InvalidJson, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(fields: &Fields<'_>) -> Vec<String> {
        let told = |problem: &Problem| format!("{}: {}", problem.field, problem.problem);
        fields.problems.iter().map(told).collect()
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let mut fields = Fields::parse(br#"{"title":"","type":"loud","message":7}"#).unwrap();
        fields.text("title", 1..=200);
        fields.maybe_choice("type", &["info", "error"]);
        fields.text("message", 1..=10);
        fields.name("entity");
        assert_eq!(
            problems(&fields),
            [
                "title: must have 1 to 200 characters, it has 0",
                "type: must be one of info, error",
                "message: must be a string",
                "entity: is required"
            ]
        );
    }

    #[test]
    fn what_is_the_servers_is_not_passed_on() {
        let mut fields = Fields::parse(br#"{"id":1,"x": [ 1 ],"timestamp":2,"username":"root","y":2,"x":3}"#).unwrap();
        let rest: Vec<_> = fields.rest().iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
        assert_eq!(rest, ["x=3", "y=2"]);
    }

    #[test]
    fn a_field_whose_absence_means_something_else_is_taken_in_one_spelling_with_one_value() {
        let only = |body: &str| {
            let fields = Fields::parse(body.as_bytes()).unwrap();
            fields.only_spelled("targetUserId").map_err(|error| error.to_string())
        };
        for good in [r#"{"targetUserId":"a"}"#, "{}", r#"{"targetUserId":"a","targetUserId":"a"}"#, r#"{"userId":"a"}"#]
        {
            assert_eq!(only(good), Ok(()), "{good}");
        }
        for bad in ["targetUserID", "targetuserid", "target_user_id", "TARGET-USER-ID", "_targetUserId"] {
            let told = only(&format!(r#"{{"title":"T","{bad}":"a"}}"#)).unwrap_err();
            assert_eq!(told, format!("targetUserId: is meant by `{bad}`, it seems; write `targetUserId`"));
        }
        let told = only(r#"{"targetUserId":"a","targetUserId":"b","targetUserId":"b"}"#).unwrap_err();
        assert_eq!(told, "targetUserId: is given twice, with different values");
    }

    #[test]
    fn a_byte_order_mark_and_utf16_are_named() {
        let told = |body: &[u8]| Fields::parse(body).err().unwrap().to_string();
        assert!(told(b"\xef\xbb\xbf{}").contains("byte order mark"));
        assert!(told(b"\xff\xfe{\0}\0").contains("UTF-16"));
    }

    #[test]
    fn two_names_no_url_can_carry_are_none() {
        for good in ["general", "a.b", "...", ".a", "..a", "-", "a:b@c", &"x".repeat(128)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "é", "%2E%2E", &"x".repeat(129)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let mut fields = Fields::parse("{\"title\":\"ééé\"}".as_bytes()).unwrap();
        assert_eq!(fields.text("title", 1..=3), "ééé");
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn what_is_no_object_or_no_json_says_so() {
        let code = |body: &[u8]| Fields::parse(body).err().map(|error| error.code());
        assert_eq!(code(b"{bad"), Some(Code::InvalidJson));
        assert_eq!(code(b""), Some(Code::InvalidJson));
        assert_eq!(code(b"{} {}"), Some(Code::InvalidJson));
        assert_eq!(code(b"{\"a\":\"\xff\"}"), Some(Code::InvalidJson));
        for other in [&b"[1]"[..], b"1e999", br#""\ud800""#] {
            assert_eq!(code(other), Some(Code::ValidationFailed), "{other:?}");
        }
        assert_eq!(code(b" {} "), None);
    }
}
