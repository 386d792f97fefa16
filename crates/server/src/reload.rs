//! Applies changed settings to a running server, without a restart.
//!
//! Owns which settings can be changed this way, and that a reload changes either all of them or
//! none. A reload is requested by the process or application that runs the server (SIGHUP,
//! [`Handle::reload`](crate::Handle::reload)) or by an admin's call. It is logged once, here.

pub(crate) mod source;

use std::fmt;

use tidings_edge::cors;

use crate::app::{App, Phase};
use crate::config::{self, Effective};
use crate::reload::source::Source;

const LOG_LEVEL: &str = "LOG_LEVEL";
const CORS_ORIGIN: &str = "CORS_ORIGIN";

/// The result of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The settings that were changed (`"LOG_LEVEL"`).
    pub changed: Vec<String>,
    /// The settings whose configured value differs from the one in use, but which the server reads
    /// only when it starts.
    pub needs_restart: Vec<String>,
}

/// Why nothing was reloaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The application that built the server did not call
    /// [`Builder::reloadable`](crate::server::Builder::reloadable).
    #[error("This server does not know where its settings come from, and can't read them again")]
    NoSource,
    /// A server would not start with these settings.
    #[error(transparent)]
    Invalid(#[from] config::Error),
    /// The origins can't be combined with the other settings that are in use.
    #[error("CORS_ORIGIN: {0}")]
    Cors(#[from] cors::Error),
}

impl App {
    /// Reads the settings again and applies those that can be changed without a restart. Blocks on
    /// file I/O.
    pub(crate) fn reload(&self) -> Result<Reloaded, Error> {
        let source = self.settings.as_ref().ok_or(Error::NoSource)?;
        // The lock is held until the service manager is notified, so that the notifications of two
        // reloads do not mix.
        let mut in_use = source.in_use.lock();
        let is_notified = self.phase() == Phase::Serving;
        if is_notified {
            self.notifier.reloading();
        }
        let reloaded = self.reload_from(source, &mut in_use);
        match &reloaded {
            Ok(Reloaded {
                changed,
                needs_restart,
            }) if needs_restart.is_empty() => {
                tracing::info!(changed = changed.join(","), "reloaded");
            }
            Ok(Reloaded {
                changed,
                needs_restart,
            }) => {
                let (changed, needs_restart) = (changed.join(","), needs_restart.join(","));
                tracing::warn!(
                    changed,
                    needs_restart,
                    "reloaded, but some settings need a restart"
                );
            }
            Err(error) => {
                tracing::error!(%error, "the reload was refused, and nothing has changed");
            }
        }
        if is_notified {
            self.notifier.reloaded(reloaded.is_err(), &self.status());
        }
        reloaded
    }

    fn reload_from(&self, source: &Source, in_use: &mut [Effective]) -> Result<Reloaded, Error> {
        let loaded = (source.read)()?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let configured =
            |current: &Effective| loaded.origins.iter().find(|new| new.name == current.name);
        let differs = |current: &Effective| {
            configured(current).is_none_or(|new| !new.has_same_value(current))
        };
        let mut reloaded = Reloaded::default();
        // Everything that can fail comes before everything that changes something.
        if in_use
            .iter()
            .any(|current| current.name == CORS_ORIGIN && differs(current))
        {
            let origins = loaded.config.cors.origins.clone();
            let options = cors::Options {
                origins,
                ..self.config.cors_options()
            };
            let (layer, allowed) = (
                cors::layer(&options)?,
                cors::AllowedOrigins::compile(&options)?,
            );
            self.cors.replace(layer);
            *self.origins.write() = allowed;
        }
        for current in in_use.iter_mut().filter(|current| differs(current)) {
            let is_applied = match current.name.as_str() {
                CORS_ORIGIN => true,
                LOG_LEVEL => tidings_telemetry::set_level(&loaded.config.log.level),
                _ => false,
            };
            let names = if is_applied {
                &mut reloaded.changed
            } else {
                &mut reloaded.needs_restart
            };
            names.push(current.name.clone());
            if is_applied && let Some(new) = configured(current) {
                *current = new.clone();
            }
        }
        Ok(reloaded)
    }
}

/// Describes the result in one sentence, for people.
impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            changed,
            needs_restart,
        } = self;
        match changed.as_slice() {
            [] => f.write_str("Nothing was changed")?,
            names => write!(f, "Reloaded {}", names.join(", "))?,
        }
        match needs_restart.as_slice() {
            [] => Ok(()),
            names => write!(f, "; a restart is needed for {}", names.join(", ")),
        }
    }
}
