//! The memberships of rooms, as the log records them: the internal topic `_members` has one live
//! record for each membership.
//!
//! A join appends two events in one step: the announcement in the room, and the record. The
//! condition is that there is no such record yet. A leave appends the announcement and the end of
//! the record; the condition is that the record is still the same. So a join and a leave happen
//! only once, even if several servers and callers try at the same time: the log decides, and not
//! this module. [`Members`] folds the records into [`Presence`] before they become visible.
//!
//! Must never change a membership in any way but through the log.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Deserialize;
use tidings_edge::fields;
use tidings_edge::json::Object;
use tidings_hub::{Fold, Hub, Member, Presence, Publication, UserId};
use tidings_journal::{Condition, Entry, Error, TopicName};
use tidings_sse::EventName;
use tokio::task::JoinSet;

use crate::topic_names;

const EVENT: EventName = EventName::from_static("member");

/// The number of records of version 0.1 that are converted at the same time.
const CONVERTED_AT_A_TIME: usize = 256;

/// Folds the records in the log into memberships.
pub(crate) struct Members {
    presence: Arc<Presence>,
    topics: [TopicName; 1],
    /// The records that are still to be converted from the form of version 0.1, in which their keys
    /// are numbers.
    old: Mutex<Vec<Arc<Entry>>>,
    /// Held during the conversion.
    converting: tokio::sync::Mutex<()>,
}

/// A membership in the form in which the log stores it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberRecord {
    room: String,
    user_id: String,
    username: String,
    joined_at: i64,
}

impl Members {
    pub(crate) fn new(presence: Arc<Presence>) -> Self {
        Self {
            presence,
            topics: [topic_names::members()],
            old: Mutex::default(),
            converting: tokio::sync::Mutex::default(),
        }
    }

    /// Waits until all memberships in the log are known here, and converts the records of version
    /// 0.1 to the present form. Each record is replaced in one step that also ends the old record,
    /// on the condition that the old record is still there. So a crash in the middle, or another
    /// server at the same time, neither loses a member nor restores one that has left.
    pub(crate) async fn loaded(&self, hub: &Hub) -> Result<(), Error> {
        hub.folds_ready().await?;
        if self.old.lock().is_empty() {
            return Ok(());
        }
        let _turn = self.converting.lock().await;
        loop {
            let batch: Vec<_> = self
                .old
                .lock()
                .iter()
                .rev()
                .take(CONVERTED_AT_A_TIME)
                .cloned()
                .collect();
            let Some(last) = batch.first() else {
                return Ok(());
            };
            let mut conversions = JoinSet::new();
            for (publications, condition) in batch.iter().filter_map(|entry| self.converted(entry))
            {
                let hub = hub.clone();
                conversions
                    .spawn(async move { hub.publish(publications, None, Some(condition)).await });
            }
            while let Some(converted) = conversions.join_next().await {
                converted.map_err(|_| Error::Closed("the server is stopping".to_owned()))??;
            }
            let mut old = self.old.lock();
            if old.last().is_some_and(|entry| Arc::ptr_eq(entry, last)) {
                let remaining = old.len() - batch.len();
                old.truncate(remaining);
            } // otherwise the log was folded again, which has replaced `old`
        }
    }

    /// Returns the membership of `user` in `room`, or `None` if there is none in the whole log:
    /// before it returns `None`, it waits for everything that any server has acknowledged.
    pub(crate) async fn find(
        &self,
        hub: &Hub,
        room: &TopicName,
        user: &UserId,
    ) -> Result<Option<Member>, Error> {
        self.loaded(hub).await?;
        if let Some(member) = self.presence.member(room, user) {
            return Ok(Some(member));
        }
        hub.certain().await?;
        Ok(self.presence.member(room, user))
    }

    /// Returns the publications that replace a record in the form of version 0.1, and the condition
    /// for them.
    fn converted(&self, entry: &Entry) -> Option<(Vec<Publication>, Condition)> {
        let key = entry.record.key.clone()?;
        // Only the record by which the user is a member is replaced, so a user with several old
        // records gets one new record.
        let member = read(&entry.record.data)
            .filter(|(room, user, _)| {
                let member = self.presence.member(&topic_names::room(room), user);
                member.is_some_and(|member| member.position == entry.id.position)
            })
            .map(|(room, user, record)| {
                record_of_join(&room, &user, &record.username, record.joined_at).0
            });
        let end = Publication::new(self.topics.clone(), EVENT, "null").ending(key.clone());
        let condition = Condition::Current(topic_names::members(), key, entry.id.position);
        Some((std::iter::once(end).chain(member).collect(), condition))
    }
}

impl Fold for Members {
    fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    fn begin(&self, _: u64, keyed: &[Arc<Entry>]) {
        let (new, old): (Vec<_>, Vec<_>) =
            keyed.iter().cloned().partition(|entry| has_new_form(entry));
        // Where both forms exist, the new one takes precedence.
        let members: Vec<_> = old
            .iter()
            .chain(&new)
            .filter_map(|entry| member_of(entry))
            .collect();
        self.presence.replace(&members);
        *self.old.lock() = old;
    }

    fn apply(&self, entry: &Arc<Entry>) {
        let record = &entry.record;
        let Some((room, user)) = record.key.as_deref().and_then(parse_key) else {
            return;
        };
        if record.ends_key {
            self.presence.leave(&topic_names::room(&room), &user);
        } else if let Some((room, member)) = member_of(entry) {
            self.presence.enter(&room, &member);
        }
    }
}

/// Returns the record of a new membership of `user`, and the condition for the step that appends it
/// together with the announcement in the room.
pub(crate) fn record_of_join(
    room: &str,
    user: &UserId,
    username: &str,
    joined_at_ms: i64,
) -> (Publication, Condition) {
    let data = Object::new()
        .text("room", room)
        .text("userId", user.as_str())
        .text("username", username)
        .value("joinedAt", &joined_at_ms)
        .finish();
    let key: Arc<str> = key(room, user).into();
    let condition = Condition::Absent(topic_names::members(), key.clone());
    (
        Publication::new([topic_names::members()], EVENT, data).keyed(key),
        condition,
    )
}

/// Returns the end of the record of `member`, and the condition for the step that appends it
/// together with the announcement in the room.
pub(crate) fn record_of_leave(room: &str, member: &Member) -> (Publication, Condition) {
    let key: Arc<str> = key(room, &member.user).into();
    let condition = Condition::Current(topic_names::members(), key.clone(), member.position);
    (
        Publication::new([topic_names::members()], EVENT, "null").ending(key),
        condition,
    )
}

/// Returns the room and the member of a live record.
fn member_of(entry: &Entry) -> Option<(TopicName, Member)> {
    let record = read(&entry.record.data);
    let from_record = || {
        record
            .as_ref()
            .map(|(room, user, _)| (room.clone(), user.clone()))
    };
    let (room, user) = entry
        .record
        .key
        .as_deref()
        .and_then(parse_key)
        .or_else(from_record)?;
    let (username, joined_at_ms) = match record {
        Some((.., record)) => (record.username.into(), record.joined_at),
        // unreadable data, but the key alone makes it a membership
        None => (user.as_str().into(), entry.record.at_ms),
    };
    let position = entry.id.position;
    Some((
        topic_names::room(&room),
        Member {
            user,
            username,
            joined_at_ms,
            position,
            connections: 0,
        },
    ))
}

/// The key of a membership. The name of a room contains no slash; the id of a user may.
fn key(room: &str, user: &UserId) -> String {
    format!("{room}/{user}")
}

/// Returns the room and the user of a key. Returns `None` for a key of version 0.1, a number.
fn parse_key(key: &str) -> Option<(String, UserId)> {
    let (room, user) = key.split_once('/')?;
    let user = UserId::parse(user).ok()?;
    fields::is_name(room).then(|| (room.to_owned(), user))
}

/// Whether a record has the present form, and not that of version 0.1.
fn has_new_form(entry: &Entry) -> bool {
    entry
        .record
        .key
        .as_deref()
        .is_some_and(|key| parse_key(key).is_some())
}

/// Reads the data of a record. In version 0.1 the data of a free slot is `null`.
fn read(data: &[u8]) -> Option<(String, UserId, MemberRecord)> {
    let record: MemberRecord = serde_json::from_slice(data).ok()?;
    let room = fields::is_name(&record.room).then(|| record.room.clone())?;
    let user = UserId::parse(&record.user_id).ok()?;
    Some((room, user, record))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_journal::{Epoch, EventId, Position, Record};

    use super::*;

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn members() -> Members {
        Members::new(Arc::new(Presence::new(
            topic_names::chat(),
            Duration::from_mins(1),
        )))
    }

    fn entry(position: u64, publication: Publication) -> Arc<Entry> {
        let Publication {
            topics,
            event,
            key,
            ends_key,
            data,
        } = publication;
        let record = Record {
            topics,
            event: event.as_str().into(),
            key,
            ends_key,
            data: data.into(),
            at_ms: 9,
        };
        let id = EventId {
            epoch: Epoch::random(&mut rand::rng()),
            position: Position::new(position),
        };
        Arc::new(Entry { id, record })
    }

    /// A record as version 0.1 wrote it.
    fn slot(position: u64, slot: u32, data: &str) -> Arc<Entry> {
        entry(
            position,
            Publication::new([topic_names::members()], EVENT, data).keyed(slot.to_string()),
        )
    }

    fn names(members: &Members, room: &str) -> Vec<(String, u64)> {
        let members = members
            .presence
            .members(&topic_names::room(room))
            .into_iter();
        members
            .map(|member| (member.user.to_string(), member.position.get()))
            .collect()
    }

    #[test]
    fn a_key_names_a_room_and_a_user_with_any_id() {
        for (room, id) in [
            ("r", "ann"),
            ("a.b@c:d-e_f", "a/b"),
            ("7", "/"),
            ("r", "7"),
            ("r", " é%/.."),
        ] {
            assert_eq!(
                parse_key(&key(room, &user(id))),
                Some((room.to_owned(), user(id)))
            );
        }
        for other in ["7", "", "r", "/ann", "r/", "a b/ann", "../ann", "r/a\nb"] {
            assert_eq!(parse_key(other), None, "{other}");
        }
        let longest = key(&"x".repeat(128), &user(&"é".repeat(64)));
        assert!(longest.len() <= 257, "the log takes keys of 32 KiB");
    }

    #[test]
    fn joins_and_leaves_are_folded_in_the_order_of_the_log() {
        let members = members();
        members.apply(&entry(1, record_of_join("r", &user("ann"), "Ann", 7).0));
        members.apply(&entry(2, record_of_join("r", &user("b/b"), "Bob", 8).0));
        members.apply(&entry(3, record_of_join("s", &user("ann"), "Ann", 8).0));
        assert_eq!(
            names(&members, "r"),
            [("ann".to_owned(), 1), ("b/b".to_owned(), 2)]
        );
        let ann = members
            .presence
            .member(&topic_names::room("r"), &user("ann"))
            .unwrap();
        let (end, condition) = record_of_leave("r", &ann);
        assert_eq!(
            condition,
            Condition::Current(topic_names::members(), "r/ann".into(), Position::new(1))
        );
        members.apply(&entry(4, end));
        assert_eq!(names(&members, "r"), [("b/b".to_owned(), 2)]);
        assert_eq!(names(&members, "s"), [("ann".to_owned(), 3)]);
        // Every record under a member's key is a membership, because the log lets nobody else join
        // under that key.
        members.apply(&entry(
            5,
            Publication::new([topic_names::members()], EVENT, "{}").keyed("s/eve"),
        ));
        assert_eq!(
            names(&members, "s"),
            [("ann".to_owned(), 3), ("eve".to_owned(), 5)]
        );
    }

    #[test]
    fn records_of_version_0_1_are_members_and_each_is_converted_once() {
        let members = members();
        let data =
            |user: &str| format!(r#"{{"room":"r","userId":"{user}","username":"N","joinedAt":7}}"#);
        let keyed = [
            slot(1, 0, &data("ann")),
            slot(2, 1, "null"),
            slot(3, 3, &data("bob")),
            slot(4, 4, &data("bob")),
            entry(5, record_of_join("r", &user("cem"), "Cem", 8).0),
            slot(6, 5, &data("cem")),
            slot(
                7,
                6,
                r#"{"room":"a/b","userId":"u","username":"u","joinedAt":1}"#,
            ),
        ];
        members.begin(0, &keyed);
        let expected = [("ann", 1), ("bob", 4), ("cem", 5)]
            .map(|(name, position)| (name.to_owned(), position));
        assert_eq!(names(&members, "r"), expected);
        let old = members.old.lock().clone();
        let converted: Vec<_> = old
            .iter()
            .map(|entry| members.converted(entry).unwrap())
            .collect();
        let written = |(batch, _): &(Vec<Publication>, _)| {
            assert!(
                batch[0].ends_key,
                "the old record is ended first, so that the number of keys does not grow"
            );
            batch
                .get(1)
                .map(|publication| publication.key.clone().unwrap().to_string())
        };
        let written: Vec<_> = converted.iter().map(written).collect();
        let none = None::<String>;
        assert_eq!(
            written,
            [
                Some("r/ann".into()),
                none.clone(),
                none.clone(),
                Some("r/bob".into()),
                none.clone(),
                none
            ]
        );
        let condition = Condition::Current(topic_names::members(), "3".into(), Position::new(3));
        assert_eq!(converted[2].1, condition, "only if it is still there");
        // The end of a record of version 0.1 does not end the membership.
        for (nth, publication) in (10..).zip(converted.into_iter().flat_map(|(batch, _)| batch)) {
            members.apply(&entry(nth, publication));
        }
        assert_eq!(
            names(&members, "r")
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>(),
            ["ann", "bob", "cem"]
        );
    }
}
