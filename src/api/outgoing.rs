//! The body of an answer on its way to the client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::shares::Share;

/// A body that is handed out in pieces, so that it is not copied as a whole, and that counts as memory of
/// its client until the last piece is taken.
#[derive(Debug)]
pub(super) struct Outgoing {
    rest: Bytes,
    _share: Share,
}

impl Outgoing {
    pub(super) const fn new(body: Bytes, share: Share) -> Self {
        Self { rest: body, _share: share }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
