//! The settings as they were written: texts, each with its origin, before any value is parsed.
//!
//! Owns the order of the layers. The environment is a parameter, so that a test can pass a map;
//! only [`environment`] reads that of the process, and nothing ever changes it.

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

/// The settings on the command line. It has no `Debug`, because `--jwt-secret` is among them.
#[derive(Clone, Default)]
pub struct Flags {
    /// `--config FILE`, which replaces `tidings.toml`.
    pub file: Option<PathBuf>,
    /// Names (`heartbeat_interval`) and texts; the last one of several wins.
    pub settings: Vec<(String, String)>,
}

/// All layers, in order of precedence.
pub struct Layers {
    /// The values by the key of the setting, in order of precedence.
    written: BTreeMap<&'static str, Vec<Written>>,
    /// The home directory, as the environment names it.
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
    /// Collects the layers: flags, then the environment, then `.env`, then the file.
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
        layers.variables(table, environment.map(|(name, text)| (name, text, Origin::Environment)));
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
        self.written.entry(setting.key).or_default().push(Written { raw, origin });
    }

    fn dotenv(&mut self, table: &[Setting], directory: &Path) -> Result<(), Error> {
        const NAME: &str = ".env";
        let path = directory.join(NAME);
        if path.is_dir() {
            // Python's `venv` is often told to create it.
            self.warnings.push(".env is a directory, which holds no settings".to_owned());
            return Ok(());
        }
        let is_setting = |name: &str| table.iter().any(|setting| setting.variable() == name);
        let dotenv::Parsed { lines, passed_over } = dotenv::parse(&read(&path, NAME, false)?, is_setting)?;
        // The last of several lines for one name wins, as in Node's `dotenv`.
        let lines = lines.into_iter().rev();
        self.variables(table, lines.map(|line| (line.name, line.text, Origin::DotEnv { line: line.number })));
        self.warnings.extend(passed_over_in(NAME, &passed_over));
        Ok(())
    }

    /// Adds a layer of variables. An empty variable counts as absent, because compose files pass on
    /// variables that are not set.
    fn variables(&mut self, table: &[Setting], variables: impl Iterator<Item = (String, String, Origin)>) {
        for (name, text, origin) in variables {
            match table.iter().find(|setting| setting.variable() == name) {
                Some(setting) if !text.is_empty() => self.put(setting, Raw::Text(text), origin),
                Some(_) => {}
                None => {
                    if let Some(meant) = spelling::misspelled(table, &name) {
                        let name = shown(&name, false);
                        self.warnings.push(format!(
                            "{name} ({origin}) is no setting and has no effect; did you mean {}?",
                            meant.variable()
                        ));
                    }
                }
            }
        }
    }

    /// Returns layers without any value.
    pub fn none() -> Self {
        Self { written: BTreeMap::new(), home: None, warnings: Vec::new() }
    }

    fn file(&mut self, table: &[Setting], named: Option<&Path>, directory: &Path) -> Result<(), Error> {
        let home = self.home.as_deref();
        let named = named
            .map(|path| path.to_str().map_or_else(|| path.to_owned(), |text| path::expand(text, home).as_ref().into()));
        let path = directory.join(named.as_deref().unwrap_or(Path::new(FILE)));
        let name = named.as_deref().map_or(FILE.to_owned(), |path| path.display().to_string());
        let text = read(&path, &name, named.is_some())?;
        let text = String::from_utf8(text).map_err(|error| {
            let before = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..before].split(|&byte| byte == b'\n').count();
            Error::Malformed { file: name.clone(), line, problem: "it is not UTF-8".to_owned() }
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let content: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().map_or(0, |span| span.start);
            Error::Malformed {
                file: name.clone(),
                line: 1 + text.bytes().take(before).filter(|&byte| byte == b'\n').count(),
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

/// Reads a file. A file that is not required counts as empty if it does not exist.
fn read(path: &Path, name: &str, needed: bool) -> Result<Vec<u8>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !needed => Ok(Vec::new()),
        Err(source) => Err(Error::Unreadable { file: name.to_owned(), source }),
    }
}

/// Returns a warning with the numbers of the skipped lines only: their content belongs to other
/// programs.
fn passed_over_in(file: &str, lines: &[usize]) -> Option<String> {
    const NAMED: usize = 10;
    let numbers: Vec<_> = lines.iter().take(NAMED).map(ToString::to_string).collect();
    let (last, others) = numbers.split_last()?;
    let list = match lines.len() {
        1 => format!("line {last} is"),
        2..=NAMED => format!("lines {} and {last} are", others.join(", ")),
        all => format!("lines {} and {} more are", numbers.join(", "), all - NAMED),
    };
    Some(format!("{file}, {list} not understood and passed over, as no setting is named there"))
}

fn raw(value: &toml::Value) -> Raw {
    let scalar = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Some(value.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    };
    let whole = match value {
        toml::Value::Array(items) => items.iter().map(scalar).collect::<Option<_>>().map(Raw::List),
        value => scalar(value).map(Raw::Text),
    };
    whole.unwrap_or_else(|| Raw::Other(value.to_string()))
}

fn unknown(table: &[Setting], name: &str, value: &str, origin: Origin) -> Error {
    let value = shown(value, spelling::secretive(table, name));
    Error::Unknown {
        written: format!("{}={value}", shown(name, false)),
        hint: spelling::nearest(table, name).map_or_else(
            || "`tidings --help` lists all settings".to_owned(),
            |setting| format!("did you mean {}?", setting.key),
        ),
        origin,
    }
}

/// Reads the environment of the process, to be passed to [`Layers::gather`]. Names that are not
/// UTF-8 can't be settings and are left out; bytes of values that are not UTF-8 become `\u{fffd}`.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.to_string_lossy().into_owned())))
}
