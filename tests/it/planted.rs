//! An administrator of the database who knows beforehand what a device will send, and puts a copy into the
//! store together with the rows of the trail that say so.

use jiff::{SignedDuration, Timestamp};
use pcd_platform::audit::ChainHead;
use pcd_platform::model::{Fingerprint, NodeName};
use pcd_platform::pki::KeyType;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::harness::{Cli, Platform, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";
/// What `retain-messages` is by default, less some seconds.
const NEARLY_A_MONTH: i64 = 30 * 86_400 - 15;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn send(site: &Site, platform: &Platform, bytes: &[u8]) -> String {
    let mut wire = Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    wire.write(&framed(bytes));
    let (code, _) = wire.verdict();
    wire.close();
    code
}

fn bytes_of(id: &str) -> Vec<u8> {
    let digits = id.replace('-', "");
    (0..16).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn id_at(time: Timestamp, number: u8) -> String {
    let id = u128::try_from(time.as_millisecond()).unwrap() << 80 | 7 << 76 | 2 << 62 | u128::from(number);
    let id = format!("{id:032x}");
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}

async fn open(site: &Site) -> SqliteConnection {
    let url = format!("sqlite://{}", site.path().join("platform.db").display());
    SqliteConnection::connect(&url).await.unwrap()
}

/// Stores `raw` as the message with the control id 0 is stored, as if it had come `age` seconds ago. Returns
/// its identifier.
async fn plant(site: &Site, raw: &[u8], number: u8, age: i64) -> String {
    let at = Timestamp::now() - SignedDuration::from_secs(age);
    let id = id_at(at, number);
    let copy = "INSERT INTO message (id, received_at, event_time, device, session, fingerprint, peer,
            pcd_transaction, message_type, control_id, sending_application, digest, rejection, warnings,
            identities, raw_size, acknowledgement, raw)
        SELECT ?, ?, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, ?,
            sending_application, ?, rejection, warnings, identities, NULL, acknowledgement, ?
        FROM message WHERE control_id = '0'";
    let copy = sqlx::query(copy).bind(bytes_of(&id)).bind(at.as_microsecond()).bind(number.to_string());
    let copy = copy.bind(Fingerprint::sha256(raw).as_bytes().to_vec()).bind(raw.to_vec());
    copy.execute(&mut open(site).await).await.unwrap();
    id
}

/// Says in the chain of `node` (none: that of the platform) that the planted message was accepted.
async fn found(site: &Site, id: &str, raw: &[u8], age: i64, node: Option<&str>) {
    let mut database = open(site).await;
    let first = sqlx::query("SELECT node, details FROM audit WHERE event = 'message-accepted' LIMIT 1");
    let first = first.fetch_one(&mut database).await.unwrap();
    let (own, details): (String, String) = (first.get(0), first.get(1));
    let node: NodeName = node.unwrap_or(&own).parse().unwrap();
    let mut details: serde_json::Value = serde_json::from_str(&details).unwrap();
    details["message"] = id.into();
    details["sha256"] = Fingerprint::sha256(raw).to_string().into();
    let details = details.to_string();
    let last = "SELECT number, hash FROM audit WHERE node = ? ORDER BY number DESC LIMIT 1";
    let last = sqlx::query(last).bind(node.as_str()).fetch_optional(&mut database).await.unwrap();
    let last: ChainHead = last.map_or(ChainHead::START, |row| {
        let digits: String = row.get::<Vec<u8>, _>(1).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{digits}", row.get::<i64, _>(0)).parse().unwrap()
    });
    let at = Timestamp::now() - SignedDuration::from_secs(age);
    let head = last.next(&node, at, "message-accepted", &details);
    let insert = sqlx::query(
        "INSERT INTO audit (node, number, at, event, details, hash) VALUES (?, ?, ?, 'message-accepted', ?, ?)",
    );
    let insert = insert.bind(node.as_str()).bind(i64::try_from(head.number).unwrap());
    let insert = insert.bind(at.as_microsecond()).bind(details).bind(head.hash.as_bytes().to_vec());
    insert.execute(&mut database).await.unwrap();
}

fn stored(cli: &Cli, control_id: &str) -> Vec<String> {
    let found = cli.json(&["message", "list", "--control-id", control_id]);
    found.iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_message_that_was_planted_with_its_row_is_stored_again_when_the_device_sends_it() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    assert_eq!(send(&site, &platform, &message(NAME, "0")), "CA");
    platform.stop();
    // In the platform's own chain, which the start accepts and signs, and in that of a node that never was.
    let messages = ["1", "2", "3"].map(|id| message(NAME, id));
    let ages = [(NEARLY_A_MONTH, None), (NEARLY_A_MONTH, Some("evil")), (2 * 86_400, Some("evil"))];
    let mut planted = Vec::new();
    for (number, (bytes, (age, node))) in (1..).zip(messages.iter().zip(ages)) {
        planted.push(block_on(async {
            let id = plant(&site, bytes, number, age).await;
            found(&site, &id, bytes, age, node).await;
            id
        }));
    }
    let platform = site.start();
    let begun = Timestamp::now();
    let mut acknowledged = Vec::new();
    for (bytes, planted) in messages.iter().zip(&planted) {
        assert_eq!(send(&site, &platform, bytes), "CA");
        let control_id = planted.chars().last().unwrap().to_string();
        let left = stored(platform.cli(), &control_id);
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0] > id_at(begun - SignedDuration::from_secs(3600), 0), "{left:?} for {planted}");
        assert_eq!(platform.cli().run_raw(&["message", "show", &left[0], "--raw"]), bytes.as_ref());
        acknowledged.extend(left);
    }
    let renewed = platform.cli().json(&["audit", "list", "--event", "copy-renewed"]);
    let copies: Vec<_> = renewed.iter().map(|row| row["details"]["copy"].as_str().unwrap()).collect();
    assert!(planted.iter().all(|id| copies.contains(&id.as_str())), "{renewed:?}");
    let (_, shown, _) = platform.cli().try_run(&["store", "check"]);
    assert!(shown.contains("\nok      messages: those of the audit trail"), "{shown}");
    assert!(shown.contains("row 1 of node evil is one that only a serving platform writes"), "{shown}");
    platform.stop();
    // What is taken away now is missing, whatever the planted rows say.
    block_on(async {
        let remove = "DELETE FROM message WHERE control_id <> '0'";
        sqlx::raw_sql(remove).execute(&mut open(&site).await).await.unwrap();
    });
    let (status, shown, _) = Cli::of(&site).try_run(&["store", "check"]);
    assert_eq!(status.code(), Some(1), "{shown}");
    assert!(acknowledged.iter().all(|id| shown.contains(id)), "{acknowledged:?}: {shown}");
}

#[test]
fn a_copy_without_a_row_is_a_finding_with_what_to_do() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    assert_eq!(send(&site, &platform, &message(NAME, "0")), "CA");
    platform.stop();
    let bytes = message(NAME, "1");
    block_on(plant(&site, &bytes, 1, 60));
    let platform = site.start();
    assert_eq!(send(&site, &platform, &bytes), "CA");
    eventually("it is a finding", || platform.metric(r#"pcd_findings{code="copy-replaced"}"#) == 1.0);
    let (_, found) = platform.get("/api/findings");
    assert!(found.contains("another program had put a copy of messages into the store"), "{found}");
    assert!(found.contains("find out who wrote to the database"), "{found}");
    platform.stop();
    // After a restart as well: the trail has it.
    let platform = site.start();
    eventually("it is a finding", || platform.metric(r#"pcd_findings{code="copy-replaced"}"#) == 1.0);
    platform.stop();
}
