//! The configuration: the values of all settings, and where each was written.
//!
//! The settings are defined in one table, with a file for each section. The fields of [`Config`],
//! `--help`, `docs/configuration.md` and `.env.example` are generated from it. The crate
//! `tidings_settings` reads them from [`Flags`], the environment, `.env` and `tidings.toml`.
//! Everything that leaves this module is checked, and is not checked again elsewhere. Nothing here
//! changes the environment of the process.

mod auth;
mod checks;
mod cors;
mod http;
mod journal;
mod keep;
mod limits;
mod log;
pub mod reference;
#[cfg(test)]
mod spelling;
mod streams;
#[cfg(test)]
mod tests;

use std::path::Path;

use tidings_settings::setting::{Section, Setting};
use tidings_settings::{Layers, Reading, mode};

pub use auth::Auth;
pub use cors::Cors;
pub use http::{Host, Http, TrustedHeader};
pub use journal::{Home, Journal};
pub use limits::Limits;
pub use log::{Format, Log};
pub use streams::{HeartbeatStyle, Lane, Lifecycle, Refusal, Streams};
pub use tidings_settings::{Effective, Error, Flags, Mode, Origin, Secret, environment};

/// The values of all settings.
///
/// `Config::default()` is for servers that are part of an application. It is the result of
/// [`Config::load`] if no setting is written anywhere, except that the journal is in memory,
/// because a library must not create a directory by default. For a journal that outlives the
/// process, set `journal.home` and `journal.data_dir`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Development or production.
    pub mode: Mode,
    /// Where the server listens, and which requests it accepts.
    pub http: Http,
    /// Which web pages of other origins may read its answers.
    pub cors: Cors,
    /// Authentication and rights.
    pub auth: Auth,
    /// How much one user may publish.
    pub limits: Limits,
    /// The behaviour of open event streams.
    pub streams: Streams,
    /// Where events are stored, and how much of them is kept.
    pub journal: Journal,
    /// What is written to standard error.
    pub log: Log,
    /// How the server ends.
    pub lifecycle: Lifecycle,
}

/// A configuration, and the origins of its values.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Every setting with its value and its origin, in the order of the reference.
    pub origins: Vec<Effective>,
    /// Warnings for the start, each of them one line.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads all layers and checks their values.
    ///
    /// `environment` is the environment of the process, `directory` the place of `.env` and
    /// `tidings.toml`.
    pub fn load(
        flags: Flags,
        environment: impl Iterator<Item = (String, String)>,
        directory: &Path,
    ) -> Result<Loaded, Error> {
        let layers = Layers::gather(&table(), flags, environment, directory)?;
        let mut loaded = Self::read(Reading::new(&layers))?;
        loaded.warnings.splice(0..0, layers.warnings);
        match checks::all(&mut loaded).into_iter().next() {
            Some(error) => Err(error),
            None => Ok(loaded),
        }
    }

    /// Returns all errors in the settings, and the settings with defaults in place of refused
    /// values. [`Config::load`] returns only the first error.
    pub fn examine(
        flags: Flags,
        environment: impl Iterator<Item = (String, String)>,
        directory: &Path,
    ) -> (Option<Loaded>, Vec<Error>) {
        let layers = match Layers::gather(&table(), flags, environment, directory) {
            Ok(layers) => layers,
            Err(error) => return (None, vec![error]),
        };
        let mut refused = Vec::new();
        let mut loaded = match Self::read(Reading::lenient(&layers, &mut refused)) {
            Ok(loaded) => loaded,
            Err(error) => return (None, vec![error]),
        };
        loaded.warnings.splice(0..0, layers.warnings);
        // If values were refused, their combinations can't be checked.
        let errors = if refused.is_empty() {
            checks::all(&mut loaded)
        } else {
            refused
        };
        (Some(loaded), errors)
    }

    /// Reads only the settings of the listener, for commands that connect to the server. Errors in
    /// other settings are ignored.
    pub fn http(
        flags: Flags,
        environment: impl Iterator<Item = (String, String)>,
        directory: &Path,
    ) -> Result<Http, Error> {
        let layers = Layers::gather(&table(), flags, environment, directory)?;
        let mut reading = Reading::new(&layers);
        Mode::read(&mut reading)?;
        Http::read(&mut reading)
    }

    fn read(mut reading: Reading<'_>) -> Result<Loaded, Error> {
        let config = Self {
            mode: Mode::read(&mut reading)?,
            http: Http::read(&mut reading)?,
            cors: Cors::read(&mut reading)?,
            auth: Auth::read(&mut reading)?,
            limits: Limits::read(&mut reading)?,
            streams: Streams::read(&mut reading)?,
            journal: Journal::read(&mut reading)?,
            log: Log::read(&mut reading)?,
            lifecycle: Lifecycle::read(&mut reading)?,
        };
        Ok(Loaded {
            config,
            origins: reading.effective,
            warnings: reading.warnings,
        })
    }
}

impl Default for Config {
    #[expect(
        clippy::expect_used,
        reason = "the presets are constants, and a test reads them all"
    )]
    fn default() -> Self {
        let mut config = Self::read(Reading::new(&Layers::none()))
            .expect("presets follow their own rules")
            .config;
        config.journal.home = Home::Memory;
        config
    }
}

impl Loaded {
    /// Returns a setting's value in its normal form.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.origins
            .iter()
            .find(|effective| effective.name == name)
            .map(|effective| effective.value.as_str())
    }

    /// Returns the origin of a setting (`"JWT_SECRET"`).
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.origins
            .iter()
            .find(|effective| effective.name == name)
            .map(|effective| &effective.origin)
    }
}

/// Returns every setting, in the order of the reference.
pub fn table() -> Vec<Setting> {
    [
        mode::section::rows(),
        Http::rows(),
        Cors::rows(),
        Auth::rows(),
        Limits::rows(),
        Streams::rows(),
        Journal::rows(),
        Log::rows(),
        Lifecycle::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The sections of the table, in the same order.
pub const SECTIONS: [Section; 9] = [
    mode::section::SECTION,
    Http::SECTION,
    Cors::SECTION,
    Auth::SECTION,
    Limits::SECTION,
    Streams::SECTION,
    Journal::SECTION,
    Log::SECTION,
    Lifecycle::SECTION,
];
