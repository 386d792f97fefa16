//! Writes JSON: compact copies of values from a publisher's body ([`Compact`]), and objects
//! ([`Object`]).
//!
//! The fields of a publisher's body that the server does not know are passed on as they came.
//! Numbers keep every digit, and objects keep the order of their members, because the text is never
//! parsed into values and written again. Only insignificant white space is removed, so that the
//! result is one line.

use serde::Serialize;
use serde_json::value::RawValue;

/// How deep the arrays and objects of a value may nest. What the server sends adds up to four
/// levels around the value, and the parsers of clients fail at 128 levels (Rust's `serde_json`) or
/// at about 1,000 (Python).
pub const MAX_DEPTH: usize = 120;

/// The error for a value that nests deeper than [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooDeep;

/// A well-formed JSON value without insignificant white space, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compact(String);

impl Compact {
    /// Removes the white space between tokens.
    pub fn new(value: &RawValue) -> Result<Self, TooDeep> {
        let text = value.get();
        let mut compact = String::with_capacity(text.len());
        let (mut from, mut in_string, mut escaped, mut depth) = (0, false, false, 0_usize);
        for (at, byte) in text.bytes().enumerate() {
            if in_string {
                in_string = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {
                    compact.push_str(&text[from..at]);
                    from = at + 1;
                }
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_DEPTH {
                return Err(TooDeep);
            }
        }
        compact.push_str(&text[from..]);
        Ok(Self(compact))
    }

    /// A JSON string.
    #[inline]
    pub fn string(text: &str) -> Self {
        let mut quoted = String::with_capacity(text.len() + 2);
        quote(&mut quoted, text);
        Self(quoted)
    }

    /// The JSON text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON text.
    #[inline]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Default for Compact {
    /// `null`
    fn default() -> Self {
        Self("null".to_owned())
    }
}

/// An object that is written field by field, in the order of the calls.
pub struct Object(String);

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    /// An object without a field.
    #[inline]
    pub fn new() -> Self {
        Self(String::with_capacity(256))
    }

    /// The beginning of every successful answer to a `POST`.
    #[inline]
    pub fn success(message: &str) -> Self {
        Self::new()
            .written("success", "true")
            .text("message", message)
    }

    /// The text that was written so far, without the closing brace.
    #[inline]
    pub fn written_so_far(&self) -> &str {
        &self.0
    }

    /// An object that continues the text that [`Object::written_so_far`] returned.
    #[inline]
    pub fn resume(written: String) -> Self {
        Self(written)
    }

    /// Adds a string.
    #[inline]
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        quote(&mut self.0, value);
        self
    }

    /// Adds a string, if there is one.
    #[inline]
    #[must_use]
    pub fn maybe_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a value of any type.
    #[inline]
    #[must_use]
    pub fn raw(self, name: &str, value: &Compact) -> Self {
        self.written(name, value.as_str())
    }

    /// Adds JSON that the server itself has written. It must be one line.
    #[inline]
    #[must_use]
    pub fn written(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.0.push_str(json);
        self
    }

    /// Adds a value of any type, if there is one.
    #[inline]
    #[must_use]
    pub fn maybe_raw(self, name: &str, value: Option<&Compact>) -> Self {
        match value {
            Some(value) => self.raw(name, value),
            None => self,
        }
    }

    /// Adds values of any type.
    #[inline]
    #[must_use]
    pub fn raws(self, fields: &[(String, Compact)]) -> Self {
        fields
            .iter()
            .fold(self, |object, (name, value)| object.raw(name, value))
    }

    /// Adds a value that the server creates. Serializing it can't fail, because the keys of its
    /// maps are strings.
    #[must_use]
    pub fn value(self, name: &str, value: &impl Serialize) -> Self {
        self.written(name, &serde_json::to_string(value).unwrap_or_default())
    }

    /// Closes the object and returns its text.
    #[inline]
    pub fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }

    #[inline]
    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        quote(&mut self.0, name);
        self.0.push(':');
    }
}

/// Appends `text` as a JSON string.
#[inline]
fn quote(out: &mut String, text: &str) {
    // Only these characters need an escape (RFC 8259, section 7), and almost no text contains one.
    // The loop does not stop at the first match, so that the compiler can process many bytes at
    // once.
    let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text
        .bytes()
        .fold(false, |found, byte| found | needs_escape(byte))
    {
        // a string always serializes
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
        return;
    }
    out.reserve(text.len() + 2);
    out.push('"');
    out.push_str(text);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(text: &str) -> Result<String, TooDeep> {
        Compact::new(serde_json::from_str(text).unwrap()).map(|compact| compact.0)
    }

    #[test]
    fn only_white_space_between_tokens_is_removed() {
        let text = "{ \"b\" : [ 1.0 , 12345678901234567890123 ,\n 1e400 ] ,\r\n\t\"a b\\\" \\\\\" \
                    : \" x \\n \" }";
        let expected = r#"{"b":[1.0,12345678901234567890123,1e400],"a b\" \\":" x \n "}"#;
        assert_eq!(compact(text).unwrap(), expected);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(compact(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(compact(&nested(MAX_DEPTH + 1)), Err(TooDeep));
        assert!(
            compact(&format!("\"{}\"", "[".repeat(1_000))).is_ok(),
            "brackets in a string are text"
        );
    }

    #[test]
    fn an_object_is_written_in_the_order_of_its_calls() {
        assert_eq!(Object::new().finish(), "{}");
        let object = Object::new()
            .text("a", "\"\n")
            .maybe_text("b", None)
            .value("c", &1);
        assert_eq!(object.finish(), r#"{"a":"\"\n","c":1}"#);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_quoted_string_is_what_serde_json_writes(text in any::<String>()) {
            let quoted = Compact::string(&text);
            prop_assert_eq!(quoted.as_str(), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn compacting_changes_no_value_and_results_in_one_line(value in any_json()) {
            let compacted = compact(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
            prop_assert!(!compacted.contains(['\n', '\r']));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&compacted).unwrap(), value);
        }
    }
}
