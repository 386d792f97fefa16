//! The other topics that show the records of a topic.

use std::collections::BTreeSet;

use tidings_journal::TopicName;

/// The other topics that show what was published to a topic and is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherTopics {
    /// The topic was read from the directory, and its records were not examined.
    Unknown,
    None,
    One(TopicName),
    Many(Box<[TopicName]>),
}

impl OtherTopics {
    /// Adds the other topics of a record.
    pub(crate) fn add(&mut self, others: &[TopicName]) {
        match self {
            Self::Unknown => {}
            Self::None => *self = Self::of(others.iter().cloned().collect()),
            Self::One(known) if others == std::slice::from_ref(known) => {}
            Self::One(_) | Self::Many(_) => {
                *self = Self::of(self.topics().iter().chain(others).cloned().collect());
            }
        }
    }

    pub(crate) fn of(topics: BTreeSet<TopicName>) -> Self {
        let mut topics: Vec<_> = topics.into_iter().collect();
        match topics.len() {
            0 => Self::None,
            1 => topics.pop().map_or(Self::None, Self::One),
            _ => Self::Many(topics.into()),
        }
    }

    /// Returns the topics, as far as they are known.
    pub(crate) fn topics(&self) -> &[TopicName] {
        match self {
            Self::Unknown | Self::None => &[],
            Self::One(topic) => std::slice::from_ref(topic),
            Self::Many(topics) => topics,
        }
    }
}
