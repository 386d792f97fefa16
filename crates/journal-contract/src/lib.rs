//! What every journal promises, as tests: whoever implements [`Journal`] runs them against it with [`promises!`].
//!
//! Owns the promises that hold for every implementation, and a few functions that make records and read them back. Must never
//! know an implementation: what a promise needs of one, it asks for by [`Backend`].
//!
//! ```ignore
//! tidings_journal_contract::promises!(crate::InMemory);
//! ```
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

pub mod append;
mod backend;
pub mod erasing;
pub mod log;
mod records;

pub use backend::{Backend, Durable};
pub use records::{Put, all, id, numbered, numbers, of, record, status, topic};

/// Tests every promise against a [`Backend`]: one test each, in the modules `log`, `erasing` and `append`. The argument is an expression that
/// makes the backend, with paths that begin with `crate`; each test makes its own.
#[macro_export]
macro_rules! promises {
    ($backend:expr) => {
        $crate::tests! { log, $backend =>
            positions_are_dense_over_all_topics
            an_entry_in_two_of_the_selected_topics_is_read_once
            a_large_entry_reads_the_same_in_each_of_its_topics
            pages_join_without_hole_or_repeat_whatever_their_size
            a_page_ends_at_until
            pages_read_backwards_are_those_read_forwards_whatever_their_size
            a_page_before_a_place_that_nothing_stands_at_ends_below_it
            reading_backwards_ends_where_something_was_trimmed
            of_too_many_topics_those_whose_newest_entry_is_oldest_go_whole_and_it_shows
            topics_are_listed_by_name_with_what_was_published_to_them
            what_was_appended_reads_back_whole
            the_newest_of_each_key_takes_the_place_of_the_one_before_and_no_floor_rises
            what_finds_no_room_for_its_key_is_not_appended
            a_condition_decides_under_the_order_of_the_log
            a_repetition_gets_the_first_outcome
            an_ended_key_leaves_room_and_an_ordinary_record
            the_tail_shows_every_entry_once_and_in_order
            a_tail_and_the_head_it_was_opened_at_leave_nothing_out
            appends_in_flight_get_consecutive_positions_and_batches_stay_whole
            a_receipt_is_kept_with_its_batch_until_it_expires
            a_new_epoch_knows_what_belongs_to_it
            a_record_in_no_topic_has_a_place_all_the_same
            a_topic_named_twice_shows_the_entry_once
            a_topic_is_known_from_its_first_entry_on
            a_closed_log_still_reads
        }
        $crate::tests! { erasing, $backend =>
            what_is_erased_is_in_none_of_its_topics_and_all_of_them_tell
            erasing_a_topic_that_shows_others_erases_them_too
            erasing_takes_records_with_a_key_and_their_keys_begin_anew
            nothing_is_erased_up_to_an_id_that_is_none_of_the_logs
            what_came_after_the_place_stays_when_a_topic_is_erased
            what_was_erased_stays_erased_after_the_next_start
        }
        $crate::tests! { append, $backend =>
            a_condition_is_judged_before_the_unit_itself
            a_condition_may_be_about_another_topic_than_what_is_published
            a_key_in_an_aggregate_is_not_one_of_the_aggregate
            a_condition_is_judged_after_the_next_start_as_before
            of_units_in_flight_one_gets_the_key
            of_units_in_flight_with_one_receipt_one_is_appended
            a_unit_of_nothing_but_a_receipt_is_known_too
            a_receipt_is_known_while_it_lives_and_not_afterwards
            a_receipt_is_known_before_its_condition_is_looked_at
            what_was_refused_once_is_refused_whatever_is_true_by_then
            what_was_refused_without_a_receipt_is_judged_anew
            what_had_no_room_changed_nothing_and_may_be_tried_again
            a_condition_is_judged_before_the_room
            what_takes_the_place_of_another_needs_no_room
            the_bounds_that_a_log_was_made_with_hold
            a_unit_needs_the_room_that_its_records_need_in_their_order
            a_unit_that_repeats_a_key_leaves_its_last_record
            a_unit_may_begin_and_end_a_key
            what_ended_a_key_counts_and_goes_like_any_record
            a_key_that_was_ended_begins_anew
            erasing_a_live_record_ends_its_key
            pools_are_apart
            a_live_record_stays_whatever_is_over_its_limit
            keys_of_users_push_out_none_of_the_servers
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! tests {
    ($module:ident, $backend:expr => $($promise:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $promise() {
                    $crate::$module::$promise(&$backend).await;
                }
            )*
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_promise_is_in_the_list() {
        let list = include_str!("lib.rs");
        for source in [include_str!("log.rs"), include_str!("erasing.rs"), include_str!("append.rs")] {
            let promises = source.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            for promise in promises {
                assert!(list.lines().any(|line| line.trim() == promise), "nobody tests {promise}");
            }
        }
    }
}
