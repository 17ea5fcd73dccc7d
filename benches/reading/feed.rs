//! Devices that send, from a process of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::message::Frame;
use crate::site::{self, Platform, Site, process_time};

/// Devices; each has some of the connections.
pub(crate) const DEVICES: usize = 16;
/// Connections of all devices together.
const CONNECTIONS: usize = 64;

pub(crate) fn device(number: usize) -> String {
    format!("BENCH{number:03}")
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Feed {
    /// Makes control ids unlike those of other feeds.
    pub(crate) run: u32,
    /// The number of the first message: it decides patient and time.
    pub(crate) first: u64,
    pub(crate) messages: u64,
    pub(crate) patients: u64,
    /// Observations of a message.
    pub(crate) observations: usize,
    /// Messages a second; 0: as fast as they are acknowledged.
    pub(crate) rate: u64,
}

/// What was sent.
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) rate: f64,
    /// Milliseconds from sending to the acknowledgement.
    pub p50: f64,
    pub p99: f64,
}

impl Feed {
    /// Begins to send.
    pub(crate) fn begin(self, site: &Site, platform: &Platform) -> Child {
        let numbers = [
            u64::from(self.run),
            self.first,
            self.messages,
            self.patients,
            self.observations as u64,
            self.rate,
        ];
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--feed", &platform.address.to_string()])
            .arg(site.path())
            .args(numbers.map(|number| number.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program")
    }

    /// Sends all of it.
    pub(crate) fn send(self, site: &Site, platform: &Platform) -> Fed {
        Fed::of(self.begin(site, platform))
    }
}

impl Fed {
    /// Waits for the end of a feed.
    pub(crate) fn of(feed: Child) -> Self {
        let output = feed.wait_with_output().expect("its end");
        let value: Value = serde_json::from_slice(&output.stdout).expect("a result");
        let number = |key: &str| value[key].as_f64().expect("a number");
        Self {
            rate: number("messages") / number("seconds"),
            p50: number("p50") / 1e3,
            p99: number("p99") / 1e3,
        }
    }
}

/// The process that sends: `words` are those of [`Feed::begin`].
pub(crate) fn main(words: &[String]) {
    let [address, folder, numbers @ ..] = words else { panic!("words") };
    let numbers: Vec<u64> = numbers.iter().map(|word| word.parse().expect("a number")).collect();
    let &[run, first, messages, patients, observations, rate] = &numbers[..] else { panic!("numbers") };
    let feed = Feed {
        run: u32::try_from(run).expect("a run"),
        first,
        messages,
        patients,
        observations: usize::try_from(observations).expect("a number"),
        rate,
    };
    let to = address.parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("{}", runtime.block_on(feed.run(to, &PathBuf::from(folder))));
}

impl Feed {
    async fn run(self, to: SocketAddr, folder: &Path) -> Value {
        let clients: Vec<_> = (0..DEVICES)
            .map(|number| TlsConnector::from(Arc::new(client(folder, &device(number)))))
            .collect();
        let mut streams = Vec::new();
        for connection in 0..CONNECTIONS {
            let tcp = TcpStream::connect(to).await.expect("a connection");
            tcp.set_nodelay(true).expect("no delay");
            let connector = &clients[connection % DEVICES];
            streams.push(connector.connect(ServerName::from(to.ip()), tcp).await.expect("a session"));
        }
        let (spent, began) = (process_time(std::process::id()), Instant::now());
        let mut tasks = tokio::task::JoinSet::new();
        for (connection, stream) in streams.into_iter().enumerate() {
            tasks.spawn(self.converse(stream, connection, began));
        }
        let mut latencies = Vec::new();
        while let Some(done) = tasks.join_next().await {
            latencies.extend(done.expect("a conversation"));
        }
        let seconds = began.elapsed().as_secs_f64();
        let spent = (process_time(std::process::id()) - spent).as_secs_f64();
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len().saturating_sub(1) * share / 100);
        json!({
            "messages": latencies.len(), "seconds": seconds, "processor": spent, "p50": at(50), "p99": at(99),
        })
    }

    /// The messages of the patients of one connection. Returns how many microseconds each took.
    async fn converse(self, mut stream: TlsStream<TcpStream>, connection: usize, began: Instant) -> Vec<u32> {
        let mut frame = Frame::new(&device(connection % DEVICES), self.observations);
        let (mut latencies, mut answer) = (Vec::new(), Vec::with_capacity(4096));
        let step = CONNECTIONS as u64;
        for number in (self.first..self.first + self.messages)
            .filter(|number| number % self.patients % step == connection as u64)
        {
            if self.rate > 0 {
                let due = began + Duration::from_secs_f64((number - self.first) as f64 / self.rate as f64);
                tokio::time::sleep_until(due.into()).await;
            }
            let (patient, minute) = (number % self.patients, number / self.patients);
            let control_id = frame.write(self.run, number, patient, minute);
            let sent = Instant::now();
            stream.write_all(&frame.bytes).await.expect("written");
            stream.flush().await.expect("written");
            answer.clear();
            while !answer.ends_with(b"\x1C\r") {
                assert!(
                    stream.read_buf(&mut answer).await.expect("an answer") > 0,
                    "the platform has closed"
                );
            }
            latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            let expected = format!("MSA|CA|{control_id}");
            let is_accepted = answer.windows(expected.len()).any(|window| window == expected.as_bytes());
            assert!(is_accepted, "{}", String::from_utf8_lossy(&answer));
        }
        stream.shutdown().await.expect("closed");
        latencies
    }
}

fn client(folder: &Path, name: &str) -> ClientConfig {
    let at = |end: &str| folder.join("pki/device").join(format!("{name}.ecc.{end}"));
    site::client_config(&folder.join("pki"), &site::Credential { chain: at("chain.pem"), key: at("key") })
}
