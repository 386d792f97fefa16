//! Reads the CPU time and memory of the server's processes from Linux.

/// The processes that are measured; there may be none.
#[derive(Debug)]
pub(super) struct Processes(Vec<Process>);

/// CPU time since the start of the processes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    nanos: u128,
    /// The part that was spent in the processes themselves, in ticks of 10 ms.
    user: u64,
    /// The part that was spent in the kernel for them, in ticks of 10 ms.
    system: u64,
}

/// CPU time between two moments, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuTime {
    pub(super) micros: f64,
    pub(super) user: f64,
    pub(super) system: f64,
}

impl Usage {
    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days")]
    pub(super) fn since(self, earlier: Self) -> CpuTime {
        let micros = self.nanos.saturating_sub(earlier.nanos) as f64 / 1_000.0;
        let [user, system] = [(self.user, earlier.user), (self.system, earlier.system)]
            .map(|(now, then)| now.saturating_sub(then) as f64);
        // The total is exact, but the parts are counted in ticks. So the total is divided in
        // proportion to the ticks.
        let share = if user + system > 0.0 {
            user / (user + system)
        } else {
            0.0
        };
        CpuTime {
            micros,
            user: micros * share,
            system: micros * (1.0 - share),
        }
    }
}

impl Processes {
    /// Returns the CPU time of all processes together, or `None` if there are none or one has
    /// ended.
    pub(super) fn usage(&self) -> Option<Usage> {
        let all = self
            .0
            .iter()
            .map(Process::usage)
            .collect::<Option<Vec<_>>>()?;
        let sum = |sum: Usage, one: &Usage| Usage {
            nanos: sum.nanos + one.nanos,
            user: sum.user + one.user,
            system: sum.system + one.system,
        };
        (!all.is_empty()).then(|| all.iter().fold(Usage::default(), sum))
    }

    /// Returns their memory in bytes, with shared pages counted once, or `None` if there are no
    /// processes or one has ended.
    pub(super) fn memory(&self) -> Option<u64> {
        let all = self
            .0
            .iter()
            .map(Process::memory)
            .collect::<Option<Vec<_>>>()?;
        (!all.is_empty()).then(|| all.iter().sum())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(target_os = "linux")]
use linux::Process;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::read_to_string;
    use std::time::Duration;

    use anyhow::Context as _;
    use nix::time::ClockId;
    use nix::unistd::Pid;

    use super::{Processes, Usage};

    #[derive(Debug)]
    pub(super) struct Process {
        pid: i32,
        /// The clock of the CPU time of all its threads, including those that have ended, in
        /// nanoseconds. `/proc/PID/stat` counts only ticks of 10 ms, and `/proc/PID/schedstat` only
        /// the first thread.
        clock: ClockId,
    }

    impl Processes {
        pub(in super::super) fn find(pids: &[i32]) -> anyhow::Result<Self> {
            let find = |pid: &i32| {
                let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(*pid)).ok();
                // There may be a clock for a number that is not the id of a process.
                let process = clock
                    .map(|clock| Process { pid: *pid, clock })
                    .filter(|process| process.usage().is_some());
                process.with_context(|| format!("there is no process {pid}"))
            };
            Ok(Self(pids.iter().map(find).collect::<anyhow::Result<_>>()?))
        }
    }

    impl Process {
        pub(super) fn usage(&self) -> Option<Usage> {
            let nanos = Duration::from(self.clock.now().ok()?).as_nanos();
            let stat = read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
            let (user, system) = ticks(&stat)?;
            Some(Usage {
                nanos,
                user,
                system,
            })
        }

        pub(super) fn memory(&self) -> Option<u64> {
            let proportional = || {
                kibibytes(
                    &read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?,
                    "Pss:",
                )
            };
            // Only the owner of a process may read the file above.
            let resident = || {
                kibibytes(
                    &read_to_string(format!("/proc/{}/status", self.pid)).ok()?,
                    "VmRSS:",
                )
            };
            Some(proportional().or_else(resident)? * 1_024)
        }
    }

    /// Returns the 14th and the 15th field of `/proc/PID/stat`. The second field is a name, and may
    /// contain anything.
    fn ticks(stat: &str) -> Option<(u64, u64)> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ').skip(11);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    }

    fn kibibytes(text: &str, name: &str) -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_cpu_time_and_memory_of_this_process_are_read() {
            let own = Processes::find(&[std::process::id().cast_signed()]).unwrap();
            let before = own.usage().unwrap();
            let work: u64 = (0..1_000_000).map(std::hint::black_box).sum();
            assert!(own.usage().unwrap().since(before).micros > 0.0, "{work}");
            assert!(own.memory().unwrap() > 100_000);
            assert!(Processes::find(&[]).unwrap().usage().is_none());
            assert_eq!(
                Processes::find(&[i32::MAX]).unwrap_err().to_string(),
                "there is no process 2147483647"
            );
            assert!(Processes::find(&[0]).is_err());
        }

        #[test]
        fn the_name_of_a_process_may_contain_anything() {
            let stat = "1 (a) b) 3 (c) S 1 2 3 4 5 6 7 8 9 10 40 50 0 0";
            assert_eq!(ticks(stat), Some((40, 50)));
            assert_eq!(ticks("1 (a) S"), None);
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
enum Process {}

#[cfg(not(target_os = "linux"))]
impl Processes {
    pub(super) fn find(pids: &[i32]) -> anyhow::Result<Self> {
        anyhow::ensure!(pids.is_empty(), "--pid is supported on Linux only");
        Ok(Self(Vec::new()))
    }
}

#[cfg(not(target_os = "linux"))]
impl Process {
    fn usage(&self) -> Option<Usage> {
        match *self {}
    }

    fn memory(&self) -> Option<u64> {
        match *self {}
    }
}
