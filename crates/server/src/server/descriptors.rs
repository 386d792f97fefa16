//! The process's file descriptors, and the number of streams that fit into them.

use tidings_hub::StreamLimits;

use crate::config::Config;

/// The number of descriptors that are reserved for the log.
pub(super) const RESERVED_FOR_LOG: usize = 256;

/// The number of descriptors that are reserved for everything except streams, including the log.
pub(super) const RESERVED: usize = 512;

/// Below this number of streams the operator is warned, unless `MAX_CONNECTIONS` is set. It is what
/// fits into the usual limit of 1,024 descriptors.
const FEW_STREAMS: usize = 512;

/// How many descriptors and streams the process may have.
pub struct Capacity {
    /// The maximum number of open files and sockets.
    pub descriptors: usize,
    /// The maximum numbers of open streams.
    pub limits: StreamLimits,
    /// A warning for the operator.
    pub warning: Option<String>,
}

/// The process may have only this many file descriptors, so that no stream fits.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "{0} file descriptors leave no room for streams: {RESERVED} are kept for the log, for calls \
     and for health checks; raise the limit (`ulimit -Hn`, LimitNOFILE=)"
)]
pub struct TooFewDescriptors(pub usize);

impl Capacity {
    /// Returns the capacity of this process, after raising its limit to the maximum.
    pub fn of_process(config: &Config) -> Result<Self, TooFewDescriptors> {
        Self::of(config, raise_limit())
    }

    /// Returns the capacity of a process with `descriptors`. If `MAX_CONNECTIONS` is not set, the
    /// number of streams is what is left after the reserve for the log, publishes, health checks
    /// and the operator.
    fn of(config: &Config, descriptors: usize) -> Result<Self, TooFewDescriptors> {
        if descriptors <= RESERVED {
            return Err(TooFewDescriptors(descriptors));
        }
        let fitting = descriptors - RESERVED;
        let total = config.streams.max_connections.unwrap_or(fitting);
        let warning = if total > fitting {
            Some(format!(
                "MAX_CONNECTIONS={total} is more than the {descriptors} file descriptors of this \
                 process allow ({fitting} streams): streams beyond that wait instead of being \
                 answered with `busy`; raise the limit (`ulimit -Hn`, LimitNOFILE=) or lower \
                 MAX_CONNECTIONS"
            ))
        } else if config.streams.max_connections.is_none() && fitting < FEW_STREAMS {
            Some(format!(
                "only {fitting} streams fit: this process may have {descriptors} file \
                 descriptors, and {RESERVED} are kept for everything else; raise the limit \
                 (`ulimit -Hn`, LimitNOFILE=)"
            ))
        } else {
            None
        };
        let limits = StreamLimits {
            total,
            per_user: config.streams.max_connections_per_user,
            per_address: config
                .streams
                .max_connections_per_ip
                .unwrap_or_else(|| (total / 4).max(1)),
        };
        Ok(Self {
            descriptors,
            limits,
            warning,
        })
    }
}

/// Raises the limit of open files and sockets as far as the system permits, and returns it.
fn raise_limit() -> usize {
    // the usual limit, if it can't be read
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Enlarges the process's table of file descriptors before it is needed. Linux doubles this table
/// when it is full, and never shrinks it. In a process with several threads, it replaces the table
/// only after every core was seen to have released the old one (`synchronize_rcu`). The thread that
/// accepts the first connection that does not fit waits for that, some 10 to 30 ms, and so do all
/// streams of that thread. Therefore the table gets its size while there are no streams: for all
/// descriptors, or for [`MAX_TABLE_SLOTS`] of them.
#[cfg(target_os = "linux")]
pub(super) fn enlarge_table(descriptors: usize) {
    let last = i32::try_from(descriptors.min(MAX_TABLE_SLOTS))
        .unwrap_or(i32::MAX)
        .saturating_sub(1);
    if let Err(error) = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), last) {
        tracing::debug!(%error, "the table of file descriptors can't be enlarged in advance and \
                                 grows when it is full");
    }
}

/// The largest table that is allocated at the start. The kernel needs 8 bytes for each descriptor,
/// so this table takes half a MiB. A larger one would cost more memory before its first use than it
/// is worth.
#[cfg(target_os = "linux")]
const MAX_TABLE_SLOTS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(max_connections: Option<usize>, descriptors: usize) -> Option<String> {
        let mut config = Config::default();
        config.streams.max_connections = max_connections;
        Capacity::of(&config, descriptors).unwrap().warning
    }

    #[test]
    fn the_operator_is_warned_of_streams_that_do_not_fit() {
        assert_eq!(warning(None, 1_024), None);
        assert_eq!(warning(Some(10), 600), None);
        assert!(
            warning(None, 1_000)
                .unwrap()
                .starts_with("only 488 streams fit")
        );
        assert!(
            warning(Some(1_000), 1_024)
                .unwrap()
                .starts_with("MAX_CONNECTIONS=1000 is more than the 1024")
        );
        assert!(matches!(
            Capacity::of(&Config::default(), RESERVED),
            Err(TooFewDescriptors(RESERVED))
        ));
    }
}
