//! Which topics there are, and who follows them.

use tidings_journal::{Holding, TopicName};

use crate::hub::Hub;

impl Hub {
    /// The topics that the log knows whose name begins with `prefix` and comes after `after`, by name, at most `most` of them;
    /// each with the number of streams that follow it.
    pub fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<(Holding, usize)> {
        let listed = self.inner.journal.topics(prefix, after, most);
        let followers = self.inner.generation().fanout.followers(listed.iter().map(|holding| &holding.topic));
        listed.into_iter().zip(followers).collect()
    }
}
