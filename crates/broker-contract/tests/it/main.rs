//! The fake broker keeps the promises of brokers, and its faults are what they say.

mod faults;
mod promises;
