//! `tidings token`: makes a JSON Web Token that a server with the same settings accepts.
//!
//! Prints the token and nothing else to standard output. Must never show the secret.

use std::io::Write;

use anyhow::bail;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args as _, Command};
use jiff::Timestamp;
use tidings_hub::UserId;
use tidings_server::auth::{demo, mint};
use tidings_server::config::{self, Loaded};

use super::terminal::say;
use crate::flags::flags;

/// The settings that the help lists, because they matter for a token. All others are accepted too,
/// because they are in the same file, but a list of ports and journals would help nobody here.
const LISTED: [&str; 5] = [
    "config",
    "jwt_secret",
    "jwt_issuer",
    "jwt_audience",
    EXPIRES_IN,
];

const EXPIRES_IN: &str = "jwt_expires_in";

/// Who the token is for.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The id of the user.
    #[arg(long, value_name = "ID", value_parser = UserId::parse)]
    sub: UserId,

    /// The name that others see; the id if there is none.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// The mail address.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// A role, such as `admin`; may be given several times, or as a list with commas.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    roles: Vec<String>,
}

/// Adds the flags of this command, and those of the settings.
pub(super) fn arguments(command: Command) -> Command {
    let settings = flags(command)
        .mut_args(|argument| {
            let is_listed = LISTED.contains(&argument.get_id().as_str());
            argument.hide(!is_listed).hide_short_help(!is_listed)
        })
        .mut_arg(EXPIRES_IN, |argument| argument.visible_alias("expires-in"));
    Arguments::augment_args(settings)
}

/// Signs a token that is valid from `now`, and writes it as a line.
pub(super) fn run(
    arguments: Arguments,
    loaded: &Loaded,
    now: Timestamp,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for warning in &loaded.warnings {
        say(&format!("warning: {warning}"));
    }
    let config::Auth {
        jwt_secret,
        jwt_issuers,
        jwt_audiences,
        jwt_expires_in,
        ..
    } = &loaded.config.auth;
    let Some(secret) = jwt_secret else {
        bail!(
            "JWT_SECRET is not set, so there is nothing to sign with: set it to the secret of the \
             server, in the environment, .env or tidings.toml (a server in development also \
             accepts the demo token, {})",
            demo::TOKEN
        );
    };
    let claims = mint::Claims {
        sub: arguments.sub,
        username: arguments.username,
        email: arguments.email,
        roles: arguments.roles,
        expires_in: *jwt_expires_in,
        issuer: jwt_issuers.first().cloned(),
        audience: jwt_audiences.first().cloned(),
    };
    writeln!(
        out,
        "{}",
        mint::mint(secret.expose().as_bytes(), &claims, now)?
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::FromArgMatches as _;

    use super::*;
    use crate::flags::flags_from;
    use tidings_server::auth::{Authenticator, Credential, Options, jwt};
    use tidings_server::config::Config;

    const SECRET: &str = "a secret of at least 32 bytes, for tests";

    fn minted(words: &[&str]) -> Result<String, String> {
        let words = [&["token"], words].concat();
        let matches = arguments(Command::new("token"))
            .try_get_matches_from(words)
            .map_err(|error| error.to_string())?;
        let loaded = Config::load(
            flags_from(&matches),
            std::iter::empty(),
            Path::new("/nonexistent"),
        );
        let loaded = loaded.map_err(|error| error.to_string())?;
        let arguments = Arguments::from_arg_matches(&matches).unwrap();
        let mut out = Vec::new();
        run(arguments, &loaded, now(), &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    #[test]
    fn clap_finds_no_fault_with_the_flags() {
        arguments(Command::new("token")).debug_assert();
    }

    #[test]
    fn a_server_with_the_same_settings_accepts_the_token_and_its_claims() {
        let secret = format!("--jwt-secret={SECRET}");
        let settings = [
            &secret,
            "--jwt-issuer=one,two",
            "--jwt-audience=here",
            "--expires-in=2h",
        ];
        let user = [
            "--sub=ann",
            "--username=Ann",
            "--email=ann@example.com",
            "--role=user,editor",
            "--role",
            "admin",
        ];
        let line = minted(&[&settings[..], &user].concat()).unwrap();
        let jwt = jwt::Options {
            secret: SECRET.into(),
            issuers: vec!["one".into()],
            audiences: vec!["here".into()],
            require_exp: true,
        };
        let query = format!("token={}", line.strip_suffix('\n').unwrap());
        let credential = Credential::find(&http::HeaderMap::new(), Some(&query), None, false);
        let server = Authenticator::new(&Options {
            demo: false,
            jwt: Some(jwt),
        });
        let identity = server.required(credential.as_ref(), now()).unwrap();
        assert_eq!(identity.id.as_str(), "ann");
        assert_eq!(identity.username, "Ann");
        assert_eq!(identity.email.as_deref(), Some("ann@example.com"));
        assert_eq!(identity.roles, ["user", "editor", "admin"]);
        let lives = identity
            .expires
            .unwrap()
            .refused_from()
            .duration_since(now());
        assert_eq!(lives.as_secs(), 2 * 60 * 60 + 30);
    }

    #[test]
    fn without_a_secret_the_error_says_what_to_set() {
        let refused = minted(&["--sub=ann"]).unwrap_err();
        assert!(
            refused.starts_with("JWT_SECRET is not set") && refused.contains(demo::TOKEN),
            "{refused}"
        );
    }

    #[test]
    fn values_that_no_server_would_accept_are_refused() {
        let secret = format!("--jwt-secret={SECRET}");
        for wrong in [
            "--sub=",
            "--sub=a\nb",
            "--role=",
            "--expires-in=never",
            "--expires-in=0",
        ] {
            let words = if wrong.starts_with("--sub") {
                vec![&*secret, wrong]
            } else {
                vec![&*secret, "--sub=ann", wrong]
            };
            assert!(minted(&words).is_err(), "{wrong}");
        }
        assert!(minted(&[&secret]).unwrap_err().contains("--sub"));
    }

    #[test]
    fn help_shows_only_the_settings_that_matter_for_a_token() {
        let help = arguments(Command::new("token"))
            .render_long_help()
            .to_string();
        assert!(
            help.contains("--jwt-secret") && help.contains("--expires-in"),
            "{help}"
        );
        assert!(!help.contains("--heartbeat-interval"), "{help}");
    }
}
