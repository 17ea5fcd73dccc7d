//! Messages, resends, control ids that are used again, refusals and failures of the store, in any order and
//! with several in flight: the session and the real store against a model of what a sender may rely on (B.1).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;

use super::super::super::fixtures::framed;
use super::*;
use crate::store::fixtures::TestStore;
use crate::store::{MessageFilter, Store};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Send(Sent),
    /// The store is given some of what is in flight, at once; its answers reach the session in another order.
    Store(Vec<(u8, Fate)>),
}

/// A message: the same one again is a resend, another one under the same control id is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sent {
    id: u8,
    body: u8,
    asks: Asks,
    /// It names another device.
    foreign: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asks {
    Accept,
    Application,
    Both,
    Original,
    OnError,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    /// Nothing was stored.
    Failed,
    /// It was stored, and the platform does not know.
    Unknown,
}

impl Sent {
    fn frame(self) -> Vec<u8> {
        let speaker = if self.foreign { "00A037FFFE000002" } else { NAME };
        let asked = match self.asks {
            Asks::Accept => "AL|NE",
            Asks::Application => "NE|AL",
            Asks::Both => "AL|AL",
            Asks::Original => "|",
            Asks::OnError => "ER|NE",
            Asks::Nothing => "NE|NE",
        };
        framed(&format!(
            "MSH|^~\\&|A|WARD|||20260101120000+0000||ORU^R01^ORU_R01|{}|P|2.6|||{asked}\r\
             OBX|1|NM|1^X^MDC|1.0.0.1|{}||||||R|||||||{speaker}^^{speaker}^EUI-64\r",
            self.id, self.body
        ))
    }

    /// MSA-1 of what its sender may expect.
    fn answers(self, fate: Fate) -> &'static [&'static str] {
        let failed = fate != Fate::Stored;
        match (self.asks, self.foreign, failed) {
            (Asks::Accept | Asks::Both | Asks::OnError, true, _) => &["CR"],
            (Asks::Application | Asks::Original, true, _) => &["AR"],
            (Asks::Accept | Asks::Both | Asks::OnError, false, true) => &["CE"],
            (Asks::Application | Asks::Original, false, true) => &["AE"],
            (Asks::Accept, false, false) => &["CA"],
            (Asks::Application | Asks::Original, false, false) => &["AA"],
            (Asks::Both, false, false) => &["CA", "AA"],
            (Asks::OnError, false, false) | (Asks::Nothing, ..) => &[],
        }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    use Asks::{Accept, Application, Both, Nothing, OnError, Original};
    let asks = prop::sample::select(vec![Accept, Application, Both, Original, OnError, Nothing]);
    (0u8..3, 0u8..2, asks, prop::bool::weighted(0.15)).prop_map(|(id, body, asks, foreign)| Sent {
        id,
        body,
        // Few distinct messages, so that many are resends.
        asks: if body == 0 { asks } else { Accept },
        foreign,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![6 => Just(Fate::Stored), 1 => Just(Fate::Failed), 1 => Just(Fate::Unknown)];
    prop_oneof![
        3 => sent().prop_map(Step::Send),
        1 => prop::collection::vec((any::<u8>(), fate), 1..6).prop_map(Step::Store),
    ]
}

/// What is in flight, in the order of arrival, and what has become of it.
struct Model {
    arrived: Vec<(Sent, Option<Fate>)>,
    tickets: HashMap<Ticket, usize>,
}

impl Model {
    /// Gives some of what is in flight to the store and its answers to the session, the last one first.
    async fn store(&mut self, bench: &mut Bench, store: &Store, choices: &[(u8, Fate)]) {
        let mut given: Vec<(Ticket, Box<MessageRecord>, Fate)> = Vec::new();
        for (choice, fate) in choices {
            let free: Vec<_> = bench
                .storing
                .iter()
                .filter(|(ticket, _)| given.iter().all(|(taken, ..)| taken != ticket))
                .collect();
            if let Some((ticket, record)) = free.get(usize::from(*choice) % free.len().max(1)) {
                given.push((*ticket, record.clone(), *fate));
            }
        }
        let outcomes = join_all(given.iter().map(|(_, record, fate)| async move {
            match fate {
                Fate::Failed => Err(StoreError::Closed),
                Fate::Stored => store.record((**record).clone()).await,
                Fate::Unknown => {
                    store.record((**record).clone()).await.unwrap();
                    Err(StoreError::Closed)
                }
            }
        }))
        .await;
        for ((ticket, _, fate), outcome) in given.into_iter().zip(outcomes).rev() {
            let arrived = self.tickets[&ticket];
            self.arrived[arrived].1 = Some(fate);
            let at = bench.storing.iter().position(|(known, _)| *known == ticket).unwrap();
            bench.answered(at, outcome);
        }
    }

    /// Every acknowledgement that has left by now: those of what arrived, up to the first that is not
    /// settled.
    fn answers(&self) -> Vec<(String, String)> {
        let settled = self.arrived.iter().map_while(|(sent, fate)| Some((sent, (*fate)?)));
        let answers = settled.flat_map(|(sent, fate)| {
            sent.answers(fate).iter().map(|code| ((*code).to_owned(), sent.id.to_string()))
        });
        answers.collect()
    }
}

async fn run(steps: &[Step], in_flight: usize) {
    let place = TestStore::new();
    let store = place.open().await;
    let mut bench = Bench::new(Limits { in_flight, max_violations: u32::MAX, ..LIMITS });
    let mut model = Model { arrived: Vec::new(), tickets: HashMap::new() };
    let (mut answers, mut frames) = (Vec::new(), Vec::new());
    let rest = steps.iter().filter(|step| matches!(step, Step::Send(_))).count();
    let finish = vec![Step::Store(vec![(0, Fate::Stored)]); rest];
    for step in steps.iter().chain(&finish) {
        match step {
            Step::Send(sent) => {
                model.arrived.push((*sent, None));
                bench.receive(&sent.frame());
            }
            Step::Store(choices) => model.store(&mut bench, &store, choices).await,
        }
        // Tickets are given in the order of arrival.
        for (ticket, _) in &bench.storing {
            let next = model.tickets.len();
            model.tickets.entry(*ticket).or_insert(next);
        }
        let sent = std::mem::take(&mut bench.sent);
        answers.extend(acknowledgements(&sent));
        frames.extend(
            sent.split(|byte| *byte == 0x0B).skip(1).map(String::from_utf8_lossy).map(Cow::into_owned),
        );
        assert_eq!(answers, model.answers(), "after {step:?}");
        assert!(bench.storing.len() <= in_flight);
    }
    assert!(bench.storing.is_empty() && bench.end.is_none());

    // A resend gets what the first one got, byte for byte.
    let (mut frames, mut first) = (frames.into_iter(), HashMap::new());
    for (sent, fate) in &model.arrived {
        let fate = fate.unwrap();
        let answers: Vec<_> = frames.by_ref().take(sent.answers(fate).len()).collect();
        if fate == Fate::Stored && !sent.foreign {
            assert_eq!(first.entry(*sent).or_insert_with(|| answers.clone()), &answers, "{sent:?}");
        }
    }

    // Everything that reached the disk is there once; what was refused, each time that it came.
    let reached = |sent: &(Sent, Option<Fate>)| sent.1 != Some(Fate::Failed);
    let reached: Vec<Sent> =
        model.arrived.iter().filter(|sent| reached(sent)).map(|(sent, _)| *sent).collect();
    let accepted: HashSet<Sent> = reached.iter().filter(|sent| !sent.foreign).copied().collect();
    let refused = reached.iter().filter(|sent| sent.foreign).count();
    let all = store.messages(&MessageFilter { limit: 1000, ..MessageFilter::default() }).await.unwrap();
    let (kept, rejected): (Vec<_>, Vec<_>) =
        all.iter().partition(|message| message.verdict == Verdict::Accepted);
    assert_eq!((kept.len(), rejected.len()), (accepted.len(), refused));
    let mut bytes = HashSet::new();
    for message in &kept {
        bytes.insert(store.message(message.id).await.unwrap().unwrap().raw);
    }
    let payload = |sent: &Sent| {
        let frame = sent.frame();
        Bytes::copy_from_slice(&frame[1..frame.len() - 2])
    };
    assert_eq!(bytes, accepted.iter().map(payload).collect::<HashSet<_>>(), "byte for byte");
    // Of those under one control id, all but the first carry the warning.
    let ids: HashSet<u8> = accepted.iter().map(|sent| sent.id).collect();
    let reused = |message: &&&crate::store::MessageSummary| {
        message.warnings.iter().any(|warning| warning == "control-id-reused")
    };
    assert_eq!(kept.iter().filter(reused).count(), accepted.len() - ids.len());
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PCD_TEST_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
    ))]

    #[test]
    fn resends_and_failures_in_any_order_are_answered_as_the_model_says(
        steps in prop::collection::vec(step(), 1..40),
        in_flight in 1usize..8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&steps, in_flight));
    }
}
