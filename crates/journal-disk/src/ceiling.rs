//! The ceiling on what the directory takes.
//!
//! What was trimmed still takes its place until the storage engine rewrites the tables that it is in, and rewriting takes
//! more room for a while. So this looks at what is really on disk, begins well below the ceiling, first has the engine give
//! back what was trimmed already, one table of eight at a time, and only then trims more.
//!
//! What is on disk is not all: whatever the tables still hold in memory is in the write-ahead log now, and will be in a
//! file of its table too before the log lets go of it; and the engine merges files when it likes. Both are counted as if
//! they were there.
//!
//! A directory that is at its ceiling already or above it, because that was lowered, or of what is not ours, has no room to
//! rewrite anything. Once enough is trimmed, it takes more for a while, a table of eight at a time: else all would be trimmed,
//! and nothing given back.

use std::collections::HashMap;
use std::time::Duration;

use fjall::AbstractTree as _;

use super::chore::Trim;
use super::janitor::Over;
use super::keys::{self, Kind, SHARDS, TopicId};
use super::log::Log;
use tidings_journal::Position;

/// Of what the ceiling leaves for tables, so much is used; the rest is for rewriting.
const USED_PERCENT: u64 = 70;

/// From so much of the ceiling on, appends wait.
const FULL_PERCENT: u64 = 95;

/// With less than this to be given back, rewriting is not worth it.
const GARBAGE_PERCENT: u64 = 15;

/// Down to so much of what the tables may take, topics are trimmed: there is to be something between two times.
const TRIMMED_PERCENT: u64 = 90;

/// From so many trimmed bytes of one topic on, whole files may hold nothing else.
const DROPPABLE: u64 = 32 << 20;

/// The most topics that are kept in mind. Of those of which little was trimmed, no file will be dropped soon.
const MOST_TOPICS: usize = 4_096;

/// The write-ahead log that is written to has at least so many bytes, most of them a hole.
const ACTIVE_LOG: u64 = 64 << 20;

/// Of files that the engine has replaced but not removed, so much is let be.
const LINGERING: u64 = 16 << 20;

/// How long the janitor waits at a time for the engine to be quiet, and how often: half a second. One look is not enough: the
/// engine may be between two things.
const QUIET: Duration = Duration::from_millis(5);
const QUIET_LOOKS: u32 = 100;
const QUIET_IN_A_ROW: u32 = 3;

/// How often it has the engine remove files meanwhile. What stays is read by somebody.
const MOST_BEATS: u32 = 3;

/// Of the ceiling, the most that the write-ahead log takes by itself: a quarter. Of the least ceiling that is just what the log
/// that is written to has; with less, all would be written out at every turn.
const LOG_SHARE: u64 = 4;

/// Of the ceiling, about what the last step takes that begins while there is still room: of the least ceiling, the bytes from
/// which on a step takes no further append.
const STEP_SHARE: u64 = 32;

/// Of the ceiling, what tables may hold in memory when appends wait for room: little, as it counts twice.
const PENDING_SHARE: u64 = 64;

/// What was trimmed and may still be on disk.
#[derive(Default)]
pub(super) struct Trimmed {
    /// By table, in bytes.
    garbage: [u64; SHARDS],
    /// By topic: how much, and up to where.
    topics: HashMap<TopicId, (u64, Position)>,
}

/// What keeps the directory below its ceiling.
pub(super) struct Ceiling {
    most: u64,
    /// What the tables may take.
    goal: u64,
    /// What the write-ahead log may take.
    log_bytes: u64,
    near: bool,
    /// What the tables took when there was nothing left to trim, and nothing left to give back.
    spent: Option<u64>,
}

impl Trimmed {
    /// Notes what is about to be trimmed.
    pub(super) fn add(&mut self, log: &Log, trim: &Trim) {
        let topics = log.topics.read();
        let others = trim.others.iter().map(|guests| (&guests.topic, guests.floor, guests.bytes));
        for (name, floor, bytes) in std::iter::once((&trim.topic, trim.floor, trim.own)).chain(others) {
            let Some(id) = topics.get(name).map(|topic| topic.row.id) else {
                continue;
            };
            self.garbage[keys::shard(id)] += bytes;
            let known = self.topics.entry(id).or_default();
            *known = (known.0 + bytes, known.1.max(floor));
        }
        if self.topics.len() > MOST_TOPICS {
            self.topics.retain(|_, (bytes, _)| *bytes > DROPPABLE / 8);
        }
    }

    /// Notes that a topic is about to go whole, with its copies in others.
    pub(super) fn add_whole(&mut self, topic: TopicId, bytes: u64) {
        self.garbage[keys::shard(topic)] += bytes;
        self.topics.remove(&topic);
    }

    /// Takes the topics of which so much was trimmed that whole files may be theirs.
    fn take_droppable(&mut self) -> Vec<(TopicId, Position)> {
        let droppable = self.topics.extract_if(|_, (bytes, _)| *bytes >= DROPPABLE);
        droppable.map(|(id, (_, floor))| (id, floor)).collect()
    }
}

impl Ceiling {
    pub(super) fn new(log: &Log) -> Self {
        let most = Self::bytes(log);
        let log_bytes = log.options.tuning.log_bytes.min(most / LOG_SHARE);
        // Most of what the log holds may be in memory too, and come on top of it.
        let goal = most.saturating_sub(2 * log_bytes + ACTIVE_LOG / 2) / 100 * USED_PERCENT;
        // When appends wait and nothing is under way any more, there has to be room again: beside the tables for one more
        // merge, and for a step or two.
        let rest = most / 100 * FULL_PERCENT;
        let rest = rest.saturating_sub(ACTIVE_LOG + LINGERING + 2 * (most / PENDING_SHARE) + 3 * (most / STEP_SHARE));
        let goal = goal.min((rest / 2).max(rest.saturating_sub(log.tables.most_merged())));
        Self { most, goal, log_bytes, near: false, spent: None }
    }

    /// What the directory may take, in bytes.
    pub(super) fn bytes(log: &Log) -> u64 {
        log.options.retention.max_disk.max(log.options.tuning.least_disk)
    }

    /// Whether the ceiling is near enough to look often.
    pub(super) fn is_near(&self) -> bool {
        self.near
    }

    /// Looks at what is on disk and what will be without another append, and says how much may be appended before the next
    /// look: it is written to the log, once more to a table, and a third time when that is merged. `reserved` bytes are for
    /// something else. Returns what is on disk.
    pub(super) fn look(&mut self, log: &Log, reserved: u64) -> u64 {
        let tables = tables_bytes(log);
        let disk = log.home.disk_bytes().unwrap_or_else(|error| {
            tracing::warn!(%error, "what the journal takes on disk can't be looked up, and is estimated");
            tables + log.tables.db.journal_disk_space().unwrap_or(self.log_bytes)
        });
        log.set_disk_bytes(disk);
        let coming = log.tables.pending() + log.tables.largest_merge();
        let room = (self.most / 100 * FULL_PERCENT).saturating_sub(disk + coming + reserved) / 3;
        let room = room.saturating_sub(self.most / STEP_SHARE);
        self.near = tables > self.goal / 2 || room < 2 * ACTIVE_LOG;
        log.set_room(room);
        if room > 0 && !log.tables.is_congested() {
            log.recover();
        }
        disk
    }

    /// Makes room if there is too little. `trim_to` trims the largest topics until all hold at most so many bytes; `let_go`
    /// has the engine remove the files that it has replaced.
    pub(super) fn hold(
        &mut self,
        log: &Log,
        mut trim_to: impl FnMut(u64) -> Result<u64, Over>,
        mut let_go: impl FnMut() -> Result<(), Over>,
    ) -> Result<(), Over> {
        while !log.is_closing() {
            drop_files(log)?;
            if self.near && lingering(log) > LINGERING {
                let_go()?;
            }
            self.look(log, 0);
            if log.is_full() {
                // All of the log goes that can, and with it what waits in memory: with that, there is room again.
                settle(log, ACTIVE_LOG, self.most / PENDING_SHARE)?;
            } else {
                settle(log, self.log_bytes, u64::MAX)?;
            }
            let tables = tables_bytes(log);
            if tables <= self.goal {
                self.spent = None;
                return Ok(());
            }
            let garbage = take_garbage(log);
            let (_, held) = log.topics.read().totals();
            let waste: u64 = garbage.iter().sum();
            let aim = Scale { tables, weight: held + waste }.weight(self.goal / 100 * TRIMMED_PERCENT);
            let is_worth_it = waste > (held + waste) / 100 * GARBAGE_PERCENT;
            if is_worth_it {
                let is_quiet = quiet(log, &mut let_go)?;
                if log.is_closing() {
                    return Ok(());
                }
                if !is_quiet && (log.tables.is_at_work() || !log.is_full()) {
                    trim_to(aim)?;
                    return Ok(()); // it is rewritten at a later turn, at last when nothing is appended any more
                }
                if self.rewrite(log, held <= aim)? {
                    continue;
                }
            }
            // What was trimmed and takes its place still is as good as held, until it is worth rewriting.
            let most_held = if is_worth_it { aim } else { aim.saturating_sub(waste) };
            if trim_to(most_held)? > 0 {
                continue;
            }
            // Nothing is left to trim: the counts and guesses that led here are of no more use.
            if self.spent.is_some_and(|spent| tables >= spent) {
                return Ok(());
            }
            self.give_back_all(log)?;
            self.spent = Some(tables_bytes(log));
        }
        Ok(())
    }

    /// Rewrites the table with the most garbage for which there is room; or if it `has_to`, that which takes least. Returns
    /// whether it was worth it.
    fn rewrite(&mut self, log: &Log, has_to: bool) -> Result<bool, Over> {
        let garbage = take_garbage(log);
        let room = self.most.saturating_sub(self.look(log, 0));
        let scale = Scale::of(log);
        let rest = |shard: usize| log.tables.events[shard].disk_space().saturating_sub(scale.on_disk(garbage[shard]));
        let wasteful = || (0..SHARDS).filter(|&shard| garbage[shard] > 0);
        let fitting = wasteful().filter(|&shard| rest(shard) <= room).max_by_key(|&shard| garbage[shard]);
        let least = || wasteful().filter(|_| has_to).min_by_key(|&shard| rest(shard));
        let Some(shard) = fitting.or_else(least) else {
            return Ok(false);
        };
        self.look(log, rest(shard));
        let table = &log.tables.events[shard];
        let before = table.disk_space();
        table.major_compact().map_err(|error| broken(log, &error))?;
        log.trimmed.lock().garbage[shard] = 0;
        log.floors.take_left_out(shard);
        Ok(table.disk_space() < before)
    }

    /// Has the engine give back whatever it can.
    fn give_back_all(&mut self, log: &Log) -> Result<(), Over> {
        let floors: Vec<_> = {
            let topics = log.topics.read();
            let floors = topics.iter().map(|(_, topic)| (topic.row.id, topic.row.floor));
            floors.filter(|(_, floor)| *floor > Position::START).collect()
        };
        for (topic, floor) in floors {
            drop_below(log, topic, floor)?;
        }
        settle(log, ACTIVE_LOG, u64::MAX)?;
        for table in log.tables.all() {
            let disk = self.look(log, table.disk_space());
            let is_over = disk > self.most; // then it would never fit
            if (is_over || table.disk_space() <= self.most - disk) && !log.is_closing() {
                table.major_compact().map_err(|error| broken(log, &error))?;
            }
        }
        Ok(())
    }
}

/// What records weigh, and what they take in the tables, which is not the same: they are compressed.
#[derive(Clone, Copy)]
struct Scale {
    tables: u64,
    /// Of all records in them, those that were trimmed among them.
    weight: u64,
}

impl Scale {
    fn of(log: &Log) -> Self {
        let waste: u64 = log.trimmed.lock().garbage.iter().sum();
        let (_, held) = log.topics.read().totals();
        Self { tables: tables_bytes(log), weight: held + waste }
    }

    /// About what takes so many bytes weighs.
    fn weight(self, bytes: u64) -> u64 {
        share(bytes, self.weight, self.tables)
    }

    /// About what that of such a weight takes.
    fn on_disk(self, weight: u64) -> u64 {
        share(weight, self.tables, self.weight)
    }
}

fn share(of: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(of) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Waits until the engine has nothing under way, and has removed the files that it replaced: what is rewritten comes on top of
/// them. Returns whether that is so; with appends going on, it may never be.
fn quiet(log: &Log, let_go: &mut impl FnMut() -> Result<(), Over>) -> Result<bool, Over> {
    let (mut in_a_row, mut beats) = (0, 0);
    for _ in 0..QUIET_LOOKS {
        if log.is_closing() {
            break;
        }
        if log.tables.is_at_work() {
            in_a_row = 0; // and what was just written out may be about to be merged
        } else if lingering(log) > LINGERING {
            if beats < MOST_BEATS {
                let_go()?;
            }
            (in_a_row, beats) = (0, beats + 1);
        } else {
            in_a_row += 1;
        }
        if in_a_row == QUIET_IN_A_ROW {
            return Ok(true);
        }
        std::thread::sleep(QUIET);
    }
    Ok(false)
}

/// What the tables take on disk beside what is in use: files that were replaced, and such as are being written.
fn lingering(log: &Log) -> u64 {
    log.home.table_bytes().unwrap_or_default().saturating_sub(tables_bytes(log))
}

fn tables_bytes(log: &Log) -> u64 {
    log.tables.all().map(fjall::Keyspace::disk_space).sum()
}

/// Has the engine drop the files that hold nothing but what was trimmed from one topic.
fn drop_files(log: &Log) -> Result<(), Over> {
    let droppable = log.trimmed.lock().take_droppable();
    for (topic, floor) in droppable {
        drop_below(log, topic, floor)?;
    }
    Ok(())
}

fn drop_below(log: &Log, topic: TopicId, floor: Position) -> Result<(), Over> {
    let shard = keys::shard(topic);
    let table = &log.tables.events[shard];
    let (scale, before) = (Scale::of(log), table.disk_space());
    let range = keys::event(topic, Kind::Plain, Position::START)..=keys::event(topic, Kind::Plain, floor);
    table.tree.drop_range(range).map_err(|error| broken(log, &error.into()))?;
    let dropped = scale.weight(before.saturating_sub(table.disk_space()));
    let garbage = &mut log.trimmed.lock().garbage[shard];
    *garbage = garbage.saturating_sub(dropped);
    Ok(())
}

fn settle(log: &Log, most: u64, pending: u64) -> Result<(), Over> {
    log.tables.settle(most, pending).map_err(|error| broken(log, &error))
}

/// What there is to be given back, by table.
fn take_garbage(log: &Log) -> [u64; SHARDS] {
    let mut trimmed = log.trimmed.lock();
    for (shard, garbage) in trimmed.garbage.iter_mut().enumerate() {
        *garbage = garbage.saturating_sub(log.floors.take_left_out(shard));
    }
    trimmed.garbage
}

fn broken(log: &Log, error: &fjall::Error) -> Over {
    log.fail("making room in the journal", error);
    Over
}
