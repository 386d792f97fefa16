//! The flags of all commands that call a running server: its address and the token.
//!
//! Must never show a token, except the demo token, which is not secret.

use tidings_client::{Address, Client};
use tidings_server::auth::demo;

use super::terminal::say;

/// The address of the server, and the token.
#[derive(clap::Args)]
pub(super) struct Remote {
    /// Where the server is, with its base path if it has one.
    ///
    /// Over https, the system's root certificates are trusted, or those in the file that
    /// `SSL_CERT_FILE` names.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TIDINGS_URL",
        help_heading = "Server",
        default_value = "http://localhost:3000"
    )]
    pub(super) url: Address,

    /// The token to call with. Better set the variable, because other users of this machine can
    /// read a command line.
    ///
    /// Without one, a server on this machine is called with the demo token.
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "TIDINGS_TOKEN",
        hide_env_values = true,
        help_heading = "Server"
    )]
    token: Option<String>,
}

impl Remote {
    /// Returns a client that calls with the token, or, for a server on this machine, with the demo
    /// token.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(self.url.clone(), self.token_or_demo())?)
    }

    /// Returns the token to call with: the one that was given, or, for a server on this machine,
    /// the demo token.
    pub(super) fn token_or_demo(&self) -> Option<&str> {
        self.token().or_else(|| {
            self.url.is_loopback().then(|| {
                say("calling with the demo token, as TIDINGS_TOKEN is not set");
                demo::TOKEN
            })
        })
    }

    /// The token that was given.
    pub(super) fn token(&self) -> Option<&str> {
        self.token
            .as_deref()
            .map(str::trim)
            .filter(|token| !token.is_empty())
    }

    /// Returns a client without a token.
    pub(super) fn anonymous(&self) -> anyhow::Result<Client> {
        Ok(Client::new(self.url.clone(), None)?)
    }
}
