//! Parses the written texts into values, one setting at a time.
//!
//! Owns the choice of the layer that counts, and the record of each value's origin. A value that
//! counts and is not allowed stops the reading; one that is overridden by a higher layer only
//! causes a warning, so that a flag can override a variable that a different program exported.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use crate::error::Error;
use crate::layers::Layers;
use crate::mode::Mode;
use crate::name::variable;
use crate::origin::Origin;
use crate::rule::{Raw, Rule};
use crate::setting::Preset;

/// The value of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// `HEARTBEAT_INTERVAL`
    pub name: String,
    /// The value in its normal form; of a secret only its length; empty if there is none.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
    /// A hash by which the value of a secret is compared without being shown; valid in this process
    /// only.
    fingerprint: Option<u64>,
}

impl Effective {
    /// Returns whether both have the same value, wherever it was written.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        (&self.name, &self.value, self.fingerprint) == (&other.name, &other.value, other.fingerprint)
    }
}

/// Reads all settings, section by section.
pub struct Reading<'a> {
    layers: &'a Layers,
    /// The mode, which chooses the defaults. It is determined first.
    pub mode: Mode,
    /// The settings that were read, with their values.
    pub effective: Vec<Effective>,
    /// Warnings about the written values, each of them one line.
    pub warnings: Vec<String>,
    /// Collects the refused values; without it the first one stops the reading.
    refused: Option<&'a mut Vec<Error>>,
}

impl<'a> Reading<'a> {
    /// Returns a reading that stops at the first value that is refused.
    pub fn new(layers: &'a Layers) -> Self {
        Self { layers, mode: Mode::Development, effective: Vec::new(), warnings: Vec::new(), refused: None }
    }

    /// Returns a reading that uses the default in place of a value that is refused.
    pub fn lenient(layers: &'a Layers, refused: &'a mut Vec<Error>) -> Self {
        Self { refused: Some(refused), ..Self::new(layers) }
    }

    /// Returns the value of one setting.
    pub fn take<R: Rule>(&mut self, key: &'static str, rule: &R, preset: impl Into<Preset>) -> Result<R::Value, Error> {
        let preset: Preset = preset.into();
        let preset = || Raw::Text(preset.of(self.mode).to_owned());
        let mut written = self.layers.of(key).iter();
        let (mut raw, mut origin) = match written.next() {
            Some(first) => (first.raw.clone(), first.origin.clone()),
            None => (preset(), Origin::Default),
        };
        let home = self.layers.home.as_deref();
        let read = |raw: &Raw| rule.read(rule.at_home(raw, home).as_ref().unwrap_or(raw));
        let value = match (read(&raw), &mut self.refused) {
            (Some(value), _) => value,
            (None, refused) => {
                let error = Error::refused(key, &raw, rule.secret(), origin, rule.allowed());
                (raw, origin) = (preset(), Origin::Default);
                match (refused, read(&raw)) {
                    (Some(refused), Some(value)) => {
                        refused.push(error);
                        value
                    }
                    _ => return Err(error),
                }
            }
        };
        for shadowed in written.filter(|shadowed| read(&shadowed.raw).is_none()) {
            let refused = Error::refused(key, &shadowed.raw, rule.secret(), shadowed.origin.clone(), rule.allowed());
            self.warnings.push(format!("{refused} (it has no effect: {origin} comes first)"));
        }
        let fingerprint = rule.secret().then(|| fingerprint(&raw));
        self.effective.push(Effective { name: variable(key), value: rule.show(&value), origin, fingerprint });
        Ok(value)
    }

    /// Returns the value of a setting that a different one may override, or `None` if it is absent
    /// or not allowed.
    pub fn says<R: Rule>(&self, key: &str, rule: &R) -> Option<R::Value> {
        self.layers.of(key).first().and_then(|written| rule.read(&written.raw))
    }
}

/// Returns a hash that is the same for the same text as long as this process lives. The text can't
/// be recovered from it.
fn fingerprint(raw: &Raw) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(raw.written())
}
