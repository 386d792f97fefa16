//! `tidings health`: reports by its exit code whether a server is ready.
//!
//! It is the health check of the container image, which contains only this program: it needs no
//! shell and no name server. The only settings that it reads are those of the address on which the
//! server listens, so that it works without a secret that only the server has. Must exit with 0 or
//! 1, whatever happens, because Docker reserves 2.

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args as _, Command};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use tidings_client::{self as client, Address, Client};
use tidings_server::config::{Config, Flags, Host, Http, environment};
use tidings_settings::units::read_span;

use super::help;
use super::terminal::{say, with_causes};

const READY: &str = "/health/ready";
const LIVE: &str = "/health/live";

/// The longest answer that is read, in bytes. That of a Tidings server has about 20.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Which server to ask, and what.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The address of the server; by default, the one at which a server with the same settings
    /// listens.
    ///
    /// These are the settings that `tidings serve` would have here: flags, the environment, `.env`
    /// and `tidings.toml`. A path is the base path; if it ends in `/health/ready` or
    /// `/health/live`, that check is called.
    #[arg(value_name = "URL")]
    url: Option<Target>,

    /// Ask only whether the server runs, not whether it accepts streams (which it does not while it
    /// drains).
    #[arg(long)]
    live: bool,

    /// How long to wait for the answer.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = span)]
    timeout: Duration,
}

/// The address of a server, and the path of a health check if the URL contains one.
#[derive(Clone, Debug)]
struct Target {
    address: Address,
    path: Option<&'static str>,
}

/// The body of a Tidings server's answer.
#[derive(Deserialize)]
struct Answer {
    status: String,
}

/// Adds the flags of this command, and those of the settings.
pub(super) fn arguments(command: Command) -> Command {
    Arguments::augment_args(help::settings(command))
}

/// Asks the server and reports its state in one line, on standard output if it is ready and on
/// standard error otherwise.
pub(super) fn run(
    arguments: Arguments,
    flags: Flags,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let Arguments { url, live, timeout } = arguments;
    let Target { address, path } = match url {
        Some(target) => target,
        None => Target {
            address: configured(flags)?,
            path: None,
        },
    };
    let path = if live { LIVE } else { path.unwrap_or(READY) };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = async { tokio::time::timeout(timeout, ask(&address, path)).await };
    let answered = match runtime.block_on(asked) {
        Ok(answered) => answered,
        Err(_) => Err(anyhow::anyhow!(
            "{address} did not answer within {:.1} s",
            timeout.as_secs_f64()
        )),
    };
    // A lookup whose name server does not answer may still be running; it is not waited for.
    runtime.shutdown_background();
    match answered {
        Ok(()) => {
            writeln!(out, "{address}{path}: ok")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            say(&with_causes(&error));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Returns an address at which a server with these settings can be reached.
fn configured(flags: Flags) -> anyhow::Result<Address> {
    let http = Config::http(flags, environment(), Path::new("."))?;
    if http.port == 0 {
        bail!("PORT=0 takes any free port; name the URL of the server");
    }
    reached_at(&http)
        .parse()
        .context("HOST, PORT and BASE_PATH do not form an address")
}

/// Returns the URL that reaches a server with these settings from the same machine.
fn reached_at(http: &Http) -> String {
    let Http { port, .. } = http;
    let base = http.base_path.as_deref().unwrap_or_default();
    let listed = match &http.host {
        Host::Listed(addresses) => addresses.iter().find(|address| !address.is_unspecified()),
        Host::Loopback | Host::Everywhere => None,
    };
    let all = matches!(&http.host, Host::Listed(addresses) if addresses.iter().any(IpAddr::is_unspecified));
    match listed.filter(|_| !all) {
        Some(IpAddr::V6(address)) => format!("http://[{address}]:{port}{base}"),
        Some(address) => format!("http://{address}:{port}{base}"),
        None => format!("http://localhost:{port}{base}"),
    }
}

async fn ask(address: &Address, path: &str) -> anyhow::Result<()> {
    let client = Client::new(address.clone(), None)?;
    let response = client.ask(Method::GET, path, HeaderMap::new()).await?;
    if response.status() != StatusCode::OK {
        bail!(
            "{address}{path}: {}",
            client::refusal(response).await.with_code()
        );
    }
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await;
    let body = body
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    match serde_json::from_slice(&body) {
        Ok(Answer { status }) if status == "ok" => Ok(()),
        Ok(Answer { status }) => bail!("{address}{path}: the status is {status}"),
        Err(_) => {
            bail!("{address}{path} answers 200, but not as Tidings does; is another server there?")
        }
    }
}

impl FromStr for Target {
    type Err = <Address as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = [READY, LIVE]
            .into_iter()
            .find(|path| text.trim_end_matches('/').ends_with(path));
        let text = path.map_or(text, |path| {
            text.trim_end_matches('/').trim_end_matches(path)
        });
        Ok(Self {
            address: text.parse()?,
            path,
        })
    }
}

fn span(text: &str) -> Result<Duration, &'static str> {
    read_span(text)
        .filter(|span| !span.is_zero())
        .ok_or("a duration looks like 500ms or 3s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(settings: &[(&str, &str)]) -> String {
        let environment = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let http = Config::http(Flags::default(), environment, Path::new("/nonexistent")).unwrap();
        reached_at(&http)
    }

    #[test]
    fn the_address_follows_from_the_settings_of_the_server() {
        assert_eq!(reached(&[]), "http://localhost:3000");
        assert_eq!(
            reached(&[("HOST", "::"), ("PORT", "80")]),
            "http://localhost:80"
        );
        assert_eq!(
            reached(&[("HOST", "0.0.0.0"), ("BASE_PATH", "/api/")]),
            "http://localhost:3000/api"
        );
        assert_eq!(
            reached(&[("HOST", "10.0.0.7,127.0.0.1")]),
            "http://10.0.0.7:3000"
        );
        assert_eq!(reached(&[("HOST", "fd00::7")]), "http://[fd00::7]:3000");
        assert_eq!(
            reached(&[("HOST", "10.0.0.7,0.0.0.0")]),
            "http://localhost:3000"
        );
    }

    #[test]
    fn settings_that_do_not_matter_for_the_address_may_be_missing_or_invalid() {
        assert_eq!(
            reached(&[("APP_ENV", "production")]),
            "http://localhost:3000"
        );
        assert_eq!(
            reached(&[("CORS_ORIGIN", "*"), ("MAX_TOPICS", "none")]),
            "http://localhost:3000"
        );
    }

    #[test]
    fn a_url_may_end_with_the_path_of_a_health_check() {
        for (text, address, path) in [
            ("http://a:1", "http://a:1", None),
            ("http://a:1/api", "http://a:1/api", None),
            ("http://a:1/health/ready", "http://a:1", Some(READY)),
            ("https://a/api/health/live/", "https://a/api", Some(LIVE)),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                (&*target.address.to_string(), target.path),
                (address, path),
                "{text}"
            );
        }
        assert!("a".parse::<Target>().is_err());
    }
}
