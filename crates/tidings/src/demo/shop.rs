//! A shop: orders that are created, paid, packed and shipped, and the stock of its goods.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

use super::story::{ADMIN, Step};

/// The goods, each with its price in cents.
const GOODS: [(&str, u32); 6] = [
    ("teapot", 3_900),
    ("green tea, 500 g", 1_850),
    ("coffee mill", 8_900),
    ("six cups", 4_200),
    ("honey, three jars", 2_100),
    ("kettle", 6_450),
];

/// The buyers: the users that the page at `/` can impersonate.
const CUSTOMERS: [&str; 3] = ["test123", "ann", "bob"];

/// The largest number of open orders. It is small, so that each one changes often.
const MAX_ORDERS: usize = 8;

/// The stock of a good after a delivery.
const STOCK: u32 = 12;

/// The states of an order. After the last one, the order is archived.
const STATES: [&str; 5] = ["created", "paid", "packed", "shipped", "delivered"];

/// The state of the shop.
#[derive(Debug)]
pub(super) struct Shop {
    /// The id of the next order.
    next_id: u32,
    orders: Vec<Order>,
    /// The stock of each good.
    left: [u32; GOODS.len()],
}

#[derive(Debug)]
struct Order {
    id: u32,
    customer: &'static str,
    good: usize,
    quantity: u32,
    /// An index of [`STATES`].
    state: usize,
}

impl Shop {
    pub(super) fn new(chance: &mut StdRng) -> Self {
        Self {
            next_id: chance.random_range(1_000..9_000),
            orders: Vec::new(),
            left: [STOCK; GOODS.len()],
        }
    }

    /// Creates the first three orders.
    pub(super) fn opening(&mut self, chance: &mut StdRng) -> Vec<Step> {
        (0..3).flat_map(|_| self.order(chance)).collect()
    }

    /// Changes one order, or creates a new one.
    pub(super) fn scene(&mut self, chance: &mut StdRng) -> Vec<Step> {
        let new =
            self.orders.is_empty() || (self.orders.len() < MAX_ORDERS && chance.random_bool(0.3));
        if new {
            self.order(chance)
        } else {
            self.advance(chance)
        }
    }

    fn order(&mut self, chance: &mut StdRng) -> Vec<Step> {
        let customer = CUSTOMERS.choose(chance).copied().unwrap_or(CUSTOMERS[0]);
        let good = chance.random_range(0..GOODS.len());
        let order = Order {
            id: self.next_id,
            customer,
            good,
            quantity: chance.random_range(1..=3),
            state: 0,
        };
        self.next_id += 1;
        let mut steps = vec![order.step("create", STATES[0])];
        steps.extend(self.sell(good, order.quantity));
        self.orders.push(order);
        steps
    }

    /// Takes goods from the stock, after a delivery if there are too few.
    fn sell(&mut self, good: usize, quantity: u32) -> Vec<Step> {
        let step = |left: u32| {
            let name = GOODS[good].0;
            let data = json!({ "id": name, "left": left });
            update(
                "product",
                "update",
                &data,
                format!("product       {name}: {left} left"),
            )
            .pause(0.3)
        };
        let left = &mut self.left[good];
        if *left < quantity {
            *left += STOCK;
        }
        *left -= quantity;
        vec![step(*left)]
    }

    fn advance(&mut self, chance: &mut StdRng) -> Vec<Step> {
        let which = chance.random_range(0..self.orders.len());
        let order = &mut self.orders[which];
        if order.state < 2 && chance.random_bool(0.06) {
            let order = self.orders.swap_remove(which);
            let title = format!("Order {} is cancelled", order.id);
            let notice = Step::notification(
                Some(order.customer),
                "warning",
                &title,
                "You get your money back.",
            );
            return vec![order.step("delete", "cancelled").pause(0.5), notice];
        }
        order.state += 1;
        let (state, title, message) = match STATES.get(order.state) {
            Some(&"shipped") => ("shipped", "is on its way", "The parcel left our house."),
            Some(&"delivered") => ("delivered", "has arrived", "Enjoy it!"),
            Some(state) => return vec![order.step("update", state)],
            None => {
                let order = self.orders.swap_remove(which);
                return vec![order.step("delete", "archived")];
            }
        };
        let title = format!("Order {} {title}", order.id);
        vec![
            order.step("update", state).pause(0.5),
            Step::notification(Some(order.customer), "success", &title, message),
        ]
    }
}

impl Order {
    fn step(&self, action: &str, state: &str) -> Step {
        let (good, cents) = GOODS[self.good];
        let data = json!({
            "id": self.id,
            "state": state,
            "customer": self.customer,
            "item": good,
            "quantity": self.quantity,
            "totalCents": cents * self.quantity,
        });
        update(
            "order",
            action,
            &data,
            format!("order         {}: {state}", self.id),
        )
    }
}

fn update(entity: &str, action: &str, data: &Value, description: String) -> Step {
    let body = json!({ "entity": entity, "action": action, "data": data });
    Step::new(ADMIN, "/realtime/update", Some(body), description)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn an_order_passes_through_its_states_and_does_not_occur_again() {
        let mut chance = StdRng::seed_from_u64(3);
        let mut shop = Shop::new(&mut chance);
        let mut seen: HashMap<u64, Vec<String>> = HashMap::new();
        for _ in 0..2_000 {
            for step in shop.scene(&mut chance) {
                let Some(body) = step.body.filter(|body| body["entity"] == "order") else {
                    continue;
                };
                let state = body["data"]["state"].as_str().unwrap().to_owned();
                let states = seen
                    .entry(body["data"]["id"].as_u64().unwrap())
                    .or_default();
                assert_eq!(body["action"] == "create", states.is_empty());
                assert!(
                    states
                        .last()
                        .is_none_or(|last| last != "archived" && last != "cancelled"),
                    "{states:?}"
                );
                states.push(state);
            }
            assert!(shop.orders.len() <= MAX_ORDERS);
        }
        let archived = seen
            .values()
            .filter(|states| states.last().unwrap() == "archived");
        for states in archived {
            assert_eq!(states[..5], STATES);
        }
    }
}
