//! How the log on Redis is opened.

use std::time::Duration;

use crate::url::{self, Url};

/// How the log on Redis is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the server is.
    pub whereabouts: Whereabouts,
    /// What the names of all keys begin with, in braces: `{tidings}:log`. Two systems that share a
    /// server need two prefixes.
    pub prefix: String,
    /// What an append promises when it is answered. The server's own settings are checked against
    /// it.
    pub sync: Promise,
    /// How many replicas must have a group before it counts as appended.
    pub replicas: u32,
    /// The most bytes that the log is meant to hold, if there is such a bound. A server with less
    /// than twice that memory is warned about.
    pub bound: Option<u64>,
    /// The certificates, as PEM, that vouch for the server's own one. `None` stands for those of
    /// the system.
    pub authorities: Option<Vec<u8>>,
    /// The longest that a call takes.
    pub limit: Duration,
}

/// Where the server is.
#[derive(Clone, Debug)]
pub enum Whereabouts {
    /// Always at the same address.
    Url(Url),
    /// Where the sentinels say.
    Sentinels(Sentinels),
}

/// Sentinels, which know which server of a group of servers takes writes.
#[derive(Clone, Debug)]
pub struct Sentinels {
    /// The sentinels. All of them are asked.
    pub sentinels: Vec<Url>,
    /// The name under which they know the group of servers.
    pub name: String,
    /// The login at the servers, and whether connections to them are encrypted. The address is not
    /// used.
    pub server: Url,
}

/// What an append promises when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// What the server happens to be set to.
    Broker,
    /// The group is on the disk of the server.
    Always,
    /// The group is on the disk of the server after at most this time.
    Interval(Duration),
}

impl Options {
    /// Returns the options for a server, with the defaults for everything else.
    pub fn new(whereabouts: Whereabouts) -> Self {
        Self {
            whereabouts,
            prefix: "tidings".to_owned(),
            sync: Promise::Broker,
            replicas: 0,
            bound: None,
            authorities: None,
            limit: Duration::from_secs(5),
        }
    }
}

impl Sentinels {
    /// Parses the addresses of sentinels, each `host[:port]` or a URL. `server` gives the login and
    /// TLS of the servers; without it, connections are plain and without login.
    ///
    /// # Errors
    ///
    /// With the number of the address, counted from one, and what is wrong with it.
    pub fn parse<'a>(
        addresses: impl IntoIterator<Item = &'a str>,
        name: &str,
        server: Option<&Url>,
    ) -> Result<Self, (usize, url::Error)> {
        let sentinels = addresses
            .into_iter()
            .enumerate()
            .map(|(at, text)| Url::sentinel(text).map_err(|error| (at + 1, error)))
            .collect::<Result<Vec<_>, _>>()?;
        if sentinels.is_empty() {
            return Err((1, url::Error::Host));
        }
        let server = server
            .cloned()
            .unwrap_or_else(|| sentinels[0].without_login());
        Ok(Self {
            sentinels,
            name: name.to_owned(),
            server,
        })
    }
}
