//! Posts one notification.

use hyper::header::{HeaderName, HeaderValue};

use super::receiver::Receiver;
use super::signature::sign;
use crate::model::MessageId;
use crate::tls::{WebPost, WebPostError, look_up};

impl Receiver {
    /// Posts a notification.
    ///
    /// # Errors
    /// When it was not answered with 2xx within ten seconds.
    pub async fn deliver(&self, id: MessageId, body: &str) -> Result<(), WebPostError> {
        let url = &self.settings.webhook;
        let headers = self.headers(id, body).map_err(|_| WebPostError::Protocol)?;
        let post = WebPost { url, tls: self.tls.as_ref(), headers, body: body.to_owned().into() };
        post.send(look_up(url)).await
    }

    fn headers(
        &self,
        id: MessageId,
        body: &str,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, hyper::http::Error> {
        let timestamp = self.clock.now().as_second();
        let mut headers = vec![
            (HeaderName::from_static("x-pcd-id"), HeaderValue::try_from(id.to_string())?),
            (HeaderName::from_static("x-pcd-timestamp"), timestamp.into()),
        ];
        if let Some(secret) = &self.secret {
            let signature = HeaderValue::try_from(sign(secret, timestamp, body.as_bytes()))?;
            headers.push((HeaderName::from_static("x-pcd-signature"), signature));
        }
        Ok(headers)
    }
}
