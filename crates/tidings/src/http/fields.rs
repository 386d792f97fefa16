//! The fields of a JSON body, checked one by one, all problems told at once.

use std::borrow::{Borrow, Cow};
use std::ops::RangeInclusive;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Code, Error, Problem};
use super::json::{Compact, MAX_DEPTH};

/// Fields that are the server's, whatever a body says: a reader may trust them.
const RESERVED: [&str; 3] = ["id", "timestamp", "username"];

/// A JSON object that is taken apart.
pub(crate) struct Fields<'a> {
    /// What was not asked for yet. Of a repeated name the last value counts, as in JavaScript.
    left: IndexMap<Name<'a>, &'a RawValue>,
    problems: Vec<Problem>,
}

/// A field's name, where it stands in the body unless that writes it with escapes. Hashed as its text is, by which it is found.
#[derive(PartialEq, Eq, Hash, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        if body.trim_ascii_start().first() != Some(&b'{') {
            parse(body)?;
            return Err(Error::field("body", "must be a JSON object"));
        }
        let left = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        Ok(Self { left, problems: Vec::new() })
    }

    /// A string with `length` characters. Empty if it is missing or wrong, which [`Fields::finish`] then tells.
    pub(crate) fn text(&mut self, name: &'static str, length: RangeInclusive<usize>) -> String {
        let text = self.required(name);
        text.and_then(|text| self.checked(name, text, length)).unwrap_or_default()
    }

    /// A string with `length` characters, if it is there.
    pub(crate) fn maybe_text(&mut self, name: &'static str, length: RangeInclusive<usize>) -> Option<String> {
        let text = self.string(name)?;
        self.checked(name, text, length)
    }

    /// A string that has `length` characters once it is trimmed.
    pub(crate) fn trimmed(&mut self, name: &'static str, length: RangeInclusive<usize>) -> String {
        let text = self.required(name).map(|text| text.trim().to_owned());
        text.and_then(|text| self.checked(name, text, length)).unwrap_or_default()
    }

    /// A name: 1–128 letters, digits and `-_.:@`.
    pub(crate) fn name(&mut self, name: &'static str) -> String {
        match self.required(name) {
            Some(text) if is_name(&text) => text,
            Some(_) => {
                self.problem(name, NOT_A_NAME);
                String::new()
            }
            None => String::new(),
        }
    }

    /// One of `choices`, if it is there.
    pub(crate) fn maybe_choice(&mut self, name: &'static str, choices: &[&'static str]) -> Option<&'static str> {
        let text = self.string(name)?;
        let choice = choices.iter().copied().find(|choice| *choice == text);
        if choice.is_none() {
            self.problem(name, format!("must be one of {}", choices.join(", ")));
        }
        choice
    }

    /// Any value, if it is there.
    pub(crate) fn maybe_raw(&mut self, name: &'static str) -> Option<Compact> {
        let value = self.left.shift_remove(name)?;
        let compact = Compact::new(value).ok();
        if compact.is_none() {
            self.problem(name, format!("nests deeper than {MAX_DEPTH} levels"));
        }
        compact
    }

    /// Whether the field is there and was not asked for yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Notes a problem.
    pub(crate) fn problem(&mut self, field: &'static str, problem: impl Into<String>) {
        self.problems.push(Problem { field: field.into(), problem: problem.into() });
    }

    /// What was not asked for, to be passed on as it came; without what is the server's.
    pub(crate) fn rest(&mut self) -> Vec<(String, Compact)> {
        let mut rest = Vec::with_capacity(self.left.len());
        for (name, value) in std::mem::take(&mut self.left) {
            if RESERVED.contains(&&*name.0) {
                continue;
            }
            match Compact::new(value) {
                Ok(compact) => rest.push((name.0.into_owned(), compact)),
                Err(_) => self.problems.push(Problem {
                    field: name.0.into_owned().into(),
                    problem: format!("nests deeper than {MAX_DEPTH} levels"),
                }),
            }
        }
        rest
    }

    /// All problems, if there were any.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.problems.is_empty() { Ok(()) } else { Err(Error::validation(self.problems)) }
    }

    fn required(&mut self, name: &'static str) -> Option<String> {
        if let Some(value) = self.left.shift_remove(name) {
            return self.read(name, value);
        }
        self.problem(name, "is required");
        None
    }

    fn string(&mut self, name: &'static str) -> Option<String> {
        let value = self.left.shift_remove(name)?;
        self.read(name, value)
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

/// What [`is_name`] asks for, in words.
pub(crate) const NOT_A_NAME: &str = "must be 1 to 128 letters, digits and -_.:@";

/// Whether `text` may name an entity, a room or a service.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte))
}

/// A whole body as one JSON value of any kind.
pub(crate) fn parse(body: &[u8]) -> Result<&RawValue, Error> {
    if body.trim_ascii().is_empty() {
        return Err(Error::new(Code::InvalidJson, "The body is empty; send JSON"));
    }
    serde_json::from_slice(body).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::new(Code::InvalidJson, format!("The body is not JSON: {error}"))
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
