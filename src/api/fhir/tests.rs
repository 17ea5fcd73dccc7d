use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::to_bytes;
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::Value;

use super::*;
use crate::audit::fixtures::Repeating;
use crate::clients::Reader;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::MessageId;
use crate::projector::{ProjectionStatus, Projector};
use crate::store::fixtures::{TestStore, battery};
use crate::store::{AuditFilter, MessageRecord, Page, Store};

battery! {
    resources_are_read_with_their_versions,
    searches_are_paged_without_loss_and_in_order,
    a_link_that_was_changed_is_refused,
    changes_are_followed,
    devices_and_metrics_are_found_by_an_index,
    a_reader_sees_its_types_and_senders_only,
    tests_are_answers_only_of_who_asks,
    alerts_have_a_history,
    each_read_is_recorded_before_its_answer,
    reads_of_a_minute_may_share_a_row,
    answers_are_json_and_may_be_compressed,
}

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
        let projector = Projector { config, store: store.clone(), metrics, clock, status };
        Self { place, store, reads, projector }
    }

    /// A message with saturation, heart rate of some minutes before, and its index. Returns its id.
    async fn measure(&self, number: usize, patient: &str, minute: u32, before: u32) -> MessageId {
        let text = format!(
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
        );
        self.stored(number, text).await
    }

    async fn stored(&self, number: usize, text: String) -> MessageId {
        let record = self.place.record(&number.to_string(), b"");
        // Of the time of the test's clock: generated ones never go back behind those of another test.
        let milliseconds = u128::try_from(record.received_at.as_millisecond()).unwrap();
        let own = milliseconds << 80 | 7 << 76 | 2 << 62 | u128::try_from(number).unwrap();
        let id = MessageId::from_bytes(own.to_be_bytes());
        let record = MessageRecord { id, raw: Bytes::from(text), ..record };
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

// N001-1, N001-10
async fn resources_are_read_with_their_versions(place: TestStore) {
    let bench = Bench::new(place).await;
    let id = bench.measure(1, "4711", 65, 0).await;
    bench.projector.project_all().await;
    let observation = format!("/fhir/Observation/{id}.2");
    let read = bench.get(&observation).await;
    assert_eq!((read.status, read.header("etag")), (StatusCode::OK, "W/\"2\""));
    assert!(read.header("last-modified").ends_with(" GMT") && read.header("x-projection-lag") == "0");
    assert_eq!(read.header("content-type"), "application/fhir+json; charset=utf-8");
    let resource = read.json();
    assert_eq!(resource["subject"]["reference"], bench.patient("4711").await);
    assert_eq!(bench.get(&format!("{observation}/_history/2")).await.json(), resource);
    assert_eq!(bench.get(&format!("{observation}/_history/1")).await.status, StatusCode::GONE);
    assert_eq!(bench.get(&format!("{observation}/_history/9")).await.status, StatusCode::NOT_FOUND);
    let known =
        Request::get(&observation).header(header::IF_NONE_MATCH, "W/\"2\"").body(Bytes::new()).unwrap();
    let known = bench.ask(Some(&everything()), known).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let head = Request::head(&observation).body(Bytes::new()).unwrap();
    let head = bench.ask(Some(&everything()), head).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), read.body.len().to_string());
    for (method, path, status) in [
        ("GET", "/fhir/Observation/unknown".to_owned(), StatusCode::NOT_FOUND),
        ("GET", "/fhir/Observation/a%20b".to_owned(), StatusCode::BAD_REQUEST),
        ("GET", "/fhir/Encounter/1".to_owned(), StatusCode::NOT_FOUND),
        ("GET", "/fhir/Observation".to_owned(), StatusCode::BAD_REQUEST),
        ("PUT", observation.clone(), StatusCode::METHOD_NOT_ALLOWED),
        ("POST", "/fhir/Observation".to_owned(), StatusCode::METHOD_NOT_ALLOWED),
        ("DELETE", observation.clone(), StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let request = Request::builder().method(method).uri(&path).body(Bytes::new()).unwrap();
        let answered = bench.ask(Some(&everything()), request).await;
        assert_eq!(answered.status, status, "{method} {path}");
        assert_eq!(answered.json()["resourceType"], "OperationOutcome", "{method} {path}");
    }
    // What retention has removed was there.
    bench.place.clock.advance(Duration::from_secs(7200));
    let before = bench.place.clock.now() - SignedDuration::from_mins(1);
    assert_eq!(bench.store.prune_messages(before, &Repeating).await.unwrap(), 1);
    assert_eq!(bench.get(&observation).await.status, StatusCode::GONE);
}

// N001-10
async fn searches_are_paged_without_loss_and_in_order(place: TestStore) {
    let bench = Bench::new(place).await;
    // Later messages are not measured later; the heart rate is up to 40 minutes older than its message.
    for (number, minute) in [70, 62, 75, 90, 61, 88, 64, 119, 75, 100].into_iter().enumerate() {
        bench.measure(number + 1, "4711", minute, [0, 3, 14, 16, 40][number % 5]).await;
        bench.measure(number + 101, "0815", minute, 0).await;
    }
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let base = format!("/fhir/Observation?patient={}", patient.strip_prefix("Patient/").unwrap());
    let whole = bench.get(&format!("{base}&_count=1000&_total=accurate")).await.json();
    assert_eq!((whole["total"].clone(), link(&whole, "next")), (20.into(), None));
    let times = |found: &[Value]| -> Vec<jiff::Timestamp> {
        found.iter().map(|one| text(&one["effectiveDateTime"]).parse().unwrap()).collect()
    };
    let ids = |found: &[Value]| -> Vec<String> { found.iter().map(|one| text(&one["id"])).collect() };
    let newest = resources(&whole);
    assert!(times(&newest).is_sorted_by(|one, other| one >= other), "{:?}", times(&newest));
    assert!(newest.iter().all(|one| one["subject"]["reference"] == patient));
    for count in [1, 2, 3, 7, 20] {
        let paged = bench.all(&format!("{base}&_count={count}")).await;
        assert_eq!(ids(&paged), ids(&newest), "{count}");
        let earliest = bench.all(&format!("{base}&_sort=date&_count={count}")).await;
        assert!(times(&earliest).is_sorted() && earliest.len() == 20, "{count}: {:?}", times(&earliest));
        assert_eq!(ids(&earliest).iter().collect::<BTreeSet<_>>(), ids(&newest).iter().collect());
        let rates = bench.all(&format!("{base}&code=8867-4,http://loinc.org%7C8867-4&_count={count}")).await;
        assert_eq!(rates.len(), 10, "{count}");
    }
    // A date is compared with each observation, whatever its message has.
    for bound in times(&newest) {
        for (prefix, fits) in [
            ("ge", &(|at| at >= bound) as &dyn Fn(jiff::Timestamp) -> bool),
            ("lt", &|at| at < bound),
            ("eq", &|at| at == bound),
        ] {
            for sort in ["date", "-date"] {
                let found = bench.all(&format!("{base}&date={prefix}{bound}&_sort={sort}&_count=3")).await;
                let expected = times(&newest).into_iter().filter(|at| fits(*at)).count();
                assert_eq!(found.len(), expected, "{prefix}{bound} {sort}");
            }
        }
    }
    // The same by the device, and by POST.
    let device = text(&resources(&bench.get("/fhir/Device?type=69965").await.json())[0]["id"]);
    let all = bench.all(&format!("/fhir/Observation?device:DeviceMetric.source={device}&_count=9")).await;
    assert_eq!(all.len(), 40);
    let post = Request::post("/fhir/Observation/_search")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from_static(
            b"patient.identifier=urn:oid:1.2.3%7C4711&_count=1000&_include=Observation:subject",
        ))
        .unwrap();
    let posted = bench.ask(Some(&everything()), post).await.json();
    assert_eq!(resources(&posted).len(), 21, "with the patient");
    assert!(!link(&posted, "self").unwrap().contains("4711"));
    assert_eq!(posted["entry"][20]["search"]["mode"], "include");
}

async fn a_link_that_was_changed_is_refused(place: TestStore) {
    let bench = Bench::new(place).await;
    for number in 1..=4 {
        bench.measure(number, ["4711", "0815"][number % 2], 60, 0).await;
    }
    bench.projector.project_all().await;
    let (mine, other) = (bench.patient("4711").await, bench.patient("0815").await);
    let first = bench.get(&format!("/fhir/Observation?subject={mine}&_count=1&code=150456")).await.json();
    let next = link(&first, "next").unwrap();
    assert_eq!(bench.get(&next).await.status, StatusCode::OK);
    let page = next.split("_page=").nth(1).unwrap();
    for changed in [
        next.replace(&mine, &other),
        next.replace("code=150456&", ""),
        next.replace("code=150456", "code=147842"),
        next.replace("_count=1", "_count=2"),
        next[..next.len() - 1].to_owned(),
        next.replace(page, "x"),
        next.replace(page, &page.to_lowercase()),
        next.replace("/Observation?", "/Device?"),
    ] {
        assert_eq!(bench.get(&changed).await.status, StatusCode::BAD_REQUEST, "{changed}");
    }
}

async fn changes_are_followed(place: TestStore) {
    let bench = Bench::new(place).await;
    let mut seen = BTreeSet::new();
    let mut since = "ge2020-01-01".to_owned();
    for number in 1..=6 {
        bench.measure(number, "4711", 59 + u32::try_from(number).unwrap(), 20).await;
        bench.place.clock.advance(Duration::from_secs(60));
        bench.projector.project_all().await;
        let found = bench.all(&format!("/fhir/Observation?_lastUpdated={since}&_count=1")).await;
        assert_eq!(found.len(), 2, "{since}");
        seen.extend(found.iter().map(|one| text(&one["id"])));
        since = format!("gt{}", text(&found.last().unwrap()["meta"]["lastUpdated"]));
    }
    assert_eq!(seen.len(), 12);
    assert_eq!(bench.all("/fhir/Observation?_lastUpdated=ge2020&_count=5").await.len(), 12);
    assert_eq!(bench.all(&format!("/fhir/Observation?_lastUpdated=lt{}", &since[2..])).await.len(), 10);
    assert_eq!(bench.all("/fhir/Device?_lastUpdated=ge2020").await.len(), 1);
    assert_eq!(bench.all("/fhir/Device?_lastUpdated=ge2200").await.len(), 0);
}

async fn devices_and_metrics_are_found_by_an_index(place: TestStore) {
    let bench = Bench::new(place).await;
    bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let found = bench.all("/fhir/Device").await;
    let device = text(&found[0]["id"]);
    let metrics = bench.all("/fhir/DeviceMetric?_count=1").await;
    assert_eq!((found.len(), metrics.len()), (1, 2));
    let metric = text(&metrics[0]["id"]);
    for (path, number) in [
        ("/fhir/Device?identifier=00-A0-37-FF-FE-00-00-01".to_owned(), 1),
        (
            "/fhir/Device?identifier=urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680%7C00-A0-37-FF-FE-00-00-01"
                .to_owned(),
            1,
        ),
        ("/fhir/Device?identifier=urn:oid:1.2.3%7C00-A0-37-FF-FE-00-00-01".to_owned(), 0),
        ("/fhir/Device?type=69965".to_owned(), 1),
        ("/fhir/Device?type=69966".to_owned(), 0),
        (format!("/fhir/Device?_id={device},x"), 1),
        (format!("/fhir/DeviceMetric?source=Device/{device}"), 2),
        (format!("/fhir/DeviceMetric?parent={device}&type=150456"), 1),
        (format!("/fhir/DeviceMetric?source={device}&category=setting"), 0),
        (format!("/fhir/Observation?device=DeviceMetric/{metric}"), 1),
        (format!("/fhir/Observation?device=Device/{device}"), 0),
        (format!("/fhir/Observation?subject=Device/{device}"), 0),
        (format!("/fhir/DeviceMetric?_id={metric}&_include=DeviceMetric:source"), 2),
    ] {
        assert_eq!(bench.all(&path).await.len(), number, "{path}");
    }
}

// N001-3
async fn a_reader_sees_its_types_and_senders_only(place: TestStore) {
    let bench = Bench::new(place).await;
    let id = bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let search = format!(
        "/fhir/Observation?patient={patient}&_include=Observation:device&_include=Observation:subject"
    );
    let observations = Reader::for_tests("system/Observation.rs", None);
    let found = bench.get_as(&observations, &search).await.json();
    let types: BTreeSet<String> = resources(&found).iter().map(|one| text(&one["resourceType"])).collect();
    assert_eq!(types, ["Observation".to_owned()].into(), "what it may not read is not included");
    for (path, status) in [
        (format!("/fhir/{patient}"), StatusCode::FORBIDDEN),
        (format!("/fhir/{patient}/_history"), StatusCode::FORBIDDEN),
        ("/fhir/Device?type=69965".to_owned(), StatusCode::FORBIDDEN),
        (format!("/fhir/Observation/{id}.2"), StatusCode::OK),
    ] {
        assert_eq!(bench.get_as(&observations, &path).await.status, status, "{path}");
    }
    let searcher = Reader::for_tests("system/Observation.s", None);
    assert_eq!(
        bench.get_as(&searcher, &format!("/fhir/Observation/{id}.2")).await.status,
        StatusCode::FORBIDDEN
    );
    let own = Reader::for_tests("system/*.rs", Some(&["PUMP-1"]));
    assert_eq!(resources(&bench.get_as(&own, &search).await.json()).len(), 5);
    // All of it is of another sender.
    let other = Reader::for_tests("system/*.rs", Some(&["PUMP-2"]));
    assert_eq!(resources(&bench.get_as(&other, &search).await.json()), Vec::<Value>::new());
    for path in [
        format!("/fhir/{patient}"),
        format!("/fhir/Observation/{id}.2"),
        format!("/fhir/Observation/{id}.2/_history"),
    ] {
        assert_eq!(bench.get_as(&other, &path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/fhir/Device", "/fhir/DeviceMetric?type=150456", "/fhir/Observation?_lastUpdated=ge2020"] {
        assert_eq!(resources(&bench.get_as(&other, path).await.json()), Vec::<Value>::new(), "{path}");
    }
    let open = bench.ask(None, Request::get("/fhir/metadata").body(Bytes::new()).unwrap()).await;
    assert_eq!(
        (open.status, open.json()["resourceType"].clone()),
        (StatusCode::OK, "CapabilityStatement".into())
    );
    let closed = bench.ask(None, Request::get(&search).body(Bytes::new()).unwrap()).await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
}

async fn tests_are_answers_only_of_who_asks(place: TestStore) {
    let bench = Bench::new(place).await;
    bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let text = "MSH|^~\\&|M|F|||20260101120001+0000||ORU^R01^ORU_R01|2|T|2.6|||AL|NE|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\r\
         PID|||4711^^^HOSP&1.2.3&ISO^MR\rOBR|1||2|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20260101120000+0000\r\
         OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|1|262688^MDC_DIM_PERCENT^MDC|||||R\r";
    bench.stored(2, text.to_owned()).await;
    bench.projector.project_all().await;
    let base = format!("/fhir/Observation?patient={patient}");
    assert_eq!(bench.all(&base).await.len(), 2);
    let tests = bench.all(&format!("{base}&_security=HTEST")).await;
    assert_eq!(tests.len(), 1);
    assert_eq!(tests[0]["meta"]["security"][0]["code"], "HTEST");
}

async fn alerts_have_a_history(place: TestStore) {
    let bench = Bench::new(place).await;
    let mut ids = Vec::new();
    for (number, phase) in [(1, "start"), (2, "continue"), (3, "end")] {
        ids.push(bench.report(number, phase).await);
        bench.projector.project_all().await;
    }
    let patient = bench.patient("4711").await;
    let found = bench.all(&format!("/fhir/Observation?patient={patient}")).await;
    assert_eq!(found.len(), 1);
    let alert = format!("/fhir/Observation/{}", text(&found[0]["id"]));
    assert_eq!(bench.get(&alert).await.json(), found[0]);
    let history = bench.get(&format!("{alert}/_history")).await.json();
    let versions: Vec<_> = resources(&history)
        .iter()
        .map(|one| (text(&one["meta"]["versionId"]), text(&one["status"])))
        .collect();
    let expected = [("3", "final"), ("2", "preliminary"), ("1", "preliminary")];
    assert_eq!(versions, expected.map(|(version, status)| (version.to_owned(), status.to_owned())));
    // The last report knows when the alert ended, and the first one when it began.
    let period = &found[0]["effectivePeriod"];
    assert_eq!(period["start"], "2026-01-01T12:01:00+00:00");
    assert_eq!(period["end"], "2026-01-01T12:03:00+00:00");
    assert_eq!(history["entry"][2]["response"]["etag"], "W/\"1\"");
    let first = bench.get(&format!("{alert}/_history/1")).await.json();
    assert_eq!(first["meta"]["source"], format!("urn:uuid:{}", ids[0]));
    let page = bench.get(&format!("{alert}/_history?_count=2")).await.json();
    let rest = bench.get(&link(&page, "next").unwrap()).await.json();
    assert_eq!((resources(&page).len(), resources(&rest)), (2, vec![first]));
    assert_eq!(bench.get(&format!("{alert}/_history?colour=red")).await.status, StatusCode::BAD_REQUEST);
}

async fn reads_of_a_minute_may_share_a_row(place: TestStore) {
    let mut bench = Bench::new(place).await;
    let id = bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let config: Config = toml::from_str("[fhir]\nenabled = true\naudit-reads = \"minute\"").unwrap();
    bench.reads.config.store(Arc::new(config));
    let read_five = async |bench: &Bench| {
        for _ in 0..5 {
            assert_eq!(bench.get(&format!("/fhir/Observation/{id}.2")).await.status, StatusCode::OK);
        }
    };
    let requests = |rows: &[Value]| rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum::<u64>();
    // The first one of each kind is there before its answer; the others wait.
    bench.reads.minute = super::minute::MinuteReads::every(Duration::from_secs(3600));
    let before = bench.rows().await.len();
    read_five(&bench).await;
    assert_eq!(bench.get(&format!("/fhir/{patient}")).await.status, StatusCode::OK);
    let rows = bench.rows().await.split_off(before);
    assert_eq!((rows.len(), requests(&rows)), (2, 2), "{rows:?}");
    // At the end of the time they have a row too.
    bench.reads.minute = super::minute::MinuteReads::every(Duration::from_millis(50));
    let before = bench.rows().await.len();
    read_five(&bench).await;
    for _ in 0..3000 {
        if requests(&bench.rows().await.split_off(before)) >= 5 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the others have no row after a minute");
}

// N001-3: one row a read, before the answer
async fn each_read_is_recorded_before_its_answer(place: TestStore) {
    let bench = Bench::new(place).await;
    let id = bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let before = bench.rows().await.len();
    for path in [
        format!("/fhir/Observation/{id}.2"),
        format!("/fhir/Observation?patient={patient}&code=150456"),
        "/fhir/Observation/none".to_owned(),
        "/fhir/Observation?colour=red".to_owned(),
        "/fhir/metadata".to_owned(),
    ] {
        bench.get(&path).await;
    }
    let found = bench.rows().await.split_off(before);
    let own: Vec<_> = found
        .iter()
        .map(|row| {
            (
                text(&row["interaction"]),
                row["count"].as_u64().unwrap(),
                row["patients"].as_array().unwrap().len(),
            )
        })
        .collect();
    let expected = [("read", 1, 1), ("search-type", 1, 1), ("read", 0, 0)];
    assert_eq!(own, expected.map(|(name, count, patients)| (name.to_owned(), count, patients)));
    assert_eq!(found[1]["patients"][0], patient.strip_prefix("Patient/").unwrap());
    assert_eq!(
        (found[0]["client"].clone(), found[0]["organisation"].clone()),
        ("ehr".into(), "2.25.1".into())
    );
    assert!(!format!("{found:?}").contains("150456"), "what was asked for is in no row");
    // Without its row nothing is given out.
    bench.place.execute("DROP TABLE audit").await.unwrap();
    let refused = bench.get(&format!("/fhir/Observation/{id}.2")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert_eq!(refused.json()["resourceType"], "OperationOutcome");
}

async fn answers_are_json_and_may_be_compressed(place: TestStore) {
    let bench = Bench::new(place).await;
    bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let path = format!("/fhir/Observation?patient={patient}");
    let plain = bench.get(&path).await;
    for (accept, format, status) in [
        ("application/fhir+json", "", StatusCode::OK),
        ("application/fhir+xml, application/fhir+json;q=0.9", "", StatusCode::OK),
        ("*/*", "", StatusCode::OK),
        ("application/fhir+xml", "", StatusCode::NOT_ACCEPTABLE),
        ("application/json;q=0", "", StatusCode::NOT_ACCEPTABLE),
        ("application/fhir+xml", "json", StatusCode::OK),
        ("application/fhir+json", "xml", StatusCode::NOT_ACCEPTABLE),
        ("application/fhir+json", "application/fhir%2Bjson", StatusCode::OK),
        ("application/fhir+json", "application/fhir+json", StatusCode::OK),
    ] {
        let own = if format.is_empty() { path.clone() } else { format!("{path}&_format={format}") };
        let request = Request::get(own).header(header::ACCEPT, accept).body(Bytes::new()).unwrap();
        assert_eq!(bench.ask(Some(&everything()), request).await.status, status, "{accept} {format}");
    }
    let request = Request::get(&path).header(header::ACCEPT_ENCODING, "br, gzip").body(Bytes::new()).unwrap();
    let compressed = bench.ask(Some(&everything()), request).await;
    assert_eq!(compressed.header("content-encoding"), "gzip");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*compressed.body), &mut text).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(resources(&found), resources(&plain.json()));
    assert!(compressed.body.len() < plain.body.len());
}
