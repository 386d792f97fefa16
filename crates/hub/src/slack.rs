//! When a table gives its memory back.
//!
//! A table that held a crowd keeps the room for it when the crowd has gone. Those that grow with the streams are made smaller
//! when little of them is used, seldom enough that it costs nothing per stream.

/// Smaller tables are left as they are.
const SMALL: usize = 1_024;

/// What a table with room for `capacity` entries, of which there are `len`, should have room for instead.
pub(crate) fn excess(len: usize, capacity: usize) -> Option<usize> {
    (capacity > SMALL && len < capacity / 8).then_some(len * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shrinks_when_little_of_it_is_used_and_has_room_to_grow_again() {
        assert_eq!(excess(3_000, 24_000), None);
        assert_eq!(excess(2_999, 24_000), Some(5_998));
        assert_eq!(excess(0, SMALL), None);
    }
}
