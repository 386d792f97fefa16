//! What the tests share: a server of their own, and calls of the broker in few words.

mod server;

use std::time::Duration;

use bytes::Bytes;
use tidings_journal::Epoch;
use tidings_journal_redis::{Options, Redis, Url, Whereabouts};
use tidings_journal_shared::broker::{
    Broker as _, Encoded, Failure, Follow, Live, LogId, Mark, Opened, Opening, Placed, Raw, Tag,
};

pub(crate) use server::{Server, free_port};

/// A limit for what must come, to end a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The options for a server, with a limit that is short enough for tests of a silent server.
pub(crate) fn options(url: &str) -> Options {
    let mut options = Options::new(Whereabouts::Url(url.parse::<Url>().expect("a URL")));
    options.limit = Duration::from_millis(1500);
    options
}

pub(crate) fn redis(url: &str) -> Redis {
    Redis::new(options(url))
}

/// A new epoch and the group that says that it begins. The groups of these tests are text.
pub(crate) fn opening() -> Opening {
    let epoch = Epoch::random(&mut rand::rng());
    Opening {
        log: LogId(format!("log of {epoch}")),
        meta: Bytes::from_static(b"bounds\0\xff"),
        epoch: (epoch, group(&format!("epoch {epoch}"))),
        distrusted: None,
    }
}

pub(crate) fn group(text: &str) -> Encoded {
    Encoded::new(Bytes::copy_from_slice(text.as_bytes()), 1)
}

/// Opens the log; tries again for as long as the server is on its way.
pub(crate) async fn open(redis: &Redis) -> Opened {
    open_with(redis, &opening()).await
}

pub(crate) async fn open_with(redis: &Redis, opening: &Opening) -> Opened {
    eventually(async || match redis.open(opening).await {
        Ok(opened) => Some(opened),
        Err(Failure::Unsure(_)) => None,
        Err(failure) => panic!("{failure}"),
    })
    .await
}

/// Appends a group and returns it as it was placed.
pub(crate) async fn append(redis: &Redis, epoch: Epoch, group: &Encoded) -> Result<Raw, Failure> {
    match redis.append(epoch, group).await? {
        Placed::Whole(raw) => Ok(raw),
        Placed::At(mark) => panic!("Redis says all of a group, and this has only a mark: {mark}"),
    }
}

/// Returns all groups after a mark.
pub(crate) async fn groups(redis: &Redis, mut after: Mark) -> Vec<Raw> {
    let mut all = Vec::new();
    loop {
        let page = redis.page(after, 1 << 20).await.expect("a page");
        let Some(last) = page.last() else {
            return all;
        };
        after = last.mark;
        all.extend(page);
    }
}

/// Checks that each group says that it follows the one before, and returns their texts.
pub(crate) fn chained(groups: &[Raw], mut previous: Tag) -> Vec<String> {
    let mut texts = Vec::new();
    for group in groups {
        assert_eq!(group.previous, Some(previous), "{group:?}");
        previous = Tag::of(&group.bytes);
        texts.push(String::from_utf8_lossy(&group.bytes).into_owned());
    }
    texts
}

/// Returns the next groups, and passes over signs of life.
pub(crate) async fn next_groups(follow: &mut dyn Follow) -> Result<Vec<Raw>, Failure> {
    loop {
        match next(follow).await? {
            Live::Groups(groups) => return Ok(groups),
            Live::Alive(_) => {}
            Live::Message(message) => panic!("{message:?}"),
        }
    }
}

pub(crate) async fn next(follow: &mut dyn Follow) -> Result<Live, Failure> {
    tokio::time::timeout(PATIENCE, follow.next())
        .await
        .expect("news")
}

/// Returns the failure that ends a follower. It must come, however many signs of life come before.
pub(crate) async fn end(follow: &mut dyn Follow) -> Failure {
    let ended = async {
        loop {
            if let Err(failure) = follow.next().await {
                return failure;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("the end of the follower")
}

/// Tries until there is a result.
pub(crate) async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let trying = async {
        loop {
            if let Some(result) = attempt().await {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trying)
        .await
        .expect("what must come")
}
