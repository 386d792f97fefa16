//! The two main cases, measured with another load generator as well as with ours.

use std::path::Path;

use super::fanout::{TEN_THOUSAND, THOUSAND};
use super::{Against, Bound, Case, Column, Generator, Goal, Row, SOME, columns};
use crate::bench::contender::Contender;

pub(super) const NAME: &str = "second-generator";

const SMALL: &str = "1,000 × 50/s, `tidings bench`";
const SMALL_SECOND: &str = "1,000 × 50/s, second generator";
const LARGE: &str = "10,000 × 5/s, `tidings bench`";
const LARGE_SECOND: &str = "10,000 × 5/s, second generator";
const PAIRS: Against = Against::Variants(&[(SMALL_SECOND, SMALL), (LARGE_SECOND, LARGE)]);
const CPU_TO_OURS: &str = "CPU × ours";
const P99_TO_OURS: &str = "p99 × ours";

pub(crate) fn second_generator(program: &Path) -> Case {
    let second = Generator::Second(program.to_owned());
    let rows = [
        (SMALL, THOUSAND, Generator::Ours),
        (SMALL_SECOND, THOUSAND, second.clone()),
        (LARGE, TEN_THOUSAND, Generator::Ours),
        (LARGE_SECOND, TEN_THOUSAND, second),
    ];
    let row = |(variant, load, generator)| Row {
        generator,
        ..Row::new(Contender::Tidings, load).variant(variant)
    };
    let agree =
        |text, column, variant| Goal::new(text, column, Bound::Within(0.9..=1.1)).variant(variant);
    Case {
        name: NAME,
        title: "A second load generator".to_owned(),
        about: "The two main cases, measured by `tidings bench` and by an independent program \
                that shares no code with it."
            .to_owned(),
        rounds: SOME,
        rows: rows.into_iter().map(row).collect(),
        columns: vec![
            columns::cpu(),
            Column::times(CPU_TO_OURS, columns::CPU, PAIRS),
            columns::p50(),
            columns::p99(),
            Column::times(P99_TO_OURS, columns::P99, PAIRS),
            columns::arrived(),
        ],
        goals: vec![
            agree(
                "both generators agree within 10 %: CPU, 1,000 × 50/s",
                CPU_TO_OURS,
                SMALL_SECOND,
            ),
            agree(
                "both generators agree within 10 %: CPU, 10,000 × 5/s",
                CPU_TO_OURS,
                LARGE_SECOND,
            ),
            agree(
                "both generators agree within 10 %: p99, 1,000 × 50/s",
                P99_TO_OURS,
                SMALL_SECOND,
            ),
            agree(
                "both generators agree within 10 %: p99, 10,000 × 5/s",
                P99_TO_OURS,
                LARGE_SECOND,
            ),
        ],
    }
}
