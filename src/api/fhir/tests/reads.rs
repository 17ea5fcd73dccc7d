//! Reads, versions, rights, and the forms of answers.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::header;
use jiff::SignedDuration;

use super::*;
use crate::audit::MessageKind;
use crate::audit::fixtures::Repeating;
use crate::store::PatientLink;
use crate::store::fixtures::battery;

battery! {
    resources_are_read_with_their_versions,
    what_retention_removed_is_gone_and_what_others_need_stays,
    a_reader_sees_its_types_and_senders_only,
    a_reader_of_one_sender_learns_nothing_of_another_one,
    alerts_have_a_history,
    merged_patients_are_found_by_either,
    a_message_that_was_removed_before_older_ones_is_gone,
    answers_are_json_and_may_be_compressed,
}

// N001-1, N001-10
async fn resources_are_read_with_their_versions(place: TestStore) {
    let bench = Bench::new(place).await;
    let id = bench.measure(1, "4711", 65, 0).await;
    bench.projector.project_all().await;
    let observation = format!("/fhir/Observation/{id}.2");
    let read = bench.get(&observation).await;
    assert_eq!((read.status, read.header("etag")), (StatusCode::OK, "W/\"5\""));
    assert!(read.header("last-modified").ends_with(" GMT") && read.header("x-projection-lag") == "0");
    assert_eq!(read.header("content-type"), "application/fhir+json; charset=utf-8");
    let resource = read.json();
    assert_eq!(resource["subject"]["reference"], bench.patient("4711").await);
    assert_eq!(bench.get(&format!("{observation}/_history/5")).await.json(), resource);
    assert_eq!(bench.get(&format!("{observation}/_history/1")).await.status, StatusCode::GONE);
    assert_eq!(bench.get(&format!("{observation}/_history/9")).await.status, StatusCode::NOT_FOUND);
    let known =
        Request::get(&observation).header(header::IF_NONE_MATCH, "W/\"5\"").body(Bytes::new()).unwrap();
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
    let of_others = Reader::for_tests("system/*.rs", Some(&["PUMP-9"]));
    assert_eq!(
        bench.get_as(&of_others, &observation).await.status,
        StatusCode::NOT_FOUND,
        "it may be of others"
    );
}

/// `store.retain-large` removes new messages before old ones.
async fn a_message_that_was_removed_before_older_ones_is_gone(place: TestStore) {
    let bench = Bench::new(place).await;
    let old = bench.measure(1, "4711", 60, 0).await;
    bench.place.clock.advance(Duration::from_secs(60));
    let large = bench.measure(2, "4711", 61, 0).await;
    bench.projector.project_all().await;
    bench.place.clock.advance(Duration::from_secs(60));
    let (from, before) = (Some(large.time()), bench.place.clock.now());
    let pruned = bench.store.prune_messages_of(MessageKind::Any, from, before, &Repeating).await.unwrap();
    assert_eq!(pruned, 1);
    for (message, status) in [(old, StatusCode::OK), (large, StatusCode::GONE)] {
        assert_eq!(bench.get(&format!("/fhir/Observation/{message}.2")).await.status, status);
    }
    // What was rejected never was a resource, and what is of tomorrow is not yet one.
    let tomorrow = MessageId::at(bench.place.clock.now() + SignedDuration::from_hours(24));
    assert_eq!(bench.get(&format!("/fhir/Observation/{tomorrow}.2")).await.status, StatusCode::NOT_FOUND);
    let device = text(&bench.all("/fhir/Device").await[0]["id"]);
    let history = format!("/fhir/Device/{device}/_history?_before=5000000000");
    assert_eq!(bench.get(&history).await.status, StatusCode::OK, "versions of what came back are as high");
}

// N001-10
async fn what_retention_removed_is_gone_and_what_others_need_stays(place: TestStore) {
    let bench = Bench::new(place).await;
    let old = bench.measure(1, "4711", 60, 0).await;
    // Within ten minutes: the rows of the patient and of the device stay at the first message.
    bench.place.clock.advance(Duration::from_mins(5));
    let new = bench.measure(2, "4711", 65, 0).await;
    bench.place.clock.advance(Duration::from_hours(2));
    bench.report(3, "start").await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let search = format!("/fhir/Observation?patient={patient}");
    let found = bench.all(&search).await;
    let alert = found.iter().find(|one| one["effectivePeriod"].is_object()).expect("the alert");
    let device = text(&resources(&bench.get("/fhir/Device?type=69965").await.json())[0]["id"]);
    let metric = text(&resources(&bench.get("/fhir/DeviceMetric?type=150456").await.json())[0]["id"]);
    let (alert, device) =
        (format!("/fhir/Observation/{}", text(&alert["id"])), format!("/fhir/Device/{device}"));
    let metric = format!("/fhir/DeviceMetric/{metric}");
    let prune = async |age: SignedDuration| {
        bench.store.prune_messages(bench.place.clock.now() - age, &Repeating).await.unwrap()
    };
    assert_eq!(prune(SignedDuration::from_mins(123)).await, 1);
    assert_eq!(bench.get(&format!("/fhir/Observation/{old}.2")).await.status, StatusCode::GONE);
    assert_eq!(bench.get(&format!("/fhir/Observation/{new}.2")).await.status, StatusCode::OK);
    assert_eq!(bench.all(&search).await.len(), 3, "those of the second message, and the alert");
    assert_eq!(bench.all("/fhir/Observation?_lastUpdated=ge2020").await.len(), 3);
    let of_device = format!("/fhir/Observation?device:DeviceMetric.source={}", &device["/fhir/".len()..]);
    assert_eq!(bench.all(&of_device).await.len(), 2, "the alert names no MDS");
    for path in [&format!("/fhir/{patient}"), &device] {
        let answered = bench.get(path).await;
        assert_eq!(answered.status, StatusCode::OK, "{path}: {:?}", answered.body);
        let history = resources(&bench.get(&format!("{path}/_history")).await.json());
        assert_eq!(history, [answered.json()], "{path}");
    }
    let known = bench.get(&format!("/fhir/{patient}")).await;
    // Nothing is left: what was there is gone, and that is known for as long as the messages were stored.
    assert_eq!(prune(SignedDuration::from_mins(-1)).await, 2);
    for path in [&format!("/fhir/{patient}"), &device, &metric, &alert] {
        for path in [path.clone(), format!("{path}/_history")] {
            let answered = bench.get(&path).await;
            assert_eq!(answered.status, StatusCode::GONE, "{path}: {:?}", answered.body);
            let of_others = bench.get_as(&Reader::for_tests("system/*.rs", Some(&["PUMP-9"])), &path).await;
            assert_eq!(of_others.status, StatusCode::NOT_FOUND, "{path}: it may be of others");
        }
    }
    assert_eq!(bench.get("/fhir/Device/never").await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.all("/fhir/Device").await, Vec::<Value>::new());
    // What is sent again is there again.
    bench.measure(4, "4711", 70, 0).await;
    bench.projector.project_all().await;
    for path in [&format!("/fhir/{patient}"), &device, &metric] {
        assert_eq!(bench.get(path).await.status, StatusCode::OK, "{path}");
    }
    // A client that still has the former one must not take it for this one.
    let again = Request::get(format!("/fhir/{patient}")).header(header::IF_NONE_MATCH, known.header("etag"));
    let again = bench.ask(Some(&everything()), again.body(Bytes::new()).unwrap()).await;
    assert_eq!(again.status, StatusCode::OK, "{}", known.header("etag"));
    bench.place.clock.advance(Duration::from_hours(3));
    assert_eq!(bench.get(&alert).await.status, StatusCode::NOT_FOUND, "it is forgotten");
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
    let beyond = Request::get(format!("/fhir/{patient}")).body(Bytes::new()).unwrap();
    let beyond = respond(&bench.reads, Some(&observations), beyond).await;
    assert!(beyond.extensions().get::<OutOfScope>().is_some(), "it is recorded as a refusal");
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
    // A search by what another type has searches that type too.
    for path in [
        "/fhir/Observation?patient.identifier=urn:oid:1.2.3%7C4711",
        "/fhir/Observation?device:DeviceMetric.source=Device/x",
    ] {
        assert_eq!(bench.get_as(&observations, path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(bench.get(path).await.status, StatusCode::OK, "{path}");
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

async fn a_reader_of_one_sender_learns_nothing_of_another_one(place: TestStore) {
    let bench = Bench::new(place).await;
    bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let patient = bench.patient("4711").await;
    let own = Reader::for_tests("system/*.rs", Some(&["PUMP-1"]));
    let metric = resources(&bench.get("/fhir/DeviceMetric?type=150456").await.json()).remove(0);
    let paths = [format!("/fhir/{patient}"), format!("/fhir/DeviceMetric/{}", text(&metric["id"]))];
    let mut before = Vec::new();
    for path in &paths {
        let answered = bench.get_as(&own, path).await;
        before.push((answered.header("etag").to_owned(), answered.json()));
    }
    // Another sender says something else of both, often.
    bench.place.clock.advance(Duration::from_mins(1));
    for number in 2..=70 {
        let text = Bench::measured(number, "4711", 61, 0).replace("ISO^MR", "ISO^PI");
        let text = text.replace("262688^MDC_DIM_PERCENT^MDC|", "262688^MDC_DIM_PERCENT^MDC|90-100");
        bench.sent_by("PUMP-2", number, text).await;
    }
    bench.projector.project_all().await;
    for (path, (etag, resource)) in paths.iter().zip(before) {
        let now = bench.get(path).await;
        assert!(now.header("etag") != etag && now.json() != resource, "{path} has another version");
        let answered = bench.get_as(&own, path).await;
        assert_eq!((answered.header("etag"), answered.json()), (&*etag, resource.clone()), "{path}");
        let history = bench.get_as(&own, &format!("{path}/_history")).await.json();
        assert_eq!(resources(&history), std::slice::from_ref(&resource), "{path}");
        let search = format!("{}?_lastUpdated=ge2020", path.rsplit_once('/').unwrap().0);
        let found = resources(&bench.get_as(&own, &search).await.json());
        assert!(found.contains(&resource), "{search}: {found:?}");
    }
    let values = bench.get_as(&own, &format!("/fhir/Observation?patient={patient}")).await.json();
    assert_eq!(resources(&values).len(), 2);
}

async fn alerts_have_a_history(place: TestStore) {
    let bench = Bench::new(place).await;
    let mut ids = Vec::new();
    for (number, phase) in [(1, "start"), (2, "continue"), (3, "end")] {
        ids.push(bench.report(number, phase).await);
        bench.projector.project_all().await;
        if number == 2 {
            // While it goes on it is known since when, and it is found at any time after that.
            let patient = bench.patient("4711").await;
            let path = format!("/fhir/Observation?patient={patient}&date=ge2026-01-01T12:01:30Z");
            let found = bench.all(&path).await;
            assert_eq!(
                found[0]["effectivePeriod"],
                serde_json::json!({"start": "2026-01-01T12:01:00+00:00"})
            );
            assert!(found[0].get("effectiveDateTime").is_none());
        }
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
    // A version that the reader cannot get does not end the history.
    let no_message =
        if bench.place.is_postgres() { "'\\x00000000000000000000000000000000'" } else { "zeroblob(16)" };
    let hide = format!("UPDATE fhir_version SET message = {no_message} WHERE version = 2");
    bench.place.execute(&hide).await.unwrap();
    let (mut seen, mut next) = (Vec::new(), Some(format!("{alert}/_history?_count=1")));
    while let Some(path) = next {
        let page = bench.get(&path).await.json();
        seen.extend(resources(&page).iter().map(|one| text(&one["meta"]["versionId"])));
        next = link(&page, "next");
    }
    assert_eq!(seen, ["3", "1"]);
}

// R4 Patient, "Linking Patients"
async fn merged_patients_are_found_by_either(place: TestStore) {
    let bench = Bench::new(place).await;
    for (number, patient) in ["4711", "0815", "4711", "1", "0815"].into_iter().enumerate() {
        bench.measure(number + 1, patient, 60 + u32::try_from(number).unwrap(), 0).await;
    }
    bench.projector.project_all().await;
    let (former, patient, third) =
        (bench.patient("4711").await, bench.patient("0815").await, bench.patient("1").await);
    let changes = "/fhir/Patient?_lastUpdated=ge2020&_count=1";
    let seen: Vec<_> = bench.all(changes).await.iter().map(|one| text(&one["id"])).collect();
    assert_eq!(seen.len(), 3);
    bench.place.clock.advance(Duration::from_secs(60));
    let link = |patient: &str, replaced_by: &str| PatientLink {
        patient: patient.to_owned(),
        replaced_by: replaced_by.to_owned(),
    };
    let store = &bench.store;
    assert!(store.link_patients(link(&former, &patient), true, "alice").await.unwrap());
    assert!(!store.link_patients(link(&former, &third), true, "alice").await.unwrap());
    let old = bench.get(&format!("/fhir/{former}")).await;
    assert_eq!((old.header("etag"), old.json()["active"].clone()), ("W/\"2\"", false.into()));
    let link_of = |resource: &Value| {
        let link = &resource["link"][0];
        (text(&link["type"]), text(&link["other"]["reference"]))
    };
    assert_eq!(link_of(&old.json()), ("replaced-by".to_owned(), patient.clone()));
    let new = bench.get(&format!("/fhir/{patient}")).await.json();
    assert_eq!((link_of(&new), new.get("active")), (("replaces".to_owned(), former.clone()), None));
    let history = resources(&bench.get(&format!("/fhir/{former}/_history")).await.json());
    assert_eq!((history.len(), &history[0]), (2, &old.json()));
    // Either finds both, in the order of time, over pages; each value has the subject that was sent.
    for one in [&former, &patient] {
        for count in [1, 3, 50] {
            let found =
                bench.all(&format!("/fhir/Observation?patient={one}&code=150456&_count={count}")).await;
            let values: Vec<_> =
                found.iter().map(|it| it["valueQuantity"]["value"].as_u64().unwrap()).collect();
            assert_eq!(values, [5, 3, 2, 1], "{one} {count}");
            assert_eq!(text(&found[3]["subject"]["reference"]), former);
        }
    }
    assert_eq!(bench.all(&format!("/fhir/Observation?patient={third}")).await.len(), 2);
    // Who follows changes gets both again, each once, with the link.
    let changed = bench.all(changes).await;
    let ids: Vec<_> = changed.iter().map(|one| format!("Patient/{}", text(&one["id"]))).collect();
    assert!(ids.len() == 3 && ids[0] == third && ids.contains(&former) && ids.contains(&patient), "{ids:?}");
    let replaced = changed.iter().find(|one| one["id"] == old.json()["id"]).unwrap();
    assert_eq!(link_of(replaced), ("replaced-by".to_owned(), patient.clone()));
    // What comes later is indexed, and a rebuild changes nothing.
    bench.measure(6, "4711", 70, 0).await;
    bench.store.rebuild_projection().await.unwrap();
    bench.projector.project_all().await;
    assert_eq!(bench.all(&format!("/fhir/Observation?patient={patient}&code=150456")).await.len(), 5);
    assert_eq!(bench.get(&format!("/fhir/{former}")).await.json(), old.json());
    // Who was replaced by one that is replaced now is replaced by the last one.
    let version = async |of: &str| -> u64 {
        text(&bench.get(&format!("/fhir/{of}")).await.json()["meta"]["versionId"]).parse().unwrap()
    };
    let before = (version(&former).await, version(&patient).await, version(&third).await);
    assert!(store.link_patients(link(&patient, &third), true, "alice").await.unwrap());
    let after = (version(&former).await, version(&patient).await, version(&third).await);
    assert_eq!(after, (before.0 + 1, before.1 + 1, before.2 + 1), "who follows changes gets all of them");
    let moved = bench.get(&format!("/fhir/{former}")).await.json();
    assert_eq!(link_of(&moved), ("replaced-by".to_owned(), third.clone()));
    let found =
        async |of: &str| bench.all(&format!("/fhir/Observation?patient={of}&code=150456")).await.len();
    for one in [&former, &patient, &third] {
        assert_eq!(found(one).await, 6, "{one}");
    }
    // Two commands at once make no circle, and no chain that has two ends.
    for (one, other) in [(&third, &patient), (&third, &former), (&third, &third), (&patient, &third)] {
        assert!(!store.link_patients(link(one, other), true, "alice").await.unwrap());
    }
    // That was a mistake: who was replaced before is replaced as before, and no other person has the values.
    assert!(store.link_patients(link(&patient, &third), false, "alice").await.unwrap());
    assert_eq!((found(&former).await, found(&patient).await, found(&third).await), (5, 5, 1));
    let kept = bench.get(&format!("/fhir/{former}")).await.json();
    assert_eq!(
        (link_of(&kept), kept["active"].clone()),
        (("replaced-by".to_owned(), patient.clone()), false.into())
    );
    assert!(bench.get(&format!("/fhir/{third}")).await.json().get("link").is_none());
    assert_eq!(version(&former).await, after.0 + 1);
    assert!(store.link_patients(link(&former, &patient), false, "alice").await.unwrap());
    assert_eq!((found(&former).await, found(&patient).await), (3, 2));
    assert!(bench.get(&format!("/fhir/{former}")).await.json().get("link").is_none());
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
