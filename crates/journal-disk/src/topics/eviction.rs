//! Which topics are trimmed whole if there are too many: those whose newest record is oldest.

use std::cmp::Reverse;

use tidings_journal::TopicName;

use super::{OtherTopics, Topic, Topics};

impl Topics {
    /// Records that a topic which held nothing holds records now.
    pub(super) fn note_held(&mut self, name: &TopicName) {
        self.held += 1;
        if name.is_reserved() {
            return;
        }
        if self.ages.len() > 2 * self.by_name.len() + 1_024 {
            // Most of the listed topics are gone by now.
            let held = self
                .by_name
                .iter()
                .filter(|(name, topic)| !topic.is_empty() && !name.is_reserved());
            self.ages = held
                .map(|(name, topic)| Reverse((topic.row.last, name.clone())))
                .collect();
        } else if let Some(topic) = self.by_name.get(name) {
            self.ages.push(Reverse((topic.row.last, name.clone())));
        }
    }

    /// Returns the number of topics that hold records.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Takes the topic whose newest record is oldest out of the order, of those that may be trimmed
    /// whole. A caller that does not remove the topic must put it back. A topic in which a record
    /// with a key stands is skipped, because live records are never trimmed.
    pub(crate) fn take_oldest(&mut self) -> Option<(TopicName, &Topic)> {
        loop {
            let Reverse((position, name)) = self.ages.pop()?;
            match self.by_name.get(&name) {
                Some(topic) if topic.is_empty() || topic.keyed > 0 => {}
                Some(topic) if topic.row.last > position => {
                    self.ages.push(Reverse((topic.row.last, name)));
                }
                // Looked up again, because the borrow checker does not see that the first borrow
                // ends here.
                Some(_) => return self.by_name.get(&name).map(|topic| (name, topic.as_ref())),
                None => {}
            }
        }
    }

    /// Puts back a topic that [`Topics::take_oldest`] took.
    pub(crate) fn put_back(&mut self, name: TopicName) {
        if let Some(topic) = self.by_name.get(&name) {
            self.ages.push(Reverse((topic.row.last, name)));
        }
    }

    /// Returns the topics whose other topics are not known, of the `most` topics that would be
    /// trimmed whole next.
    pub(crate) fn unknown(&mut self, most: usize) -> Vec<TopicName> {
        let mut examined = Vec::new();
        let mut unknown = Vec::new();
        while examined.len() < most
            && let Some((name, topic)) = self.take_oldest()
        {
            if topic.other_topics == OtherTopics::Unknown {
                unknown.push(name.clone());
            }
            examined.push(name);
        }
        for name in examined {
            self.put_back(name);
        }
        unknown
    }

    /// Removes a topic with everything that it holds. Its floor becomes part of the floor of every
    /// topic without a row.
    pub(crate) fn remove(&mut self, name: &TopicName) -> Option<Topic> {
        let topic = *self.by_name.remove(name)?;
        self.names.remove(name);
        self.held -= usize::from(!topic.is_empty());
        self.events -= topic.row.events;
        self.bytes -= topic.row.bytes;
        self.forgotten = self
            .forgotten
            .max(topic.row.last)
            .max(topic.row.highest_trimmed());
        Some(topic)
    }
}
