use super::*;
use crate::config::{Config, Overrides};
use crate::gateway::Status;
use crate::interface_a::Registry;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::store::Store;
use crate::store::fixtures::TestStore;

struct Scene {
    place: TestStore,
    store: Store,
    gateway: Gateway,
    done: CancellationToken,
    orders: Orders,
    /// An order that its device has.
    order: MessageId,
}

impl Scene {
    async fn new() -> Self {
        let place = TestStore::new();
        let store = place.open().await;
        let text =
            "[tls]\nclient-trust-anchors = [\"root.pem\"]\necc = { chain = \"c.pem\", key = \"k.pem\" }\n";
        let config =
            Config::parse(text, std::path::Path::new("gateway.toml"), &Overrides::default()).unwrap();
        let gateway = Gateway {
            config: Arc::new(arc_swap::ArcSwap::from_pointee(config)),
            directory: Default::default(),
            store: store.clone(),
            registry: Registry::default(),
            metrics: Metrics::new().unwrap(),
            clock: Clock::system(),
            status: Status::default(),
        };
        let done = CancellationToken::new();
        let (orders, order) = (Orders::new(&gateway, done.clone()), MessageId::at(store.now()));
        let (device, control_id) = ("PUMP-1".parse().unwrap(), "1".to_owned());
        orders.open().insert(order, Known { device, control_id, passed: None, last: None });
        Self { place, store, gateway, done, orders, order }
    }

    /// Stores an answer of the device.
    async fn answer(&self, control_id: &str) -> MessageId {
        let raw = b"MSH|^~\\&|A||B||20260101||ACK|A|P|2.6\rMSA|AA|1\r";
        let record = self.place.record(control_id, raw);
        let id = record.id;
        self.store.record(record).await.unwrap();
        id
    }
}

#[tokio::test]
async fn answers_that_wait_for_a_connection_do_not_hold_up_the_end() {
    let scene = Scene::new().await;
    let Scene { gateway, orders, order, done, .. } = &scene;
    let answer = scene.answer("ANSWER").await;
    // The platform is away. One more may wait, and two come.
    for _ in 1..MAX_ANSWERS {
        let reply = OrderReply { raw: Bytes::new(), finishes: None, is_closed: false };
        orders.returned().try_send(reply).unwrap();
    }
    for _ in 0..2 {
        gateway.registry.relay().answer_order(OrderAnswer { order: *order, answer, is_last: true });
    }
    let running = tokio::spawn(orders.clone().run());
    while orders.returned().capacity() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    done.cancel();
    tokio::time::timeout(Duration::from_secs(60), running).await.expect("it ends").unwrap();
}

// They may be sent on several connections, of which some are lost.
#[tokio::test]
async fn of_several_last_answers_the_latest_counts_whichever_arrives() {
    let scene = Scene::new().await;
    let (orders, order) = (&scene.orders, scene.order);
    let [first, second] = [scene.answer("FIRST").await, scene.answer("SECOND").await];
    let mut replies = Vec::new();
    for answer in [first, second] {
        assert!(orders.hear(OrderAnswer { order, answer, is_last: true }).await);
        replies.push(orders.answer().await);
    }
    orders.arrive(vec![Last { order, answer: first }]).await;
    assert!(orders.open().contains_key(&order), "the second one has not arrived");
    // Both are lost with their connections.
    replies.into_iter().for_each(|reply| orders.returned().try_send(reply).unwrap());
    let again = orders.answer().await;
    assert_eq!(again.finishes, Some(Last { order, answer: second }), "the first one is not sent behind it");
    orders.arrive(vec![Last { order, answer: second }]).await;
    assert!(orders.open().is_empty() && orders.arrived().contains_key(&order));
}
