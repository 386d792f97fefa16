//! Computes topics from the table of stream groups: the topics that a stream shows to a caller, the
//! topics of a user, and the topics whose events another topic also shows.

use tidings_hub::UserId;
use tidings_journal::TopicName;

use super::{Group, Narrowing, Stream};
use crate::auth::rule::{ANY, ME, Rule, fill};
use tidings_edge::error::Error;
use tidings_edge::fields;
use tidings_edge::query::Params;

impl Stream {
    /// Returns the topics that the stream shows to `me`. The names that narrow the stream are read
    /// from `query`, unless the path contains a name, `in_path`.
    pub(crate) fn topics(
        &self,
        me: Option<&UserId>,
        query: Result<&Params, Error>,
        in_path: Option<&str>,
    ) -> Result<Vec<TopicName>, Error> {
        let Some(narrowing) = &self.narrowing else {
            return Ok(filled(self.shows, me, None).collect());
        };
        let names = match in_path {
            Some(name) => vec![fields::checked_name(narrowing.parameter, name)?],
            None => narrowing.names(query?)?,
        };
        if names.is_empty() {
            return Ok(filled(self.shows, me, None).collect());
        }
        let shows = narrowing.shows.iter();
        Ok(shows
            .flat_map(|shown| names.iter().filter_map(|name| fill(shown, me, Some(name))))
            .collect())
    }
}

impl Narrowing {
    /// Returns the names in a query, each once. Empty names in a list are ignored, because a
    /// program that joins an empty list wants no filter. If only a single name is allowed, an empty
    /// one is an error, because a page that lost the name must not follow everything.
    fn names<'a>(&self, query: &'a Params) -> Result<Vec<&'a str>, Error> {
        if self.max_names == 1 {
            let name = query
                .get(self.parameter)
                .map(|name| fields::checked_name(self.parameter, name));
            return name.into_iter().collect();
        }
        let mut names = Vec::new();
        let lists = query.all(self.parameter).flat_map(|list| list.split(','));
        for name in lists.map(str::trim).filter(|name| !name.is_empty()) {
            let name = fields::checked_name(self.parameter, name)?;
            if !names.contains(&name) {
                names.push(name);
            }
            if names.len() > self.max_names {
                return Err(Error::field(
                    self.parameter,
                    format!("must be at most {}", self.max_names),
                ));
            }
        }
        Ok(names)
    }
}

/// Replaces the placeholders in `patterns` with `me` and `name`. A pattern with a placeholder whose
/// value is `None` is left out.
fn filled(
    patterns: &'static [&'static str],
    me: Option<&UserId>,
    name: Option<&str>,
) -> impl Iterator<Item = TopicName> {
    patterns
        .iter()
        .filter_map(move |pattern| fill(pattern, me, name))
}

/// Returns the topics that only `user` may read, except those below an aggregate, which can't be
/// listed: their common prefix is [`prefix_shown_by`] the aggregate.
pub(crate) fn topics_of_user(groups: &'static [Group], user: &UserId) -> Vec<TopicName> {
    let own_rules = all_rules(groups).filter(|rule| rule.pattern.ends_with(ME));
    own_rules
        .filter_map(|rule| fill(rule.pattern, Some(user), None))
        .collect()
}

/// Returns the prefix of the names of all topics whose events `topic` also shows. For `chat`, which
/// shows the events of every room, it is `chat/room/`.
pub(crate) fn prefix_shown_by(groups: &'static [Group], topic: &TopicName) -> Option<String> {
    let rule = all_rules(groups).find(|rule| rule.governs(topic))?;
    // The pattern of the topics below has one fixed segment more, and then the placeholder.
    let segment = all_rules(groups).find_map(|other| {
        let between = other
            .pattern
            .strip_prefix(rule.pattern)?
            .strip_prefix('/')?
            .strip_suffix(ANY)?;
        (between.matches('/').count() == 1).then_some(between)
    })?;
    Some(format!("{topic}/{segment}"))
}

fn all_rules(groups: &'static [Group]) -> impl Iterator<Item = &'static Rule> {
    groups.iter().flat_map(|group| group.rules)
}
