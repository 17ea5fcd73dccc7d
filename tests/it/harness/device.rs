//! A device of our own: Interface B inside the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pcd_platform::interface_b::{Answer, Client, ClientError, Observation};
use pcd_platform::model::Clock;
use tokio::runtime::Runtime;

use super::{SOON, Site, connector};

/// A runtime for devices.
pub fn runtime() -> Arc<Runtime> {
    Arc::new(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap())
}

/// A connected device, driven without `async`.
#[derive(Debug)]
pub struct Device {
    client: Option<Client>,
    runtime: Arc<Runtime>,
}

impl Device {
    /// Connects with TLS 1.2 and 1.3 on offer.
    pub fn connect(site: &Site, to: SocketAddr, own: &super::Credential) -> Result<Self, ClientError> {
        Self::connect_with(site, to, own, None)
    }

    /// Connects with one cipher suite on offer.
    pub fn connect_with(
        site: &Site,
        to: SocketAddr,
        own: &super::Credential,
        suite: Option<&str>,
    ) -> Result<Self, ClientError> {
        Self::connect_within(site, to, own, suite, SOON)
    }

    /// Connects with a longer timeout than the default.
    pub fn connect_within(
        site: &Site,
        to: SocketAddr,
        own: &super::Credential,
        suite: Option<&str>,
        timeout: std::time::Duration,
    ) -> Result<Self, ClientError> {
        Self::connect_on(&runtime(), site, to, own, suite, timeout)
    }

    /// The same for many devices of one thread: a runtime of its own costs a device three descriptors.
    pub fn connect_on(
        runtime: &Arc<Runtime>,
        site: &Site,
        to: SocketAddr,
        own: &super::Credential,
        suite: Option<&str>,
        timeout: std::time::Duration,
    ) -> Result<Self, ClientError> {
        let connector = connector(site, own, suite).unwrap();
        let client =
            runtime.block_on(Client::connect(&connector, &to.ip().to_string(), to.port(), timeout))?;
        Ok(Self { client: Some(client), runtime: Arc::clone(runtime) })
    }

    /// Sends a message and waits for its answers.
    pub fn send(&mut self, message: impl Into<Bytes>) -> Result<Vec<Answer>, ClientError> {
        let client = self.client.as_mut().expect("the device is connected");
        self.runtime.block_on(client.send(message.into()))
    }

    /// Sends a message that has one answer; its code.
    pub fn code(&mut self, message: impl Into<Bytes>) -> &'static str {
        let answers = self.send(message).unwrap();
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers[0].code.as_str()
    }

    /// Ends its side, and waits for the end of the platform.
    pub fn finish(mut self) -> Result<(), ClientError> {
        let client = self.client.take().expect("the device is connected");
        self.runtime.block_on(client.finish(Duration::from_secs(10), |_| ()))
    }

    pub fn close(mut self) -> Result<(), ClientError> {
        let client = self.client.take().expect("the device is connected");
        self.runtime.block_on(client.close())
    }
}

/// A PCD-01 of a device that speaks for itself.
pub fn message(device: &str, control_id: &str) -> Bytes {
    Observation {
        sender: device,
        equipment: device,
        control_id,
        at: Clock::system().now(),
        saturation: 97,
        pulse: 71,
    }
    .to_message()
}

/// A message between the first and the last byte of a frame.
pub fn framed(message: &[u8]) -> Vec<u8> {
    [b"\x0B", message, b"\x1C\r"].concat()
}
