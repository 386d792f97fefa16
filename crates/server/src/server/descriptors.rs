//! How many files and sockets the process may have open, and how many streams fit into that.

use tidings_hub::StreamLimits;

use crate::config::Config;

/// How many descriptors are the log's.
pub(super) const OF_THE_LOG: usize = 256;

/// How many are kept for everything that is no stream, the log among it.
pub(super) const RESERVED: usize = 512;

/// So few streams are hardly meant where nobody set their number: the usual limit of descriptors has room for as many.
const FEW: usize = 512;

/// What fits into a process.
pub struct Room {
    /// How many files and sockets it may have open.
    pub descriptors: usize,
    /// How many streams may be open.
    pub limits: StreamLimits,
    /// What is doubtful about it, for the operator.
    pub doubt: Option<String>,
}

/// The process may have so few file descriptors that no stream fits.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "{0} file descriptors leave no room for streams: {RESERVED} are kept for the log, for calls and for health checks; raise \
     the limit (`ulimit -Hn`, LimitNOFILE=)"
)]
pub struct TooFew(pub usize);

impl Room {
    /// What fits into this process, whose limit is raised as far as it goes.
    pub fn of_process(config: &Config) -> Result<Self, TooFew> {
        Self::of(config, raise())
    }

    /// By itself it is what fits, less what the log, publishes, health checks and the operator need.
    fn of(config: &Config, descriptors: usize) -> Result<Self, TooFew> {
        if descriptors <= RESERVED {
            return Err(TooFew(descriptors));
        }
        let fit = descriptors - RESERVED;
        let total = config.streams.max_connections.unwrap_or(fit);
        let doubt = if total > fit {
            Some(format!(
                "MAX_CONNECTIONS={total} is more than the {descriptors} file descriptors of this process allow ({fit} streams): \
                 what comes above waits instead of being told `busy`; raise the limit (`ulimit -Hn`, LimitNOFILE=) or lower \
                 MAX_CONNECTIONS"
            ))
        } else if config.streams.max_connections.is_none() && fit < FEW {
            Some(format!(
                "only {fit} streams fit: this process may have {descriptors} file descriptors, and {RESERVED} are kept for \
                 everything else; raise the limit (`ulimit -Hn`, LimitNOFILE=)"
            ))
        } else {
            None
        };
        let limits = StreamLimits {
            total,
            per_user: config.streams.max_connections_per_user,
            per_address: config.streams.max_connections_per_ip.unwrap_or_else(|| (total / 4).max(1)),
        };
        Ok(Self { descriptors, limits, doubt })
    }
}

/// How many files and sockets this process may have open: as many as the system lets it.
fn raise() -> usize {
    let most = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024); // the usual limit where it can't be read
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Linux keeps a process's descriptors in a table that it doubles when it is full, never shrinks, and, where the process has
/// several threads, replaces only after every core has been seen to let go of the old one (`synchronize_rcu`). Whoever accepts
/// the connection that doesn't fit waits for that, some 10 to 30 ms, and with it all streams of its thread. So the table is made
/// large enough for all, or for many, while there are none.
#[cfg(target_os = "linux")]
pub(super) fn have_slots(descriptors: usize) {
    let last = i32::try_from(descriptors.min(SLOTS)).unwrap_or(i32::MAX).saturating_sub(1);
    if let Err(error) = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), last) {
        tracing::debug!(%error, "the table of file descriptors grows as they are needed");
    }
}

/// Beyond so many, a table costs more memory before its first use (8 bytes of the kernel's for each) than it is worth: half a
/// MiB.
#[cfg(target_os = "linux")]
const SLOTS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(max_connections: Option<usize>, descriptors: usize) -> Option<String> {
        let mut config = Config::default();
        config.streams.max_connections = max_connections;
        Room::of(&config, descriptors).unwrap().doubt
    }

    #[test]
    fn what_does_not_fit_is_doubted() {
        assert_eq!(doubt(None, 1_024), None);
        assert_eq!(doubt(Some(10), 600), None);
        assert!(doubt(None, 1_000).unwrap().starts_with("only 488 streams fit"));
        assert!(doubt(Some(1_000), 1_024).unwrap().starts_with("MAX_CONNECTIONS=1000 is more than the 1024"));
        assert!(matches!(Room::of(&Config::default(), RESERVED), Err(TooFew(RESERVED))));
    }
}
