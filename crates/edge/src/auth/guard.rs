//! Decides what a caller may do, for calls over HTTP and for the library.
//!
//! Owns the decisions whether a visitor may read a topic, whether a caller may publish to it, and
//! whether a caller is an administrator. The guard applies the [rules](Rule) that it is given, and
//! knows neither paths nor stream groups. Must never verify a credential: the identities that the
//! guard is asked about have been verified.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tidings_journal::TopicName;

use super::rule::{Audience, Rule};
use super::{Identity, Refusal, Visitor};

/// What the settings say about rights. Holds a secret, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Options {
    /// The role of administrators.
    pub admin_role: String,
    /// Whether every caller may publish what otherwise only administrators may publish.
    pub open_publish: bool,
    /// The roles, besides that of administrators, whose bearers have no rate limit.
    pub unlimited_roles: Vec<String>,
    /// The token that a request for the metrics must carry, if one is set.
    pub metrics_token: Option<String>,
}

/// Applies the rules. Stateless: the same question has the same answer as long as the server runs.
///
/// Its `may_…` and `is_…` methods that return a [`Result`] return `Ok` for yes, and the reason for
/// no.
pub struct Guard {
    /// Each rule with the calls that publish to its topics, if there are any. No two rules govern
    /// the same topic.
    rules: Vec<(Rule, Option<&'static str>)>,
    options: Options,
}

/// On whose behalf the library publishes.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The application itself, which may publish to everybody and has no rate limit.
    Application,
    /// A caller, with the rights and the rate limits that the same call has over HTTP.
    Caller(&'a Identity),
}

/// Why something is not allowed. The texts are what the server answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The caller has sent no credential, or one that is not accepted.
    #[error(transparent)]
    Unauthenticated(#[from] Refusal),
    /// The caller lacks a role.
    #[error("This needs the role {0:?}")]
    Role(String),
    /// The topic is for another user only.
    #[error("This topic belongs to another user")]
    AnotherUser,
    /// No rule lets anybody read the topic.
    #[error("No stream shows this topic")]
    NotShown,
    /// The events of the topic are never stored.
    #[error("The events of this topic are not stored")]
    NotStored,
    /// No call publishes to the topic.
    #[error("No call publishes to this topic")]
    NotPublished,
    /// The topic belongs to a stream group.
    #[error("Only {0} publishes to this topic")]
    ReservedForCalls(&'static str),
    /// The topic belongs to the server.
    #[error("Only the server itself publishes to this topic")]
    ReservedForServer,
}

impl<'a> From<&'a Identity> for By<'a> {
    fn from(caller: &'a Identity) -> Self {
        Self::Caller(caller)
    }
}

impl Guard {
    /// A guard that applies `rules`, each with the names of the calls that publish to its topics.
    pub fn new(
        rules: impl IntoIterator<Item = (Rule, Option<&'static str>)>,
        options: Options,
    ) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            options,
        }
    }

    /// Whether a stream that shows `topic` may be opened for `visitor`.
    pub fn may_read(&self, visitor: &Visitor, topic: &TopicName) -> Result<(), Denied> {
        let Some((rule, _)) = self.governing(topic) else {
            authenticated(visitor)?;
            return Err(Denied::NotShown);
        };
        self.is_among(visitor, rule.read)?;
        match &visitor.identity {
            Some(me) if rule.read == Audience::Me && !rule.is_of(topic, &me.id) => {
                Err(Denied::AnotherUser)
            }
            _ => Ok(()),
        }
    }

    /// Whether the stored events of `topic` may be listed for `visitor`. The events that the server
    /// itself publishes are not stored, so they are never listed.
    pub fn may_list(&self, visitor: &Visitor, topic: &TopicName) -> Result<(), Denied> {
        self.may_read(visitor, topic)?;
        match self.governing(topic) {
            Some((
                Rule {
                    publish: Audience::Server,
                    ..
                },
                _,
            )) => Err(Denied::NotStored),
            _ => Ok(()),
        }
    }

    /// Whether `by` may publish to `topic` through the calls of the topic's group.
    #[inline]
    pub fn may_publish(&self, by: By<'_>, topic: &TopicName) -> Result<(), Denied> {
        let By::Caller(caller) = by else {
            return Ok(());
        };
        let (rule, _) = self.governing(topic).ok_or(Denied::NotPublished)?;
        match rule.publish {
            Audience::Public | Audience::Authenticated => Ok(()),
            Audience::Me if rule.is_of(topic, &caller.id) => Ok(()),
            Audience::Me => Err(Denied::AnotherUser),
            Audience::Admin if self.options.open_publish => Ok(()),
            Audience::Admin => self.is_admin(caller),
            Audience::Server => Err(Denied::ReservedForServer),
        }
    }

    /// Whether `topic` is one to which `Handle::publish` may publish: no group has calls for it,
    /// and it is not the server's own.
    ///
    /// A topic below one of a group's rooms, entities or users, such as `chat/room/a/b`, belongs to
    /// the group, too, because it is erased with the group's aggregate.
    pub fn is_application_topic(&self, topic: &TopicName) -> Result<(), Denied> {
        match self.governing(topic) {
            Some((
                Rule {
                    publish: Audience::Server,
                    ..
                },
                _,
            )) => Err(Denied::ReservedForServer),
            Some((_, Some(calls))) => Err(Denied::ReservedForCalls(calls)),
            Some((_, None)) => Ok(()),
            None if is_the_servers(topic) => Err(Denied::ReservedForServer),
            None => match self.above(topic) {
                Some((_, Some(calls))) => Err(Denied::ReservedForCalls(calls)),
                Some((_, None)) => Err(Denied::NotPublished),
                None => Ok(()),
            },
        }
    }

    /// Whether `topic` belongs to a group or to the server. An application that publishes to
    /// any other topic decides itself who may read it.
    pub fn is_governed(&self, topic: &TopicName) -> bool {
        is_the_servers(topic) || self.governing(topic).is_some() || self.above(topic).is_some()
    }

    /// Whether `visitor` belongs to `audience`. For [`Audience::Me`], this only checks that the
    /// visitor is authenticated.
    pub fn is_among(&self, visitor: &Visitor, audience: Audience) -> Result<(), Denied> {
        match audience {
            Audience::Public => Ok(()),
            Audience::Authenticated | Audience::Me => {
                authenticated(visitor)?;
                Ok(())
            }
            Audience::Admin => self.is_admin(authenticated(visitor)?),
            Audience::Server => {
                authenticated(visitor)?;
                Err(Denied::NotShown)
            }
        }
    }

    /// Whether `caller` is an administrator.
    #[inline]
    pub fn is_admin(&self, caller: &Identity) -> Result<(), Denied> {
        let role = &self.options.admin_role;
        if caller.has_role(role) {
            Ok(())
        } else {
            Err(Denied::Role(role.clone()))
        }
    }

    /// Whether `caller` may publish without a rate limit.
    #[inline]
    pub fn is_unlimited(&self, caller: &Identity) -> bool {
        let Options {
            admin_role,
            unlimited_roles,
            ..
        } = &self.options;
        std::iter::once(admin_role)
            .chain(unlimited_roles)
            .any(|role| caller.has_role(role))
    }

    /// Whether a request with `headers` may read the metrics.
    pub fn may_scrape(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(expected) = &self.options.metrics_token else {
            return Ok(());
        };
        let given = headers.get(AUTHORIZATION).ok_or(Refusal::Missing)?;
        let (scheme, token) = given
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .ok_or(Refusal::Invalid)?;
        let is_same = aws_lc_rs::constant_time::verify_slices_are_equal(
            token.as_bytes(),
            expected.as_bytes(),
        )
        .is_ok();
        if scheme.eq_ignore_ascii_case("bearer") && is_same {
            Ok(())
        } else {
            Err(Refusal::Invalid)
        }
    }

    /// The rule that governs `topic`, with its calls.
    #[inline]
    fn governing(&self, topic: &TopicName) -> Option<&(Rule, Option<&'static str>)> {
        self.rules.iter().find(|(rule, _)| rule.governs(topic))
    }

    /// Returns a rule that governs a topic above `topic`.
    fn above(&self, topic: &TopicName) -> Option<&(Rule, Option<&'static str>)> {
        self.rules.iter().find(|(rule, _)| rule.is_above(topic))
    }
}

/// The identity of `visitor`, for an endpoint that requires one. A visitor with a refused
/// credential is refused here, although it may be served as anonymous elsewhere.
pub fn authenticated(visitor: &Visitor) -> Result<&Identity, Refusal> {
    match visitor {
        Visitor {
            identity: Some(caller),
            ..
        } => Ok(caller),
        Visitor {
            auth_error: Some(_),
            ..
        } => Err(Refusal::Invalid),
        Visitor { .. } => Err(Refusal::Missing),
    }
}

/// Whether the name alone makes a topic the server's own: it is below `system`, or has a segment
/// that begins with `_`.
fn is_the_servers(topic: &TopicName) -> bool {
    let mut segments = topic.as_str().split('/');
    topic.as_str().starts_with("system/") || segments.any(|segment| segment.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use tidings_hub::UserId;

    use super::*;

    const CALLS: &str = "`POST /news`";

    fn guard(open_publish: bool) -> Guard {
        let rule = |pattern, read, publish| {
            (
                Rule {
                    pattern,
                    read,
                    publish,
                },
                Some(CALLS),
            )
        };
        let rules = [
            rule("news", Audience::Public, Audience::Admin),
            rule("news/user/{me}", Audience::Me, Audience::Authenticated),
            rule("talk/*", Audience::Authenticated, Audience::Authenticated),
            rule("diary/{me}", Audience::Me, Audience::Me),
            rule("system/numbers", Audience::Admin, Audience::Server),
            (
                Rule {
                    pattern: "parcels/*",
                    read: Audience::Public,
                    publish: Audience::Admin,
                },
                None,
            ),
        ];
        let unlimited_roles = vec!["backend".to_owned()];
        Guard::new(
            rules,
            Options {
                admin_role: "operator".to_owned(),
                open_publish,
                unlimited_roles,
                metrics_token: None,
            },
        )
    }

    fn caller(id: &str, roles: &[&str]) -> Identity {
        Identity::verified(
            UserId::parse(id).unwrap(),
            None,
            None,
            roles.iter().copied(),
            None,
        )
    }

    fn visitor(id: &str, roles: &[&str]) -> Visitor {
        Visitor::from(caller(id, roles))
    }

    fn topic(text: &str) -> TopicName {
        TopicName::parse(text).unwrap()
    }

    #[test]
    fn each_audience_reads_its_own_topics_and_no_others() {
        let (missing, invalid) = (
            Err(Denied::from(Refusal::Missing)),
            Err(Denied::from(Refusal::Invalid)),
        );
        let role = Err(Denied::Role("operator".to_owned()));
        let nobody = Visitor::default();
        let served_as_anonymous = Visitor {
            identity: None,
            auth_error: Some("token_invalid"),
        };
        let (ann, root) = (visitor("ann", &["user"]), visitor("root", &["operator"]));
        let (another, not_shown) = (Err(Denied::AnotherUser), Err(Denied::NotShown));
        let open = Ok(());
        for (name, answers) in [
            ("news", [&open, &open, &open, &open]),
            ("news/user/ann", [&missing, &invalid, &open, &another]),
            ("news/user/root", [&missing, &invalid, &another, &open]),
            ("talk/tea", [&missing, &invalid, &open, &open]),
            ("system/numbers", [&missing, &invalid, &role, &open]),
            ("talk", [&missing, &invalid, &not_shown, &not_shown]),
            ("_members", [&missing, &invalid, &not_shown, &not_shown]),
            ("orders/eu", [&missing, &invalid, &not_shown, &not_shown]),
        ] {
            let visitors = [&nobody, &served_as_anonymous, &ann, &root];
            let found = visitors.map(|visitor| guard(true).may_read(visitor, &topic(name)));
            assert_eq!(found.each_ref(), answers, "{name}");
            let listed = visitors.map(|visitor| guard(true).may_list(visitor, &topic(name)));
            match name {
                "system/numbers" => assert_eq!(listed[3], Err(Denied::NotStored)),
                _ => assert_eq!(listed, found, "{name}"),
            }
        }
    }

    #[test]
    fn each_audience_publishes_to_its_own_topics_and_no_others() {
        let (ann, root) = (caller("ann", &["user"]), caller("root", &["operator"]));
        let role = Err(Denied::Role("operator".to_owned()));
        let (open, another, server) = (
            Ok(()),
            Err(Denied::AnotherUser),
            Err(Denied::ReservedForServer),
        );
        for (name, of_ann, of_root) in [
            ("news", &role, &open),
            ("news/user/bob", &open, &open),
            ("talk/tea", &open, &open),
            ("diary/ann", &open, &another),
            ("system/numbers", &server, &server),
            (
                "orders/eu",
                &Err(Denied::NotPublished),
                &Err(Denied::NotPublished),
            ),
        ] {
            assert_eq!(
                &guard(false).may_publish((&ann).into(), &topic(name)),
                of_ann,
                "{name}"
            );
            assert_eq!(
                &guard(false).may_publish((&root).into(), &topic(name)),
                of_root,
                "{name}"
            );
            assert_eq!(
                guard(false).may_publish(By::Application, &topic(name)),
                Ok(()),
                "{name}"
            );
        }
        assert_eq!(
            guard(true).may_publish((&ann).into(), &topic("news")),
            Ok(()),
            "OPEN_PUBLISH"
        );
        assert_eq!(
            guard(true).may_publish((&ann).into(), &topic("system/numbers")),
            server
        );
    }

    #[test]
    fn topics_of_groups_and_of_the_server_are_not_application_topics() {
        let guard = guard(true);
        for free in [
            "orders/eu",
            "talk",
            "news/other",
            "systems/a",
            "system",
            "a_b",
        ] {
            assert_eq!(guard.is_application_topic(&topic(free)), Ok(()), "{free}");
            assert!(!guard.is_governed(&topic(free)), "{free}");
        }
        assert_eq!(
            guard.is_application_topic(&topic("parcels/7")),
            Ok(()),
            "a group without calls"
        );
        assert!(guard.is_governed(&topic("parcels/7")));
        for of_group in [
            "news",
            "news/user/bob",
            "talk/tea",
            "diary/ann",
            "talk/tea/cup",
            "news/user/bob/later/today",
        ] {
            assert_eq!(
                guard.is_application_topic(&topic(of_group)),
                Err(Denied::ReservedForCalls(CALLS)),
                "{of_group}"
            );
            assert!(guard.is_governed(&topic(of_group)), "{of_group}");
        }
        let below = guard.is_application_topic(&topic("parcels/7/label"));
        assert_eq!(
            below,
            Err(Denied::NotPublished),
            "below a topic of a group without calls"
        );
        for of_server in [
            "system/numbers",
            "system/other",
            "_members",
            "orders/_secret",
            "_a/b",
        ] {
            assert_eq!(
                guard.is_application_topic(&topic(of_server)),
                Err(Denied::ReservedForServer),
                "{of_server}"
            );
            assert!(guard.is_governed(&topic(of_server)), "{of_server}");
        }
    }

    #[test]
    fn administrators_and_the_configured_roles_have_no_rate_limit() {
        let guard = guard(false);
        for (role, expected) in [
            ("operator", true),
            ("backend", true),
            ("user", false),
            ("Backend", false),
        ] {
            assert_eq!(
                guard.is_unlimited(&caller("ann", &[role])),
                expected,
                "{role}"
            );
        }
    }

    #[test]
    fn the_metrics_are_readable_only_with_their_token() {
        let options = Options {
            metrics_token: Some("secret".to_owned()),
            ..Options::default()
        };
        let (closed, open) = (Guard::new([], options), Guard::new([], Options::default()));
        let with = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(open.may_scrape(&HeaderMap::new()), Ok(()));
        assert_eq!(closed.may_scrape(&HeaderMap::new()), Err(Refusal::Missing));
        assert_eq!(closed.may_scrape(&with("bearer secret")), Ok(()));
        for bad in [
            "secret",
            "Bearer",
            "Bearer secre",
            "Bearer secrets",
            "Basic secret",
        ] {
            assert_eq!(
                closed.may_scrape(&with(bad)),
                Err(Refusal::Invalid),
                "{bad}"
            );
        }
    }
}
