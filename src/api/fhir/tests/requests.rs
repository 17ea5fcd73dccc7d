//! What a request says.

use axum::http::header;

use super::*;
use crate::store::fixtures::battery;

battery! {
    every_byte_of_a_form_counts,
}

// N001-1: a part that is not read could be the patient
async fn every_byte_of_a_form_counts(place: TestStore) {
    let bench = Bench::new(place).await;
    bench.measure(1, "4711", 60, 0).await;
    bench.projector.project_all().await;
    let own = "patient.identifier=urn:oid:1.2.3|4711";
    let search = async |body: &[u8]| {
        let request = Request::post("/fhir/Observation/_search")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
            .body(Bytes::copy_from_slice(body))
            .unwrap();
        let answered = bench.ask(Some(&everything()), request).await;
        (answered.status, resources(&answered.json()).len())
    };
    for (more, status, count) in [
        ("", StatusCode::OK, 2),
        ("\r\n", StatusCode::OK, 2),
        ("&code=150456", StatusCode::OK, 1),
        // Behind a number sign too, which is a character of a form.
        ("#7&code=150456", StatusCode::OK, 0),
        ("&code=150456#", StatusCode::OK, 0),
        ("&code=#&patient=none", StatusCode::OK, 0),
        ("&code=\u{e9}", StatusCode::OK, 0),
        ("&code= 150456", StatusCode::OK, 0),
        ("&code=%FF", StatusCode::BAD_REQUEST, 0),
        ("&colour=red", StatusCode::BAD_REQUEST, 0),
    ] {
        assert_eq!(search(format!("{own}{more}").as_bytes()).await, (status, count), "{more}");
    }
    assert_eq!(search(&[own.as_bytes(), b"&code=\xFF"].concat()).await, (StatusCode::BAD_REQUEST, 0));
    let other = Request::post("/fhir/Observation/_search").body(Bytes::from(own)).unwrap();
    assert_eq!(bench.ask(Some(&everything()), other).await.status, StatusCode::BAD_REQUEST);
}
