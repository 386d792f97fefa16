//! When a table returns memory.
//!
//! A table keeps the capacity of the largest crowd that it ever held. Tables that grow with the
//! number of streams are shrunk when little of their capacity is used, seldom enough that it costs
//! nothing per stream.

/// The largest capacity that is left as it is.
const SMALL: usize = 1_024;

/// The capacity to which a table of `len` entries and `capacity` is to be shrunk; `None` if it is
/// to be left as it is.
pub(crate) fn shrunk_capacity(len: usize, capacity: usize) -> Option<usize> {
    (capacity > SMALL && len < capacity / 8).then_some(len * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shrinks_when_little_of_it_is_used_and_has_capacity_to_grow_again() {
        assert_eq!(shrunk_capacity(3_000, 24_000), None);
        assert_eq!(shrunk_capacity(2_999, 24_000), Some(5_998));
        assert_eq!(shrunk_capacity(0, SMALL), None);
    }
}
