//! Answers of servers, good and hostile.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn limits() -> FetchLimits {
    FetchLimits {
        connect: Duration::from_secs(5),
        total: Duration::from_secs(30),
        proxy: None,
        allowed_hosts: vec!["127.0.0.1".to_owned()],
    }
}

/// For servers that are slower than any limit.
fn short_limits() -> FetchLimits {
    FetchLimits { total: Duration::from_millis(400), ..limits() }
}

async fn fetch_by(
    client: &HttpClient,
    request: FetchRequest,
    limits: &FetchLimits,
) -> Result<Bytes, FetchError> {
    client.fetch(request, limits).await.map(|body| body.bytes)
}

fn get(url: String) -> FetchRequest {
    FetchRequest { url, body: None, limit: 1000, is_configured: false }
}

/// A server that answers one request, piece by piece with a delay after each, and returns the request it
/// received.
async fn server(
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    endless: bool,
) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 1000];
        let read = stream.read(&mut asked).await.unwrap();
        loop {
            for piece in &pieces {
                if stream.write_all(piece).await.is_err() {
                    return String::new();
                }
                tokio::time::sleep(pause).await;
            }
            if !endless {
                break;
            }
        }
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    (url, task)
}

async fn fetch(answer: &str, endless: bool) -> Result<Bytes, FetchError> {
    let (url, _task) = server(vec![answer.as_bytes().to_vec()], Duration::ZERO, endless).await;
    fetch_by(&HttpClient::new(64 << 20), get(url), &limits()).await
}

#[tokio::test]
async fn get_and_post_return_the_body() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
    for (body, start) in [(None, "GET /x HTTP/1.1"), (Some(b"ask".to_vec()), "POST /x HTTP/1.1")] {
        let (url, task) = server(vec![answer.clone()], Duration::ZERO, false).await;
        let fetched =
            fetch_by(&HttpClient::new(64 << 20), FetchRequest { body, ..get(url) }, &limits()).await;
        assert_eq!(fetched.unwrap(), "hi");
        let asked = task.await.unwrap();
        assert!(asked.starts_with(start), "{asked}");
    }
}

#[tokio::test]
async fn a_proxy_receives_the_whole_url() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
    let (url, task) = server(vec![answer], Duration::ZERO, false).await;
    let proxy = url.strip_prefix("http://").unwrap().strip_suffix("/x").unwrap().to_owned();
    let limits = FetchLimits { proxy: Some(proxy), allowed_hosts: Vec::new(), ..limits() };
    let fetched =
        fetch_by(&HttpClient::new(64 << 20), get("http://ca.example/a.crl".to_owned()), &limits).await;
    assert_eq!(fetched.unwrap(), "hi");
    let asked = task.await.unwrap();
    assert!(asked.starts_with("GET http://ca.example/a.crl HTTP/1.1"), "{asked}");
}

#[tokio::test]
async fn a_slow_host_leaves_permits_for_the_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = get(format!("http://{}/", listener.local_addr().unwrap()));
    let fetcher = Arc::new(HttpClient::new(64 << 20));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..2 * MAX_REQUESTS_PER_HOST {
        let (fetcher, silent) = (Arc::clone(&fetcher), silent.clone());
        waiting.spawn(async move { fetcher.fetch(silent, &short_limits()).await.unwrap_err() });
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
    let (url, _task) = server(vec![answer], Duration::ZERO, false).await;
    assert_eq!(fetch_by(&fetcher, get(url), &limits()).await.unwrap(), "hi");
    let failed = waiting.join_all().await;
    let late = |error: &FetchError| matches!(error, FetchError::Timeout | FetchError::Busy);
    assert!(failed.len() == 2 * MAX_REQUESTS_PER_HOST && failed.iter().all(late), "{failed:?}");
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_loopback_or_link_local_addresses() {
    let limits = FetchLimits { proxy: Some("127.0.0.1:1".to_owned()), allowed_hosts: Vec::new(), ..limits() };
    let refused =
        fetch_by(&HttpClient::new(64 << 20), get("http://169.254.169.254/".to_owned()), &limits).await;
    assert_eq!(refused, Err(FetchError::Address("169.254.169.254".parse().unwrap())));
    // Nothing listens at the proxy's address: a request for it would be a failed connection.
    for host in ["0x7f.1", "127.1", "2130706433", "[::ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "127.0.0.1."]
    {
        let refused = fetch_by(&HttpClient::new(64 << 20), get(format!("http://{host}/")), &limits).await;
        assert!(matches!(refused, Err(FetchError::Address(_))), "{host}: {refused:?}");
    }
    for host in ["localhost", "LOCALHOST.", "x.localhost", "metadata.google.internal"] {
        let refused = fetch_by(&HttpClient::new(64 << 20), get(format!("http://{host}:80/")), &limits).await;
        assert_eq!(refused, Err(FetchError::LocalName), "{host}");
    }
    let others = fetch_by(&HttpClient::new(64 << 20), get("http://ca.example/".to_owned()), &limits).await;
    assert!(matches!(others, Err(FetchError::Connect(_))), "the proxy is asked: {others:?}");
}

#[test]
fn the_user_information_of_a_url_is_not_sent() {
    let fetch = get("http://user:secret@ca.example:81/x?y".to_owned());
    let uri: Uri = fetch.url.parse().unwrap();
    let open = FetchLimits { allowed_hosts: Vec::new(), ..limits() };
    let host = checked_host(&uri, &fetch, &open).unwrap();
    for by_proxy in [false, true] {
        let request = request(&uri, &host, None, by_proxy).unwrap();
        assert_eq!(request.headers()[HOST], "ca.example:81");
        assert!(!request.uri().to_string().contains("secret"));
        assert!(request.uri().to_string().ends_with("/x?y"));
    }
}

// Bugs of other implementations: AIA at loopback or a metadata address.
#[tokio::test]
async fn a_certificate_cannot_point_at_loopback() {
    let open = FetchLimits { allowed_hosts: Vec::new(), ..limits() };
    let ask = async |url: &str, limits: &FetchLimits| {
        HttpClient::new(64 << 20).fetch(get(url.to_owned()), limits).await.unwrap_err()
    };
    for (url, address) in [
        ("http://127.0.0.1:1/", "127.0.0.1"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("http://[::1]:1/", "::1"),
        ("http://[::ffff:127.0.0.1]:1/", "::ffff:127.0.0.1"),
        ("http://0.0.0.0:1/", "0.0.0.0"),
    ] {
        assert_eq!(ask(url, &open).await, FetchError::Address(address.parse().unwrap()), "{url}");
    }
    assert_eq!(ask("http://ca.example/", &limits()).await, FetchError::NotAllowed);
    for url in ["https://127.0.0.1/", "ftp://127.0.0.1/", "ldap://127.0.0.1/", "file:///etc/passwd", "x"] {
        assert_eq!(ask(url, &limits()).await, FetchError::Url, "{url}");
    }
}

// Bugs of other implementations: redirect, endless body.
#[tokio::test]
async fn redirects_are_not_followed_and_bodies_are_bounded() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(fetch(redirect, false).await, Err(FetchError::Status(302)));
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    assert_eq!(fetch(endless, true).await, Err(FetchError::TooLarge(1000)));
    let closed = "HTTP/1.1 200 OK\r\n\r\nxx";
    assert_eq!(fetch(closed, false).await.unwrap(), "xx");
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxx";
    assert_eq!(fetch(cut, false).await, Err(FetchError::Protocol));
    assert_eq!(fetch("nonsense\r\n\r\n", false).await, Err(FetchError::Protocol));
}

// Bugs of other implementations: one byte a minute.
#[tokio::test]
async fn a_slow_body_times_out() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_vec();
    let pieces = std::iter::once(head).chain((0..99).map(|_| b"x".to_vec())).collect();
    let (url, _task) = server(pieces, Duration::from_millis(50), false).await;
    let fetched = fetch_by(&HttpClient::new(64 << 20), get(url), &short_limits()).await;
    assert_eq!(fetched, Err(FetchError::Timeout));
}

// HTTP allows any number of interim responses: a server that sends nothing else kept a core busy until the
// deadline.
#[tokio::test]
async fn interim_responses_and_headers_are_bounded() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(fetch(interim, true).await, Err(FetchError::Head));
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    assert_eq!(fetch(early, true).await, Err(FetchError::Head));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let few = [interim.repeat(MAX_INTERIM_RESPONSES).as_str(), answer].concat();
    assert_eq!(fetch(&few, false).await.unwrap(), "hi");
    let headers = ["HTTP/1.1 200 OK\r\nX: ", &"x".repeat(2 * MAX_HEAD_BYTES)].concat();
    assert_eq!(fetch(&headers, false).await, Err(FetchError::Head));
}
