//! What a responder or distribution point answers: no panic, and no body beyond the limit.

#![no_main]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use pcd_platform::revocation::fuzzing::fetch;

const LIMIT: usize = 2048;

static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A server that gives the current answer to every request, and closes.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 1024]);
            let answer = ANSWER.lock().unwrap().clone();
            let _ = stream.write_all(&answer);
        }
    });
    address
});

fuzz_target!(|input: (u8, &[u8])| {
    let (what, bytes) = input;
    let head: &[u8] = match what % 4 {
        0 => b"",
        1 => b"HTTP/1.1 200 OK\r\n",
        2 => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        _ => b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    };
    *ANSWER.lock().unwrap() = [head, bytes].concat();
    let address = *SERVER;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Ok(body) = runtime.block_on(fetch(address, LIMIT)) {
        assert!(body.len() <= LIMIT.min(bytes.len()));
    }
});
