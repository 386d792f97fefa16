//! The promises of every journal, tested with the log in memory.

use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{Bounds, Journal};
use tidings_journal_contract::Backend;

struct InMemory;

impl Backend for InMemory {
    fn open_with(&self, bounds: Bounds, max_topics: usize) -> Box<dyn Journal> {
        Box::new(Memory::new(Retention {
            bounds,
            max_topics,
            ..Retention::default()
        }))
    }

    fn another(&self) -> Box<dyn Journal> {
        Box::new(Memory::new(Retention::default()))
    }
}

tidings_journal_contract::promises!(crate::contract::InMemory);
