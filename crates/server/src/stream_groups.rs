//! The table of stream groups, one row for each: its topics, who may read them and publish to them,
//! and the streams that show them.
//!
//! Everything that depends on the groups uses this table: the router, the lane of parked streams,
//! the rights of `GET /events` and of the library, `GET /api`, and the banner at the start. Three
//! documents are generated from it: the streams in `docs/openapi.json`, the list of streams on the
//! web page, and the table in the README. `CONTRIBUTING.md` shows how to add a group.
//!
//! Must know neither how a stream is opened nor the paths of other calls.

#[cfg(test)]
mod documents;
mod shown_topics;

use std::time::Duration;

pub(crate) use self::shown_topics::{prefix_shown_by, topics_of_user};
use crate::auth::rule::{Audience, Rule};
use tidings_edge::query::{CURSOR, ENTITIES, Name, ROOM, TICKET, TOKEN};

/// A group of topics, and the streams that show them.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the documents are written by tests")
)]
pub(crate) struct Group {
    /// The name under which `GET /api` lists its streams.
    pub(crate) name: &'static str,
    /// The tag of its streams in the `OpenAPI` document.
    pub(crate) heading: &'static str,
    /// The calls that publish to its topics, as `Handle::publish` names them when it refuses one of
    /// the topics. `None` if the group has no calls: then `Handle::publish` publishes to them.
    pub(crate) calls: Option<&'static str>,
    /// The patterns of its topics, each with who may read and who may publish.
    pub(crate) rules: &'static [Rule],
    /// The streams that show its topics.
    pub(crate) streams: &'static [Stream],
}

/// A kind of stream: a path, and the topics that it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// The path. It may contain a `{parameter}`, whose value is the name that
    /// [narrows](Narrowing) the stream.
    pub(crate) path: &'static str,
    /// The query parameters that the path accepts.
    pub(crate) query: &'static [Name],
    /// The names under which an open stream is counted.
    pub(crate) counted_as: &'static [&'static str],
    /// The patterns of the topics that it shows if it is not narrowed. For an anonymous visitor,
    /// the patterns with `{me}` are left out.
    pub(crate) shows: &'static [&'static str],
    /// The parameter that narrows it to some names, if there is one.
    pub(crate) narrowing: Option<Narrowing>,
    /// How long a client waits before it reconnects.
    pub(crate) retry: Duration,
    /// Whether a stream without a cursor begins with the newest event of each key.
    pub(crate) snapshot: bool,
    /// Whether the first heartbeat is sent immediately, and all are events, whatever
    /// `HEARTBEAT_STYLE` says.
    pub(crate) pulse: bool,
    /// Its texts in documents.
    pub(crate) about: About,
}

/// A parameter whose value narrows a stream to the topics of some names, such as rooms.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the documents are written by tests")
)]
pub(crate) struct Narrowing {
    /// The name of the parameter, which is in the query or in the path.
    pub(crate) parameter: &'static str,
    /// The maximum number of names in its value. Without a name the stream is not narrowed.
    pub(crate) max_names: usize,
    /// The patterns of the topics that the narrowed stream shows. Each name takes the place of `*`.
    pub(crate) shows: &'static [&'static str],
    /// The description of the parameter in the `OpenAPI` document.
    pub(crate) about: &'static str,
    /// An example of its value.
    pub(crate) example: &'static str,
    /// The label and the placeholder of the input field on the web page.
    pub(crate) field: (&'static str, &'static str),
}

/// The texts about a stream in `GET /api` and in generated documents.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the documents are written by tests")
)]
pub(crate) struct About {
    /// Its name within the group in `GET /api`.
    pub(crate) api: &'static str,
    /// Its `operationId` in the `OpenAPI` document.
    pub(crate) operation: &'static str,
    /// Its label on the web page.
    pub(crate) label: &'static str,
    /// The names of its events, without those that every stream sends.
    pub(crate) events: &'static [&'static str],
    /// What it shows, as Markdown for the table in the README.
    pub(crate) summary: &'static str,
    /// Its summary in the `OpenAPI` document.
    pub(crate) title: &'static str,
    /// Its description in the `OpenAPI` document. May be empty.
    pub(crate) more: &'static str,
}

/// The name under which open streams of the dashboard are counted.
pub(crate) const DASHBOARD: &str = "dashboard";

/// The table of the stream groups.
pub(crate) static GROUPS: &[Group] = &[
    Group {
        name: "notifications",
        heading: "Notifications",
        calls: Some("`POST /notifications/send` (in the library, `Handle::notify`)"),
        rules: &[
            Rule {
                pattern: "notifications",
                read: Audience::Public,
                publish: Audience::Admin,
            },
            Rule {
                pattern: "notifications/user/{me}",
                read: Audience::Me,
                publish: Audience::Authenticated,
            },
        ],
        streams: &[Stream {
            path: "/notifications/stream",
            counted_as: &["notifications", "heartbeat"],
            shows: &["notifications", "notifications/user/{me}"],
            about: About {
                api: "stream",
                operation: "notificationStream",
                label: "Notifications",
                events: &["notification"],
                summary: "`notification` to all users, and to you",
                title: "Receive notifications",
                more: "Shows the notifications to all users, and with a token also those to the \
                       caller alone.",
            },
            ..Stream::PLAIN
        }],
    },
    Group {
        name: "realtime",
        heading: "Entity updates",
        calls: Some("`POST /realtime/update` (in the library, `Handle::update`)"),
        rules: &[
            Rule {
                pattern: "realtime",
                read: Audience::Public,
                publish: Audience::Admin,
            },
            Rule {
                pattern: "realtime/entity/*",
                read: Audience::Public,
                publish: Audience::Admin,
            },
            Rule {
                pattern: "realtime/user/{me}",
                read: Audience::Me,
                publish: Audience::Authenticated,
            },
            Rule {
                pattern: "realtime/user/{me}/entity/*",
                read: Audience::Me,
                publish: Audience::Authenticated,
            },
        ],
        streams: &[Stream {
            path: "/realtime/stream",
            query: &[TOKEN, TICKET, CURSOR, ENTITIES],
            counted_as: &["realtime-updates", "heartbeat"],
            shows: &["realtime", "realtime/user/{me}"],
            narrowing: Some(Narrowing {
                parameter: "entities",
                max_names: 64,
                shows: &["realtime/entity/*", "realtime/user/{me}/entity/*"],
                about: "Only the updates of these kinds of entities: up to 64, separated by \
                        commas or in repeated parameters. If it is empty, all are shown",
                example: "order,user",
                field: ("Entities", "all, or order,user"),
            }),
            about: About {
                api: "stream",
                operation: "realtimeStream",
                label: "Entity updates",
                events: &["realtime-update"],
                summary: "`realtime-update` to all users, and to you; with `?entities=order,user` \
                          (up to 64) only of these entities",
                title: "Receive entity updates",
                more: "Shows the updates for all users, and with a token also those for the \
                       caller alone.",
            },
            ..Stream::PLAIN
        }],
    },
    Group {
        name: "chat",
        heading: "Chat",
        calls: Some("`POST /chat/message` (in the library, `Handle::chat`)"),
        rules: &[
            Rule {
                pattern: "chat",
                read: Audience::Authenticated,
                publish: Audience::Authenticated,
            },
            Rule {
                pattern: "chat/room/*",
                read: Audience::Authenticated,
                publish: Audience::Authenticated,
            },
        ],
        streams: &[
            Stream {
                path: "/chat/stream",
                query: &[TOKEN, TICKET, CURSOR, ROOM],
                counted_as: &["chat", "heartbeat"],
                shows: &["chat"],
                narrowing: Some(Narrowing {
                    parameter: "roomId",
                    max_names: 1,
                    shows: &["chat/room/*"],
                    about: "Only the messages of this room. `room` is another name of this \
                            parameter",
                    example: "general",
                    field: ("Room", "all rooms"),
                }),
                about: About {
                    api: "stream",
                    operation: "chatStream",
                    label: "Chat",
                    events: &["chat-message", "typing"],
                    summary: "`chat-message` and `typing` of all rooms, or with `?roomId=` of one",
                    title: "Receive the messages of all chat rooms, or of one",
                    more: "",
                },
                ..Stream::PLAIN
            },
            Stream {
                path: "/chat/room/{roomId}/stream",
                counted_as: &["chat", "heartbeat"],
                shows: &[],
                narrowing: Some(Narrowing {
                    parameter: "roomId",
                    max_names: 1,
                    shows: &["chat/room/*"],
                    about: "The room",
                    example: "general",
                    field: ("Room", ""),
                }),
                about: About {
                    api: "roomStream",
                    operation: "roomStream",
                    label: "Chat room",
                    events: &["chat-message", "typing"],
                    summary: "`chat-message` and `typing` of this room",
                    title: "Receive the messages of one chat room",
                    more: "",
                },
                ..Stream::PLAIN
            },
        ],
    },
    Group {
        name: "system",
        heading: "System status",
        calls: Some("`POST /system/status/update` (in the library, `Handle::status`)"),
        rules: &[Rule {
            pattern: "system/status",
            read: Audience::Public,
            publish: Audience::Admin,
        }],
        streams: &[Stream {
            path: "/system/status/stream",
            counted_as: &["system-status", "heartbeat"],
            shows: &["system/status"],
            retry: Duration::from_secs(5),
            snapshot: true,
            about: About {
                api: "statusStream",
                operation: "statusStream",
                label: "System status",
                events: &["system-status", "synced"],
                summary: "the latest `system-status` of each service, `synced`, then changes",
                title: "Receive the latest status of each service, then changes",
                more: "The event `synced` marks the end of the first part.",
            },
            ..Stream::PLAIN
        }],
    },
    Group {
        name: "system",
        heading: "System status",
        calls: None,
        rules: &[],
        streams: &[Stream {
            path: "/system/heartbeat",
            counted_as: &["heartbeat"],
            shows: &[],
            retry: Duration::from_secs(30),
            pulse: true,
            about: About {
                api: "heartbeat",
                operation: "heartbeatStream",
                label: "Heartbeat",
                events: &[],
                summary: "`heartbeat`, the first one immediately",
                title: "Receive heartbeats, the first one immediately",
                more: "",
            },
            ..Stream::PLAIN
        }],
    },
    Group {
        name: "system",
        heading: "Connections",
        calls: None,
        rules: &[Rule {
            pattern: "system/dashboard",
            read: Audience::Admin,
            publish: Audience::Server,
        }],
        streams: &[Stream {
            path: "/system/dashboard/stream",
            counted_as: &[DASHBOARD, "heartbeat"],
            shows: &["system/dashboard"],
            about: About {
                api: "dashboard",
                operation: "dashboardStream",
                label: "Dashboard",
                events: &["stats"],
                summary: "`stats` of the server, every second",
                title: "Receive statistics of the server every second",
                more: "The events are not stored and have no ids. The server computes them only \
                       while such a stream is open.",
            },
            ..Stream::PLAIN
        }],
    },
];

/// Returns every stream with its group.
pub(crate) fn streams(
    groups: &'static [Group],
) -> impl Iterator<Item = (&'static Group, &'static Stream)> {
    groups
        .iter()
        .flat_map(|group| group.streams.iter().map(move |stream| (group, stream)))
}

/// Returns the paths of all streams.
pub(crate) fn paths(groups: &'static [Group]) -> impl Iterator<Item = &'static str> {
    streams(groups).map(|(_, stream)| stream.path)
}

/// Returns every rule with the calls of its group.
pub(crate) fn rules(
    groups: &'static [Group],
) -> impl Iterator<Item = (Rule, Option<&'static str>)> {
    groups
        .iter()
        .flat_map(|group| group.rules.iter().map(|rule| (*rule, group.calls)))
}

/// Returns the streams that a visitor can open by their paths alone. Left out are streams with a
/// parameter in the path, and streams for administrators only.
pub(crate) fn offered(
    groups: &'static [Group],
) -> impl Iterator<Item = (&'static Group, &'static Stream)> {
    streams(groups).filter(|(group, stream)| {
        !stream.is_narrowed_by_path() && group.audience(stream) < Audience::Admin
    })
}

impl Group {
    /// Returns who may open `stream`, one of the group's: everybody who may read at least one of
    /// the topics that it can show.
    pub(crate) fn audience(&self, stream: &Stream) -> Audience {
        let shown = stream.shows.iter().chain(
            stream
                .narrowing
                .iter()
                .flat_map(|narrowing| narrowing.shows),
        );
        let rules = shown.filter_map(|shown| self.rules.iter().find(|rule| rule.pattern == *shown));
        rules
            .map(|rule| rule.read)
            .min()
            .unwrap_or(Audience::Public)
    }
}

impl Stream {
    /// The values that most streams have in common.
    const PLAIN: Self = Self {
        path: "",
        query: &[TOKEN, TICKET, CURSOR],
        counted_as: &[],
        shows: &[],
        narrowing: None,
        retry: Duration::from_secs(3),
        snapshot: false,
        pulse: false,
        about: About {
            api: "stream",
            operation: "",
            label: "",
            events: &[],
            summary: "",
            title: "",
            more: "",
        },
    };

    /// Returns the call that opens it, as `GET /api` lists it. A parameter is written as `:name`,
    /// which existing front ends expect.
    pub(crate) fn call(&self) -> String {
        format!("GET {}", self.path.replace('{', ":").replace('}', ""))
    }

    /// Whether a parameter in its path narrows it.
    pub(crate) fn is_narrowed_by_path(&self) -> bool {
        self.path.contains('{')
    }
}

#[cfg(test)]
mod tests;
