//! People in two rooms, who type before they post.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::json;

use super::story::Step;

/// The people who talk.
pub(super) const PEOPLE: [&str; 4] = [ANN, BOB, CHLOE, EMIL];

const ANN: &str = "ann";
const BOB: &str = "bob";
const CHLOE: &str = "chloe";
const EMIL: &str = "emil";

const ROOMS: [&str; 2] = ["general", "support"];

/// A dialogue: its room, and its lines, each with the person who says it.
type Dialogue = (&'static str, &'static [(&'static str, &'static str)]);

const DIALOGUES: [Dialogue; 8] = [
    (
        "general",
        &[
            (ANN, "Good morning!"),
            (BOB, "Morning. Coffee is ready."),
            (CHLOE, "On my way."),
            (ANN, "Save me a cup."),
        ],
    ),
    (
        "general",
        &[
            (EMIL, "The new labels are printed."),
            (CHLOE, "Do they stick this time?"),
            (EMIL, "They do. I tried three."),
        ],
    ),
    (
        "general",
        &[
            (BOB, "Who takes the parcels down?"),
            (EMIL, "I go at four."),
            (BOB, "There are twelve today."),
            (EMIL, "Then I take the cart."),
        ],
    ),
    (
        "general",
        &[
            (CHLOE, "Lunch?"),
            (ANN, "In ten minutes."),
            (BOB, "I'm in."),
            (EMIL, "The place around the corner?"),
            (CHLOE, "The place around the corner."),
        ],
    ),
    (
        "support",
        &[
            (BOB, "Somebody asks whether the kettle works with gas."),
            (CHLOE, "It does, on a small flame."),
            (BOB, "Thanks, I'll write that."),
        ],
    ),
    (
        "support",
        &[
            (ANN, "A teapot arrived in two pieces."),
            (EMIL, "Send a new one. Did they take a picture?"),
            (ANN, "They did, it's in the ticket."),
        ],
    ),
    (
        "support",
        &[
            (CHLOE, "Where do I see when an order was packed?"),
            (ANN, "On the order, below the address."),
            (CHLOE, "Found it."),
        ],
    ),
    (
        "support",
        &[
            (EMIL, "Three people ask about the coast."),
            (BOB, "A day late, I put up a notice."),
            (EMIL, "Good, I point them there."),
        ],
    ),
];

/// The state of the chat.
#[derive(Debug, Default)]
pub(super) struct Chat {
    /// The dialogues that are not repeated until all others were played.
    played: Vec<usize>,
}

impl Chat {
    /// Makes everybody join.
    pub(super) fn opening() -> Vec<Step> {
        everywhere("join", "joined")
    }

    /// Makes everybody leave.
    pub(super) fn closing() -> Vec<Step> {
        everywhere("leave", "left")
    }

    /// Returns a whole dialogue that was not played for a while.
    pub(super) fn scene(&mut self, chance: &mut StdRng) -> Vec<Step> {
        let mut new: Vec<_> = (0..DIALOGUES.len())
            .filter(|dialogue| !self.played.contains(dialogue))
            .collect();
        if new.is_empty() {
            self.played.clear();
            new = (0..DIALOGUES.len()).collect();
        }
        let which = new.choose(chance).copied().unwrap_or_default();
        self.played.push(which);
        let (room, lines) = DIALOGUES[which];
        lines
            .iter()
            .flat_map(|(person, line)| said(room, person, line))
            .collect()
    }
}

fn said(room: &str, person: &'static str, line: &str) -> [Step; 2] {
    let typing = format!("/chat/room/{room}/typing");
    let body =
        json!({ "roomId": room, "message": line, "type": "text", "metadata": { "demo": true } });
    [
        Step::new(
            person,
            typing,
            None,
            format!("chat          {room}: {person} is typing"),
        )
        .pause(0.5),
        Step::new(
            person,
            "/chat/message",
            Some(body),
            format!("chat          {room}: {person}: {line}"),
        ),
    ]
}

/// Returns a call of every person for every room.
fn everywhere(what: &str, done: &str) -> Vec<Step> {
    let each = ROOMS
        .iter()
        .flat_map(|room| PEOPLE.map(|person| (room, person)));
    each.map(|(room, person)| {
        let path = format!("/chat/room/{room}/{what}");
        Step::new(
            person,
            path,
            None,
            format!("chat          {room}: {person} {done}"),
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialogue_has_known_people_and_a_known_room() {
        for (room, lines) in DIALOGUES {
            assert!(ROOMS.contains(&room));
            assert!(
                lines
                    .iter()
                    .all(|(person, line)| PEOPLE.contains(person) && !line.is_empty())
            );
        }
    }
}
