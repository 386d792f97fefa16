//! The checked flags: what a run does.
//!
//! Owns who calls with which token, and which streams a publish should reach.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::header::AUTHORIZATION;
use tidings_client::{self as client, Address};
use tidings_server::auth::demo;

use super::request::{Header, Request};
use super::template::Variable;
use super::{Arguments, process::Processes};
use crate::remote::Remote;
use crate::terminal::say;

const PUBLISH_PATH: &str = "/notifications/broadcast";

/// How long the streams are held idle if the server's CPU time is measured meanwhile.
const IDLE: Duration = Duration::from_secs(5);

/// What a run does.
pub(super) struct Plan {
    pub(super) address: Address,
    pub(super) streams: Request,
    pub(super) connections: usize,
    pub(super) burst: usize,
    pub(super) idle: Duration,
    /// The numbers of users and rooms.
    pub(super) groups: (u64, u64),
    /// `None` if nothing is published.
    pub(super) publishing: Option<Publishing>,
    pub(super) processes: Processes,
}

/// What is published, and where.
pub(super) struct Publishing {
    pub(super) address: Address,
    pub(super) request: Request,
    /// Publishes per second; `None` is as fast as answers come.
    pub(super) rate: Option<f64>,
    pub(super) duration: Duration,
    pub(super) pipeline: usize,
    pub(super) aim: Aim,
}

/// Which streams a publish should reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    All,
    User,
    Room,
    Fixed(u64),
}

/// The credentials of the streams and of the publishes.
struct Callers {
    streams: Option<String>,
    publisher: Option<String>,
    /// The number of users that the streams belong to.
    users: Option<u64>,
}

impl Plan {
    pub(super) fn check(arguments: &Arguments) -> anyhow::Result<Self> {
        let connections = usize::try_from(arguments.connections.get())?;
        let address = plain(arguments.remote.url.clone())?;
        let mut headers = parse(&arguments.headers)?;
        let mut publish_headers = parse(&arguments.publish_headers)?;
        let Callers { streams, publisher, users } = callers(arguments, &headers, connections);
        authorize(&mut headers, streams)?;
        authorize(&mut publish_headers, publisher)?;
        let rooms = arguments.rooms.map(std::num::NonZeroU64::get);

        let streams = Request::get(&address, &arguments.path, headers)?;
        ensure!(!streams.names(Variable::Time), "{{ts}} is when a publish is sent, so no stream can have it");
        check_holes(&streams, users, rooms)?;
        let publishing = if arguments.connect_only {
            None
        } else {
            let publishing = publishing(arguments, &address, publish_headers, &streams)?;
            check_holes(&publishing.request, users, rooms)?;
            Some(publishing)
        };
        let processes = Processes::find(&arguments.pids)?;
        let idle = if processes.is_empty() { Duration::ZERO } else { IDLE };
        Ok(Self {
            address,
            streams,
            connections,
            burst: arguments.connect_burst.get(),
            idle: arguments.idle.unwrap_or(idle),
            groups: (users.unwrap_or(1), rooms.unwrap_or(1)),
            publishing,
            processes,
        })
    }
}

fn publishing(
    arguments: &Arguments,
    address: &Address,
    headers: Vec<Header>,
    streams: &Request,
) -> anyhow::Result<Publishing> {
    let (address, path) = match &arguments.publish_url {
        Some(url) => split(url)?,
        None => (address.clone(), None),
    };
    let address = plain(address)?;
    let path = match (path, arguments.publish_path.as_deref()) {
        (Some(base), Some(path)) => format!("{}{path}", base.trim_end_matches('/')),
        (Some(path), None) => path,
        (None, path) => path.unwrap_or(PUBLISH_PATH).to_owned(),
    };
    let request = Request::post(&address, &path, headers, &arguments.body)?;
    ensure!(
        request.names(Variable::Time),
        "there is no {{ts}} in --body: what is published could not be told from other events"
    );
    ensure!(!arguments.duration.is_zero(), "--duration is 0: to publish nothing there is --connect-only");
    let aim = match arguments.expect {
        Some(streams) => Aim::Fixed(streams),
        None => aim(&request, streams)?,
    };
    let rate = Some(arguments.rate).filter(|rate| *rate > 0.0);
    let (duration, pipeline) = (arguments.duration, arguments.pipeline.get());
    Ok(Publishing { address, request, rate, duration, pipeline, aim })
}

/// A publish that names a user or a room is for the streams of that user or room, if they differ by
/// it.
fn aim(publish: &Request, streams: &Request) -> anyhow::Result<Aim> {
    let by_user = streams.names(Variable::User) || streams.names(Variable::Token);
    let user = publish.aims_by(Variable::User) && by_user;
    let room = publish.aims_by(Variable::Room) && streams.names(Variable::Room);
    Ok(match (user, room) {
        (false, false) => Aim::All,
        (true, false) => Aim::User,
        (false, true) => Aim::Room,
        (true, true) => {
            bail!("publishes name {{user}} and {{room}}: say with --expect how many streams each should reach")
        }
    })
}

/// Chooses the credentials. A given `Authorization` has precedence, then the tokens of --users,
/// then the one token. Without any, a server on this machine is called with demo tokens: each
/// stream as a user of its own, because a server allows one user only a few streams.
fn callers(arguments: &Arguments, headers: &[Header], connections: usize) -> Callers {
    let Arguments { remote, anonymous, .. } = arguments;
    let users = arguments.users.map(std::num::NonZeroU64::get);
    if *anonymous {
        return Callers { streams: None, publisher: None, users };
    }
    let own = headers.iter().any(|header| header.is(&AUTHORIZATION));
    let each = "{token}".to_owned();
    match (remote.token().map(str::to_owned), users) {
        (token, Some(_)) => Callers { streams: Some(each), publisher: token.or_else(|| demo(remote)), users },
        (Some(token), None) => Callers { streams: Some(token.clone()), publisher: Some(token), users },
        (None, None) if own || !remote.url.is_loopback() => Callers { streams: None, publisher: demo(remote), users },
        (None, None) => Callers { streams: Some(each), publisher: demo(remote), users: Some(connections as u64) },
    }
}

fn demo(remote: &Remote) -> Option<String> {
    remote.url.is_loopback().then(|| {
        say("calling with demo tokens, as TIDINGS_TOKEN is not set");
        demo::TOKEN.to_owned()
    })
}

fn authorize(headers: &mut Vec<Header>, token: Option<String>) -> anyhow::Result<()> {
    if let Some(token) = token.filter(|_| !headers.iter().any(|header| header.is(&AUTHORIZATION))) {
        let header = Header::new(AUTHORIZATION, &format!("Bearer {token}"));
        headers.push(header.map_err(|_| client::Error::Token)?);
    }
    Ok(())
}

fn parse(headers: &[String]) -> anyhow::Result<Vec<Header>> {
    headers.iter().map(|text| Header::parse(text)).collect()
}

fn check_holes(request: &Request, users: Option<u64>, rooms: Option<u64>) -> anyhow::Result<()> {
    for variable in [Variable::User, Variable::Token] {
        let name = variable.name();
        ensure!(users.is_some() || !request.names(variable), "{name} needs --users, the number of users");
    }
    ensure!(rooms.is_some() || !request.names(Variable::Room), "{{room}} needs --rooms, the number of rooms");
    Ok(())
}

fn plain(address: Address) -> anyhow::Result<Address> {
    ensure!(
        !address.is_https(),
        "{address}: bench speaks plain http, as TLS would take most of its own CPU time; load the server behind the TLS"
    );
    Ok(address)
}

/// Splits a URL into its address and its path, if it has one.
fn split(url: &str) -> anyhow::Result<(Address, Option<String>)> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find(['/', '?']).map_or(url.len(), |at| authority + at);
    let (base, path) = url.split_at(path);
    let address = base.parse().with_context(|| format!("--publish-url {url}"))?;
    let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    Ok((address, Some(path).filter(|path| path.len() > 1)))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn plan(words: &[&str]) -> Result<Plan, String> {
        let command = Arguments::augment_args(Command::new("bench"));
        let matches = command.try_get_matches_from([&["bench"], words].concat()).unwrap();
        Plan::check(&Arguments::from_arg_matches(&matches).unwrap()).map_err(|error| format!("{error:#}"))
    }

    fn aim_of(words: &[&str]) -> Aim {
        plan(words).unwrap().publishing.unwrap().aim
    }

    #[test]
    fn a_publish_is_for_the_streams_that_differ_by_what_it_names() {
        assert_eq!(aim_of(&[]), Aim::All);
        let to_user = ["--publish-path=/notifications/send?targetUserId=bench-{user}"];
        assert_eq!(aim_of(&[&to_user[..], &["--users=5"]].concat()), Aim::User);
        assert_eq!(aim_of(&to_user), Aim::User); // each stream belongs to a user of its own
        assert_eq!(aim_of(&[&to_user[..], &["--users=5", "--header=Authorization: Bearer x"]].concat()), Aim::All);
        assert_eq!(aim_of(&[&to_user[..], &["--users=5", "--expect=7"]].concat()), Aim::Fixed(7));
        let to_room = ["--rooms=3", r#"--body={"roomId":"{room}","metadata":{"ts":{ts}}}"#];
        assert_eq!(aim_of(&to_room), Aim::All);
        assert_eq!(aim_of(&[&to_room[..], &["--path=/chat/room/{room}/stream"]].concat()), Aim::Room);
    }

    #[test]
    fn a_url_to_publish_to_may_have_a_path() {
        let parts = |url: &str| split(url).map(|(address, path)| (address.to_string(), path));
        let told = |path: &str| ("http://h:1".to_owned(), Some(path.to_owned()));
        assert_eq!(parts("http://h:1/pub/{n}?a=b").unwrap(), told("/pub/{n}?a=b"));
        assert_eq!(parts("http://h:1?id=a").unwrap(), told("/?id=a"));
        assert_eq!(parts("http://h:1/").unwrap(), ("http://h:1".to_owned(), None));
        assert!(parts("h:1/pub").is_err());
    }

    #[test]
    fn what_can_t_be_is_refused_in_one_line() {
        let said = |words: &[&str]| plan(words).err().unwrap();
        insta::assert_snapshot!(said(&["--url=https://h"]), @"https://h: bench speaks plain http, as TLS would take most of its own CPU time; load the server behind the TLS");
        insta::assert_snapshot!(said(&["--body={}"]), @"there is no {ts} in --body: what is published could not be told from other events");
        insta::assert_snapshot!(said(&["--path=/a/{ts}"]), @"{ts} is when a publish is sent, so no stream can have it");
        insta::assert_snapshot!(said(&["--path=/a/{room}"]), @"{room} needs --rooms, the number of rooms");
        insta::assert_snapshot!(said(&["--path=/a/{user}", "--anonymous"]), @"{user} needs --users, the number of users");
        insta::assert_snapshot!(said(&["--path=nope"]), @"the path must begin with a slash");
        insta::assert_snapshot!(said(&["--header=nope"]), @"a header looks like 'Name: value', not like 'nope'");
        insta::assert_snapshot!(said(&["--publish-url=nope"]), @"--publish-url nope: an address looks like http://localhost:3000 or https://events.example.com/api");
        insta::assert_snapshot!(said(&["--duration=0s"]), @"--duration is 0: to publish nothing there is --connect-only");
        insta::assert_snapshot!(said(&["--token=a\nb"]), @"the token holds characters that no token has");
        let line = said(&["--path=/{user}{room}", "--rooms=1", "--publish-path=/{user}{room}"]);
        insta::assert_snapshot!(line, @"publishes name {user} and {room}: say with --expect how many streams each should reach");
    }
}
