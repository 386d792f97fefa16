//! What every broker promises, kept by the fake broker of both kinds.

use std::sync::Arc;

use tidings_broker_contract::backend::Backend;
use tidings_broker_contract::fake::{Fake, Kind};
use tidings_journal_shared::broker::Broker;

struct Healthy(Fake);

#[async_trait::async_trait]
impl Backend for Healthy {
    async fn node(&self) -> Arc<dyn Broker> {
        self.0.broker()
    }

    async fn restart(&self) -> bool {
        self.0.restart();
        true
    }
}

fn healthy(kind: Kind) -> Healthy {
    Healthy(Fake::new(kind, 0))
}

mod tagged {
    tidings_broker_contract::promises!(crate::promises::healthy(
        tidings_broker_contract::fake::Kind::Tagged
    ));
}

mod numbered {
    tidings_broker_contract::promises!(crate::promises::healthy(
        tidings_broker_contract::fake::Kind::Numbered
    ));
}
