//! How many sockets this process may have: both ends of every connection of every test that runs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit so that a test can have `connections` besides those of the other tests. If that
/// is not allowed, fails the test with what to do.
pub(crate) fn have_room_for(connections: u64) {
    let needed = connections * 2 + 4_096;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    assert!(
        limit.maximum.is_none_or(|maximum| maximum >= needed),
        "this test needs {needed} file descriptors and {limit:?} is the limit; raise the hard one \
         (ulimit -Hn)",
    );
    // The limit is raised as far as allowed. Another test may need more, and two tests must not
    // lower it for each other.
    let current = limit.maximum.or(Some(needed));
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}
