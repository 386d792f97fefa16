//! The settings as they were written: texts, each with its origin, before any value is parsed.
//!
//! Owns the order of the layers. The environment is a parameter, so that a test can pass a map.
//! Only [`environment`] reads the environment of the process, and nothing ever changes it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::dotenv;
use crate::error::{Error, shown};
use crate::name::flag;
use crate::origin::Origin;
use crate::path;
use crate::rule::Raw;
use crate::setting::Setting;
use crate::spelling;

/// The settings on the command line. This has no `Debug`, because `--jwt-secret` is one of them.
#[derive(Clone, Default)]
pub struct Flags {
    /// `--config FILE`, which replaces `tidings.toml`.
    pub file: Option<PathBuf>,
    /// Names (such as `heartbeat_interval`) and texts. If a name is repeated, the last one counts.
    pub settings: Vec<(String, String)>,
}

/// All layers, in order of precedence.
pub struct Layers {
    /// The values by the key of their setting, each list in order of precedence.
    written: BTreeMap<&'static str, Vec<Written>>,
    /// The home directory, which is the variable `HOME`.
    pub home: Option<String>,
    /// Warnings about ignored names that look like a misspelled setting, and about skipped lines.
    pub warnings: Vec<String>,
}

/// One value as it was written.
pub struct Written {
    /// The value.
    pub raw: Raw,
    /// Where it was written.
    pub origin: Origin,
}

const FILE: &str = "tidings.toml";

impl Layers {
    /// Collects the layers: flags, the environment, `.env` in `directory`, and the TOML file.
    pub fn gather(
        table: &[Setting],
        flags: Flags,
        environment: impl Iterator<Item = (String, String)>,
        directory: &Path,
    ) -> Result<Self, Error> {
        let mut layers = Self::none();
        for (key, text) in flags.settings.into_iter().rev() {
            let origin = Origin::Flag(flag(&key));
            match table.iter().find(|setting| setting.key == key) {
                Some(setting) => layers.put(setting, Raw::Text(text), origin),
                None => return Err(unknown(table, &key, &text, origin)),
            }
        }
        let mut home = None;
        let environment = environment.inspect(|(name, text)| {
            if name == "HOME" {
                home = Some(text.clone());
            }
        });
        layers.variables(
            table,
            environment.map(|(name, text)| (name, text, Origin::Environment)),
        );
        layers.home = home;
        layers.dotenv(table, directory)?;
        layers.file(table, flags.file.as_deref(), directory)?;
        Ok(layers)
    }

    /// Returns the values that were written for a setting, in order of precedence.
    pub fn of(&self, key: &str) -> &[Written] {
        self.written.get(key).map_or(&[], Vec::as_slice)
    }

    fn put(&mut self, setting: &Setting, raw: Raw, origin: Origin) {
        self.written
            .entry(setting.key)
            .or_default()
            .push(Written { raw, origin });
    }

    fn dotenv(&mut self, table: &[Setting], directory: &Path) -> Result<(), Error> {
        const NAME: &str = ".env";
        let path = directory.join(NAME);
        if path.is_dir() {
            // Python projects often have a virtual environment in this directory.
            self.warnings
                .push(".env is a directory, so no settings are read from it".to_owned());
            return Ok(());
        }
        let is_setting = |name: &str| table.iter().any(|setting| setting.variable() == name);
        let dotenv::Parsed { lines, skipped } =
            dotenv::parse(&read(&path, NAME, false)?, is_setting)?;
        // If a name is repeated, the last line counts, as in Node's `dotenv`.
        let lines = lines.into_iter().rev();
        self.variables(
            table,
            lines.map(|line| (line.name, line.text, Origin::DotEnv { line: line.number })),
        );
        self.warnings.extend(skipped_lines(NAME, &skipped));
        Ok(())
    }

    /// Adds a layer of variables. An empty variable counts as absent, because compose files pass on
    /// variables that are not set.
    fn variables(
        &mut self,
        table: &[Setting],
        variables: impl Iterator<Item = (String, String, Origin)>,
    ) {
        for (name, text, origin) in variables {
            match table.iter().find(|setting| setting.variable() == name) {
                Some(setting) if !text.is_empty() => self.put(setting, Raw::Text(text), origin),
                Some(_) => {}
                None => {
                    if let Some(meant) = spelling::misspelled(table, &name) {
                        let name = shown(&name, false);
                        self.warnings.push(format!(
                            "{name} ({origin}) is not a setting and has no effect; did you mean \
                             {}?",
                            meant.variable()
                        ));
                    }
                }
            }
        }
    }

    /// Returns layers without any value.
    pub fn none() -> Self {
        Self {
            written: BTreeMap::new(),
            home: None,
            warnings: Vec::new(),
        }
    }

    fn file(
        &mut self,
        table: &[Setting],
        named: Option<&Path>,
        directory: &Path,
    ) -> Result<(), Error> {
        let home = self.home.as_deref();
        let named = named.map(|path| {
            path.to_str().map_or_else(
                || path.to_owned(),
                |text| path::expand(text, home).as_ref().into(),
            )
        });
        let path = directory.join(named.as_deref().unwrap_or(Path::new(FILE)));
        let name = named
            .as_deref()
            .map_or(FILE.to_owned(), |path| path.display().to_string());
        let text = read(&path, &name, named.is_some())?;
        let text = String::from_utf8(text).map_err(|error| {
            let before = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..before]
                .split(|&byte| byte == b'\n')
                .count();
            Error::Malformed {
                file: name.clone(),
                line,
                problem: "it is not UTF-8".to_owned(),
            }
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let content: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().map_or(0, |span| span.start);
            Error::Malformed {
                file: name.clone(),
                line: 1 + text
                    .bytes()
                    .take(before)
                    .filter(|&byte| byte == b'\n')
                    .count(),
                problem: error.message().lines().collect::<Vec<_>>().join("; "),
            }
        })?;
        for (key, value) in content {
            let origin = Origin::File(name.clone());
            let raw = raw(&value);
            match table.iter().find(|setting| setting.key == key) {
                Some(setting) => self.put(setting, raw, origin),
                None => return Err(unknown(table, &key, &raw.written(), origin)),
            }
        }
        Ok(())
    }
}

/// Reads a file. If it does not exist and is not required, it counts as empty.
fn read(path: &Path, name: &str, is_required: bool) -> Result<Vec<u8>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_required => Ok(Vec::new()),
        Err(source) => Err(Error::Unreadable {
            file: name.to_owned(),
            source,
        }),
    }
}

/// Returns a warning about skipped lines, if there are any. It shows only their numbers, because
/// their content belongs to other programs.
fn skipped_lines(file: &str, lines: &[usize]) -> Option<String> {
    const MAX_LISTED: usize = 10;
    let numbers: Vec<_> = lines
        .iter()
        .take(MAX_LISTED)
        .map(ToString::to_string)
        .collect();
    let (last, others) = numbers.split_last()?;
    let list = match lines.len() {
        1 => format!("line {last} was"),
        2..=MAX_LISTED => format!("lines {} and {last} were", others.join(", ")),
        all => format!(
            "lines {} and {} more were",
            numbers.join(", "),
            all - MAX_LISTED
        ),
    };
    Some(format!(
        "{file}, {list} not understood, and skipped because no setting is named there"
    ))
}

/// Converts a value of the TOML file.
fn raw(value: &toml::Value) -> Raw {
    let scalar = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
            Some(value.to_string())
        }
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    };
    let converted = match value {
        toml::Value::Array(items) => items
            .iter()
            .map(scalar)
            .collect::<Option<_>>()
            .map(Raw::List),
        value => scalar(value).map(Raw::Text),
    };
    converted.unwrap_or_else(|| Raw::Other(value.to_string()))
}

/// Returns the error for a name that is not that of a setting.
fn unknown(table: &[Setting], name: &str, value: &str, origin: Origin) -> Error {
    let value = shown(value, spelling::may_be_secret(table, name));
    Error::Unknown {
        written: format!("{}={value}", shown(name, false)),
        hint: spelling::nearest(table, name).map_or_else(
            || "`tidings --help` lists all settings".to_owned(),
            |setting| format!("did you mean {}?", setting.key),
        ),
        origin,
    }
}

/// Reads the environment of the process, to be passed to [`Layers::gather`]. A variable whose name
/// is not UTF-8 is left out, because it can't be a setting. Bytes of a value that are not UTF-8
/// become `\u{fffd}`.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, text)| {
        Some((
            name.into_string().ok()?,
            text.to_string_lossy().into_owned(),
        ))
    })
}
