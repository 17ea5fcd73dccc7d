//! A report on an implanted device, with a PDF (PCD-09, IHE PCD TF vol. 2, 3.9).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Sending;
use super::message::{Details, Draft, MessageKind, written};
use super::noise::between;

pub(super) fn message(sending: &Sending<'_>) -> Bytes {
    let mut draft = Draft::new(sending, MessageKind::DOCUMENT);
    let seed = sending.equipment.seed;
    draft.request(
        &format!("{}^SIM^{}^EUI-64", sending.control_id, sending.sender),
        "754051^MDC_IDC_ENUM_SESS_TYPE_Remote^MDC",
        "",
    );
    draft.contain("69633^MDC_DEV_MDS^MDC", "1.0.0.0");
    draft.word("CWE", "720897^MDC_IDC_DEV_TYPE^MDC", "1.0.0.1", "753665^MDC_IDC_ENUM_DEV_TYPE_IPG^MDC");
    draft.word("ST", "720898^MDC_IDC_DEV_MODEL^MDC", "1.0.0.2", "SIM-PACE");
    draft.word("ST", "720899^MDC_IDC_DEV_SERIAL^MDC", "1.0.0.3", &sending.equipment.id);
    draft.word("DTM", "721025^MDC_IDC_SESS_DTM^MDC", "1.0.0.4", written(sending.at));
    let details = Details { is_timed: true, ..Details::default() };
    let voltage = format!("{:.2}", between(seed, 95, 2.6, 2.9));
    draft.observe("NM", "721344^MDC_IDC_MSMT_BATTERY_VOLTAGE^MDC", "1.0.0.5", voltage, "V^V^UCUM", details);
    let longevity = between(seed, 96, 12.0, 120.0).round();
    let months = "mo^mo^UCUM";
    draft.observe(
        "NM",
        "721472^MDC_IDC_MSMT_BATTERY_REMAINING_LONGEVITY^MDC",
        "1.0.0.6",
        longevity,
        months,
        details,
    );
    let pdf = STANDARD.encode(pdf(&format!("Simulated report {}", sending.control_id)));
    let value = format!("SIM^Application^PDF^Base64^{pdf}");
    draft.word("ED", "18750-0^Cardiac Electrophysiology Report^LN", "1.0.0.7", value);
    draft.finish()
}

/// A page with one line of text (ISO 32000-1, 7.5). `text` has no parenthesis and no backslash.
fn pdf(text: &str) -> Vec<u8> {
    let content = format!("BT /F1 18 Tf 72 720 Td ({text} TEST) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        places.push(file.len());
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let table = file.len();
    file.push_str("xref\n0 6\n0000000000 65535 f \n");
    for place in places {
        file.push_str(&format!("{place:010} 00000 n \n"));
    }
    file.push_str(&format!("trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n"));
    file.into_bytes()
}
