//! The options of a node.

use tidings_journal::replica::Retention;

/// The options of a node.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much this node keeps. The bounds on live keys are those with which the log was created;
    /// a node with others warns and obeys.
    pub retention: Retention,
    /// The seed of all random numbers: ids, epochs, delays. Two nodes must never have the same one.
    pub seed: u64,
}

impl Options {
    /// Returns the options of a node that keeps this much, with a random seed.
    pub fn new(retention: Retention) -> Self {
        Self {
            retention,
            seed: rand::random(),
        }
    }
}
