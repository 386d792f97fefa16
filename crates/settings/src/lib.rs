//! A framework for settings. Each setting is declared once, as a row of a table, and everything
//! else is derived from that row.
//!
//! A program declares its sections with [`section!`], one field for each setting. [`Layers`]
//! collects their texts from flags, the environment, `.env` and a TOML file. [`Reading`] parses the
//! texts, section by section, according to their [`rule`]s, and records the origin of each value.
//! Knows no setting by name except those that choose the defaults ([`Mode`]). Must never change the
//! environment of the process, and must never show a secret.

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
pub mod units;
pub mod wrap;

pub use error::Error;
pub use layers::{Flags, Layers, Written, environment};
pub use mode::Mode;
pub use origin::Origin;
pub use reading::{Effective, Reading};
pub use secret::Secret;
