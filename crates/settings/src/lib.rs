//! The framework of settings: each is written down once, and everything else follows from that row.
//!
//! A program writes its sections with [`section!`], one field a setting. [`Layers`] gathers what was written for them: flags,
//! the environment, `.env` and a TOML file over each other. [`Reading`] makes typed values of the texts, section by section, by
//! their [`rule`]s, and notes where each value came from. Knows no setting by its name but the one that chooses the defaults
//! ([`Mode`]), and must never change the environment of the process or show a secret.

mod dotenv;
mod error;
pub mod guessable;
mod layers;
pub mod mode;
mod name;
mod origin;
pub mod path;
mod reading;
pub mod rule;
mod secret;
pub mod setting;
pub mod spelling;
pub mod text;
pub mod units;

pub use error::Error;
pub use layers::{Flags, Layers, Written, environment};
pub use mode::Mode;
pub use origin::Origin;
pub use reading::{Effective, Reading};
pub use secret::Secret;
