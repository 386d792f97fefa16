//! Rules, which parse the text of a setting into a typed value.
//!
//! Owns how values are parsed and formatted, and the description of what is allowed. A rule knows
//! neither the name of its setting nor the origin of the text, and no text makes it panic.

use std::ops::RangeInclusive;

use crate::secret::Secret;

/// A value as it was written, before it is parsed.
#[derive(Clone)]
pub enum Raw {
    /// A flag, a variable, or a single value in the TOML file.
    Text(String),
    /// An array in the TOML file.
    List(Vec<String>),
    /// A table or another value in the TOML file that no setting accepts.
    Other(String),
}

/// The form of a setting on the command line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `--name VALUE`. If it is repeated, the last one counts.
    Single,
    /// `--name=VALUE`, or `--name` alone, which means `true`.
    Switch,
    /// May be repeated.
    List,
}

/// Parses, describes and formats the values of one setting.
pub trait Rule {
    /// The type of the value.
    type Value;

    /// Returns the value, or `None` if it is not allowed.
    fn read(&self, raw: &Raw) -> Option<Self::Value>;

    /// Describes what is allowed, as a text that follows "allowed: ".
    fn allowed(&self) -> String;

    /// Formats the value in its normal form. [`read`](Self::read) accepts that form, unless the
    /// value is a secret.
    fn show(&self, value: &Self::Value) -> String;

    /// Replaces `~` by the home directory. Returns `None` if there is nothing to replace.
    fn expand_home(&self, _raw: &Raw, _home: Option<&str>) -> Option<Raw> {
        None
    }

    /// Returns the placeholder for the value in `--help`.
    fn placeholder(&self) -> &'static str;

    /// Returns the form of the setting on the command line.
    fn shape(&self) -> Shape {
        Shape::Single
    }

    /// Returns whether the text must never be shown.
    fn secret(&self) -> bool {
        false
    }
}

/// `true` or `false`.
pub struct Switch;

/// A whole number in a range.
pub struct Number<T>(pub RangeInclusive<T>);

/// One of several words. Upper and lower case are not distinguished.
pub struct Choice<T: 'static> {
    /// Each word and its value.
    pub of: &'static [(&'static str, T)],
    /// A text that follows the words in the description of what is allowed; usually empty.
    pub note: &'static str,
}

/// A text that a function parses.
pub struct Parsed<T> {
    /// The placeholder for the value in `--help`.
    pub placeholder: &'static str,
    /// Describes what is allowed, as a text that follows "allowed: ".
    pub allowed: &'static str,
    /// Parses the value, or returns `None` if it is not allowed.
    pub read: fn(&str) -> Option<T>,
    /// Formats the value in its normal form.
    pub show: fn(&T) -> String,
}

/// Values separated by commas, or an array in the TOML file. It may be empty.
pub struct List<R>(pub R);

/// A value, or none if the text is empty.
pub struct Optional<R>(pub R);

/// A value, or none if the text is this word.
pub struct Or<R>(pub &'static str, pub R);

/// A text that must never be shown.
pub struct Hidden;

impl Raw {
    /// Returns the single value, without white space around it.
    pub fn single(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()),
            Self::List(_) | Self::Other(_) => None,
        }
    }

    /// Returns the text for an error message.
    pub fn written(&self) -> String {
        match self {
            Self::Text(text) | Self::Other(text) => text.clone(),
            Self::List(items) => items.join(","),
        }
    }
}

impl Rule for Switch {
    type Value = bool;

    fn read(&self, raw: &Raw) -> Option<bool> {
        match raw.single()?.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        }
    }

    fn allowed(&self) -> String {
        "`true` or `false` (also `1` or `0`, `yes` or `no`)".to_owned()
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }

    fn placeholder(&self) -> &'static str {
        "BOOL"
    }

    fn shape(&self) -> Shape {
        Shape::Switch
    }
}

impl<T> Rule for Number<T>
where
    T: std::str::FromStr + std::fmt::Display + PartialOrd,
{
    type Value = T;

    fn read(&self, raw: &Raw) -> Option<T> {
        let number = raw.single()?.parse().ok()?;
        self.0.contains(&number).then_some(number)
    }

    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn show(&self, value: &T) -> String {
        value.to_string()
    }

    fn placeholder(&self) -> &'static str {
        "NUMBER"
    }
}

impl<T: Copy + PartialEq> Rule for Choice<T> {
    type Value = T;

    fn read(&self, raw: &Raw) -> Option<T> {
        let text = raw.single()?;
        self.of
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|&(_, value)| value)
    }

    fn allowed(&self) -> String {
        let words: Vec<_> = self
            .of
            .iter()
            .map(|(word, _)| format!("`{word}`"))
            .collect();
        format!("{}{}", words.join(" or "), self.note)
    }

    fn show(&self, value: &T) -> String {
        self.of
            .iter()
            .find(|(_, candidate)| candidate == value)
            .map_or_else(String::new, |(word, _)| (*word).to_owned())
    }

    fn placeholder(&self) -> &'static str {
        "WORD"
    }
}

impl<T> Rule for Parsed<T> {
    type Value = T;

    fn read(&self, raw: &Raw) -> Option<T> {
        (self.read)(raw.single()?)
    }

    fn allowed(&self) -> String {
        self.allowed.to_owned()
    }

    fn show(&self, value: &T) -> String {
        (self.show)(value)
    }

    fn placeholder(&self) -> &'static str {
        self.placeholder
    }
}

impl<R: Rule> Rule for List<R> {
    type Value = Vec<R::Value>;

    fn read(&self, raw: &Raw) -> Option<Self::Value> {
        let items: Vec<&str> = match raw {
            Raw::Text(text) => text.split(',').collect(),
            Raw::List(items) => items.iter().map(String::as_str).collect(),
            Raw::Other(_) => return None,
        };
        items
            .into_iter()
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| self.0.read(&Raw::Text(item.to_owned())))
            .collect()
    }

    fn allowed(&self) -> String {
        format!("a list, separated by commas, of {}", self.0.allowed())
    }

    fn show(&self, value: &Self::Value) -> String {
        let items: Vec<_> = value.iter().map(|item| self.0.show(item)).collect();
        items.join(",")
    }

    fn placeholder(&self) -> &'static str {
        "LIST"
    }

    fn shape(&self) -> Shape {
        Shape::List
    }
}

impl<R: Rule> Rule for Optional<R> {
    type Value = Option<R::Value>;

    fn read(&self, raw: &Raw) -> Option<Self::Value> {
        if raw.single() == Some("") {
            return Some(None);
        }
        self.0.read(raw).map(Some)
    }

    fn allowed(&self) -> String {
        self.0.allowed()
    }

    fn show(&self, value: &Self::Value) -> String {
        value
            .as_ref()
            .map_or_else(String::new, |value| self.0.show(value))
    }

    fn placeholder(&self) -> &'static str {
        self.0.placeholder()
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn secret(&self) -> bool {
        self.0.secret()
    }
}

impl<R: Rule> Rule for Or<R> {
    type Value = Option<R::Value>;

    fn read(&self, raw: &Raw) -> Option<Self::Value> {
        if raw.single()?.eq_ignore_ascii_case(self.0) {
            return Some(None);
        }
        self.1.read(raw).map(Some)
    }

    fn allowed(&self) -> String {
        format!("`{}` or {}", self.0, self.1.allowed())
    }

    fn show(&self, value: &Self::Value) -> String {
        value
            .as_ref()
            .map_or_else(|| self.0.to_owned(), |value| self.1.show(value))
    }

    fn placeholder(&self) -> &'static str {
        self.1.placeholder()
    }
}

impl Rule for Hidden {
    type Value = Secret;

    /// Not trimmed: a space at the end of a secret belongs to the secret.
    fn read(&self, raw: &Raw) -> Option<Secret> {
        match raw {
            Raw::Text(text) if !text.is_empty() => Some(Secret::new(text.clone())),
            Raw::Text(_) | Raw::List(_) | Raw::Other(_) => None,
        }
    }

    fn allowed(&self) -> String {
        "any text; in production at least 32 bytes that nobody can guess".to_owned()
    }

    fn show(&self, value: &Secret) -> String {
        format!("(hidden, {} bytes)", value.len())
    }

    fn placeholder(&self) -> &'static str {
        "SECRET"
    }

    fn secret(&self) -> bool {
        true
    }
}
