//! Turning what was written into what holds, one setting at a time.
//!
//! Owns the choice of the layer that counts, and the record of what came from where. A value that counts and is not
//! allowed stops the reading; one that is shadowed by a higher layer is only warned of, so that a flag can get the
//! better of a variable that someone else's program exported.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use crate::error::Error;
use crate::layers::Layers;
use crate::mode::Mode;
use crate::name::variable;
use crate::origin::Origin;
use crate::rule::{Raw, Rule};
use crate::setting::Preset;

/// One setting as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// `HEARTBEAT_INTERVAL`
    pub name: String,
    /// The value in its normal form; of a secret only its length; empty where there is none.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
    /// Of a secret, by which it is known without being shown; in this process alone.
    fingerprint: Option<u64>,
}

impl Effective {
    /// Whether both have the same value, wherever that was written.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        (&self.name, &self.value, self.fingerprint) == (&other.name, &other.value, other.fingerprint)
    }
}

/// The reading of all settings, section by section.
pub struct Reading<'a> {
    layers: &'a Layers,
    /// Which presets hold; settled first.
    pub mode: Mode,
    /// Each setting that was read, as it holds.
    pub effective: Vec<Effective>,
    /// What should be said of what was written, each one line.
    pub warnings: Vec<String>,
    /// Where refused values go, instead of stopping the reading.
    refused: Option<&'a mut Vec<Error>>,
}

impl<'a> Reading<'a> {
    /// A reading that stops at the first value that is refused.
    pub fn new(layers: &'a Layers) -> Self {
        Self { layers, mode: Mode::Development, effective: Vec::new(), warnings: Vec::new(), refused: None }
    }

    /// One that goes on with the default where a value is refused.
    pub fn lenient(layers: &'a Layers, refused: &'a mut Vec<Error>) -> Self {
        Self { refused: Some(refused), ..Self::new(layers) }
    }

    /// The value that holds for one setting.
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

    /// What was written for a setting that something else may overrule; nothing where it is absent or not allowed.
    pub fn says<R: Rule>(&self, key: &str, rule: &R) -> Option<R::Value> {
        self.layers.of(key).first().and_then(|written| rule.read(&written.raw))
    }
}

/// The same for the same text as long as this process lives; what the text was can't be found out from it.
fn fingerprint(raw: &Raw) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(raw.written())
}
