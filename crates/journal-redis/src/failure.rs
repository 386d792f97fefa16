//! What an error of the client or the server means for the log.

use redis::{ErrorKind, RedisError};
use tidings_journal_shared::broker::Failure;

/// Returns what an error means for a call that was in progress.
pub(crate) fn of(error: &RedisError) -> Failure {
    let text = error.to_string();
    if error.kind() == ErrorKind::AuthenticationFailed {
        return Failure::Unusable(refused(&text));
    }
    let Some(code) = code(error, &text) else {
        return Failure::Unsure(text);
    };
    match code {
        // Our scripts' own words, and a server that no longer takes writes or does not yet.
        "EPOCH" | "SERVER" | "STREAM" | "READONLY" | "LOADING" | "MASTERDOWN" => {
            Failure::Reopen(text)
        }
        "OOM" | "MISCONF" | "NOREPLICAS" => Failure::Full(text),
        "NOAUTH" | "WRONGPASS" | "NOPERM" => Failure::Unusable(refused(&text)),
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => Failure::Unusable(CLUSTER.to_owned()),
        "WRONGTYPE" => Failure::Unusable(format!(
            "a key of the log holds something of another program ({text}); give this system a \
             prefix of its own with JOURNAL_PREFIX"
        )),
        "NOID" => Failure::Unusable(
            "Redis does not tell its replication id (`master_replid` in `INFO replication`), \
             without which a lost tail of the log would go unnoticed; use a server that tells it"
                .to_owned(),
        ),
        "FORMAT" => Failure::Unusable(format!(
            "the log in Redis has another format than this version knows ({text}); use the \
             version that wrote it, or another JOURNAL_PREFIX"
        )),
        _ if text.contains("ID specified in XADD") => Failure::Unusable(format!(
            "another program has added entries to the stream of the log ({text}); remove them \
             with `XDEL` and set the stream's last id with `XSETID`, or use another \
             JOURNAL_PREFIX"
        )),
        _ => Failure::Unsure(text),
    }
}

/// What is said of a server in cluster mode.
pub(crate) const CLUSTER: &str = "Redis runs in cluster mode, which is not supported: the log is \
                                  one order, and one order lives in one slot, so a cluster adds \
                                  no capacity; use a server without cluster mode, with replicas \
                                  and Sentinel for availability";

/// Returns the failure of a call whose answer is not of the kind that was asked for. The connection
/// can't be trusted any more, because answers may be assigned to the wrong calls (redis-rs #698).
pub(crate) fn confused(what: &str) -> Failure {
    Failure::Unsure(format!(
        "the server's answer to {what} is not of the kind that was asked for"
    ))
}

fn refused(text: &str) -> String {
    format!(
        "Redis refuses the login or a command ({text}); check the user and password in REDIS_URL \
         and the user's ACL"
    )
}

/// Returns the code of a server's error. Redis before version 7 wraps the errors of commands in
/// scripts: `ERR Error running script (…): @user_script:9: -OOM command not allowed …`.
fn code<'a>(error: &'a RedisError, text: &'a str) -> Option<&'a str> {
    const WRAPPED: [(&str, &str); 6] = [
        ("-OOM ", "OOM"),
        ("-MISCONF ", "MISCONF"),
        ("-NOREPLICAS ", "NOREPLICAS"),
        ("-READONLY ", "READONLY"),
        ("-NOPERM ", "NOPERM"),
        ("-WRONGTYPE ", "WRONGTYPE"),
    ];
    match error.code() {
        Some("ERR") => Some(
            WRAPPED
                .iter()
                .find(|(mark, _)| text.contains(mark))
                .map_or("ERR", |(_, code)| code),
        ),
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use redis::ServerErrorKind;

    use super::*;

    fn extension(code: &str, detail: &str) -> Failure {
        of(&redis::make_extension_error(
            code.to_owned(),
            Some(detail.to_owned()),
        ))
    }

    #[test]
    fn a_full_server_is_told_apart_from_a_lost_one() {
        assert!(matches!(
            extension("OOM", "command not allowed"),
            Failure::Full(_)
        ));
        assert!(matches!(
            extension("MISCONF", "unable to persist"),
            Failure::Full(_)
        ));
        assert!(matches!(
            extension("NOREPLICAS", "not enough"),
            Failure::Full(_)
        ));
        assert!(matches!(
            extension("SERVER", "is another one"),
            Failure::Reopen(_)
        ));
        assert!(matches!(
            of(&(ErrorKind::Server(ServerErrorKind::ReadOnly), "x").into()),
            Failure::Reopen(_)
        ));
        assert!(matches!(
            of(&std::io::Error::other("reset").into()),
            Failure::Unsure(_)
        ));
    }

    #[test]
    fn errors_that_redis_6_wraps_are_recognized() {
        let wrapped = "Error running script (call to f_1): @user_script:14: @user_script: 14: \
                       -OOM command not allowed";
        let error: RedisError = (
            ErrorKind::Server(ServerErrorKind::ResponseError),
            "x",
            wrapped.to_owned(),
        )
            .into();
        assert!(matches!(of(&error), Failure::Full(_)));
    }
}
