//! All tests that need the programs `redis-server` and `redis-sentinel`. `cargo xtask test --quick`
//! leaves them out by the name of this module.

mod access;
mod broker;
mod failover;
mod faults;
mod network;
mod nodes;
mod promises;
mod sentinel;
mod snapshots;
