//! The requests of the JetStream API, as JSON.

use async_nats::header::NATS_SEQUENCE;
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidings_journal_shared::broker::Failure;

use crate::connection::Connection;

/// The stream does not exist.
const STREAM_NOT_FOUND: u16 = 10_059;
/// Another stream has that name.
pub(crate) const NAME_IN_USE: u16 = 10_058;
/// The message is not the one that was expected to be the last.
const WRONG_LAST_SEQUENCE: [u16; 2] = [10_071, 10_164];
/// The message is larger than the stream or the account takes.
const TOO_LARGE: u16 = 10_054;
/// JetStream is not enabled, on the server or for the account.
const NOT_ENABLED: [u16; 3] = [10_076, 10_039, 10_089];

/// An error of the API.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    pub(crate) err_code: u16,
    #[serde(default)]
    pub(crate) description: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Failed { error: ApiError },
    Succeeded(T),
}

/// The state of a stream.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StreamInfo {
    pub(crate) config: serde_json::Value,
    pub(crate) state: StreamState,
}

/// The messages of a stream.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) last_seq: u64,
}

/// The acknowledgement of a message.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Acknowledged {
    pub(crate) seq: u64,
}

/// What came of a publish that was made under a condition.
pub(crate) enum Stored {
    /// The message has this sequence.
    At(u64),
    /// The condition does not hold.
    Refused,
}

impl Connection {
    /// Calls the API. The inner error is one that the caller may expect.
    async fn call<T: for<'a> Deserialize<'a>>(
        &self,
        call: &str,
        body: &impl Serialize,
    ) -> Result<Result<T, ApiError>, Failure> {
        let body =
            serde_json::to_vec(body).map_err(|error| Failure::Unusable(error.to_string()))?;
        let answer = self
            .request(format!("$JS.API.{call}"), HeaderMap::new(), body.into())
            .await?;
        read(&answer)
    }

    /// Returns the state of a stream; `None` if there is no such stream.
    pub(crate) async fn stream(&self, name: &str) -> Result<Option<StreamInfo>, Failure> {
        match self
            .call(&format!("STREAM.INFO.{name}"), &serde_json::json!({}))
            .await?
        {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.err_code == STREAM_NOT_FOUND => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a stream. Returns false if there is another one of that name.
    pub(crate) async fn create_stream(
        &self,
        name: &str,
        config: &serde_json::Value,
    ) -> Result<bool, Failure> {
        match self
            .call::<serde_json::Value>(&format!("STREAM.CREATE.{name}"), config)
            .await?
        {
            Ok(_) => Ok(true),
            Err(error) if error.err_code == NAME_IN_USE => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes messages of a stream as `what` says.
    pub(crate) async fn purge(&self, name: &str, what: &serde_json::Value) -> Result<(), Failure> {
        self.call::<serde_json::Value>(&format!("STREAM.PURGE.{name}"), what)
            .await?
            .map_err(Failure::from)?;
        Ok(())
    }

    /// Returns the newest message of a subject; `None` if there is none.
    pub(crate) async fn newest(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<Option<Message>, Failure> {
        let body = serde_json::json!({ "last_by_subj": subject }).to_string();
        let message = self
            .request(
                format!("$JS.API.DIRECT.GET.{stream}"),
                HeaderMap::new(),
                body.into(),
            )
            .await?;
        match message.status.map(|status| status.as_u16()) {
            None | Some(200) => Ok(Some(message)),
            Some(404) => Ok(None),
            Some(status) => Err(Failure::Unsure(format!(
                "a direct get was answered with {status}"
            ))),
        }
    }

    /// Publishes a message into a stream, under the condition that `headers` say.
    pub(crate) async fn store(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Stored, Failure> {
        let answer = self.request(subject.to_owned(), headers, body).await?;
        match read::<Acknowledged>(&answer)? {
            Ok(stored) => Ok(Stored::At(stored.seq)),
            Err(error) if WRONG_LAST_SEQUENCE.contains(&error.err_code) => Ok(Stored::Refused),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the sequence of a stored message.
pub(crate) fn sequence(message: &Message) -> Option<u64> {
    message
        .headers
        .as_ref()?
        .get(NATS_SEQUENCE)?
        .as_str()
        .parse()
        .ok()
}

fn read<T: for<'a> Deserialize<'a>>(answer: &Message) -> Result<Result<T, ApiError>, Failure> {
    match serde_json::from_slice(&answer.payload) {
        Ok(Answer::Succeeded(value)) => Ok(Ok(value)),
        Ok(Answer::Failed { error }) => Ok(Err(error)),
        Err(_) => Err(Failure::Unsure(
            "JetStream gave an answer that can't be read".to_owned(),
        )),
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let text = format!("{} (JetStream error {})", error.description, error.err_code);
        match error.err_code {
            TOO_LARGE => Self::TooLarge(text),
            code if NOT_ENABLED.contains(&code) => {
                Self::Unusable(format!("{text}; start the NATS server with JetStream"))
            }
            // Maximum bytes, messages or storage of the stream, the server or the account.
            10_077 | 10_023 | 10_047 | 10_028 | 10_002 | 10_122 | 10_123 => Self::Full(text),
            _ => Self::Unsure(text),
        }
    }
}
