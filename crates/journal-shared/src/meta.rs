//! What stands in the log from its creation on: the bounds on live keys, which decide whether an
//! append is accepted and have to be the same for every node.

use bytes::Bytes;
use tidings_journal::Bounds;

use crate::codec::{Put, Reader};

/// The version of the format.
const VERSION: u64 = 1;

/// More pools than any version has.
const MAX_POOLS: usize = 1_000;

/// Encodes what stands in a log that is created by a node with these bounds.
pub(crate) fn encode(bounds: &Bounds) -> Bytes {
    let mut bytes = Vec::new();
    bytes.put_number(VERSION);
    bytes.put_count(bounds.iter().count());
    for (name, limit) in bounds.iter() {
        bytes.put_text(name);
        bytes.put_count(limit);
    }
    bytes.into()
}

/// Returns the bounds that hold for a node with these `own` ones. `None` if the log was created by
/// a newer version, or is not one of ours.
pub(crate) fn decode(meta: &[u8], own: &Bounds) -> Option<Bounds> {
    let mut reader = Reader(meta);
    if reader.number()? != VERSION {
        return None;
    }
    let count = reader.count().filter(|count| *count <= MAX_POOLS)?;
    let mut written = Vec::new();
    for _ in 0..count {
        written.push((
            reader.text()?.to_owned(),
            usize::try_from(reader.number()?).ok()?,
        ));
    }
    reader.end(own.as_written(&written))
}
