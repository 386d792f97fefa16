//! Parses the written texts into values, one setting at a time.
//!
//! Owns which layer has precedence, and the record of each value's origin. A value that is not
//! allowed is an error if it takes effect. If a higher layer overrides it, it only causes a
//! warning, so that a flag can override a variable that another program exported.

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
    /// The value in its normal form; for a secret, only its length; empty if there is no value.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
    /// For a secret, a hash that allows comparing it without showing it. Valid only in this
    /// process.
    fingerprint: Option<u64>,
}

impl Effective {
    /// Returns whether both have the same value. Their origins may differ.
    pub fn has_same_value(&self, other: &Self) -> bool {
        (&self.name, &self.value, self.fingerprint)
            == (&other.name, &other.value, other.fingerprint)
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
    /// Collects the refused values. If this is `None`, the first refused value is returned as an
    /// error.
    refused: Option<&'a mut Vec<Error>>,
}

impl<'a> Reading<'a> {
    /// Returns a reading that fails at the first value that is refused.
    pub fn new(layers: &'a Layers) -> Self {
        Self {
            layers,
            mode: Mode::Development,
            effective: Vec::new(),
            warnings: Vec::new(),
            refused: None,
        }
    }

    /// Returns a reading that uses the default instead of a value that is refused.
    pub fn lenient(layers: &'a Layers, refused: &'a mut Vec<Error>) -> Self {
        Self {
            refused: Some(refused),
            ..Self::new(layers)
        }
    }

    /// Reads one setting, records it in [`Self::effective`], and returns its value.
    pub fn take<R: Rule>(
        &mut self,
        key: &'static str,
        rule: &R,
        preset: impl Into<Preset>,
    ) -> Result<R::Value, Error> {
        let preset: Preset = preset.into();
        let preset = || Raw::Text(preset.of(self.mode).to_owned());
        let mut written = self.layers.of(key).iter();
        let (mut raw, mut origin) = match written.next() {
            Some(first) => (first.raw.clone(), first.origin.clone()),
            None => (preset(), Origin::Default),
        };
        let home = self.layers.home.as_deref();
        let read = |raw: &Raw| rule.read(rule.expand_home(raw, home).as_ref().unwrap_or(raw));
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
        for overridden in written.filter(|overridden| read(&overridden.raw).is_none()) {
            let refused = Error::refused(
                key,
                &overridden.raw,
                rule.secret(),
                overridden.origin.clone(),
                rule.allowed(),
            );
            self.warnings.push(format!(
                "{refused} (this value has no effect, because {origin} takes precedence)"
            ));
        }
        let fingerprint = rule.secret().then(|| fingerprint(&raw));
        self.effective.push(Effective {
            name: variable(key),
            value: rule.show(&value),
            origin,
            fingerprint,
        });
        Ok(value)
    }

    /// Returns the value of a setting without recording it, or `None` if it is absent or not
    /// allowed. Used for a setting that another one may override.
    pub fn peek<R: Rule>(&self, key: &str, rule: &R) -> Option<R::Value> {
        self.layers
            .of(key)
            .first()
            .and_then(|written| rule.read(&written.raw))
    }
}

/// Returns a hash with a key of this process. Equal texts have equal hashes, and the text can't be
/// recovered from its hash.
fn fingerprint(raw: &Raw) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(raw.written())
}
