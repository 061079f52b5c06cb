//! The first bytes of a connection: by them it is HTTP/2 or not, and they are given back to whoever reads on.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How HTTP/2 begins (RFC 9113, 3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection of which the first bytes were read already.
pub struct Begun<S> {
    stream: S,
    said: Vec<u8>,
    given: usize,
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Reads until it is certain what the client speaks; waits for it as long as it takes, so the caller limits that.
    ///
    /// Errors: those of the connection, and its end before anything was certain.
    pub async fn hear(mut stream: S) -> io::Result<Begun<S>> {
        let (mut said, mut piece) = (Vec::new(), [0; HTTP_2.len()]);
        while said.len() < HTTP_2.len() && HTTP_2.starts_with(&said) {
            let room = HTTP_2.len() - said.len();
            match stream.read(&mut piece[..room]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => said.extend_from_slice(&piece[..read]),
            }
        }
        Ok(Begun { stream, said, given: 0 })
    }

    /// Whether the client speaks HTTP/2.
    pub fn is_http_2(&self) -> bool {
        self.said == HTTP_2
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let rest = &this.said[this.given..];
        if rest.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        this.given += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn the_version_is_known_as_soon_as_it_is_certain_and_no_byte_is_lost() {
        let http_2 = [HTTP_2, b"more"].concat();
        for (said, is_http_2) in [(&b"GET / HTTP/1.1\r\n\r\n"[..], false), (&b"PRINT"[..], false), (&http_2[..], true)]
        {
            let mut begun = Begun::hear(said).await.unwrap();
            assert_eq!(begun.is_http_2(), is_http_2);
            let mut all = Vec::new();
            begun.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, said);
        }
        assert!(Begun::hear(&HTTP_2[..23]).await.is_err(), "it ended before it was certain");
    }
}
