//! `tidings doctor`: measures, from a reader's position, what proxies do to the streams of a
//! running server.
//!
//! Owns the order of the checks and the exit code: 0 healthy, 1 problems, 2 nothing could be
//! measured. What it publishes goes to the caller alone, as updates of an entity that no
//! application knows. The fixes for a finding come from `proxies`. Must never put the token into a
//! URL, where it would be logged.

mod address;
mod buffering;
mod ending;
mod finding;
mod head;
mod idle;
mod probe;
mod query;
mod resume;
mod test_events;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use tidings_client::{Address, Client, Failure};
use tidings_hub::Clock;
use tokio::time::timeout;

use self::finding::{Finding, Level, Report};
use self::probe::{Connected, FIRST_EVENT_TIMEOUT, Next, NoStream, RequestOptions, Stream};
use self::test_events::{PATH, TestEvents};
use super::remote::Remote;
use crate::proxies::{Proxy, Trouble};

/// The exit code if nothing could be measured.
const UNMEASURED: u8 = 2;

/// What an untrusted certificate means, and how to fix it.
const UNTRUSTED: &str = "The certificate was issued by an authority that this machine does not \
                         trust, or for another name, or it is not valid now. If your own \
                         authority issued it, name the authority's certificate in SSL_CERT_FILE; \
                         the system's are not trusted then.";

/// What an answer means that a proxy gave in place of the server.
const NO_SERVER: &str = "The proxy reaches no server. Check that the server runs, and that the \
                         proxy connects to its address.";

/// The `reason` in the `busy` event with which the configurations in `deploy/proxies` answer while
/// no server is reachable.
const UNAVAILABLE: &str = "\"unavailable\"";

/// What to examine.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The address at which readers reach the server, through all its proxies; used instead of
    /// `--url`.
    #[arg(value_name = "URL")]
    address: Option<Address>,

    #[command(flatten)]
    remote: Remote,

    /// The proxy to print configuration for; by default it is guessed from the head of an answer.
    #[arg(long, value_enum, value_name = "PROXY")]
    proxy: Option<Proxy>,

    /// Also keep a stream open for this many seconds, to see whether it is cut because it is idle.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "300", require_equals = true,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patient: Option<u64>,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A run of all checks.
#[derive(Default)]
struct Examination {
    findings: Vec<Finding>,
    /// The head of an answer, by which the proxy is guessed.
    headers: HeaderMap,
}

/// Nothing more can be measured. The reason is among the findings.
struct Stop {
    /// Whether anything was measured.
    measured: bool,
}

/// Examines the server, prints the findings, and returns the exit code.
pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let Arguments {
        address,
        mut remote,
        proxy,
        patient,
        json,
    } = arguments;
    if let Some(address) = address {
        remote.url = address;
    }
    let token = remote.token_or_demo();
    let client = Client::with_http2(remote.url.clone(), token)?;
    let over_http1 = Client::new(remote.url.clone(), token)?;
    let mut examination = Examination::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(examination.run(
        &client,
        &over_http1,
        remote.url.is_https(),
        token,
        patient,
    ));
    let guess = Proxy::guess(&examination.headers);
    let report = Report {
        url: remote.url.to_string(),
        findings: examination.findings,
        proxy: proxy.or(guess).unwrap_or(Proxy::Nginx),
        known: proxy.or(guess).is_some(),
    };
    if json {
        report.print_json(out)
    } else {
        report.print(out)
    }?;
    Ok(match outcome {
        Err(Stop { measured: false }) => ExitCode::from(UNMEASURED),
        _ if report.has_problems() => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

impl Examination {
    async fn run(
        &mut self,
        client: &Client,
        over_http1: &Client,
        https: bool,
        token: Option<&str>,
        patient: Option<u64>,
    ) -> Result<(), Stop> {
        let now = || Clock::system().now();
        self.findings
            .extend(token.and_then(|token| head::token(token, now())));
        let (stream, connected) = self.open(client).await?;
        self.findings.push(head::first_byte(&stream));
        self.findings.push(head::version(&stream.head, https));
        self.findings.push(head::rewritten(&stream.head.headers));
        let elapsed = stream.last_bytes - stream.opened;
        self.findings.push(head::clock(
            connected.timestamp.as_deref(),
            &stream.head.headers,
            now(),
            elapsed,
        ));
        self.findings
            .push(head::authorization(&connected, token.is_some()));
        self.findings
            .push(idle::announced(connected.heartbeat_interval));
        let query = query::check(client).await;
        let is_lost = query.level == Level::Problem;
        self.findings.push(query);
        if is_lost {
            // The target of a publish is in the query: without it, the events would go to
            // everybody.
            self.findings.push(Finding::skipped(
                "buffering",
                "test events would go to everybody, not to this user alone",
            ));
            return Ok(());
        }
        let user = connected
            .user_id
            .clone()
            .filter(|_| connected.authenticated);
        if let Some(user) = &user {
            self.findings
                .push(address::check(client, user, &connected.connection_id, &stream.head).await);
        }

        let authenticated = user.is_some();
        let deliveries = deliveries(client, stream, user, connected.heartbeat_interval).await;
        if deliveries
            .iter()
            .any(|finding| finding.check == "buffering" && finding.level == Level::Problem)
        {
            // Buffering explains a late first event, too.
            self.findings
                .retain(|finding| finding.check != "first-byte");
        }
        self.findings.extend(deliveries);
        if authenticated {
            self.findings.push(ending::check(over_http1).await);
        }
        if let Some(seconds) = patient {
            self.findings.push(
                idle::wait(
                    client,
                    Duration::from_secs(seconds),
                    connected.heartbeat_interval,
                )
                .await,
            );
        }
        Ok(())
    }

    /// Opens the stream as browsers do, with compression offered, and once more without it if the
    /// offer was accepted.
    async fn open(&mut self, client: &Client) -> Result<(Stream, Connected), Stop> {
        let stream = self
            .stream(
                client,
                RequestOptions {
                    compressed: true,
                    after: None,
                },
            )
            .await?;
        self.headers = stream.head.headers.clone();
        let stream = match head::encoding(&stream.head.headers) {
            None => {
                self.findings.push(Finding::ok(
                    "compression",
                    "none, though gzip and br were offered",
                ));
                stream
            }
            Some(encoding) => {
                let message = format!("Content-Encoding: {encoding}");
                self.findings.push(Finding::trouble(
                    Trouble::Compression,
                    Level::Problem,
                    message,
                ));
                drop(stream);
                let plain = self.stream(client, RequestOptions::default()).await?;
                if head::encoding(&plain.head.headers).is_some() {
                    let why = "the stream can't be read: it is compressed, although the client \
                               did not offer that";
                    self.findings.push(Finding::skipped("buffering", why));
                    return Err(Stop { measured: true });
                }
                plain
            }
        };
        self.identify(stream).await
    }

    async fn stream(
        &mut self,
        client: &Client,
        options: RequestOptions<'_>,
    ) -> Result<Stream, Stop> {
        match Stream::open(client, PATH, options).await {
            Ok(stream) => Ok(stream),
            Err(NoStream::TimedOut) => Err(self.no_head(client).await),
            Err(NoStream::Failed(failure)) => {
                self.findings.push(unreached(&failure));
                Err(Stop { measured: false })
            }
        }
    }

    /// Reports that the head of the stream did not arrive. If `HEAD`, which is not a stream, is
    /// answered, the proxy buffers streams.
    async fn no_head(&mut self, client: &Client) -> Stop {
        let answer = client.ask(Method::HEAD, PATH, RequestOptions::default().headers());
        let seconds = FIRST_EVENT_TIMEOUT.as_secs();
        match timeout(FIRST_EVENT_TIMEOUT, answer).await {
            Ok(Ok(answer)) if tidings_client::is_event_stream(answer.headers()) => {
                self.headers = answer.headers().clone();
                let message = format!(
                    "nothing of the stream arrived within {seconds} s, but HEAD was answered"
                );
                let finding = Finding::trouble(Trouble::Buffering, Level::Problem, message);
                self.findings
                    .push(finding.measured(FIRST_EVENT_TIMEOUT.as_secs_f64(), "s"));
                Stop { measured: true }
            }
            _ => self.unmeasured(format!("no answer within {seconds} s")),
        }
    }

    /// Waits for the first event, by which a Tidings server is recognised.
    async fn identify(&mut self, mut stream: Stream) -> Result<(Stream, Connected), Stop> {
        match stream.connected().await {
            Ok(connected) => Ok((stream, connected)),
            Err(Next::Event(message, _))
                if message.event == "busy" && message.data.contains(UNAVAILABLE) =>
            {
                let finding = Finding::new(
                    "reach",
                    Level::Problem,
                    "the proxy answers instead of the server",
                );
                self.findings.push(finding.meaning(NO_SERVER));
                Err(Stop { measured: false })
            }
            Err(Next::Event(message, _)) if message.event == "busy" => Err(self.unmeasured(
                format!("the server accepts no more streams now: {}", message.data),
            )),
            Err(Next::Silence) if tidings_client::is_event_stream(&stream.head.headers) => {
                let seconds = FIRST_EVENT_TIMEOUT.as_secs();
                let message = format!("the head arrived, but no event within {seconds} s");
                let finding = Finding::trouble(Trouble::Buffering, Level::Problem, message);
                self.findings
                    .push(finding.measured(FIRST_EVENT_TIMEOUT.as_secs_f64(), "s"));
                Err(Stop { measured: true })
            }
            Err(_) => {
                let kind = head::text(&stream.head.headers, &http::header::CONTENT_TYPE);
                let kind = kind.unwrap_or_else(|| "an answer without a Content-Type".to_owned());
                Err(self.unmeasured(format!(
                    "this is not a Tidings server: {PATH} answered with {kind}"
                )))
            }
        }
    }

    fn unmeasured(&mut self, message: String) -> Stop {
        self.findings
            .push(Finding::new("reach", Level::Problem, message));
        Stop { measured: false }
    }
}

/// Reports why no stream could be opened.
fn unreached(failure: &Failure) -> Finding {
    let problem = |message| Finding::new("reach", Level::Problem, message);
    match failure {
        Failure::Refused(refusal) => {
            let message = refusal.with_code();
            match refusal.status {
                StatusCode::NOT_FOUND => Finding::trouble(Trouble::Path, Level::Problem, message),
                StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                    problem(message).meaning(NO_SERVER)
                }
                _ => problem(message),
            }
        }
        Failure::Untrusted(_) => problem(failure.to_string()).meaning(UNTRUSTED),
        _ => problem(failure.to_string()),
    }
}

/// Checks whether events arrive one by one, and whether events that are published while no stream
/// is open arrive on the next one.
async fn deliveries(
    client: &Client,
    mut stream: Stream,
    user: Option<String>,
    heartbeat: Option<u64>,
) -> Vec<Finding> {
    let test_events = user.map(|user| TestEvents::new(client, &user));
    let measured = match &test_events {
        Some(test_events) => buffering::by_events(&mut stream, test_events)
            .await
            .map(|(finding, last)| (finding, last, test_events)),
        None => Err("there is no user to publish to: the stream is anonymous".to_owned()),
    };
    match measured {
        Ok((finding, last, test_events)) => {
            drop(stream);
            let last = last.filter(|_| finding.level != Level::Problem);
            let mut findings = vec![finding];
            match last {
                Some(last) => findings.extend(resume::check(client, test_events, &last).await),
                None => findings.push(Finding::skipped(
                    "resume",
                    "not all events arrived one by one",
                )),
            }
            findings
        }
        Err(why) => {
            let finding = buffering::by_heartbeat(&mut stream, heartbeat, &why).await;
            vec![finding, Finding::skipped("resume", why)]
        }
    }
}
