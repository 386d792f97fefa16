//! One reader that stops reading, among many that do not.

use super::fanout::TEN_THOUSAND;
use super::{Against, Before, Bound, Case, Column, Goal, Row, SOME, columns};
use crate::bench::contender::Contender;

const WITHOUT: &str = "without";
const WITH: &str = "with a stalled reader";
const DELAY: &str = "p99 × without";

pub(super) fn stalled() -> Case {
    let of = |contender| {
        [(WITHOUT, Before::Filled), (WITH, Before::Stalled)].map(|(variant, before)| {
            Row::new(contender, TEN_THOUSAND)
                .variant(variant)
                .before(before)
        })
    };
    Case {
        name: "stalled",
        title: "A stalled reader among 10,000".to_owned(),
        about: "10,000 streams × 5 events a second, after 4 MB of other events: with and without \
                one more stream whose client reads the head of the response and nothing else, so \
                that its socket accepts no bytes during the whole measurement."
            .to_owned(),
        rounds: SOME,
        rows: [Contender::Tidings, Contender::Hyper, Contender::Nchan]
            .into_iter()
            .flat_map(of)
            .collect(),
        columns: vec![
            columns::p50(),
            columns::p99(),
            Column::times(DELAY, columns::P99, Against::Variants(&[(WITH, WITHOUT)])),
            columns::cpu(),
            columns::arrived(),
        ],
        goals: vec![
            Goal::new(
                "a stalled reader among 10,000 delays nobody: p99 of the others within 10 %",
                DELAY,
                Bound::AtMost(1.10),
            )
            .variant(WITH),
        ],
    }
}
