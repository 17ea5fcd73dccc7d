//! A hospital system that reads over mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An open connection.
pub(crate) struct Reader {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
}

/// What many requests took.
#[derive(Debug)]
pub(crate) struct Took {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
}

impl Reader {
    pub(crate) async fn connect(to: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let tcp = TcpStream::connect(to).await.expect("a connection");
        tcp.set_nodelay(true).expect("no delay");
        let stream =
            TlsConnector::from(config).connect(ServerName::from(to.ip()), tcp).await.expect("a session");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        Self { sender, host: to.to_string() }
    }

    /// The body of an answer, which has to be 200.
    pub(crate) async fn get(&mut self, path: &str) -> Bytes {
        let request = Request::get(path).header("Host", &self.host).body(Empty::new()).expect("a request");
        self.sender.ready().await.expect("a connection");
        let answer = self.sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        assert!(status == 200, "{status} {path}: {}", String::from_utf8_lossy(&body));
        body
    }

    pub(crate) async fn json(&mut self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path).await).expect("JSON")
    }

    /// The resources of a search, all its pages.
    pub(crate) async fn all(&mut self, path: &str) -> Vec<Value> {
        let (mut path, mut found) = (path.to_owned(), Vec::new());
        loop {
            let page = self.json(&path).await;
            found.extend(
                page["entry"].as_array().into_iter().flatten().map(|entry| entry["resource"].clone()),
            );
            let links = page["link"].as_array().into_iter().flatten();
            let next = links.filter(|link| link["relation"] == "next").find_map(|link| link["url"].as_str());
            let Some(next) = next else { return found };
            let (_, rest) = next.split_once("/fhir/").expect("a link");
            path = format!("/fhir/{rest}");
        }
    }
}

/// Asks over some connections at once for a time, each for the paths in turn.
pub(crate) async fn ask(
    to: SocketAddr,
    config: &Arc<ClientConfig>,
    connections: usize,
    during: Duration,
    paths: &Arc<Vec<String>>,
) -> Took {
    let mut readers = Vec::new();
    for _ in 0..connections {
        readers.push(Reader::connect(to, Arc::clone(config)).await);
    }
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (index, mut reader) in readers.into_iter().enumerate() {
        let paths = Arc::clone(paths);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for path in paths.iter().cycle().skip(index * 7919 % paths.len()) {
                if began.elapsed() >= during {
                    break;
                }
                let asked = Instant::now();
                reader.get(path).await;
                latencies.push(asked.elapsed());
            }
            latencies
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done.expect("a reader"));
    }
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: usize| {
        let at = latencies.get(latencies.len().saturating_sub(1) * share / 100).copied();
        at.unwrap_or_default().as_secs_f64() * 1e3
    };
    Took { rate: latencies.len() as f64 / seconds, p50: at(50), p99: at(99) }
}
