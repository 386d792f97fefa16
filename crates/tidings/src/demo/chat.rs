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

/// A room with its dialogues: who says what.
type Dialogue = (&'static str, &'static [(&'static str, &'static str)]);

const DIALOGUES: [Dialogue; 8] = [
    (
        "general",
        &[(ANN, "Good morning!"), (BOB, "Morning. Coffee is ready."), (CHLOE, "On my way."), (ANN, "Save me a cup.")],
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

/// The dialogues that were played since all of them were.
#[derive(Debug, Default)]
pub(super) struct Chat {
    heard: Vec<usize>,
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

    /// Plays a whole dialogue that was not played for a while.
    pub(super) fn scene(&mut self, chance: &mut StdRng) -> Vec<Step> {
        let mut new: Vec<_> = (0..DIALOGUES.len()).filter(|dialogue| !self.heard.contains(dialogue)).collect();
        if new.is_empty() {
            self.heard.clear();
            new = (0..DIALOGUES.len()).collect();
        }
        let which = new.choose(chance).copied().unwrap_or_default();
        self.heard.push(which);
        let (room, lines) = DIALOGUES[which];
        lines.iter().flat_map(|(person, line)| said(room, person, line)).collect()
    }
}

fn said(room: &str, person: &'static str, line: &str) -> [Step; 2] {
    let typing = format!("/chat/room/{room}/typing");
    let body = json!({ "roomId": room, "message": line, "type": "text", "metadata": { "demo": true } });
    [
        Step::new(person, typing, None, format!("chat          {room}: {person} is typing")).pause(0.5),
        Step::new(person, "/chat/message", Some(body), format!("chat          {room}: {person}: {line}")),
    ]
}

fn everywhere(what: &str, told: &str) -> Vec<Step> {
    let each = ROOMS.iter().flat_map(|room| PEOPLE.map(|person| (room, person)));
    each.map(|(room, person)| {
        let path = format!("/chat/room/{room}/{what}");
        Step::new(person, path, None, format!("chat          {room}: {person} {told}"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_speak_are_people_and_are_in_a_room() {
        for (room, lines) in DIALOGUES {
            assert!(ROOMS.contains(&room));
            assert!(lines.iter().all(|(person, line)| PEOPLE.contains(person) && !line.is_empty()));
        }
    }
}
