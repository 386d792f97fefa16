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
use crate::query::{misspelled, normalized};

/// Fields that only the server sets. They are dropped from a body, so a reader may trust them.
const RESERVED: [&str; 3] = ["id", "timestamp", "username"];

/// The fields of a JSON object. Each method that returns a field also removes it.
pub struct Fields<'a> {
    /// The fields that were not taken yet.
    remaining: Members<'a>,
    problems: Vec<Problem>,
}

/// The members of an object, in their order. If a name is repeated, its last value counts, as in
/// JavaScript.
type Members<'a> = IndexMap<Name<'a>, FieldValue<'a>>;

/// The value of a field.
struct FieldValue<'a> {
    value: &'a RawValue,
    /// Whether the name was repeated with different values.
    is_ambiguous: bool,
}

/// The name of a field. It borrows from the body, unless it is written there with escapes. Its hash
/// must be that of its text, because fields are looked up by text.
#[derive(PartialEq, Eq, Hash, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A wrapper that deserializes an object into its members.
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
                        Entry::Vacant(entry) => drop(entry.insert(FieldValue {
                            value,
                            is_ambiguous: false,
                        })),
                        Entry::Occupied(mut entry) => {
                            let before = entry.get();
                            let is_ambiguous =
                                before.is_ambiguous || before.value.get() != value.get();
                            entry.insert(FieldValue {
                                value,
                                is_ambiguous,
                            });
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
            Ok(Object(remaining)) => {
                i_json::check(body)?;
                Ok(Self {
                    remaining,
                    problems: Vec::new(),
                })
            }
            Err(error) => {
                // An unpaired surrogate in a name fails here, although it is JSON. The error of
                // this call says where it is.
                parse(body)?;
                Err(not_json(body, &error))
            }
        }
    }

    /// Fails if the field has two different values, or if the name of another field differs from
    /// `name` only by case, `_` and `-`. Used for a field whose absence changes the meaning of the
    /// body.
    pub fn check_spelling(&self, name: &'static str) -> Result<(), Error> {
        if self
            .remaining
            .get(name)
            .is_some_and(|given| given.is_ambiguous)
        {
            return Err(Error::field(name, "is given twice, with different values"));
        }
        let expected = normalized(name);
        match self
            .remaining
            .keys()
            .find(|other| *other.0 != *name && normalized(&other.0) == expected)
        {
            Some(other) => Err(Error::field(name, misspelled(name, &other.0))),
            None => Ok(()),
        }
    }

    /// Returns a string that is required, of `length` characters. If it is missing or wrong,
    /// returns an empty string, and [`Fields::finish`] will report the problem.
    pub fn text(&mut self, name: &'static str, length: RangeInclusive<usize>) -> String {
        let text = self.required(name);
        text.and_then(|text| self.checked(name, text, length))
            .unwrap_or_default()
    }

    /// Returns a string of `length` characters, if the field is present.
    pub fn maybe_text(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let text = self.string(name)?;
        self.checked(name, text, length)
    }

    /// Returns a string that is required, without the white space around it, of `length`
    /// characters. If it is missing or wrong, returns an empty string, and [`Fields::finish`] will
    /// report the problem.
    pub fn trimmed(&mut self, name: &'static str, length: RangeInclusive<usize>) -> String {
        let text = self.required(name).map(|text| text.trim().to_owned());
        text.and_then(|text| self.checked(name, text, length))
            .unwrap_or_default()
    }

    /// Returns a name that is required ([`is_name`]). If it is missing or wrong, returns an empty
    /// string, and [`Fields::finish`] will report the problem.
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

    /// Returns one of `choices`, if the field is present.
    pub fn maybe_choice(
        &mut self,
        name: &'static str,
        choices: &[&'static str],
    ) -> Option<&'static str> {
        let text = self.string(name)?;
        let choice = choices.iter().copied().find(|choice| *choice == text);
        if choice.is_none() {
            self.problem(name, format!("must be one of {}", choices.join(", ")));
        }
        choice
    }

    /// Returns a value of any type, if the field is present.
    #[inline]
    pub fn maybe_raw(&mut self, name: &'static str) -> Option<Compact> {
        let given = self.remaining.shift_remove(name)?;
        let compact = Compact::new(given.value).ok();
        if compact.is_none() {
            self.problem(name, format!("nests deeper than {MAX_DEPTH} levels"));
        }
        compact
    }

    /// Whether the field is present and was not taken yet.
    #[inline]
    pub fn has(&self, name: &str) -> bool {
        self.remaining.contains_key(name)
    }

    /// Adds a problem.
    pub fn problem(&mut self, field: &'static str, problem: impl Into<String>) {
        self.problems.push(Problem {
            field: field.into(),
            problem: problem.into(),
        });
    }

    /// Returns all fields that were not taken yet, except those that only the server sets. They are
    /// passed on as they came.
    pub fn rest(&mut self) -> Vec<(String, Compact)> {
        let mut rest = Vec::with_capacity(self.remaining.len());
        for (name, given) in std::mem::take(&mut self.remaining) {
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

    /// Fails if there are problems. The error reports all of them.
    #[inline]
    pub fn finish(self) -> Result<(), Error> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Error::validation(self.problems))
        }
    }

    /// Returns a string that is required. Records a problem if it is missing.
    fn required(&mut self, name: &'static str) -> Option<String> {
        if let Some(given) = self.remaining.shift_remove(name) {
            return self.read(name, given.value);
        }
        self.problem(name, "is required");
        None
    }

    fn string(&mut self, name: &'static str) -> Option<String> {
        let given = self.remaining.shift_remove(name)?;
        self.read(name, given.value)
    }

    fn read(&mut self, name: &'static str, value: &RawValue) -> Option<String> {
        let text = serde_json::from_str(value.get()).ok();
        if text.is_none() {
            self.problem(name, "must be a string");
        }
        text
    }

    /// Returns the text if its length is right. Records a problem if it is not.
    fn checked(
        &mut self,
        name: &'static str,
        text: String,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let chars = text.chars().count();
        if length.contains(&chars) {
            return Some(text);
        }
        let (min, max) = length.into_inner();
        self.problem(
            name,
            format!("must have {min} to {max} characters, it has {chars}"),
        );
        None
    }
}

/// What is wrong with a text that is not a name ([`is_name`]).
pub const NOT_A_NAME: &str = "must be 1 to 128 letters, digits and -_.:@, and neither . nor ..";

/// Whether `text` is a valid name of an entity, a room or a service: 1–128 letters, digits and
/// `-_.:@`. `.` and `..` are not valid, because browsers and proxies remove them from a path (RFC
/// 3986, section 5.2.4), which makes it another path.
pub fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte))
        && !matches!(text, "." | "..")
}

/// Checks a name in a path or a query.
pub fn checked_name<'a>(field: &'static str, text: &'a str) -> Result<&'a str, Error> {
    if is_name(text) {
        Ok(text)
    } else {
        Err(Error::field(field, NOT_A_NAME))
    }
}

/// Parses a whole body as one JSON value of any type.
pub fn parse(body: &[u8]) -> Result<&RawValue, Error> {
    if body.trim_ascii().is_empty() {
        return Err(Error::new(
            Code::InvalidJson,
            "The body is empty; send JSON",
        ));
    }
    let value = serde_json::from_slice(body).map_err(|error| not_json(body, &error))?;
    i_json::check(body)?;
    Ok(value)
}

/// The error for a body that is not JSON.
fn not_json(body: &[u8], error: &serde_json::Error) -> Error {
    let message = match body {
        [0xef, 0xbb, 0xbf, ..] => {
            "The body begins with a UTF-8 byte order mark; send JSON without one".into()
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "The body is UTF-16; send JSON in UTF-8".into(),
        _ => format!("The body is not JSON: {error}"),
    };
    Error::new(Code::InvalidJson, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(fields: &Fields<'_>) -> Vec<String> {
        let shown = |problem: &Problem| format!("{}: {}", problem.field, problem.problem);
        fields.problems.iter().map(shown).collect()
    }

    #[test]
    fn all_problems_are_reported_at_once() {
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
    fn fields_that_only_the_server_sets_are_not_passed_on() {
        let mut fields =
            Fields::parse(br#"{"id":1,"x": [ 1 ],"timestamp":2,"username":"root","y":2,"x":3}"#)
                .unwrap();
        let rest: Vec<_> = fields
            .rest()
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str()))
            .collect();
        assert_eq!(rest, ["x=3", "y=2"]);
    }

    #[test]
    fn a_field_with_another_spelling_or_with_two_values_is_refused() {
        let only = |body: &str| {
            let fields = Fields::parse(body.as_bytes()).unwrap();
            fields
                .check_spelling("targetUserId")
                .map_err(|error| error.to_string())
        };
        for good in [
            r#"{"targetUserId":"a"}"#,
            "{}",
            r#"{"targetUserId":"a","targetUserId":"a"}"#,
            r#"{"userId":"a"}"#,
        ] {
            assert_eq!(only(good), Ok(()), "{good}");
        }
        for bad in [
            "targetUserID",
            "targetuserid",
            "target_user_id",
            "TARGET-USER-ID",
            "_targetUserId",
        ] {
            let error = only(&format!(r#"{{"title":"T","{bad}":"a"}}"#)).unwrap_err();
            assert_eq!(
                error,
                format!("targetUserId: is misspelled as `{bad}`; write `targetUserId`")
            );
        }
        let error =
            only(r#"{"targetUserId":"a","targetUserId":"b","targetUserId":"b"}"#).unwrap_err();
        assert_eq!(error, "targetUserId: is given twice, with different values");
    }

    #[test]
    fn a_byte_order_mark_and_utf16_are_reported_as_such() {
        let error = |body: &[u8]| Fields::parse(body).err().unwrap().to_string();
        assert!(error(b"\xef\xbb\xbf{}").contains("byte order mark"));
        assert!(error(b"\xff\xfe{\0}\0").contains("UTF-16"));
    }

    #[test]
    fn dot_and_dot_dot_are_not_names() {
        for good in [
            "general",
            "a.b",
            "...",
            ".a",
            "..a",
            "-",
            "a:b@c",
            &"x".repeat(128),
        ] {
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
    fn a_body_that_is_not_an_object_or_not_json_is_refused() {
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
