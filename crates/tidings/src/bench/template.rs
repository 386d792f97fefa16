//! Text with the placeholders `{n}`, `{user}`, `{room}`, `{token}` and `{ts}`, which are replaced
//! in each request.
//!
//! Braces around any other text are not special, because most bodies are JSON.

use std::io::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tidings_server::auth::demo;

/// The placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// The number of the stream or publish, counted from 0.
    Number,
    User,
    Room,
    /// The demo token of the user `bench-{user}`.
    Token,
    /// The time of sending, in nanoseconds since 1970.
    Time,
}

/// The values of the placeholders of one request.
#[derive(Clone, Copy, Default)]
pub(super) struct Values {
    pub(super) number: u64,
    pub(super) user: u64,
    pub(super) room: u64,
    pub(super) time: u64,
}

/// A parsed text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(Variable),
}

/// The part of a request that a text belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// A header or a body: not escaped.
    Plain,
    /// A path: the `+`, `/` and `=` of a token are escaped.
    Path,
}

impl Variable {
    const ALL: [Self; 5] = [
        Self::Number,
        Self::User,
        Self::Room,
        Self::Token,
        Self::Time,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Number => "{n}",
            Self::User => "{user}",
            Self::Room => "{room}",
            Self::Token => "{token}",
            Self::Time => "{ts}",
        }
    }
}

impl Template {
    pub(super) fn parse(text: &str) -> Self {
        let mut template = Self::default();
        let mut rest = text;
        while let Some((at, variable)) = next_hole(rest) {
            template.push(&rest[..at]);
            template.0.push(Part::Hole(variable));
            rest = &rest[at + variable.name().len()..];
        }
        template.push(rest);
        template
    }

    /// Appends text in which nothing is a placeholder.
    pub(super) fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.0.push(Part::Text(text.to_owned())),
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        for part in other.0 {
            match part {
                Part::Text(text) => self.push(&text),
                hole @ Part::Hole(_) => self.0.push(hole),
            }
        }
    }

    pub(super) fn names(&self, variable: Variable) -> bool {
        self.0.contains(&Part::Hole(variable))
    }

    /// Returns whether the text is the same for every request.
    pub(super) fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Appends the text with its placeholders replaced.
    pub(super) fn write(&self, out: &mut Vec<u8>, values: &Values, context: Context) {
        for part in &self.0 {
            let number = match part {
                Part::Text(text) => {
                    out.extend_from_slice(text.as_bytes());
                    continue;
                }
                Part::Hole(Variable::Token) => {
                    let token = demo::token(&format!("bench-{}", values.user), "user");
                    match context {
                        Context::Plain => out.extend_from_slice(token.as_bytes()),
                        Context::Path => {
                            out.extend(
                                utf8_percent_encode(&token, NON_ALPHANUMERIC).flat_map(str::bytes),
                            );
                        }
                    }
                    continue;
                }
                Part::Hole(Variable::Number) => values.number,
                Part::Hole(Variable::User) => values.user,
                Part::Hole(Variable::Room) => values.room,
                Part::Hole(Variable::Time) => values.time,
            };
            let _ = write!(out, "{number}"); // writing to a `Vec` can't fail
        }
    }

    /// Returns the text with its placeholders replaced.
    pub(super) fn fill(&self, values: &Values, context: Context) -> String {
        let mut text = Vec::new();
        self.write(&mut text, values, context);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Returns the first placeholder and its position.
fn next_hole(text: &str) -> Option<(usize, Variable)> {
    text.match_indices('{').find_map(|(at, _)| {
        Variable::ALL
            .into_iter()
            .find(|one| text[at..].starts_with(one.name()))
            .map(|one| (at, one))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values = Values {
        number: 7,
        user: 3,
        room: 1,
        time: 99,
    };

    fn filled(text: &str) -> String {
        Template::parse(text).fill(&VALUES, Context::Plain)
    }

    #[test]
    fn placeholders_are_replaced_and_other_braces_are_kept() {
        assert_eq!(
            filled(r#"{"n":{n},"to":"bench-{user}","in":{"{room}":{ts}}}"#),
            r#"{"n":7,"to":"bench-3","in":{"1":99}}"#
        );
        for text in [
            "",
            "{",
            "}{",
            "{}",
            "{N}",
            "{ n }",
            "{{}}",
            "{ts",
            "für {anna}",
        ] {
            assert_eq!(filled(text), text);
        }
        assert_eq!(filled("{{n}}{n}{n"), "{7}7{n");
    }

    #[test]
    fn a_token_is_escaped_in_a_path() {
        let token = demo::token("bench-3", "user");
        assert_eq!(filled("Bearer {token}"), format!("Bearer {token}"));
        assert!(token.ends_with('='), "{token}");
        let path = Template::parse("/a?token={token}").fill(&VALUES, Context::Path);
        assert_eq!(path, format!("/a?token={}", token.replace('=', "%3D")));
    }

    #[test]
    fn pushed_text_contains_no_placeholders() {
        let mut template = Template::parse("{n}");
        template.push("{n}");
        template.append(Template::parse(" {n}"));
        assert_eq!(template.fill(&VALUES, Context::Plain), "7{n} 7");
        assert!(
            template.names(Variable::Number)
                && !template.names(Variable::User)
                && !template.is_fixed()
        );
        assert!(Template::parse("{}").is_fixed());
    }
}
