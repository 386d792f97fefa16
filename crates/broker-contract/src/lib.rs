//! What every broker promises, as tests: implementations of
//! [`Broker`](tidings_journal_shared::broker::Broker) run them with [`promises!`].
//!
//! Also owns [`fake`], a broker in memory that keeps the promises and fails on command, and
//! [`nodes`], which run over any broker. The tests
//! here never depend on an implementation: what a promise needs of one is in [`backend::Backend`].
//!
//! ```ignore
//! tidings_broker_contract::promises!(crate::start_redis().await);
//! ```
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

pub mod backend;
pub mod fake;
pub mod following;
pub mod log;
pub mod nodes;
pub mod opening;
pub mod snapshot;

/// Tests every promise against a [`Backend`](backend::Backend): one test each. The argument is an
/// expression that makes the backend, with paths that begin with `crate`, and may await. Each test
/// makes its own.
#[macro_export]
macro_rules! promises {
    ($backend:expr) => {
        $crate::tests! { opening, $backend =>
            the_first_opening_creates_the_log_and_later_ones_find_it
            an_epoch_begins_with_its_group
            nodes_that_open_at_the_same_time_get_the_same_log
            a_distrusted_epoch_ends_once
            an_epoch_that_is_not_the_current_one_is_not_distrusted
            nodes_that_distrust_the_same_epoch_begin_one
            an_append_in_an_epoch_that_ended_does_nothing
            a_restarted_server_takes_no_append_before_it_was_opened
        }
        $crate::tests! { log, $backend =>
            groups_come_back_as_they_were_appended
            pages_join_without_a_hole_whatever_their_size
            a_page_after_the_head_is_empty
            a_group_says_which_one_it_follows
            the_answer_to_an_append_is_what_readers_are_told
            groups_of_several_nodes_get_one_order
            the_time_of_the_broker_does_not_go_back
            any_bytes_can_be_a_group
        }
        $crate::tests! { following, $backend =>
            a_reader_gets_what_is_appended_in_order
            a_reader_begins_after_its_mark
            a_quiet_reader_learns_the_state_of_the_log
            a_reader_that_is_not_polled_for_a_while_misses_nothing
            waiting_for_news_can_be_cancelled
            a_message_reaches_every_reader
        }
        $crate::tests! { snapshot, $backend =>
            a_committed_snapshot_is_read_as_it_was_written
            a_commit_truncates_the_log
            of_two_commits_one_takes_place
            a_commit_of_another_epoch_does_nothing
            the_snapshot_before_the_newest_one_stays
            a_snapshot_that_was_not_committed_is_not_there
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
                    let backend = $backend;
                    $crate::$module::$promise(&backend).await;
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
            include_str!("opening.rs"),
            include_str!("log.rs"),
            include_str!("following.rs"),
            include_str!("snapshot.rs"),
        ] {
            let promises = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            for promise in promises {
                assert!(
                    list.lines().any(|line| line.trim() == promise),
                    "no list names {promise}"
                );
            }
        }
    }
}
