//! `tidings init`: writes a `tidings.toml` to begin with.
//!
//! Owns the secret in it, and guarantees that no other user can ever read the file. Must never
//! overwrite a file: a server with a new secret refuses every token that was signed with the old
//! one.

mod example;

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueHint;
use tidings_server::config::{Config, Flags, Mode, environment};

use super::terminal::say;

/// The number of random bytes in a secret. In Base64 they are 64 characters without padding, and
/// RFC 7518, section 3.2, requires a key of 64 bytes for HS512, the longest hash.
const SECRET_BYTES: usize = 48;

/// The name that stands for standard output.
const OUTPUT: &str = "-";

/// Which kind of server the file is for.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What the server is for: `development` accepts demo tokens and listens on this machine only,
    /// `production` does neither.
    #[arg(value_enum, default_value_t = Purpose::Development)]
    mode: Purpose,

    /// Where to write; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "tidings.toml", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Purpose {
    #[value(alias = "dev")]
    Development,
    #[value(alias = "prod")]
    Production,
}

/// Writes the file, and says what to do next.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let Arguments { mode, file } = arguments;
    let mode = match mode {
        Purpose::Development => Mode::Development,
        Purpose::Production => Mode::Production,
    };
    let secret = secret()?;
    let text = example::toml(mode, &secret);
    if file == Path::new(OUTPUT) {
        out.write_all(text.as_bytes())?;
        return Ok(());
    }
    let shown = file.display();
    match write_new(file, text.as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{shown} already exists and was not changed: with a new secret, the server would \
             refuse every token that the old one signed. Move it away, or name another file with \
             --file"
        ),
        Err(error) => return Err(error).with_context(|| format!("{shown} can't be written")),
    }
    writeln!(
        out,
        "{shown} was written for {}, with mode 600 and a new JWT_SECRET",
        mode.as_str()
    )?;
    let named = if file == Path::new("tidings.toml") {
        String::new()
    } else {
        format!(" --config {}", quoted(file))
    };
    writeln!(
        out,
        "\n    tidings check{named:<24} # reports what is wrong or unwise before the start"
    )?;
    writeln!(out, "    tidings{named:<30} # starts the server")?;
    warn_of_overrides(file, mode, &secret);
    Ok(())
}

/// Quotes a path as one word for a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if path.chars().all(is_plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

/// Warns if the environment or `.env` override what was written.
fn warn_of_overrides(file: &Path, mode: Mode, secret: &str) {
    let flags = Flags {
        file: Some(file.to_owned()),
        settings: Vec::new(),
    };
    let loaded = match Config::load(flags, environment(), Path::new(".")) {
        Ok(loaded) => loaded,
        Err(error) => {
            return say(&format!(
                "warning: with the other settings here, the server does not start: {error}"
            ));
        }
    };
    let config = &loaded.config;
    let secret_counts = config
        .auth
        .jwt_secret
        .as_ref()
        .is_some_and(|held| held.expose() == secret);
    for (name, counts) in [
        ("APP_ENV", config.mode == mode),
        ("JWT_SECRET", secret_counts),
    ] {
        if let (false, Some(origin)) = (counts, loaded.origin(name)) {
            say(&format!(
                "warning: {name} is also set elsewhere ({origin}), which overrides {}",
                file.display()
            ));
        }
    }
}

/// Returns a new secret from the system's random number generator.
fn secret() -> anyhow::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(STANDARD.encode(bytes))
}

/// Creates a file with this content. If writing fails, the file is removed.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .inspect_err(|_| {
            let _ = fs::remove_file(path); // it was created above
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_as_one_word_for_a_shell() {
        assert_eq!(
            quoted(Path::new("/etc/tidings/tidings.toml")),
            "/etc/tidings/tidings.toml"
        );
        assert_eq!(quoted(Path::new("my server.toml")), "'my server.toml'");
        assert_eq!(
            quoted(Path::new("ann's $HOME.toml")),
            r"'ann'\''s $HOME.toml'"
        );
    }

    #[test]
    fn secrets_are_long_and_no_two_are_alike() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
    }
}
