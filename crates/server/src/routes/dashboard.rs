//! The events of `GET /system/dashboard/stream`: the server's activity, each second, for admins.
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

use super::connections::tallied;
use crate::app::App;
use crate::metrics::process::resident_bytes;
use crate::stream_groups::DASHBOARD;
use crate::times::rfc3339;
use crate::topic_names;

/// The prefix of the rooms' topics.
const ROOM: &str = "chat/room/";

/// The interval between two events.
const EVERY: Duration = Duration::from_secs(1);

/// The maximum number of rooms in an event. Those with the most streams and members are included,
/// and [`MEMBERS`] members of each by name.
const ROOMS: usize = 50;
const MEMBERS: usize = 20;

/// Publishes the event `stats` while at least one dashboard is open. Runs for ever.
pub(crate) async fn report(app: Arc<App>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let watched =
            app.hub.connections().stats().by_kind.iter().any(|(kind, count)| *kind == DASHBOARD && *count > 0);
        if watched {
            let event = EventName::from_static("stats");
            let publication = Publication::new([topic_names::dashboard()], event, stats(&app));
            if let Err(error) = app.hub.publish_ephemeral(&publication) {
                tracing::warn!(%error, "the dashboard's numbers were not sent");
            }
        }
    }
}

/// The answer of `GET /system/stats`, and what only an operator should see.
fn stats(app: &App) -> String {
    let mut stats = tallied(app);
    let mut rooms = HashMap::<TopicName, Room>::new();
    for connection in app.hub.connections().all() {
        for topic in connection.topics().filter(|topic| topic.as_str().starts_with(ROOM)) {
            rooms.entry(topic.clone()).or_default().streams += 1;
        }
    }
    for (topic, members) in app.hub.presence().topics() {
        rooms.entry(topic).or_default().members = members;
    }
    let in_use = rooms.len();
    let mut rooms: Vec<_> = rooms.into_iter().collect();
    let rank = |(topic, room): &(TopicName, Room)| (Reverse((room.streams, room.members)), topic.clone());
    // There may be very many rooms, so only the rooms that are included are sorted.
    if in_use > ROOMS {
        rooms.select_nth_unstable_by_key(ROOMS, rank);
        rooms.truncate(ROOMS);
    }
    rooms.sort_by_cached_key(rank);
    stats["timestamp"] = rfc3339(app.now()).into();
    stats["uptime"] = app.started.elapsed().as_secs_f64().into();
    stats["head"] = app.hub.head().to_string().into();
    stats["published"] = app.hub.head().position.get().into();
    let traffic = app.hub.traffic();
    stats["deliveries"] = traffic.events.into();
    // For each bucket its upper bound in milliseconds, which the last one lacks, and its count. The
    // page subtracts the counts of two events.
    stats["delays"] = json!(traffic.delays.counts);
    let (behind, most) = app.hub.connections().lag();
    stats["lag"] = json!({ "streams": behind, "mostBytes": most });
    stats["memory"] = resident_bytes().into();
    stats["rooms"] = rooms.iter().map(|(topic, room)| room.describe(app, topic)).collect::<Vec<_>>().into();
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
        let name = topic.as_str().strip_prefix(ROOM);
        let first: Vec<_> = members.iter().take(MEMBERS).map(|member| &*member.username).collect();
        json!({ "room": name, "streams": self.streams, "members": self.members, "first": first })
    }
}
