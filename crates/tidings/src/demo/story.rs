//! The story: a shop with orders, people who talk, and services that fail and recover.
//!
//! Owns the choice of the next step. Two stories with the same seed are equal. Must not use a clock
//! or know the server.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::chat::Chat;
use super::services::Services;
use super::shop::Shop;

/// The caller of everything that is not done by one of the people.
pub(super) const ADMIN: &str = "admin";

/// One call to the server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// The user who calls: a person, or [`ADMIN`].
    pub(super) by: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// What is printed about the call.
    pub(super) description: String,
    /// The pause after the call, as a multiple of the usual one.
    pub(super) pause: f64,
}

/// All parts of the story, and its state.
pub(super) struct Story {
    chance: StdRng,
    shop: Shop,
    chat: Chat,
    services: Services,
    /// The calls that come next, as consequences of earlier ones.
    next: VecDeque<Step>,
    /// The rest of a dialogue. Other calls may come between its messages.
    dialogue: VecDeque<Step>,
}

/// Notifications for everybody: type, title and message.
const NEWS: [(&str, &str, &str); 12] = [
    ("info", "New in the shop", "The autumn collection is here."),
    (
        "success",
        "Free delivery today",
        "On every order until midnight.",
    ),
    ("info", "Opening hours", "On Friday we answer until six."),
    ("success", "Ten thousand orders", "Thank you, all of you."),
    (
        "warning",
        "Late parcels",
        "Deliveries to the coast take a day longer.",
    ),
    (
        "info",
        "Version 2.4 is out",
        "Orders show where the parcel is.",
    ),
    ("info", "Back in stock", "The blue teapots are here again."),
    (
        "warning",
        "Maintenance tonight",
        "From two to three, payments may be slow.",
    ),
    ("success", "A new record", "Ninety orders in an hour."),
    (
        "error",
        "A batch was recalled",
        "Honey of lot 17: please send it back.",
    ),
    ("info", "We are hiring", "Two people for the warehouse."),
    (
        "info",
        "A word about cookies",
        "We sell them, we do not set them.",
    ),
];

impl Step {
    pub(super) fn new(
        by: &'static str,
        path: impl Into<String>,
        body: Option<Value>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            by,
            path: path.into(),
            body,
            description: description.into(),
            pause: 1.0,
        }
    }

    /// Returns a notification, to one user or to all.
    pub(super) fn notification(to: Option<&str>, kind: &str, title: &str, message: &str) -> Self {
        let body = json!({ "title": title, "message": message, "type": kind, "metadata": { "demo": true } });
        let path = crate::publish::with_target("/notifications/send", to);
        Self::new(
            ADMIN,
            path,
            Some(body),
            format!("notification  to {}: {title}", to.unwrap_or("all")),
        )
    }

    pub(super) fn pause(self, pause: f64) -> Self {
        Self { pause, ..self }
    }
}

impl Story {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut shop = Shop::new(&mut chance);
        let mut next = VecDeque::new();
        next.push_back(Step::notification(
            None,
            "success",
            "The shop is open",
            "Good morning, everybody.",
        ));
        next.extend(Services::opening());
        next.extend(Chat::opening());
        next.extend(shop.opening(&mut chance));
        // The opening is published without pauses.
        for step in &mut next {
            step.pause = 0.0;
        }
        Self {
            chance,
            shop,
            chat: Chat::default(),
            services: Services::default(),
            next,
            dialogue: VecDeque::new(),
        }
    }

    /// Returns the next call. The story never ends.
    pub(super) fn step(&mut self) -> Step {
        loop {
            if let Some(step) = self.next.pop_front() {
                return step;
            }
            let chance = &mut self.chance;
            match chance.random_range(0..100) {
                0..30 if self.dialogue.is_empty() => self.dialogue.extend(self.chat.scene(chance)),
                0..30 => self.next.extend(self.dialogue.pop_front()),
                30..70 => self.next.extend(self.shop.scene(chance)),
                70..82 => self.next.extend(self.services.scene(chance)),
                _ => self.next.extend(news(chance)),
            }
        }
    }

    /// Returns the calls that end the story, so that nothing is left behind.
    pub(super) fn ending(self) -> Vec<Step> {
        self.services
            .closing()
            .into_iter()
            .chain(Chat::closing())
            .collect()
    }
}

fn news(chance: &mut StdRng) -> Vec<Step> {
    let news = NEWS.choose(chance);
    news.map(|(kind, title, message)| Step::notification(None, kind, title, message))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(seed: u64, steps: usize) -> Vec<Step> {
        let mut story = Story::new(seed);
        (0..steps).map(|_| story.step()).collect()
    }

    #[test]
    fn stories_are_equal_if_their_seeds_are_and_only_then() {
        assert_eq!(steps(7, 500), steps(7, 500));
        assert_ne!(steps(7, 500), steps(8, 500));
    }

    #[test]
    fn every_kind_of_call_occurs_among_the_first_300() {
        for seed in 0..20 {
            let steps = steps(seed, 300);
            for path in [
                "/notifications/send",
                "/realtime/update",
                "/chat/message",
                "/typing",
                "/join",
                "/system/status/update",
            ] {
                assert!(
                    steps.iter().any(|step| step.path.contains(path)),
                    "seed {seed}: {path}"
                );
            }
            assert!(
                steps.iter().any(|step| step.path.contains("targetUserId=")),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn the_opening_is_published_without_pauses() {
        let steps = steps(1, 40);
        let at_once: Vec<_> = steps.iter().take_while(|step| step.pause <= 0.0).collect();
        for path in ["/realtime/update", "/chat/", "/system/status/update"] {
            assert!(
                at_once.iter().any(|step| step.path.contains(path)),
                "{at_once:#?}"
            );
        }
    }

    #[test]
    fn at_the_end_no_service_is_down_and_nobody_is_in_a_room() {
        for seed in 0..50 {
            let mut story = Story::new(seed);
            let mut steps: Vec<_> = (0..seed * 7).map(|_| story.step()).collect();
            steps.extend(story.ending());
            let mut services = std::collections::HashMap::new();
            let mut rooms = std::collections::HashSet::new();
            for step in &steps {
                if let (Some(body), "/system/status/update") = (&step.body, &*step.path) {
                    services.insert(body["service"].to_string(), body["status"].clone());
                }
                if let Some(room) = step.path.strip_suffix("/join") {
                    rooms.insert((room, step.by));
                }
                if let Some(room) = step.path.strip_suffix("/leave") {
                    rooms.remove(&(room, step.by));
                }
            }
            assert!(
                services.values().all(|status| status == "online"),
                "seed {seed}: {services:?}"
            );
            assert!(rooms.is_empty(), "seed {seed}: {rooms:?}");
        }
    }
}
