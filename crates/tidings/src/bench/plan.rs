//! The plan of a run, which is made of the checked flags.
//!
//! Owns the choice of the tokens, and of the streams that a publish should reach.

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

/// How long the streams are kept idle by default, if the server's CPU time is measured.
const DEFAULT_IDLE: Duration = Duration::from_secs(5);

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
    /// Publishes per second; `None` means as fast as answers arrive.
    pub(super) rate: Option<f64>,
    pub(super) duration: Duration,
    pub(super) pipeline: usize,
    pub(super) target: Target,
}

/// The streams that a publish should reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    All,
    /// The streams of one user.
    User,
    /// The streams of one room.
    Room,
    /// This number of streams.
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
        let Callers {
            streams,
            publisher,
            users,
        } = callers(arguments, &headers, connections);
        authorize(&mut headers, streams)?;
        authorize(&mut publish_headers, publisher)?;
        let rooms = arguments.rooms.map(std::num::NonZeroU64::get);

        let streams = Request::get(&address, &arguments.path, headers)?;
        ensure!(
            !streams.names(Variable::Time),
            "{{ts}} is the time of a publish, so no stream can have it"
        );
        check_variables(&streams, users, rooms)?;
        let publishing = if arguments.connect_only {
            None
        } else {
            let publishing = publishing(arguments, &address, publish_headers, &streams)?;
            check_variables(&publishing.request, users, rooms)?;
            Some(publishing)
        };
        let processes = Processes::find(&arguments.pids)?;
        let idle = if processes.is_empty() {
            Duration::ZERO
        } else {
            DEFAULT_IDLE
        };
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
        "there is no {{ts}} in --body: the published events could not be distinguished from others"
    );
    ensure!(
        !arguments.duration.is_zero(),
        "--duration is 0; use --connect-only to publish nothing"
    );
    let target = match arguments.expect {
        Some(streams) => Target::Fixed(streams),
        None => target(&request, streams)?,
    };
    let rate = Some(arguments.rate).filter(|rate| *rate > 0.0);
    let (duration, pipeline) = (arguments.duration, arguments.pipeline.get());
    Ok(Publishing {
        address,
        request,
        rate,
        duration,
        pipeline,
        target,
    })
}

/// Returns the streams that a publish should reach. If it names a user or a room, and the streams
/// do too, these are the streams of that user or room.
fn target(publish: &Request, streams: &Request) -> anyhow::Result<Target> {
    let by_user = streams.names(Variable::User) || streams.names(Variable::Token);
    let user = publish.targets_by(Variable::User) && by_user;
    let room = publish.targets_by(Variable::Room) && streams.names(Variable::Room);
    Ok(match (user, room) {
        (false, false) => Target::All,
        (true, false) => Target::User,
        (false, true) => Target::Room,
        (true, true) => {
            bail!(
                "publishes name {{user}} and {{room}}; set the number of streams that each should \
                 reach with --expect"
            )
        }
    })
}

/// Chooses the credentials. An `Authorization` header that was given has precedence, then the
/// tokens of --users, then the token of --token. Without any, a server on this machine is called
/// with demo tokens, each stream as another user, because a server allows only a few streams per
/// user.
fn callers(arguments: &Arguments, headers: &[Header], connections: usize) -> Callers {
    let Arguments {
        remote, anonymous, ..
    } = arguments;
    let users = arguments.users.map(std::num::NonZeroU64::get);
    if *anonymous {
        return Callers {
            streams: None,
            publisher: None,
            users,
        };
    }
    let has_header = headers.iter().any(|header| header.is(&AUTHORIZATION));
    let token_of_user = "{token}".to_owned();
    match (remote.token().map(str::to_owned), users) {
        (token, Some(_)) => Callers {
            streams: Some(token_of_user),
            publisher: token.or_else(|| demo(remote)),
            users,
        },
        (Some(token), None) => Callers {
            streams: Some(token.clone()),
            publisher: Some(token),
            users,
        },
        (None, None) if has_header || !remote.url.is_loopback() => Callers {
            streams: None,
            publisher: demo(remote),
            users,
        },
        (None, None) => Callers {
            streams: Some(token_of_user),
            publisher: demo(remote),
            users: Some(connections as u64),
        },
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

/// Checks that the numbers of users and rooms are set if the request names one.
fn check_variables(
    request: &Request,
    users: Option<u64>,
    rooms: Option<u64>,
) -> anyhow::Result<()> {
    for variable in [Variable::User, Variable::Token] {
        let name = variable.name();
        ensure!(
            users.is_some() || !request.names(variable),
            "{name} needs --users, the number of users"
        );
    }
    ensure!(
        rooms.is_some() || !request.names(Variable::Room),
        "{{room}} needs --rooms, the number of rooms"
    );
    Ok(())
}

fn plain(address: Address) -> anyhow::Result<Address> {
    ensure!(
        !address.is_https(),
        "{address}: bench supports only http, because TLS would use most of its CPU time; name \
         the server behind the TLS proxy"
    );
    Ok(address)
}

/// Splits a URL into its address and its path, if it has one.
fn split(url: &str) -> anyhow::Result<(Address, Option<String>)> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..]
        .find(['/', '?'])
        .map_or(url.len(), |at| authority + at);
    let (base, path) = url.split_at(path);
    let address = base
        .parse()
        .with_context(|| format!("--publish-url {url}"))?;
    let path = if path.starts_with('?') {
        format!("/{path}")
    } else {
        path.to_owned()
    };
    Ok((address, Some(path).filter(|path| path.len() > 1)))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn plan(words: &[&str]) -> Result<Plan, String> {
        let command = Arguments::augment_args(Command::new("bench"));
        let matches = command
            .try_get_matches_from([&["bench"], words].concat())
            .unwrap();
        Plan::check(&Arguments::from_arg_matches(&matches).unwrap())
            .map_err(|error| format!("{error:#}"))
    }

    fn target_of(words: &[&str]) -> Target {
        plan(words).unwrap().publishing.unwrap().target
    }

    #[test]
    fn a_publish_that_names_a_user_or_room_targets_the_streams_that_do() {
        assert_eq!(target_of(&[]), Target::All);
        let to_user = ["--publish-path=/notifications/send?targetUserId=bench-{user}"];
        assert_eq!(
            target_of(&[&to_user[..], &["--users=5"]].concat()),
            Target::User
        );
        assert_eq!(target_of(&to_user), Target::User); // each stream has its own user
        assert_eq!(
            target_of(
                &[
                    &to_user[..],
                    &["--users=5", "--header=Authorization: Bearer x"]
                ]
                .concat()
            ),
            Target::All
        );
        assert_eq!(
            target_of(&[&to_user[..], &["--users=5", "--expect=7"]].concat()),
            Target::Fixed(7)
        );
        let to_room = [
            "--rooms=3",
            r#"--body={"roomId":"{room}","metadata":{"ts":{ts}}}"#,
        ];
        assert_eq!(target_of(&to_room), Target::All);
        assert_eq!(
            target_of(&[&to_room[..], &["--path=/chat/room/{room}/stream"]].concat()),
            Target::Room
        );
    }

    #[test]
    fn a_url_to_publish_to_may_have_a_path() {
        let parts = |url: &str| split(url).map(|(address, path)| (address.to_string(), path));
        let with_path = |path: &str| ("http://h:1".to_owned(), Some(path.to_owned()));
        assert_eq!(
            parts("http://h:1/pub/{n}?a=b").unwrap(),
            with_path("/pub/{n}?a=b")
        );
        assert_eq!(parts("http://h:1?id=a").unwrap(), with_path("/?id=a"));
        assert_eq!(
            parts("http://h:1/").unwrap(),
            ("http://h:1".to_owned(), None)
        );
        assert!(parts("h:1/pub").is_err());
    }

    #[test]
    fn an_impossible_plan_is_refused_in_one_line() {
        let said = |words: &[&str]| plan(words).err().unwrap();
        insta::assert_snapshot!(said(&["--url=https://h"]), @"https://h: bench supports only http, because TLS would use most of its CPU time; name the server behind the TLS proxy");
        insta::assert_snapshot!(said(&["--body={}"]), @"there is no {ts} in --body: the published events could not be distinguished from others");
        insta::assert_snapshot!(said(&["--path=/a/{ts}"]), @"{ts} is the time of a publish, so no stream can have it");
        insta::assert_snapshot!(said(&["--path=/a/{room}"]), @"{room} needs --rooms, the number of rooms");
        insta::assert_snapshot!(said(&["--path=/a/{user}", "--anonymous"]), @"{user} needs --users, the number of users");
        insta::assert_snapshot!(said(&["--path=nope"]), @"the path must begin with a slash");
        insta::assert_snapshot!(said(&["--header=nope"]), @"a header looks like 'Name: value', not like 'nope'");
        insta::assert_snapshot!(said(&["--publish-url=nope"]), @"--publish-url nope: an address must look like http://localhost:3000 or https://events.example.com/api");
        insta::assert_snapshot!(said(&["--duration=0s"]), @"--duration is 0; use --connect-only to publish nothing");
        insta::assert_snapshot!(said(&["--token=a\nb"]), @"the token contains characters that no token can contain");
        let line = said(&[
            "--path=/{user}{room}",
            "--rooms=1",
            "--publish-path=/{user}{room}",
        ]);
        insta::assert_snapshot!(line, @"publishes name {user} and {room}; set the number of streams that each should reach with --expect");
    }
}
