//! The parameters of a query: the names that each path knows, and their values.
//!
//! Owns the rule that no parameter that was meant for this server is ignored silently. Three things
//! are answered with a `400` that reports them: two different values for a parameter that has one,
//! a value that is not UTF-8, and a misspelled name. All other unknown parameters are ignored.

use std::borrow::Cow;

use crate::error::{Error, MAX_PROBLEMS, Problem};

/// The fewest letters of a name that can count as misspelled. Shorter names resemble too many
/// others.
const MIN_LETTERS: usize = 5;

/// A parameter that a path knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// The name in the documentation, followed by its synonyms.
    spellings: &'static [&'static str],
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One value.
    Single,
    /// One value, which need not be UTF-8: the code that reads the value decides what to do with
    /// other bytes. An empty value counts as absent.
    Opaque,
    /// Any number of values.
    List,
}

impl Name {
    /// A parameter with one value.
    pub const fn single(spellings: &'static [&'static str]) -> Self {
        Self {
            spellings,
            kind: Kind::Single,
        }
    }

    /// A parameter with one value, which need not be UTF-8. An empty value counts as absent.
    pub const fn opaque(spellings: &'static [&'static str]) -> Self {
        Self {
            spellings,
            kind: Kind::Opaque,
        }
    }

    /// A parameter that may be repeated, as `name=a&name=b`, `name[]=a&name[]=b` or
    /// `name[0]=a&name[1]=b`.
    pub const fn list(spellings: &'static [&'static str]) -> Self {
        Self {
            spellings,
            kind: Kind::List,
        }
    }

    /// The name in the documentation.
    pub const fn as_str(&self) -> &'static str {
        self.spellings[0]
    }
}

/// The credential, for clients that can't set a header.
pub const TOKEN: Name = Name::opaque(&["token"]);
/// The credential of a stream, from `POST /auth/ticket`.
pub const TICKET: Name = Name::opaque(&["ticket"]);
/// The cursor of a stream, for clients that can't set a header.
pub const CURSOR: Name = Name::opaque(&["lastEventId", "last_event_id", "lastEventID"]);
/// The one user that an event is meant for.
pub const TARGET: Name = Name::single(&["targetUserId"]);
/// The one room that a stream follows.
pub const ROOM: Name = Name::single(&["roomId", "room"]);
/// The entities that a stream follows.
pub const ENTITIES: Name = Name::list(&["entities"]);

/// The parameters of a request, decoded. Contains only those that the path knows.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Reads the query of a path that knows the names `known`. The error reports all problems.
    pub fn read(query: Option<&str>, known: &'static [Name]) -> Result<Self, Error> {
        Self::read_as(query, known, true)
    }

    /// Reads the query of a path of an embedding application, which may have other names than
    /// `known`. Therefore, no name counts as misspelled.
    pub fn read_among_others(query: Option<&str>, known: &'static [Name]) -> Result<Self, Error> {
        Self::read_as(query, known, false)
    }

    fn read_as(
        query: Option<&str>,
        known: &'static [Name],
        report_misspellings: bool,
    ) -> Result<Self, Error> {
        let Some(query) = query.filter(|_| !known.is_empty()) else {
            return Ok(Self::default());
        };
        let mut reading = Reading {
            report_misspellings,
            params: Vec::new(),
            problems: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            reading.take(&decoded(name).0, value, known);
        }
        if reading.problems.is_empty() {
            Ok(Self(reading.params))
        } else {
            Err(Error::validation(reading.problems))
        }
    }

    /// The value of the parameter that the documentation calls `name`, if it is present. It may be
    /// empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of the parameter, if it is present and not empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All values of a list.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The parameter as a number within `range`, or `default` if it is absent or empty.
    pub fn number(
        &self,
        name: &'static str,
        range: std::ops::RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, Error> {
        let Some(text) = self.filled(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            Error::field(
                name,
                format!("must be a number from {} to {}", range.start(), range.end()),
            )
        })
    }
}

/// A query that is being read.
struct Reading {
    /// Whether a name that resembles a known one is a problem.
    report_misspellings: bool,
    params: Vec<(&'static str, String)>,
    problems: Vec<Problem>,
}

impl Reading {
    /// Reads one pair. Its name is decoded already, its value is not.
    fn take(&mut self, name: &str, value: &str, known: &'static [Name]) {
        let (stem, index) = name.find('[').map_or((name, ""), |at| name.split_at(at));
        let named = known.iter().find(|known| known.spellings.contains(&stem));
        match named {
            Some(param) if index.is_empty() || (param.kind == Kind::List && is_index(index)) => {
                self.value(param, value);
            }
            Some(param) => self.misspelled(param, stem, name),
            None => {
                let mut spellings = known
                    .iter()
                    .flat_map(|known| known.spellings.iter().map(move |text| (known, *text)));
                if let Some((param, spelling)) =
                    spellings.find(|(_, spelling)| is_misspelling(stem, spelling))
                {
                    self.misspelled(param, spelling, name);
                }
            }
        }
    }

    fn misspelled(&mut self, name: &Name, spelling: &str, given: &str) {
        if self.report_misspellings {
            self.problem(name.as_str(), misspelled(spelling, given));
        }
    }

    fn value(&mut self, name: &Name, value: &str) {
        let (value, is_utf8) = decoded(value);
        let known = name.as_str();
        if !is_utf8 && name.kind != Kind::Opaque {
            return self.problem(known, "must be UTF-8 once its escapes are decoded");
        }
        if name.kind == Kind::Opaque && value.is_empty() {
            return;
        }
        match self
            .params
            .iter()
            .find(|(given, _)| *given == known && name.kind != Kind::List)
        {
            Some((_, given)) if *given == value => {}
            Some(_) => self.problem(known, "is given twice, with different values"),
            None => self.params.push((known, value.into_owned())),
        }
    }

    /// Adds a problem, unless it was added before or there are too many.
    fn problem(&mut self, field: &'static str, problem: impl Into<String>) {
        let problem = Problem {
            field: field.into(),
            problem: problem.into(),
        };
        if !self.problems.contains(&problem) && self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// What is wrong with a field or parameter whose name was written `given` instead of `spelling`.
pub fn misspelled(spelling: &str, given: &str) -> String {
    // A client can send a name of any length, so it is truncated.
    let given: String = given.chars().take(64).collect();
    format!("is misspelled as `{given}`; write `{spelling}`")
}

/// Decodes `+` and `%XX` (URL standard, `application/x-www-form-urlencoded`). Also returns whether
/// the decoded bytes are UTF-8; if they are not, invalid bytes become replacement characters. A `%`
/// without two hexadecimal digits behind it is kept.
fn decoded(text: &str) -> (Cow<'_, str>, bool) {
    let spaced = if text.contains('+') {
        Cow::from(text.replace('+', " "))
    } else {
        Cow::from(text)
    };
    if !spaced.contains('%') {
        return (spaced, true);
    }
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(&spaced).collect();
    match String::from_utf8(bytes) {
        Ok(text) => (text.into(), true),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes())
                .into_owned()
                .into(),
            false,
        ),
    }
}

/// Whether `text` is an index such as `[]` or `[7]`, which some clients add to the name of a list.
fn is_index(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether `name` differs from `known` only by case, `_`, `-`, and at most one letter that is
/// added, missing or wrong.
fn is_misspelling(name: &str, known: &str) -> bool {
    if name.bytes().filter(u8::is_ascii_alphabetic).count() < MIN_LETTERS {
        return false;
    }
    let (name, known) = (normalized(name), normalized(known));
    let prefix = name
        .bytes()
        .zip(known.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let (name, known) = (&name.as_bytes()[prefix..], &known.as_bytes()[prefix..]);
    let suffix = name
        .iter()
        .rev()
        .zip(known.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    match (&name[..name.len() - suffix], &known[..known.len() - suffix]) {
        ([], [] | [_]) => true,
        ([letter], [] | [_]) => letter.is_ascii_alphabetic(),
        _ => false,
    }
}

/// The name in lower case and without `_` and `-`. Names that are equal after this are easily
/// confused.
pub fn normalized(name: &str) -> String {
    name.chars()
        .filter(|char| !matches!(char, '_' | '-'))
        .map(|char| char.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: &[Name] = &[
        TOKEN,
        CURSOR,
        ROOM,
        ENTITIES,
        TARGET,
        Name::single(&["limit"]),
    ];

    fn read(query: &str) -> Result<Params, String> {
        Params::read(Some(query), KNOWN).map_err(|error| error.to_string())
    }

    fn value(query: &str, name: &str) -> Option<String> {
        read(query).unwrap().get(name).map(str::to_owned)
    }

    fn refused(query: &str) -> String {
        read(query).expect_err(query)
    }

    #[test]
    fn all_repeats_of_a_list_are_joined_in_every_notation() {
        for query in [
            "entities=a&entities=b",
            "entities[]=a&entities[]=b",
            "entities%5B%5D=a&x=y&entities=b",
            "entities[0]=a&entities[1]=b",
        ] {
            let params = read(query).unwrap();
            assert_eq!(
                params.all("entities").collect::<Vec<_>>(),
                ["a", "b"],
                "{query}"
            );
        }
    }

    #[test]
    fn a_single_parameter_may_be_repeated_only_with_the_same_value() {
        for query in [
            "roomId=a&roomId=b",
            "roomId=a&room=b",
            "room=a&roomId",
            "targetUserId=&targetUserId=a",
        ] {
            assert!(
                refused(query).ends_with("is given twice, with different values"),
                "{query}"
            );
        }
        assert!(refused("lastEventId=a&last_event_id=b").starts_with("lastEventId: "));
        assert!(refused("token=a&token=b").starts_with("token: "));
        assert_eq!(value("roomId=a%20b&room=a+b", "roomId").unwrap(), "a b");
        assert_eq!(
            value("lastEventId=&last_event_id=b&lastEventID=b", "lastEventId").unwrap(),
            "b"
        );
    }

    #[test]
    fn an_empty_value_differs_from_an_absent_parameter() {
        assert_eq!(value("roomId=", "roomId").as_deref(), Some(""));
        assert_eq!(value("roomId", "roomId").as_deref(), Some(""));
        assert_eq!(value("x=", "roomId"), None);
    }

    #[test]
    fn a_misspelled_name_is_refused_and_reported() {
        for (query, meant) in [
            ("targetUserID=a", "targetUserId"),
            ("target_user_id=a", "targetUserId"),
            ("Target-User-Id=a", "targetUserId"),
            ("targetUserIds", "targetUserId"),
            ("argetUserId=", "targetUserId"),
            ("targetUzerId=a", "targetUserId"),
            ("roomid=a", "roomId"),
            ("rooms=a", "room"),
            ("entity=a&entitie=b", "entities"),
            ("Token=a", "token"),
            ("last-event-id=a", "lastEventId"),
            ("LIMIT=1", "limit"),
            ("roomI%64s=a", "roomId"),
            ("entitie[]=a", "entities"),
        ] {
            let error = refused(query);
            assert!(
                error.ends_with(&format!("`; write `{meant}`")),
                "{query}: {error}"
            );
        }
        assert_eq!(
            refused("Rooms=a"),
            "roomId: is misspelled as `Rooms`; write `room`"
        );
        for query in [
            "roomId[]=a",
            "targetUserId[0]=a",
            "entities[a]=b",
            "entities[=b",
        ] {
            assert!(refused(query).contains("is misspelled as"), "{query}");
        }
    }

    #[test]
    fn every_other_unknown_name_is_ignored() {
        for query in [
            "_=123",
            "Room=a",
            "toke=a",
            "user=a",
            "page=2",
            "target=a",
            "room1=x",
            "limit2=x",
            "eventId=x",
            "tokenize=x",
            "utm_source=x",
            "listener=x",
            "=a",
            "&&&",
            "%FF=a",
            "\u{fc}limit=a",
        ] {
            assert!(read(query).unwrap().0.is_empty(), "{query}");
        }
    }

    #[test]
    fn a_value_that_is_not_utf8_is_refused_unless_the_parameter_is_opaque() {
        assert!(refused("targetUserId=%FF").starts_with("targetUserId: must be UTF-8"));
        assert!(refused("entities=a&entities=%C3").starts_with("entities: must be UTF-8"));
        assert_eq!(value("lastEventId=%FF", "lastEventId").unwrap(), "\u{fffd}");
    }

    #[test]
    fn a_percent_sign_that_begins_no_escape_is_kept() {
        assert_eq!(value("targetUserId=100%", "targetUserId").unwrap(), "100%");
        assert_eq!(
            value("targetUserId=%zz%2&x", "targetUserId").unwrap(),
            "%zz%2"
        );
        assert_eq!(value("targetUserId=a%00b", "targetUserId").unwrap(), "a\0b");
        assert_eq!(value("targetUserId=a=b", "targetUserId").unwrap(), "a=b");
    }

    #[test]
    fn the_error_for_a_query_full_of_mistakes_is_short() {
        let query: Vec<_> = (b'a'..=b'z')
            .map(|letter| format!("limit{}=1", char::from(letter)))
            .collect();
        assert!(refused(&query.join("&").repeat(100)).len() < 4_096);
    }

    proptest! {
        #[test]
        fn names_and_values_are_decoded_as_the_url_standard_says(query in "[a-z=&%+0-9\u{e9}]{0,40}") {
            let ours: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(name).0.into_owned(), decoded(value).0.into_owned())
            }).collect();
            let theirs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn no_query_causes_a_panic(query in any::<String>()) {
            let _ = Params::read(Some(&query), KNOWN);
        }
    }
}
