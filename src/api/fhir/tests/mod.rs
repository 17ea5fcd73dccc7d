//! Tests of what hospital systems read.

mod audit;
mod reads;
mod searches;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::to_bytes;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::clients::Reader;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::MessageId;
use crate::projector::{ProjectionStatus, Projector};
use crate::store::fixtures::TestStore;
use crate::store::{AuditFilter, MessageRecord, Page, Store};

const MONITOR: &str = "00A037FFFE000001";

/// A platform with an index.
struct Bench {
    place: TestStore,
    store: Store,
    reads: Reads,
    projector: Projector,
}

/// An answer.
struct Answered {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: Bytes,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Bench {
    async fn new(place: TestStore) -> Self {
        let config: Config = toml::from_str("[fhir]\nenabled = true").unwrap();
        let (config, metrics) = (Arc::new(ArcSwap::from_pointee(config)), Metrics::new().unwrap());
        let (store, clock) = (place.open().await, place.clock.clone());
        let base = "https://platform.example/fhir".to_owned();
        let reads = Reads::new(store.clone(), Arc::clone(&config), metrics.clone(), base);
        let status = ProjectionStatus::default();
        let projector =
            Projector { config, store: store.clone(), clients: Default::default(), metrics, clock, status };
        Self { place, store, reads, projector }
    }

    /// A message with saturation, heart rate of some minutes before, and its index. Returns its id.
    async fn measure(&self, number: usize, patient: &str, minute: u32, before: u32) -> MessageId {
        self.stored(number, Self::measured(number, patient, minute, before)).await
    }

    fn measured(number: usize, patient: &str, minute: u32, before: u32) -> String {
        format!(
            "MSH|^~\\&|M|F|||20260101120001+0000||ORU^R01^ORU_R01|{number}|P|2.6|||AL|NE|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\r\
             PID|||{patient}^^^HOSP&1.2.3&ISO^MR||Doe^Jane\r\
             OBR|1||{number}^^{MONITOR}^EUI-64|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||202601011{}{:02}00+0000\r\
             OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||{MONITOR}^^{MONITOR}^EUI-64\r\
             OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|{number}|262688^MDC_DIM_PERCENT^MDC|||||R\r\
             OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.2|{number}|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R|||202601011{}{:02}30+0000\r",
            1 + minute / 60,
            minute % 60,
            1 + (minute - before) / 60,
            (minute - before) % 60,
        )
    }

    async fn stored(&self, number: usize, text: String) -> MessageId {
        self.sent_by("PUMP-1", number, text).await
    }

    async fn sent_by(&self, sender: &str, number: usize, text: String) -> MessageId {
        let record = self.place.record(&number.to_string(), b"");
        // Of the time of the test's clock: generated ones never go back behind those of another test.
        let milliseconds = u128::try_from(record.received_at.as_millisecond()).unwrap();
        let own = milliseconds << 80 | 7 << 76 | 2 << 62 | u128::try_from(number).unwrap();
        let id = MessageId::from_bytes(own.to_be_bytes());
        let record = MessageRecord { id, device: sender.parse().unwrap(), raw: Bytes::from(text), ..record };
        self.store.record(record).await.unwrap();
        id
    }

    async fn report(&self, number: usize, phase: &str) -> MessageId {
        let text = format!(
            "MSH|^~\\&|M|F|||20260101120001+0000||ORU^R40^ORU_R40|{number}|P|2.6|||AL|NE|||||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO\r\
             PID|||4711^^^HOSP&1.2.3&ISO^MR\r\
             OBR|1||A1^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120{number}00+0000\r\
             OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|196670^MDC_EVT_LO^MDC|||PH~SP|||F|||20260101120{number}00+0000||||{MONITOR}^^{MONITOR}^EUI-64\r\
             OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|{phase}||||||F\r\
             OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.1.4|active||||||F\r"
        );
        self.stored(number, text).await
    }

    async fn ask(&self, reader: Option<&Reader>, request: Request<Bytes>) -> Answered {
        let response = respond(&self.reads, reader, request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answered { status: parts.status, headers: parts.headers, body }
    }

    async fn get_as(&self, reader: &Reader, path: &str) -> Answered {
        let path = path.strip_prefix("https://platform.example").unwrap_or(path);
        self.ask(Some(reader), Request::get(path).body(Bytes::new()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answered {
        self.get_as(&everything(), path).await
    }

    /// `Patient/ID` of the patient with this number.
    async fn patient(&self, number: &str) -> String {
        let found = self.get(&format!("/fhir/Patient?identifier=urn:oid:1.2.3%7C{number}")).await.json();
        format!("Patient/{}", found["entry"][0]["resource"]["id"].as_str().unwrap())
    }

    /// The details of the rows about reads.
    async fn rows(&self) -> Vec<Value> {
        let event = Some("resources-read".to_owned());
        let filter = AuditFilter { event, device: None, since: None, page: Page::After(0), limit: 100 };
        let rows = self.store.audit_rows(&filter).await.unwrap();
        rows.iter().map(|row| serde_json::from_str(&row.details).unwrap()).collect()
    }

    /// All pages of a search.
    async fn all(&self, path: &str) -> Vec<Value> {
        let (mut found, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let answered = self.get(&path).await;
            assert_eq!(answered.status, StatusCode::OK, "{path}: {:?}", answered.body);
            let bundle = answered.json();
            found.extend(resources(&bundle));
            next = link(&bundle, "next");
            assert!(found.len() <= 1000, "it ends");
        }
        found
    }
}

fn everything() -> Reader {
    Reader::for_tests("system/*.rs", None)
}

fn resources(bundle: &Value) -> Vec<Value> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| entry["resource"].clone()).collect()
}

fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array().unwrap();
    let found = links.iter().find(|link| link["relation"] == relation)?;
    Some(found["url"].as_str().unwrap().to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
