//! The record of reads.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::store::fixtures::battery;

battery! {
    each_read_is_recorded_before_its_answer,
    reads_of_a_minute_may_share_a_row,
    a_read_that_is_given_up_leaves_the_next_one_its_row,
    a_flood_of_reads_of_nothing_shares_a_row,
    each_patient_of_a_page_is_in_the_trail,
}

/// Who read about a patient is found by the opaque id, however many patients the page had.
async fn each_patient_of_a_page_is_in_the_trail(place: TestStore) {
    let mut bench = Bench::new(place).await;
    let number = 70;
    for patient in 1..=number {
        bench.measure(patient, &format!("P{patient}"), 60, 0).await;
    }
    bench.projector.project_all().await;
    let path = "/fhir/Patient?_lastUpdated=ge2020&_count=1000";
    let ids: BTreeSet<String> = bench.all(path).await.iter().map(|one| text(&one["id"])).collect();
    assert_eq!(ids.len(), number);
    let named = |rows: &[Value]| -> BTreeSet<String> {
        rows.iter().flat_map(|row| row["patients"].as_array().unwrap()).map(text).collect()
    };
    let sum = |rows: &[Value], name: &str| rows.iter().map(|row| row[name].as_u64().unwrap()).sum::<u64>();
    let rows = bench.rows().await;
    assert_eq!((rows.len(), named(&rows)), (3, ids.clone()));
    assert_eq!((sum(&rows, "requests"), sum(&rows, "count")), (1, 70));
    // With one row a minute, too.
    let config: Config = toml::from_str("[fhir]\nenabled = true\naudit-reads = \"minute\"").unwrap();
    bench.reads.config.store(Arc::new(config));
    bench.reads.minute = crate::api::fhir::minute::MinuteReads::every(Duration::from_secs(3600));
    let before = bench.rows().await.len();
    for _ in 0..3 {
        bench.get(path).await;
    }
    let first = bench.rows().await.len();
    assert_eq!(first, before + 3, "those of the first read");
    bench.reads.finish().await;
    let shared = bench.rows().await.split_off(first);
    assert_eq!((shared.len(), named(&shared), sum(&shared, "requests")), (3, ids, 2));
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
    bench.reads.minute = crate::api::fhir::minute::MinuteReads::every(Duration::from_secs(3600));
    let before = bench.rows().await.len();
    read_five(&bench).await;
    assert_eq!(bench.get(&format!("/fhir/{patient}")).await.status, StatusCode::OK);
    let rows = bench.rows().await.split_off(before);
    assert_eq!((rows.len(), requests(&rows)), (2, 2), "{rows:?}");
    // At the end of the time they have a row too.
    bench.reads.minute = crate::api::fhir::minute::MinuteReads::every(Duration::from_millis(50));
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

/// Who tries ids leaves a trace, and no more rows than refusals do.
async fn a_flood_of_reads_of_nothing_shares_a_row(place: TestStore) {
    let bench = Bench::new(place).await;
    let id = bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let max = usize::try_from(bench.reads.config.load().api.max_refusal_rows).unwrap();
    let before = bench.rows().await.len();
    for number in 0..max + 20 {
        let path = format!("/fhir/Patient/{number:032}");
        assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    // One more row stands for all of the minute that are beyond the number, and their count follows.
    assert_eq!(bench.rows().await.len(), before + max + 1);
    assert_eq!(bench.get(&format!("/fhir/Observation/{id}.2")).await.status, StatusCode::OK);
    assert_eq!(bench.rows().await.len(), before + max + 2, "what is found has its row");
    bench.reads.finish().await;
    let rows = bench.rows().await;
    assert_eq!(rows.last().unwrap()["requests"], 19);
}

/// `audit-reads = "minute"`: a client that goes away while its row is written, or a store that stalls.
async fn a_read_that_is_given_up_leaves_the_next_one_its_row(place: TestStore) {
    let mut bench = Bench::new(place).await;
    let id = bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let config: Config = toml::from_str("[fhir]\nenabled = true\naudit-reads = \"minute\"").unwrap();
    bench.reads.config.store(Arc::new(config));
    bench.reads.minute = crate::api::fhir::minute::MinuteReads::every(Duration::from_secs(3600));
    let path = format!("/fhir/Observation/{id}.2");
    let lock = if bench.place.is_postgres() { "BEGIN; LOCK TABLE audit" } else { "BEGIN IMMEDIATE" };
    let mut other = bench.place.connect_directly().await;
    other.execute(lock).await.unwrap();
    // It is given up before its row is there: nothing is written meanwhile.
    let given_up = tokio::time::timeout(Duration::from_secs(2), bench.get(&path)).await;
    assert!(given_up.is_err(), "it waits for its row");
    other.execute("ROLLBACK").await.unwrap();
    for _ in 0..2 {
        assert_eq!(bench.get(&path).await.status, StatusCode::OK);
    }
    // The rows that wait are written when the platform stops.
    bench.reads.finish().await;
    let requests = |rows: &[Value]| rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum::<u64>();
    for _ in 0..3000 {
        if requests(&bench.rows().await) >= 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(requests(&bench.rows().await), 3, "the one that was given up has one, too");
    assert_eq!(bench.get(&path).await.status, StatusCode::OK);
    assert_eq!(requests(&bench.rows().await), 4, "later ones have their own");
}
