//! The contract, line by line, against a running server over real sockets.

mod limits;
mod smoke;
mod support;
