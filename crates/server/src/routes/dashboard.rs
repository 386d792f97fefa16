//! The events of `GET /system/dashboard/stream`: statistics of the server every second, for
//! administrators.
//!
//! Owns the event `stats` and the task that publishes it. The event is never stored and has no id,
//! because a client that reconnects wants the present state. Must cost nothing while no dashboard
//! is open.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_hub::Publication;
use tidings_journal::TopicName;
use tidings_sse::EventName;
use tokio::time::MissedTickBehavior;

use super::connections::counts_and_totals;
use crate::app::App;
use crate::metrics::process::resident_bytes;
use crate::stream_groups::DASHBOARD;
use crate::times::rfc3339;
use crate::topic_names;

/// The prefix of the names of the rooms' topics.
const ROOM_PREFIX: &str = "chat/room/";

/// The interval between two events.
const INTERVAL: Duration = Duration::from_secs(1);

/// The maximum number of rooms in an event: those with the most streams and members.
const MAX_ROOMS: usize = 50;

/// The maximum number of members of a room that an event names.
const MAX_MEMBERS: usize = 20;

/// Publishes the event `stats` while at least one dashboard is open. Runs for ever.
pub(crate) async fn report(app: Arc<App>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let watched = app
            .hub
            .connections()
            .stats()
            .by_kind
            .iter()
            .any(|(kind, count)| *kind == DASHBOARD && *count > 0);
        if watched {
            let event = EventName::from_static("stats");
            let publication = Publication::new([topic_names::dashboard()], event, stats(&app));
            if let Err(error) = app.hub.publish_ephemeral(&publication) {
                tracing::warn!(%error, "the statistics for the dashboard were not sent");
            }
        }
    }
}

/// Returns the data of an event: the answer of `GET /system/stats`, and details that are only for
/// administrators.
fn stats(app: &App) -> String {
    let mut stats = counts_and_totals(app);
    let mut rooms = HashMap::<TopicName, Room>::new();
    for connection in app.hub.connections().all() {
        for topic in connection
            .topics()
            .filter(|topic| topic.as_str().starts_with(ROOM_PREFIX))
        {
            rooms.entry(topic.clone()).or_default().streams += 1;
        }
    }
    for (topic, members) in app.hub.presence().topics() {
        rooms.entry(topic).or_default().members = members;
    }
    let in_use = rooms.len();
    let mut rooms: Vec<_> = rooms.into_iter().collect();
    let rank =
        |(topic, room): &(TopicName, Room)| (Reverse((room.streams, room.members)), topic.clone());
    // There may be very many rooms, so only those that are included are sorted.
    if in_use > MAX_ROOMS {
        rooms.select_nth_unstable_by_key(MAX_ROOMS, rank);
        rooms.truncate(MAX_ROOMS);
    }
    rooms.sort_by_cached_key(rank);
    stats["timestamp"] = rfc3339(app.now()).into();
    stats["uptime"] = app.started.elapsed().as_secs_f64().into();
    stats["head"] = app.hub.head().to_string().into();
    stats["published"] = app.hub.head().position.get().into();
    let traffic = app.hub.traffic();
    stats["deliveries"] = traffic.events.into();
    // Each bucket is its upper bound in milliseconds, or null for the last one, and its count since
    // the start. The web page computes the differences between two events.
    stats["delays"] = json!(traffic.delays.counts);
    let (behind, most) = app.hub.connections().lag();
    stats["lag"] = json!({ "streams": behind, "mostBytes": most });
    stats["memory"] = resident_bytes().into();
    stats["rooms"] = rooms
        .iter()
        .map(|(topic, room)| room.describe(app, topic))
        .collect::<Vec<_>>()
        .into();
    stats["roomsInUse"] = in_use.into();
    stats.to_string()
}

/// A room that has members, or whose own stream is open.
#[derive(Default)]
struct Room {
    streams: u64,
    members: usize,
}

impl Room {
    fn describe(&self, app: &App, topic: &TopicName) -> Value {
        let members = app.hub.presence().members(topic);
        let name = topic.as_str().strip_prefix(ROOM_PREFIX);
        let first: Vec<_> = members
            .iter()
            .take(MAX_MEMBERS)
            .map(|member| &*member.username)
            .collect();
        json!({ "room": name, "streams": self.streams, "members": self.members, "first": first })
    }
}
