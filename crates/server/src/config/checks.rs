//! Checks the combinations of settings: values that are each allowed, but not together.

use tidings_journal::{Rule, memory};
use tidings_journal_disk::Retention;
use tidings_settings::Error;
use tidings_settings::Secret;
use tidings_settings::guessable::{self, Flaw};
use tidings_settings::units::{show_size, show_span};

use super::{Auth, Config, Home, Loaded, Mode};

/// The minimum length of a secret in production. A shorter key is weaker than the hash that uses it
/// (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// Runs all checks. Returns the errors that stop the start, and adds warnings to `loaded`.
pub(super) fn all(loaded: &mut Loaded) -> Vec<Error> {
    type Check = fn(&mut Loaded) -> Result<(), Error>;
    const CHECKS: [Check; 6] = [
        open_to_all_with_credentials,
        credentials,
        |loaded| secret(loaded, "JWT_SECRET", |auth| &auth.jwt_secret),
        |loaded| secret(loaded, "METRICS_TOKEN", |auth| &auth.metrics_token),
        journal,
        drain,
    ];
    CHECKS
        .iter()
        .filter_map(|check| check(loaded).err())
        .collect()
}

/// Refuses `*` with credentials. Browsers ignore it, and a server that mirrors every origin instead
/// gives each page of the web the rights of its visitor.
fn open_to_all_with_credentials(loaded: &mut Loaded) -> Result<(), Error> {
    let cors = &loaded.config.cors;
    if cors.credentials && cors.origins.iter().any(|origin| origin == "*") {
        return Err(Error::Conflict(format!(
            "CORS_ORIGIN=* ({}) is not allowed together with CORS_CREDENTIALS=true ({}); list the \
             origins, or set CORS_CREDENTIALS=false",
            origin(loaded, "CORS_ORIGIN"),
            origin(loaded, "CORS_CREDENTIALS"),
        )));
    }
    Ok(())
}

/// Refuses a production server that accepts no credentials but demo tokens, which anybody can
/// write.
fn credentials(loaded: &mut Loaded) -> Result<(), Error> {
    let Config { mode, auth, .. } = &loaded.config;
    if *mode == Mode::Development {
        return Ok(());
    }
    if auth.jwt_secret.is_none() {
        let why = if auth.demo {
            format!(
                "with AUTH_DEMO=true ({}) as the only way in, anybody could claim to be any user",
                origin(loaded, "AUTH_DEMO")
            )
        } else {
            format!(
                "with AUTH_DEMO=false ({}) nobody could sign in",
                origin(loaded, "AUTH_DEMO")
            )
        };
        return Err(Error::Conflict(format!(
            "JWT_SECRET is not set, and production requires it: {why}; allowed: a secret of at \
             least {MIN_SECRET_BYTES} bytes"
        )));
    }
    if auth.demo {
        loaded.warnings.push(format!(
            "AUTH_DEMO=true ({}) lets anybody claim to be any user, in production",
            origin(loaded, "AUTH_DEMO")
        ));
    }
    Ok(())
}

/// Refuses a secret in production that could be guessed, and warns of one that may be a mistake.
fn secret(
    loaded: &mut Loaded,
    name: &'static str,
    of: fn(&Auth) -> &Option<Secret>,
) -> Result<(), Error> {
    let Some(secret) = of(&loaded.config.auth).clone() else {
        return Ok(());
    };
    let shown = format!("{name}=(hidden) ({})", origin(loaded, name));
    let trimmed = secret.trimmed();
    if trimmed != secret.expose() {
        loaded.warnings.push(format!(
            "{shown} has white space around it, perhaps a line break at the end; it is used \
             without the white space"
        ));
    }
    let quoted =
        |quote: char| trimmed.len() > 1 && trimmed.starts_with(quote) && trimmed.ends_with(quote);
    if quoted('"') || quoted('\'') {
        loaded.warnings.push(format!(
            "{shown} is between quotes, which are part of the secret; remove them if that is not \
             intended"
        ));
    }
    let flaw = match guessable::flaw(&secret) {
        Some(Flaw::Published) => "was published as an example".to_owned(),
        _ if trimmed.len() < MIN_SECRET_BYTES => format!("is only {} bytes long", trimmed.len()),
        Some(Flaw::Words) => "is made of words that anybody can guess".to_owned(),
        Some(Flaw::Pattern) => "is a pattern that anybody can guess".to_owned(),
        Some(Flaw::LowEntropy) => {
            loaded.warnings.push(format!(
                "{shown} has so few different characters that it might be guessed; a later \
                 version will refuse it in production. `openssl rand -base64 48` makes a good one"
            ));
            return Ok(());
        }
        None => return Ok(()),
    };
    let allowed = format!("at least {MIN_SECRET_BYTES} bytes that nobody can guess");
    match loaded.config.mode {
        Mode::Production => Err(Error::Conflict(format!(
            "{shown} {flaw}; allowed in production: {allowed}"
        ))),
        Mode::Development => {
            loaded
                .warnings
                .push(format!("{shown} {flaw}; production will require {allowed}"));
            Ok(())
        }
    }
}

/// Refuses limits that the journal can't apply.
fn journal(loaded: &mut Loaded) -> Result<(), Error> {
    let journal = &loaded.config.journal;
    let min_bytes = usize::try_from(Retention::MIN_DISK_BYTES).unwrap_or(usize::MAX);
    if let Some(bytes) = journal
        .max_bytes
        .filter(|bytes| journal.home == Home::Disk && *bytes < min_bytes)
    {
        return Err(Error::Conflict(format!(
            "JOURNAL_MAX_BYTES={} ({}) is too little for the journal on disk; allowed: at least \
             {}, or JOURNAL=memory",
            show_size(bytes),
            origin(loaded, "JOURNAL_MAX_BYTES"),
            show_size(min_bytes),
        )));
    }
    let mut patterns = std::collections::BTreeSet::new();
    if let Some(twice) = journal
        .keep
        .iter()
        .find(|rule| !patterns.insert(rule.pattern.as_str()))
    {
        let (origin, pattern) = (origin(loaded, "JOURNAL_KEEP"), &twice.pattern);
        return Err(Error::Conflict(format!(
            "JOURNAL_KEEP ({origin}) names {pattern} twice; join its limits with `+`"
        )));
    }
    warn_of_rules_beyond_memory(loaded);
    Ok(())
}

/// Warns if the limit of a single topic exceeds that of all topics together. For a journal in
/// memory, the latter is small by default.
fn warn_of_rules_beyond_memory(loaded: &mut Loaded) {
    let journal = &loaded.config.journal;
    let default = memory::Retention::default();
    let most_events = journal.max_events.unwrap_or(default.max_events);
    let most_bytes = journal.max_bytes.unwrap_or(default.max_bytes);
    let is_beyond = |limit: Option<u64>, most: usize| {
        limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| limit > most))
    };
    let is_beyond = |rule: &&Rule| {
        is_beyond(rule.max_events, most_events) || is_beyond(rule.max_bytes, most_bytes)
    };
    if let Some(rule) = journal
        .keep
        .iter()
        .find(is_beyond)
        .filter(|_| journal.home == Home::Memory)
    {
        let warning = format!(
            "JOURNAL_KEEP ({}) has {} keep more than the journal in memory keeps of all topics \
             together, {most_events} events and {}; raise JOURNAL_MAX_EVENTS or JOURNAL_MAX_BYTES",
            origin(loaded, "JOURNAL_KEEP"),
            rule.pattern,
            show_size(most_bytes),
        );
        loaded.warnings.push(warning);
    }
}

/// Warns if the drain takes longer than the whole shutdown may.
#[expect(clippy::unnecessary_wraps, reason = "one of several checks")]
fn drain(loaded: &mut Loaded) -> Result<(), Error> {
    let lifecycle = &loaded.config.lifecycle;
    if lifecycle.drain >= lifecycle.shutdown_timeout {
        loaded.warnings.push(format!(
            "SHUTDOWN_TIMEOUT={} is not longer than DRAIN_SECONDS={}, so the last streams will be \
             cut",
            show_span(lifecycle.shutdown_timeout),
            show_span(lifecycle.drain)
        ));
    }
    Ok(())
}

/// Returns the origin of a setting, for a message.
fn origin(loaded: &Loaded, name: &str) -> String {
    loaded
        .origin(name)
        .map(ToString::to_string)
        .unwrap_or_default()
}
