//! Searches, their pages and links.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::header;

use super::*;
use crate::store::fixtures::battery;

battery! {
    searches_are_paged_without_loss_and_in_order,
    a_link_that_was_changed_is_refused,
    changes_are_followed,
    devices_and_metrics_are_found_by_an_index,
    a_form_is_read_whole,
    tests_are_answers_only_of_who_asks,
    an_alert_that_goes_on_is_found_from_any_time_on,
    what_is_included_is_made_from_each_message_once,
    an_observation_is_found_by_its_id_and_its_source,
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

/// The query of an address ends at a number sign; a form does not.
async fn a_form_is_read_whole(place: TestStore) {
    let bench = Bench::new(place).await;
    bench.measure(1, "47#11", 60, 0).await;
    bench.measure(2, "47", 61, 0).await;
    bench.projector.project_all().await;
    let wanted = bench.patient("47%2311").await;
    let body = "patient.identifier=urn:oid:1.2.3|47#11&code=150456";
    let post = Request::post("/fhir/Observation/_search")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
        .body(Bytes::from(body))
        .unwrap();
    let found = resources(&bench.ask(Some(&everything()), post).await.json());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["subject"]["reference"], wanted);
    let json = Request::post("/fhir/Observation/_search")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(body))
        .unwrap();
    assert_eq!(bench.ask(Some(&everything()), json).await.status, StatusCode::BAD_REQUEST);
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
    for (path, total) in [
        ("/fhir/Observation?_lastUpdated=ge2020&_count=5&_total=accurate", 12),
        ("/fhir/Observation?_lastUpdated=ge2020&_count=0", 12),
        ("/fhir/Observation?patient.identifier=urn:oid:1.2.3%7C4711&code=150456&_count=0", 6),
        ("/fhir/Device?_count=0", 1),
        ("/fhir/DeviceMetric?_lastUpdated=ge2020&_count=1&_total=accurate", 2),
        ("/fhir/Patient?identifier=urn:oid:1.2.3%7C4711&_count=0", 1),
    ] {
        let found = bench.get(path).await.json();
        assert_eq!(found["total"], total, "{path}: {found}");
        if path.contains("_count=0") {
            assert_eq!((resources(&found), link(&found, "next")), (Vec::new(), None), "{path}");
        }
    }
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
        ("/fhir/Device?identifier=00a037fffe000001".to_owned(), 1),
        ("/fhir/Device?identifier=00:A0:37:FF:FE:00:00:01".to_owned(), 1),
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

/// What is active since the shift began has begun before it, too.
async fn an_alert_that_goes_on_is_found_from_any_time_on(place: TestStore) {
    let bench = Bench::new(place).await;
    let alert = |number: usize, id: &str, phase: &str, minute: u32| {
        format!(
            "MSH|^~\\&|M|F|||20260101120001+0000||ORU^R40^ORU_R40|{number}|P|2.6|||AL|NE|||||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO\r\
             PID|||4711^^^HOSP&1.2.3&ISO^MR\r\
             OBR|1||{id}^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||2026010110{minute:02}00+0000\r\
             OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|196670^MDC_EVT_LO^MDC|||PH~SP|||F|||2026010110{minute:02}00+0000||||{MONITOR}^^{MONITOR}^EUI-64\r\
             OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|{phase}||||||F\r\
             OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.1.4|active||||||F\r"
        )
    };
    for (number, id, phase, minute) in [(1, "A1", "start", 1), (2, "A2", "start", 2), (3, "A3", "start", 3)] {
        bench.stored(number, alert(number, id, phase, minute)).await;
    }
    bench.projector.project_all().await;
    for (number, minute) in [(4, 30), (5, 50)] {
        bench.measure(number, "4711", minute, 0).await;
    }
    bench.stored(6, alert(6, "A3", "end", 20)).await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let base = format!("/fhir/Observation?patient={patient}");
    let device = text(&bench.all("/fhir/Device?type=69965").await[0]["id"]);
    for base in [base.clone(), format!("/fhir/Observation?device:DeviceMetric.source={device}")] {
        for count in [1, 2, 50] {
            for (sort, first) in [("-date", false), ("date", true)] {
                let path = format!("{base}&date=ge2026-01-01T10:40:00Z&_sort={sort}&_count={count}");
                let found = bench.all(&path).await;
                let is_open: Vec<_> = found.iter().map(|one| one["effectivePeriod"].is_object()).collect();
                // An alert that names no term is of the device, and of no metric.
                let expected: &[bool] = match (base.contains("source"), first) {
                    (true, _) => &[false; 4],
                    (false, true) => &[true, true, false, false, false, false],
                    (false, false) => &[false, false, false, false, true, true],
                };
                assert_eq!(is_open, expected, "{path}: {found:#?}");
            }
        }
    }
    // Those that have ended are not.
    assert_eq!(bench.all(&format!("{base}&date=ge2026-01-01T13:00:00Z")).await.len(), 2);
    assert_eq!(bench.all(&format!("{base}&date=lt2026-01-01T10:02:00Z")).await.len(), 1);
}

async fn what_is_included_is_made_from_each_message_once(place: TestStore) {
    let bench = Bench::new(place).await;
    let mut message = Bench::measured(1, "4711", 60, 0);
    for number in 3..=200 {
        message.push_str(&format!(
            "OBX|{number}|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.{number}|{number}|262688^MDC_DIM_PERCENT^MDC|||||R\r"
        ));
    }
    bench.stored(1, message).await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let before = bench.reads.turns_taken();
    let path = format!("/fhir/Observation?patient={patient}&_count=1000");
    let alone = bench.get(&path).await.json();
    let without = bench.reads.turns_taken() - before;
    let include = "&_include=Observation:device&_include=Observation:subject";
    let found = bench.get(&format!("{path}{include}")).await.json();
    let with = bench.reads.turns_taken() - before - without;
    let entries = found["entry"].as_array().unwrap();
    let is_included = |entry: &&Value| entry["search"]["mode"] == "include";
    let metrics = entries.iter().filter(is_included).count();
    assert!(metrics > 190, "{metrics} of {} observations", resources(&alone).len());
    assert_eq!(with, without + 1, "the message is mapped once more, for all that is included");
}

async fn an_observation_is_found_by_its_id_and_its_source(place: TestStore) {
    let bench = Bench::new(place).await;
    let id = bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let device = text(&bench.all("/fhir/Device").await[0]["id"]);
    let path = |device: &str| format!("/fhir/Observation?_id={id}.2&device:DeviceMetric.source={device}");
    assert_eq!(bench.all(&path(&device)).await.len(), 1);
    assert_eq!(bench.all(&path("other")).await.len(), 0);
}
