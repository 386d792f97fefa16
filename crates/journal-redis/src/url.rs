//! Where a server of Redis is, and how to log in there.
//!
//! Owns the parsing and the secrets. A password must never be shown: neither by `Debug` or
//! `Display`, nor in an error.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

/// `redis://[user[:password]@]host[:port][/database]`, the same with `rediss://` for TLS, or
/// `unix:///path/of/socket[?db=…&user=…&pass=…]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    address: Address,
    login: Login,
}

#[derive(Clone, PartialEq, Eq)]
enum Address {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Login {
    user: Option<String>,
    password: Option<String>,
    database: i64,
}

/// Why a text is not a URL of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It can't be parsed as a URL at all.
    #[error("is not a URL; in a password, `/`, `#`, `?`, `@` and `%` have to be percent-encoded")]
    Malformed,
    /// It has another scheme.
    #[error("has to begin with `redis://`, `rediss://` (TLS) or `unix://`")]
    Scheme,
    /// It has no host, or one that no client can connect to, such as `0.0.0.0`.
    #[error("names no host to connect to")]
    Host,
    /// The path is not the number of a database.
    #[error("has a path that is not the number of a database, such as `/0`")]
    Database,
    /// It has a fragment or parameters.
    #[error(
        "has a part behind `?` or `#` that means nothing here; TLS certificates are always verified"
    )]
    Extra,
}

impl Url {
    /// The port of a server.
    const PORT: u16 = 6379;

    fn with_default_port(text: &str, port: u16) -> Result<Self, Error> {
        let text = text.trim();
        let scheme = text.split_once("://").ok_or(Error::Scheme)?.0;
        if !matches!(scheme, "redis" | "rediss" | "unix") {
            return Err(Error::Scheme);
        }
        let url = redis::parse_redis_url(text).ok_or(Error::Malformed)?;
        let unix = scheme == "unix";
        if url.fragment().is_some() || (!unix && url.query().is_some()) {
            return Err(Error::Extra);
        }
        if unix
            && url
                .query_pairs()
                .any(|(name, _)| !matches!(&*name, "db" | "user" | "pass"))
        {
            return Err(Error::Extra);
        }
        if !unix && url.host_str().is_none_or(str::is_empty) {
            return Err(Error::Host);
        }
        let no_port = url.port().is_none();
        let path_is_a_number = url.path().trim_matches('/').parse::<u32>().is_ok();
        if !unix && !path_is_a_number && !url.path().trim_matches('/').is_empty() {
            return Err(Error::Database);
        }
        // Of the library's texts only this is left to refuse: a wildcard address, a user or a
        // password that is not UTF-8, a database of a socket that is not a number.
        let info = text
            .into_connection_info()
            .map_err(|_| if unix { Error::Database } else { Error::Host })?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, given) => Address::Tcp {
                host: host.clone(),
                port: if no_port { port } else { *given },
                tls: false,
            },
            ConnectionAddr::TcpTls {
                host, port: given, ..
            } => Address::Tcp {
                host: host.clone(),
                port: if no_port { port } else { *given },
                tls: true,
            },
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(Error::Scheme),
        };
        let settings = info.redis_settings();
        let login = Login {
            user: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
            database: settings.db(),
        };
        Ok(Self { address, login })
    }

    /// Parses the address of a sentinel: a URL, or `host[:port]`.
    pub(crate) fn sentinel(text: &str) -> Result<Self, Error> {
        const PORT: u16 = 26379;
        let text = text.trim();
        if text.contains("://") {
            Self::with_default_port(text, PORT)
        } else {
            Self::with_default_port(&format!("redis://{text}"), PORT)
        }
    }

    /// Returns a server at another address, with the same login, and with TLS if this one has it.
    pub(crate) fn at(&self, host: &str, port: u16) -> Self {
        let tls = matches!(self.address, Address::Tcp { tls: true, .. });
        Self {
            address: Address::Tcp {
                host: host.to_owned(),
                port,
                tls,
            },
            login: self.login.clone(),
        }
    }

    /// Returns the server that has no login and no TLS.
    pub(crate) fn without_login(&self) -> Self {
        let mut plain = Self {
            address: self.address.clone(),
            login: Login::default(),
        };
        if let Address::Tcp { tls, .. } = &mut plain.address {
            *tls = false;
        }
        plain
    }

    /// Returns true if connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.address, Address::Tcp { tls: true, .. })
    }

    /// Returns the host; `None` for a Unix socket.
    pub fn host(&self) -> Option<&str> {
        match &self.address {
            Address::Tcp { host, .. } => Some(host),
            Address::Unix(_) => None,
        }
    }

    /// Returns the address for the client, without the login.
    pub(crate) fn addr(&self) -> ConnectionAddr {
        match &self.address {
            Address::Tcp {
                host,
                port,
                tls: false,
            } => ConnectionAddr::Tcp(host.clone(), *port),
            Address::Tcp {
                host,
                port,
                tls: true,
            } => ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure: false,
                tls_params: None,
            },
            Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
        }
    }

    /// Returns the settings of a connection that has not logged in yet.
    pub(crate) fn anonymous() -> RedisConnectionInfo {
        RedisConnectionInfo::default().set_skip_set_lib_name()
    }

    /// Returns the command that logs in, if a password is given.
    pub(crate) fn auth(&self) -> Option<redis::Cmd> {
        let password = self.login.password.as_ref()?;
        let mut command = redis::cmd("AUTH");
        if let Some(user) = &self.login.user {
            command.arg(user);
        }
        command.arg(password);
        Some(command)
    }

    /// Returns the command that selects the database, unless it is the one that each connection
    /// begins with.
    pub(crate) fn select(&self) -> Option<redis::Cmd> {
        (self.login.database != 0).then(|| {
            let mut command = redis::cmd("SELECT");
            command.arg(self.login.database);
            command
        })
    }

    /// Returns a text of the server without the password: a server that does not know a command
    /// repeats its arguments.
    pub(crate) fn scrub(&self, text: &str) -> String {
        match &self.login.password {
            Some(password) if !password.is_empty() => text.replace(password.as_str(), "…"),
            _ => text.to_owned(),
        }
    }
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::with_default_port(text, Self::PORT)
    }
}

/// Without the login.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Without the login.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Url, Error> {
        text.parse()
    }

    #[test]
    fn a_url_is_shown_without_its_login() {
        let url = parse("rediss://app:s%2Fecret@redis.example/3").unwrap();
        assert_eq!(url.to_string(), "rediss://redis.example:6379");
        assert_eq!(format!("{url:?}"), "Url(rediss://redis.example:6379)");
        assert_eq!(url.login.password.as_deref(), Some("s/ecret"));
        assert_eq!(
            (url.login.user.as_deref(), url.login.database),
            (Some("app"), 3)
        );
        assert_eq!(
            url.scrub("unknown command 'AUTH', with args: 's/ecret'"),
            "unknown command 'AUTH', with args: '…'"
        );
    }

    #[test]
    fn each_form_is_read() {
        assert_eq!(
            parse("redis://127.0.0.1").unwrap().to_string(),
            "redis://127.0.0.1:6379"
        );
        assert_eq!(
            parse("redis://[::1]:7000/").unwrap().to_string(),
            "redis://[::1]:7000"
        );
        assert_eq!(
            parse("unix:///run/redis.sock?db=2").unwrap().login.database,
            2
        );
        assert_eq!(
            Url::sentinel("10.0.0.1").unwrap().to_string(),
            "redis://10.0.0.1:26379"
        );
        assert_eq!(
            Url::sentinel("s1:26380").unwrap().to_string(),
            "redis://s1:26380"
        );
        assert_eq!(
            Url::sentinel("rediss://:pw@s1").unwrap().to_string(),
            "rediss://s1:26379"
        );
    }

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        assert_eq!(parse("localhost:6379"), Err(Error::Scheme));
        assert_eq!(parse("http://localhost"), Err(Error::Scheme));
        assert_eq!(parse("redis://"), Err(Error::Host));
        assert_eq!(parse("redis://0.0.0.0"), Err(Error::Host));
        assert_eq!(parse("redis://localhost/orders"), Err(Error::Database));
        assert_eq!(parse("redis://user:pa/ss@localhost"), Err(Error::Malformed));
        assert_eq!(parse("rediss://localhost/#insecure"), Err(Error::Extra));
        assert_eq!(parse("redis://localhost?protocol=3"), Err(Error::Extra));
    }
}
