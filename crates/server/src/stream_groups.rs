//! The stream groups: their streams, the topics that each stream shows, and who may read and publish them. One row for each group.
//!
//! Everything that depends on the groups uses this table: the router, the lane of parked streams, the rights of `GET /events` and of
//! the library, `GET /api` and the banner at the start. Three documents are generated from it: the streams in `docs/openapi.json`,
//! the page's list and the README's table. `CONTRIBUTING.md` shows how to add a group.
//!
//! Must never know how a stream is opened, nor the paths of other calls.

#[cfg(test)]
mod documents;
mod topics;

use std::time::Duration;

pub(crate) use self::topics::{of_user, shown_below};
use crate::auth::rule::{Audience, Rule};
use tidings_edge::query::{CURSOR, ENTITIES, Name, ROOM, TICKET, TOKEN};

/// A group of topics and the streams that show them.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the documents are written by tests"))]
pub(crate) struct Group {
    /// The name under which `GET /api` lists its streams.
    pub(crate) name: &'static str,
    /// Its heading in the `OpenAPI` document.
    pub(crate) heading: &'static str,
    /// The calls that publish to its topics, as the refusal of `Handle::publish` names them. `None` if the group has no calls:
    /// then `Handle::publish` publishes to it.
    pub(crate) calls: Option<&'static str>,
    /// Its topics, and who may do what with each.
    pub(crate) rules: &'static [Rule],
    pub(crate) streams: &'static [Stream],
}

/// A stream: a path, and the topics that it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// The path. A `{parameter}` in it holds the name that [narrows](Narrowing) the stream.
    pub(crate) path: &'static str,
    /// The query parameters that the path accepts.
    pub(crate) query: &'static [Name],
    /// The names under which an open stream is counted.
    pub(crate) counted_as: &'static [&'static str],
    /// The patterns of the topics that it shows unless it is narrowed. An anonymous visitor does not get the patterns with `{me}`.
    pub(crate) shows: &'static [&'static str],
    pub(crate) narrowing: Option<Narrowing>,
    /// How long a client waits before it comes back.
    pub(crate) retry: Duration,
    /// Whether a stream without a cursor begins with the newest event of each key.
    pub(crate) snapshot: bool,
    /// Whether a heartbeat is sent immediately, and heartbeats are always events.
    pub(crate) pulse: bool,
    pub(crate) about: About,
}

/// Names that narrow what a stream shows.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the documents are written by tests"))]
pub(crate) struct Narrowing {
    /// The parameter of the query or of the path, as the documentation calls it.
    pub(crate) parameter: &'static str,
    /// The most names that the parameter holds. If it holds none, the stream is not narrowed.
    pub(crate) most: usize,
    /// The patterns of the topics that the stream shows instead, `*` being the name.
    pub(crate) shows: &'static [&'static str],
    /// The description of the parameter, and an example of its value.
    pub(crate) about: &'static str,
    pub(crate) example: &'static str,
    /// The field on the page: its label and its placeholder.
    pub(crate) field: (&'static str, &'static str),
}

/// The texts about a stream in documents.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the documents are written by tests"))]
pub(crate) struct About {
    /// Its name within the group in `GET /api`.
    pub(crate) api: &'static str,
    /// Its identifier in the `OpenAPI` document.
    pub(crate) operation: &'static str,
    /// Its name on the page.
    pub(crate) label: &'static str,
    /// Its events, without those of every stream.
    pub(crate) events: &'static [&'static str],
    /// What it shows, for the README. Markdown.
    pub(crate) summary: &'static str,
    /// Its title in the `OpenAPI` document, and the description under it, which may be empty.
    pub(crate) title: &'static str,
    pub(crate) more: &'static str,
}

/// The name under which the dashboard's streams are counted.
pub(crate) const DASHBOARD: &str = "dashboard";

/// The table.
pub(crate) static GROUPS: &[Group] = &[
    Group {
        name: "notifications",
        heading: "Notifications",
        calls: Some("`POST /notifications/send` (in the library, `Handle::notify`)"),
        rules: &[
            Rule { pattern: "notifications", read: Audience::Public, publish: Audience::Admin },
            Rule { pattern: "notifications/user/{me}", read: Audience::Me, publish: Audience::Authenticated },
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
                summary: "`notification` to all, and to you",
                title: "Notifications as they come",
                more: "Those for everybody, and with a token those for its user.",
            },
            ..Stream::PLAIN
        }],
    },
    Group {
        name: "realtime",
        heading: "Entity updates",
        calls: Some("`POST /realtime/update` (in the library, `Handle::update`)"),
        rules: &[
            Rule { pattern: "realtime", read: Audience::Public, publish: Audience::Admin },
            Rule { pattern: "realtime/entity/*", read: Audience::Public, publish: Audience::Admin },
            Rule { pattern: "realtime/user/{me}", read: Audience::Me, publish: Audience::Authenticated },
            Rule { pattern: "realtime/user/{me}/entity/*", read: Audience::Me, publish: Audience::Authenticated },
        ],
        streams: &[Stream {
            path: "/realtime/stream",
            query: &[TOKEN, TICKET, CURSOR, ENTITIES],
            counted_as: &["realtime-updates", "heartbeat"],
            shows: &["realtime", "realtime/user/{me}"],
            narrowing: Some(Narrowing {
                parameter: "entities",
                most: 64,
                shows: &["realtime/entity/*", "realtime/user/{me}/entity/*"],
                about: "Up to 64 kinds of entities, separated by commas or as repeats of the parameter; empty is all",
                example: "order,user",
                field: ("Entities", "all, or order,user"),
            }),
            about: About {
                api: "stream",
                operation: "realtimeStream",
                label: "Entity updates",
                events: &["realtime-update"],
                summary: "`realtime-update` to all, and to you; `?entities=order,user` (up to 64) for some",
                title: "Entity updates as they come",
                more: "Those for everybody, and with a token those for its user; of all entities, or of some.",
            },
            ..Stream::PLAIN
        }],
    },
    Group {
        name: "chat",
        heading: "Chat",
        calls: Some("`POST /chat/message` (in the library, `Handle::chat`)"),
        rules: &[
            Rule { pattern: "chat", read: Audience::Authenticated, publish: Audience::Authenticated },
            Rule { pattern: "chat/room/*", read: Audience::Authenticated, publish: Audience::Authenticated },
        ],
        streams: &[
            Stream {
                path: "/chat/stream",
                query: &[TOKEN, TICKET, CURSOR, ROOM],
                counted_as: &["chat", "heartbeat"],
                shows: &["chat"],
                narrowing: Some(Narrowing {
                    parameter: "roomId",
                    most: 1,
                    shows: &["chat/room/*"],
                    about: "The one room to hear; `room` is the same",
                    example: "general",
                    field: ("Room", "all rooms"),
                }),
                about: About {
                    api: "stream",
                    operation: "chatStream",
                    label: "Chat",
                    events: &["chat-message", "typing"],
                    summary: "`chat-message` and `typing` of all rooms, or of one with `?roomId=`",
                    title: "What is said in all rooms, or in one",
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
                    most: 1,
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
                    title: "What is said in one room",
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
        rules: &[Rule { pattern: "system/status", read: Audience::Public, publish: Audience::Admin }],
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
                title: "The latest status of each service, then changes",
                more: "`synced` stands between the two.",
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
                title: "Signs of life, one at once",
                more: "",
            },
            ..Stream::PLAIN
        }],
    },
    Group {
        name: "system",
        heading: "Connections",
        calls: None,
        rules: &[Rule { pattern: "system/dashboard", read: Audience::Admin, publish: Audience::Server }],
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
                title: "What the server does, each second",
                more: "Never stored, without ids; costs nothing while nobody watches.",
            },
            ..Stream::PLAIN
        }],
    },
];

/// Every stream, with its group.
pub(crate) fn streams(groups: &'static [Group]) -> impl Iterator<Item = (&'static Group, &'static Stream)> {
    groups.iter().flat_map(|group| group.streams.iter().map(move |stream| (group, stream)))
}

/// The paths of all streams.
pub(crate) fn paths(groups: &'static [Group]) -> impl Iterator<Item = &'static str> {
    streams(groups).map(|(_, stream)| stream.path)
}

/// Every rule, with the calls of its group.
pub(crate) fn rules(groups: &'static [Group]) -> impl Iterator<Item = (Rule, Option<&'static str>)> {
    groups.iter().flat_map(|group| group.rules.iter().map(|rule| (*rule, group.calls)))
}

/// The streams that can be opened with nothing but their paths: no parameter in the path, and not only for administrators.
pub(crate) fn offered(groups: &'static [Group]) -> impl Iterator<Item = (&'static Group, &'static Stream)> {
    streams(groups).filter(|(group, stream)| !stream.is_narrowed_by_path() && group.audience(stream) < Audience::Admin)
}

impl Group {
    /// Who may open one of its streams: everybody who may read at least one of the topics that the stream can show.
    pub(crate) fn audience(&self, stream: &Stream) -> Audience {
        let shown = stream.shows.iter().chain(stream.narrowing.iter().flat_map(|narrowing| narrowing.shows));
        let rules = shown.filter_map(|shown| self.rules.iter().find(|rule| rule.pattern == *shown));
        rules.map(|rule| rule.read).min().unwrap_or(Audience::Public)
    }
}

impl Stream {
    /// What most streams have in common.
    const PLAIN: Self = Self {
        path: "",
        query: &[TOKEN, TICKET, CURSOR],
        counted_as: &[],
        shows: &[],
        narrowing: None,
        retry: Duration::from_secs(3),
        snapshot: false,
        pulse: false,
        about: About { api: "stream", operation: "", label: "", events: &[], summary: "", title: "", more: "" },
    };

    /// The call that opens it, as `GET /api` lists it. A parameter is written `:name`, which existing front ends expect.
    pub(crate) fn call(&self) -> String {
        format!("GET {}", self.path.replace('{', ":").replace('}', ""))
    }

    /// Whether a name in its path narrows it.
    pub(crate) fn is_narrowed_by_path(&self) -> bool {
        self.path.contains('{')
    }
}

#[cfg(test)]
mod tests;
