//! Finds the server and connects to it.
//!
//! Each attempt looks up the address anew: a server that moved is found, whatever was known before
//! (centrifugo #1189).

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, RedisError, TlsCertificates,
    Value,
};
use tidings_journal_shared::broker::Failure;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::failure;
use crate::info::Info;
use crate::options::{Options, Sentinels, Whereabouts};
use crate::reply;
use crate::url::Url;

/// The longest that connecting and logging in takes.
const CONNECT: Duration = Duration::from_secs(2);

/// The longest that a sentinel takes.
const SENTINEL: Duration = Duration::from_secs(1);

/// How long data may stay unacknowledged by the other host before the kernel drops the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// A server that is connected to.
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) server: Url,
}

/// Connects to the server that takes writes.
pub(crate) async fn find(options: &Options) -> Result<Connected, Failure> {
    let authorities = options.authorities.as_deref();
    match &options.whereabouts {
        Whereabouts::Url(url) => Ok(Connected {
            connection: connect(url, authorities).await?,
            server: url.clone(),
        }),
        Whereabouts::Sentinels(sentinels) => {
            let mut said = String::new();
            for server in ask(sentinels, authorities).await? {
                match connect_to_master(&server, authorities).await {
                    Ok(connection) => return Ok(Connected { connection, server }),
                    Err(unusable @ Failure::Unusable(_)) => return Err(unusable),
                    Err(failure) => said = failure.to_string(),
                }
            }
            Err(Failure::Unsure(format!(
                "no server that the sentinels name for {} takes writes: {said}",
                sentinels.name
            )))
        }
    }
}

/// Asks all sentinels which server takes writes. Returns the servers that they name, the one that
/// most of them name first.
pub(crate) async fn ask(
    sentinels: &Sentinels,
    authorities: Option<&[u8]>,
) -> Result<Vec<Url>, Failure> {
    let mut asked = JoinSet::new();
    for sentinel in &sentinels.sentinels {
        let (sentinel, name) = (sentinel.clone(), sentinels.name.clone());
        let authorities = authorities.map(<[u8]>::to_vec);
        asked.spawn(async move {
            timeout(SENTINEL, ask_one(&sentinel, &name, authorities.as_deref()))
                .await
                .unwrap_or_else(|_| Err(Failure::Unsure(format!("{sentinel}: no answer"))))
        });
    }
    let mut votes: HashMap<(String, u16), usize> = HashMap::new();
    let mut said = None;
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(address)) => *votes.entry(address).or_default() += 1,
            // One that does not know the name matters only if none is silent.
            Ok(Err(failure)) if !matches!(said, Some(Failure::Unsure(_))) => said = Some(failure),
            Ok(Err(_)) | Err(_) => {}
        }
    }
    if votes.is_empty() {
        let nobody = || Failure::Unsure("no sentinel gave an answer".to_owned());
        return Err(said.unwrap_or_else(nobody));
    }
    let mut named: Vec<_> = votes.into_iter().collect();
    named.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(named
        .into_iter()
        .map(|((host, port), _)| sentinels.server.at(&host, port))
        .collect())
}

async fn ask_one(
    sentinel: &Url,
    name: &str,
    authorities: Option<&[u8]>,
) -> Result<(String, u16), Failure> {
    let mut connection = connect(sentinel, authorities).await?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("get-master-addr-by-name").arg(name);
    let answer = question
        .query_async::<Value>(&mut connection)
        .await
        .map_err(|error| named(sentinel, &error))?;
    let mut parts = reply::array(answer).unwrap_or_default().into_iter();
    match (
        parts.next().and_then(reply::text),
        parts.next().and_then(reply::number),
    ) {
        (Some(host), Some(port)) => match u16::try_from(port) {
            Ok(port) => Ok((host, port)),
            Err(_) => Err(failure::confused("`SENTINEL get-master-addr-by-name`")),
        },
        _ => Err(Failure::Unusable(format!(
            "{sentinel}: the sentinel knows no servers named {name}; check REDIS_SENTINEL_NAME"
        ))),
    }
}

/// Connects to a server, and refuses it if it is a replica: a sentinel may be wrong for a moment.
async fn connect_to_master(
    server: &Url,
    authorities: Option<&[u8]>,
) -> Result<MultiplexedConnection, Failure> {
    let mut connection = connect(server, authorities).await?;
    let question = async {
        let text: String = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut connection)
            .await?;
        Ok::<_, RedisError>(Info::parse(&text))
    };
    let info = timeout(CONNECT, question)
        .await
        .map_err(|_| Failure::Unsure(format!("{server}: no answer")))?;
    if info.map_err(|error| named(server, &error))?.is_master() {
        Ok(connection)
    } else {
        Err(Failure::Unsure(format!("{server} is a replica")))
    }
}

/// Connects and logs in.
async fn connect(url: &Url, authorities: Option<&[u8]>) -> Result<MultiplexedConnection, Failure> {
    let attempt = async {
        let info = connection_info(url)?;
        let client = match authorities {
            Some(pem) if url.is_encrypted() => Client::build_with_tls(
                info,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(pem.to_vec()),
                },
            )?,
            _ => Client::open(info)?,
        };
        // The library's limit of half a second would end each blocking read (redis-rs #1924), and
        // does not cover a full queue (redis-rs #1541). Each call has a limit around all of it.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        // Not by the library, which hides what the server says: it may just have too many clients.
        for command in [url.auth(), url.select()].into_iter().flatten() {
            command.query_async::<Value>(&mut connection).await?;
        }
        Ok::<_, RedisError>(connection)
    };
    match timeout(CONNECT, attempt).await {
        Ok(connected) => connected.map_err(|error| named(url, &error)),
        Err(_) => Err(Failure::Unsure(format!(
            "{url}: no answer within {} s",
            CONNECT.as_secs()
        ))),
    }
}

fn connection_info(url: &Url) -> Result<ConnectionInfo, RedisError> {
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(UNACKNOWLEDGED);
    Ok(url
        .addr()
        .into_connection_info()?
        .set_tcp_settings(tcp)
        .set_redis_settings(Url::anonymous()))
}

/// Returns what an error means, with the server's address and without its password.
fn named(url: &Url, error: &RedisError) -> Failure {
    let name = |text: String| format!("{url}: {}", url.scrub(&text));
    match failure::of(error) {
        Failure::Unusable(text) => Failure::Unusable(name(text)),
        Failure::Full(text) => Failure::Full(name(text)),
        Failure::Unsure(text)
        | Failure::Reopen(text)
        | Failure::TooLarge(text)
        | Failure::Gone(text) => Failure::Unsure(name(text)),
    }
}
