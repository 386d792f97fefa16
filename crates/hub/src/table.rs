//! The rule by which hash tables give back memory.
//!
//! A table keeps the capacity for the most entries that it ever held. Tables that grow with the
//! number of streams are shrunk when little of their capacity is used, which is rare enough to cost
//! nothing per stream.

/// The largest capacity that is left as it is.
const SMALL: usize = 1_024;

/// Returns the capacity to which a table with `len` entries and `capacity` has to be shrunk; `None`
/// if the table is to be left as it is.
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
