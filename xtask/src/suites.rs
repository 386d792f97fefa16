//! Runs test suites one after the other, and prints how long each took.
//!
//! Owns the table of times. Must never fail because of a time: machines differ in speed.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

/// The suites that have run.
pub(crate) struct Suites {
    began: Instant,
    times: Vec<(&'static str, Duration)>,
}

impl Suites {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            times: Vec::new(),
        }
    }

    /// Runs a suite and records how long it took.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        suite: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let began = Instant::now();
        let outcome = suite()?;
        self.times.push((name, began.elapsed()));
        Ok(outcome)
    }

    /// Prints how long each suite took.
    pub(crate) fn tell(&self) {
        eprint!("{}", table(&self.times, "all of it", self.began.elapsed()));
    }

    /// Prints the times before the suite `last`, whose summary ends the log.
    pub(crate) fn tell_before(&self, last: &str) {
        eprint!(
            "{}",
            table(
                &self.times,
                &format!("all of it, before {last}"),
                self.began.elapsed()
            )
        );
    }
}

fn table(times: &[(&str, Duration)], all: &str, whole: Duration) -> String {
    let mut text = String::from("\nseconds\n");
    for (name, time) in times.iter().chain([&(all, whole)]) {
        let _ = writeln!(text, "{:7.0}  {name}", time.as_secs_f64());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_suite_is_in_the_table_with_its_seconds() {
        let times = [
            ("lint", Duration::from_millis(1_499)),
            ("every test", Duration::from_mins(12)),
        ];
        let shown = table(&times, "all of it", Duration::from_secs(722));
        assert_eq!(
            shown,
            "\nseconds\n      1  lint\n    720  every test\n    722  all of it\n"
        );
    }
}
