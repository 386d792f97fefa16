//! The fix of each trouble for each proxy: lines of configuration, with everything else in comments
//! after `#`.

mod answer;
mod delivery;
mod request;

use super::{Proxy, Trouble};

/// Returns the lines of configuration that fix a trouble.
pub(crate) fn fix(trouble: Trouble, proxy: Proxy) -> &'static str {
    match trouble {
        Trouble::Buffering => delivery::buffering(proxy),
        Trouble::Compression => delivery::compression(proxy),
        Trouble::IdleCut => delivery::idle_cut(proxy),
        Trouble::Path => request::path(proxy),
        Trouble::Query => request::query(proxy),
        Trouble::Authorization => request::authorization(proxy),
        Trouble::LastEventId => request::last_event_id(proxy),
        Trouble::Address => request::address(proxy),
        Trouble::Headers => answer::headers(proxy),
        Trouble::Ending => answer::ending(proxy),
        Trouble::Http1 => answer::http1(proxy),
    }
}
