//! Which list suits which sender: the table of `docs/reference/identities.md`, against messages of such
//! senders.
//!
//! The messages are those of the corpus (see `corpus`), and some of the form that public examples show, with
//! invented numbers.

use std::collections::BTreeSet;

use pcd_platform::authz::{Device, DeviceKind, DeviceStatus, Directory, rules};
use pcd_platform::hl7::{AcknowledgeAs, Message};
use pcd_platform::pcd::{Claims, Transaction};

use crate::corpus::{Sample, corpus};

/// A row of the table.
struct Sender {
    /// Prefixes of names of files in the corpus, or of [`INVENTED`].
    samples: Vec<String>,
    /// Where the first identity is that the certificate does not name: a location, or `accepted`.
    by_default: String,
    list: Vec<String>,
}

/// The words in backticks of a cell.
fn words(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn table() -> Vec<Sender> {
    let text = include_str!("../../docs/reference/identities.md");
    let rows = text.split("| sender | messages |").nth(1).expect("the table").lines().skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let sender = |line: &str| {
        let cells: Vec<_> = line.split(" | ").collect();
        let [_, samples, _, by_default, list] = cells[..] else { panic!("{line}") };
        Sender { samples: words(samples), by_default: words(by_default).remove(0), list: words(list) }
    };
    rows.map(sender).collect()
}

/// A gateway whose certificate names none of the devices.
fn gateway(list: &[String]) -> Device {
    Device {
        id: "GATEWAY-OF-THE-HOSPITAL".parse().unwrap(),
        kind: DeviceKind::Gateway,
        status: DeviceStatus::Active,
        speaks_for: list.iter().map(|text| text.parse().unwrap()).collect(),
        issuers: Vec::new(),
        acknowledge: AcknowledgeAs::AsAsked,
        note: String::new(),
        silent_after: None,
        expected: false,
        receives_orders: true,
        learns_until: None,
        about: pcd_platform::authz::About::default(),
    }
}

/// Where the message names a device for which the gateway may not speak; `accepted` where it does not.
fn refused_at(payload: &[u8], list: &[String]) -> String {
    let message = Message::parse(payload).unwrap();
    let claims = Claims::read(&message, Transaction::of(&message), 1024);
    let device = gateway(list);
    let directory: Directory = vec![device.clone()].into();
    rules::check(&device, &directory, &claims)
        .map_or_else(|violation| violation.claim.location.to_string(), |()| "accepted".to_owned())
}

/// Observations and alarms, as devices send them.
fn is_of_a_device(sample: &Sample) -> bool {
    let folders = ["ihe-dev-tf/", "ipf-pcd01/", "nist/"];
    folders.iter().any(|folder| sample.name.starts_with(folder))
        && Message::parse(&sample.payload).is_ok_and(|message| message.header().message_type().code == b"ORU")
}

fn samples() -> Option<Vec<(String, Vec<u8>)>> {
    let corpus = corpus()?.into_iter().filter(is_of_a_device);
    let invented = INVENTED.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    Some(corpus.map(|sample| (sample.name, sample.payload)).chain(invented).collect())
}

#[test]
fn the_documented_lists_admit_every_message_and_defaults_refuse_most() {
    let Some(samples) = samples() else { return };
    let (mut seen, mut refused) = (BTreeSet::new(), 0);
    for Sender { samples: prefixes, by_default, list } in table() {
        for prefix in prefixes {
            let named = samples.iter().filter(|(name, _)| name.starts_with(&prefix));

            for (name, payload) in named {
                assert!(seen.insert(name), "{name} is in two rows");
                assert_eq!(refused_at(payload, &[]), by_default, "{name}");
                assert_eq!(refused_at(payload, &list), "accepted", "{name} by {list:?}");
                refused += usize::from(by_default != "accepted");
            }
        }
    }
    let missing: Vec<_> =
        samples.iter().filter(|(name, _)| !seen.contains(name)).map(|(name, _)| name).collect();
    assert!(missing.is_empty(), "no row has {missing:?}");
    println!("{refused} of {} messages are refused without a list", samples.len());
    assert_eq!((refused, samples.len()), (24, 27));
}

/// Of the form of public examples; the numbers are invented.
const INVENTED: [(&str, &str); 2] = [
    (
        "invented/infusion-1",
        "MSH|^~\\&|PAT_DEVICE_BBRAUN^0012211839000001^EUI-64|BBRAUN|||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6\r\
         OBR|1|0^PAT_DEVICE_BBRAUN^0012211839000001^EUI-64|0^PAT_DEVICE_BBRAUN^0012211839000001^EUI-64|1^X\r\
         OBX|1||70049^MDC_DEV_PUMP_INFUS_LVP_MDS^MDC|1.0.0.0|||||||X|||||||I00001^^0012210000000000^EUI-64\r\
         OBX|2|ST|67972^MDC_ATTR_SYS_ID^MDC|1.1.0.9|00000000-0000-5000-8000-000000000001||||||F\r\
         OBX|3|ST|0^MDC_ATTR_PUMP_PILLAR_DETAILS^MDC|1.1.0.24|0^0||||||F|||||||~~~Ward~~~~D6^^0012210000000000^EUI-64\r",
    ),
    (
        "invented/infusion-2",
        "MSH|^~\\&|VENDOR^001A010000000001^EUI-64|V|||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6\r\
         OBR|1|9^PUMP^001A010000000001^EUI-64|9^PUMP^001A010000000001^EUI-64|1^X\r\
         OBX|1|ST|67972^MDC_ATTR_SYS_ID^MDC|1.0.0.2|9^PUMP^001A010000000001^EUI-64||||||R\r",
    ),
];
