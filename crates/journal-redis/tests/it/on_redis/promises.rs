//! What every broker promises, kept by Redis.

use std::sync::Arc;

use parking_lot::Mutex;
use tidings_broker_contract::backend::Backend;
use tidings_journal_shared::broker::Broker;

use crate::support::{Server, redis};

struct Durable(Mutex<Server>);

#[async_trait::async_trait]
impl Backend for Durable {
    async fn node(&self) -> Arc<dyn Broker> {
        let url = self.0.lock().url();
        Arc::new(redis(&url))
    }

    async fn restart(&self) -> bool {
        let mut server = self.0.lock();
        server.stop();
        server.start_again();
        true
    }
}

fn durable() -> Durable {
    Durable(Mutex::new(Server::durable()))
}

tidings_broker_contract::promises!(crate::on_redis::promises::durable());
