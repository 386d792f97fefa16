//! Who is in which room, written down: after a restart members come back from the log, each with one grace period.
//!
//! What a room is told of its members is trimmed with the rest of the room, so this is kept beside it: a topic of the server's
//! own, written in the same step as what the room is told. Each member has a *slot*, which is the key of its record there, and
//! whoever joins takes the lowest free one: so there are never more records than there were members at the same time, and
//! nothing is left of those who went. [`Presence`](tidings_hub::Presence) knows who is a member; this only remembers.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;
use serde::Deserialize;
use tidings_hub::{After, Hub, MAX_MEMBERSHIPS, Member, Publication, TooMany, UserId};
use tidings_journal::TopicName;
use tidings_sse::EventName;
use tokio::sync::OnceCell;

use crate::http::fields;
use crate::http::json::Object;
use crate::topics;

/// How many slots there are: one for each membership that [`Presence`](tidings_hub::Presence) lets in. The log keeps the
/// latest event of so many keys, and the status of services has its share.
#[expect(clippy::cast_possible_truncation, reason = "a constant that fits, as a test shows")]
const MOST: u32 = MAX_MEMBERSHIPS as u32;

const EVENT: EventName = EventName::from_static("member");

/// What is remembered, and where.
pub(crate) struct Members {
    /// Whether the log outlives the process.
    is_kept: bool,
    slots: Mutex<Slots>,
    restored: OnceCell<()>,
}

#[derive(Default)]
struct Slots {
    taken: HashMap<(TopicName, UserId), u32>,
    /// Those below `unused` that nobody has.
    free: BTreeSet<u32>,
    /// Above here no slot was ever used.
    unused: u32,
}

/// A member as it is written; a slot that nobody has is `null`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    room: String,
    user_id: String,
    username: String,
    joined_at: i64,
}

impl Members {
    pub(crate) fn new(is_kept: bool) -> Self {
        Self { is_kept, slots: Mutex::default(), restored: OnceCell::new() }
    }

    /// Makes those members who were when the log was last written. The first call does it, and the others wait for it.
    pub(crate) async fn restore(&self, hub: &Hub) {
        if self.is_kept {
            self.restored.get_or_init(async || self.read(hub).await).await;
        }
    }

    async fn read(&self, hub: &Hub) {
        let mut after = After::Earliest;
        loop {
            let piece = match hub.history(vec![topics::members()], &after, usize::MAX).await {
                Ok(piece) => piece,
                Err(error) => {
                    tracing::error!(%error, "who was in which room can't be read; they have to join again");
                    return;
                }
            };
            for entry in &piece.entries {
                let Some(slot) = entry.record.key.as_ref().and_then(|key| key.parse().ok()) else { continue };
                let member = read(&entry.record.data);
                if self.slots.lock().found(slot, member.as_ref())
                    && let Some((room, member)) = member
                {
                    hub.presence().restore(&room, &member);
                }
            }
            if piece.end {
                return;
            }
            after = After::Id(piece.next.to_string());
        }
    }

    /// What is to be written when somebody joins, if anything is. Fails where there is no slot: a membership that would be
    /// gone after a restart must not be acknowledged.
    pub(crate) fn joined(&self, room: &TopicName, member: &Member) -> Result<Option<Publication>, TooMany> {
        if !self.is_kept {
            return Ok(None);
        }
        let slot = self.slots.lock().take(room, &member.user).ok_or(TooMany::Memberships)?;
        let written = Object::new()
            .text("room", room.as_str().rsplit('/').next().unwrap_or_default()) // names of rooms need no escapes
            .text("userId", member.user.as_str())
            .text("username", &member.username)
            .value("joinedAt", &member.joined_at_ms)
            .finish();
        Ok(Some(record(slot, written)))
    }

    /// What is to be written when somebody leaves. The slot is free once [`Members::forget`] says that it was written: before
    /// that, whoever took it might be written first.
    pub(crate) fn leaving(&self, room: &TopicName, user: &UserId) -> Option<Publication> {
        let slot = *self.slots.lock().taken.get(&(room.clone(), user.clone()))?;
        Some(record(slot, "null".to_owned()))
    }

    /// Nobody has the member's slot any more.
    pub(crate) fn forget(&self, room: &TopicName, user: &UserId) {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.taken.remove(&(room.clone(), user.clone())) {
            slots.free.insert(slot);
        }
    }
}

impl Slots {
    fn take(&mut self, room: &TopicName, user: &UserId) -> Option<u32> {
        if let Some(slot) = self.taken.get(&(room.clone(), user.clone())) {
            return Some(*slot); // of an earlier time, whose end was never known to be written
        }
        let slot = self.free.pop_first().or_else(|| {
            let next = self.unused;
            (next < MOST).then(|| {
                self.unused += 1;
                next
            })
        })?;
        self.taken.insert((room.clone(), user.clone()), slot);
        Some(slot)
    }

    /// Notes what was read. Returns whether it is a member who was not known.
    fn found(&mut self, slot: u32, member: Option<&(TopicName, Member)>) -> bool {
        if slot >= MOST {
            return false; // none of ours
        }
        self.free.extend(self.unused..slot);
        self.unused = self.unused.max(slot + 1);
        self.free.remove(&slot);
        if let Some((room, member)) = member
            && !self.taken.contains_key(&(room.clone(), member.user.clone()))
        {
            self.taken.insert((room.clone(), member.user.clone()), slot);
            return true;
        }
        self.free.insert(slot);
        false
    }
}

fn record(slot: u32, data: String) -> Publication {
    Publication {
        topics: [topics::members()].into(),
        event: EVENT,
        key: Some(slot.to_string().into()),
        ends_key: false,
        data,
    }
}

fn read(data: &[u8]) -> Option<(TopicName, Member)> {
    let written: Written = serde_json::from_slice(data).ok()?;
    let room = fields::is_name(&written.room).then(|| topics::room(&written.room))?;
    let user = UserId::parse(&written.user_id).ok()?;
    Some((room, Member { user, username: written.username.into(), joined_at_ms: written.joined_at, connections: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(user: &str) -> Member {
        Member { user: UserId::parse(user).unwrap(), username: "Ann".into(), joined_at_ms: 7, connections: 0 }
    }

    fn slot(publication: Option<Publication>) -> Option<u32> {
        publication.map(|publication| publication.key.unwrap().parse().unwrap())
    }

    #[test]
    fn a_slot_is_used_again_once_its_end_was_written() {
        let (members, room) = (Members::new(true), topics::room("r"));
        let joined = |user: &str| slot(members.joined(&room, &member(user)).unwrap());
        assert_eq!([joined("a"), joined("b"), joined("c")], [Some(0), Some(1), Some(2)]);
        let b = UserId::parse("b").unwrap();
        assert_eq!(slot(members.leaving(&room, &b)), Some(1));
        assert_eq!(joined("d"), Some(3), "it is not known to be written");
        members.forget(&room, &b);
        assert_eq!([joined("e"), joined("f")], [Some(1), Some(4)]);
        assert_eq!(slot(members.leaving(&room, &b)), None);
    }

    #[test]
    fn what_was_written_is_read_and_the_slots_between_are_free() {
        let (before, room) = (Members::new(true), topics::room("r"));
        let written = before.joined(&room, &member("a%/b")).unwrap().unwrap();
        let (found, member) = read(written.data.as_bytes()).unwrap();
        assert_eq!((&found, member.user.as_str(), member.joined_at_ms), (&room, "a%/b", 7));
        let mut slots = Slots::default();
        assert!(slots.found(3, Some(&(room.clone(), member.clone()))));
        assert!(!slots.found(5, Some(&(room.clone(), member.clone()))), "once is enough");
        assert!(!slots.found(4, None));
        assert!(!slots.found(MOST, Some(&(room.clone(), member))));
        assert_eq!(slots.free, [0, 1, 2, 4, 5].into());
        let user = |nth: u32| UserId::parse(&nth.to_string()).unwrap();
        let taken: Vec<_> = (0..6).map(|nth| slots.take(&room, &user(nth)).unwrap()).collect();
        assert_eq!(taken, [0, 1, 2, 4, 5, 6]);
    }

    #[test]
    fn what_is_no_member_is_nobody() {
        for text in ["null", "", "{}", r#"{"room":"a/b","userId":"u","username":"u","joinedAt":1}"#] {
            assert!(read(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn in_memory_nothing_is_written() {
        assert!(Members::new(false).joined(&topics::room("r"), &member("a")).unwrap().is_none());
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let (members, room) = (Members::new(true), topics::room("r"));
        members.slots.lock().unused = MOST - 1;
        assert!(members.joined(&room, &member("a")).is_ok());
        assert_eq!(members.joined(&room, &member("b")).err(), Some(TooMany::Memberships));
        assert!(members.joined(&room, &member("a")).is_ok(), "who has a slot keeps it");
        assert_eq!(usize::try_from(MOST), Ok(MAX_MEMBERSHIPS));
    }
}
