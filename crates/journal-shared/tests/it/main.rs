//! The log on a broker keeps what every log promises.

mod contract;
mod dense;
