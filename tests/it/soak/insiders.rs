//! Authorized devices that are broken or malicious.

use std::sync::Arc;
use std::time::Duration;

use pcd_platform::tls::{Connector, SecuredStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;

use super::attack::{Target, hold};
use crate::harness::{Site, connector, framed, message};
use crate::revocation::certificate;

/// One device for broken frames, one for hostile messages, one for many sessions.
pub const NAMES: [&str; 3] = ["INSIDER-FRAMES", "INSIDER-MESSAGES", "INSIDER-SESSIONS"];

pub fn devices(site: &Site, responder: &str) -> [Arc<Connector>; 3] {
    NAMES.map(|name| {
        let own = certificate(site, name, &[responder.to_owned()], &[]);
        Arc::new(connector(site, &own, None).unwrap())
    })
}

pub fn start(on: &Handle, target: &Arc<Target>, [frames, messages, sessions]: [Arc<Connector>; 3]) {
    let ms = Duration::from_millis;
    let send = |device: &Arc<Connector>, name, pause, bytes: Vec<u8>| {
        on.spawn(insist(Arc::clone(target), name, Arc::clone(device), pause, bytes));
    };
    // Nothing answers start blocks.
    send(&frames, "broken frames", ms(200), vec![0x0b; 64 << 10]);
    send(&frames, "bytes between frames", ms(200), b"\x1c\r\n\x0bMSH|x\x1c\r".repeat(4_000));
    send(&messages, "identities", ms(1000), identities());
    send(&messages, "long MSH-10", ms(1000), long_control_id());
    send(&messages, "other device", ms(50), framed(&message("HONEST-0", "FORGED")));
    let device = Arc::clone(&sessions);
    on.spawn(hold(Arc::clone(target), "idle session", 100, ms(50), move |target, number| {
        let device = Arc::clone(&device);
        async move { session(&target, &device, number).await }
    }));
    on.spawn(hold(Arc::clone(target), "partial frame", 50, ms(100), move |target, number| {
        let device = Arc::clone(&sessions);
        async move {
            let mut stream = session(&target, &device, number).await?;
            stream.write_all(b"\x0bMSH|^~\\&|").await.ok()?;
            stream.write_all(&vec![b'x'; 1 << 20]).await.ok()?;
            stream.flush().await.ok()?;
            Some(stream)
        }
    }));
}

async fn session(target: &Target, device: &Connector, number: u64) -> Option<SecuredStream> {
    let tcp = target.connect(number).await.ok()?;
    device.connect(&target.address.ip().to_string(), tcp).await.ok()
}

/// Writes the bytes every `pause`, in one session as long as the platform keeps it. What is answered is
/// answered before more is written.
async fn insist(
    target: Arc<Target>,
    name: &'static str,
    device: Arc<Connector>,
    pause: Duration,
    bytes: Vec<u8>,
) {
    let wait = if name == "broken frames" { Duration::from_millis(5) } else { ANSWER_TIMEOUT };
    let mut number = 0;
    while target.begins(name).await {
        number += 1;
        if let Some(mut stream) = session(&target, &device, number).await {
            while target.clockwork.is_attacking() && is_open(&mut stream, &bytes, wait).await {
                target.count(name);
                tokio::time::sleep(pause).await;
            }
            let _ = tokio::time::timeout(ANSWER_TIMEOUT, stream.shutdown()).await;
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

/// Writes the bytes and waits for an answer; `false` at the end of the session.
async fn is_open(stream: &mut SecuredStream, bytes: &[u8], wait: Duration) -> bool {
    let write = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    if !matches!(tokio::time::timeout(ANSWER_TIMEOUT, write).await, Ok(Ok(()))) {
        return false;
    }
    let read = tokio::time::timeout(wait, stream.read(&mut [0; 4096])).await;
    matches!(read, Err(_) | Ok(Ok(1..)))
}

/// Two megabytes of OBX-18 repetitions.
fn identities() -> Vec<u8> {
    let mut text = String::from_utf8(message(NAMES[1], "IDENTITIES").to_vec()).unwrap();
    text.push_str("OBX|9|ST|1^A^MDC||x|||||F|||||||");
    let repetitions: Vec<String> = (0..100_000).map(|number| format!("{number:016X}^^{number:X}")).collect();
    text.push_str(&repetitions.join("~"));
    text.truncate(1_900_000);
    framed((text + "\r").as_bytes())
}

fn long_control_id() -> Vec<u8> {
    framed(&message(NAMES[1], &"9".repeat(1_800_000)))
}

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon a disconnected device comes back.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
