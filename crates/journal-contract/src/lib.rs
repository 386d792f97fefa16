//! The promises of every journal, as tests. An implementation of
//! [`Journal`](tidings_journal::Journal) runs them with [`promises!`].
//!
//! Owns the promises that hold for every implementation, and a few functions that make records and
//! read them back. Must never know an implementation: a promise asks for what it needs through
//! [`Backend`].
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
pub use records::{Put, all, id, numbered, numbers, record, selector, status, topic};

/// Defines a test for every promise, in the modules `log`, `erasing` and `append`. The argument is
/// an expression that makes a [`Backend`], with paths that begin with `crate`. Each test makes its
/// own backend.
#[macro_export]
macro_rules! promises {
    ($backend:expr) => {
        $crate::tests! { log, $backend =>
            positions_are_dense_over_all_topics
            an_entry_in_two_of_the_selected_topics_is_read_once
            a_large_entry_reads_the_same_in_each_of_its_topics
            pages_of_any_size_join_without_a_gap_or_repetition
            a_page_ends_at_until
            reading_backwards_in_pages_of_any_size_returns_the_same_entries
            read_before_accepts_a_position_without_an_entry
            reading_backwards_ends_at_the_floor
            surplus_topics_are_trimmed_whole_least_recently_written_first
            topics_are_listed_by_name_with_what_was_published_to_them
            an_entry_reads_back_as_it_was_appended
            a_record_replaces_the_earlier_one_with_its_key_and_no_floor_rises
            a_unit_that_exceeds_the_bound_on_keys_is_not_appended
            a_condition_is_checked_in_the_order_of_the_log
            a_repetition_gets_the_outcome_of_the_first_append
            ending_a_key_frees_its_place_and_keeps_the_record_that_ended_it
            the_tail_shows_every_entry_once_and_in_order
            nothing_is_missing_between_the_head_and_a_tail_opened_before_it
            concurrent_appends_get_consecutive_positions_and_units_stay_whole
            a_receipt_is_stored_with_its_unit_until_it_expires
            a_cursor_of_another_log_or_ahead_of_it_is_recognized
            a_record_without_a_topic_takes_a_position
            a_topic_named_twice_shows_the_entry_once
            a_topic_is_known_from_its_first_entry_on
            a_closed_log_can_be_read
        }
        $crate::tests! { erasing, $backend =>
            an_erased_event_is_gone_from_all_its_topics_and_their_floors_rise
            erasing_an_aggregate_erases_the_events_of_the_topics_it_shows
            erasing_removes_records_with_a_key_and_frees_their_keys
            an_id_of_another_log_or_ahead_of_it_erases_nothing
            events_after_the_erased_position_stay
            erased_events_stay_erased_after_a_restart
        }
        $crate::tests! { append, $backend =>
            a_condition_is_checked_against_the_state_before_the_unit
            a_condition_may_concern_another_topic_than_the_records
            a_key_of_a_topic_is_not_a_key_of_its_aggregate
            conditions_are_checked_after_a_restart_as_before
            of_concurrent_units_that_need_a_key_absent_one_is_appended
            of_concurrent_units_with_one_receipt_one_is_appended
            a_unit_with_only_a_receipt_is_recognized
            a_receipt_is_found_until_it_expires
            a_receipt_is_checked_before_the_condition_and_the_bounds
            a_refused_unit_with_a_receipt_stays_refused_even_if_its_condition_holds_later
            a_refused_unit_without_a_receipt_is_checked_again
            a_unit_that_exceeds_a_bound_changes_nothing_and_may_be_retried
            a_condition_is_checked_before_the_bounds
            replacing_a_live_record_needs_no_free_place
            a_log_keeps_the_bounds_that_it_was_created_with
            the_bounds_are_checked_record_by_record
            a_unit_that_repeats_a_key_leaves_its_last_record
            a_unit_may_begin_and_end_a_key
            a_record_that_ends_a_key_counts_and_is_erased_like_any_other
            an_ended_key_can_be_used_again
            erasing_a_live_record_ends_its_key
            each_pool_of_keys_has_its_own_bound
            a_live_record_is_never_trimmed_for_a_limit
            users_keys_take_no_space_from_the_servers_topics
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
        for source in [
            include_str!("log.rs"),
            include_str!("erasing.rs"),
            include_str!("append.rs"),
        ] {
            let promises = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            for promise in promises {
                assert!(
                    list.lines().any(|line| line.trim() == promise),
                    "{promise} is not in the list, so no test runs it"
                );
            }
        }
    }
}
