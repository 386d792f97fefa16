//! A member of a topic, and how many there may be.

use std::sync::Arc;

use tidings_journal::Position;

use crate::user::UserId;

/// The most topics that one user can become a member of. Memberships that come from the log are
/// never refused, because they were acknowledged.
pub const MAX_MEMBERSHIPS_PER_USER: usize = 256;

/// The most memberships of all users together.
pub const MAX_MEMBERSHIPS: usize = 50_000;

/// A member of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user's id.
    pub user: UserId,
    /// The user's name at the time of joining, at most
    /// [`MAX_NAME_BYTES`](crate::user::MAX_NAME_BYTES) long.
    pub username: Arc<str>,
    /// When the user joined, in milliseconds since 1970.
    pub joined_at_ms: i64,
    /// The position in the log at which the membership began. An end of the membership names it, so
    /// that a later membership of the user is not ended.
    pub position: Position,
    /// How many open streams of the member receive the topic.
    pub connections: usize,
}

/// The limit that keeps a user from becoming a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipLimit {
    /// The user has [`MAX_MEMBERSHIPS_PER_USER`] memberships.
    #[error("the user has {MAX_MEMBERSHIPS_PER_USER} memberships, which is the limit")]
    User,
    /// All users together have [`MAX_MEMBERSHIPS`].
    #[error("there are {MAX_MEMBERSHIPS} memberships, which is the limit")]
    Total,
}
