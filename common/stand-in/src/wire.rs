//! Writes an answer byte by byte where an HTTP library would refuse: a false length, a body without end, a reset.
//! Called by a connection that was taken over for a lie. Never used for an honest answer.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use crate::{
    answer::{Answer, Delivery},
    lies::Part,
};

/// One chunk of 64 KiB of spaces.
const CHUNK: usize = 64 * 1024;

/// A connection whose socket can be reached, to reset it.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    Close,
    Reset,
}

/// Writes the answer as its delivery says, counting the bytes of the body.
pub(crate) async fn write(stream: &mut impl Wire, answer: &Answer, sent: &AtomicU64) -> Ending {
    let body = answer.body.as_ref();
    // An error means that the client has gone, as a careful one does.
    let written = match answer.delivery {
        Delivery::Drip { every, part } => drip(stream, answer, every, part, sent).await,
        Delivery::Endless => endless(stream, answer, sent).await,
        Delivery::Honest | Delivery::Raw => {
            whole(stream, &head(answer, Some(length(body))), body, sent).await
        }
        Delivery::ResetAfter(bytes) => {
            let part = body.get(..bytes).unwrap_or(body);
            let written = whole(stream, &head(answer, Some(length(body))), part, sent).await;
            drop(stream.tcp().set_zero_linger());
            drop(written);
            return Ending::Reset;
        }
        Delivery::Silence => silence(stream).await,
    };
    drop(written);
    Ending::Close
}

/// The status line and header fields; without a length the body comes in chunks.
fn head(answer: &Answer, length: Option<u64>) -> Vec<u8> {
    let mut lines = vec![
        format!("HTTP/1.1 {} Stand-in", answer.status),
        "Connection: close".into(),
    ];
    let fields = answer.headers.iter();
    lines.extend(fields.map(|(name, value)| format!("{name}: {value}")));
    match length {
        None => lines.push("Transfer-Encoding: chunked".into()),
        Some(_) if answer.header("Content-Length").is_some() => {}
        Some(length) => lines.push(format!("Content-Length: {length}")),
    }
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

async fn whole(
    stream: &mut impl Wire,
    head: &[u8],
    body: &[u8],
    sent: &AtomicU64,
) -> io::Result<()> {
    stream.write_all(head).await?;
    stream.write_all(body).await?;
    sent.fetch_add(length(body), Ordering::Relaxed);
    stream.flush().await
}

async fn drip(
    stream: &mut impl Wire,
    answer: &Answer,
    every: Duration,
    part: Part,
    sent: &AtomicU64,
) -> io::Result<()> {
    let head = head(answer, Some(length(&answer.body)));
    if part == Part::Head {
        drop_by_drop(stream, &head, every, &AtomicU64::new(0)).await?;
    } else {
        stream.write_all(&head).await?;
        stream.flush().await?;
    }
    drop_by_drop(stream, &answer.body, every, sent).await
}

async fn drop_by_drop(
    stream: &mut impl Wire,
    bytes: &[u8],
    every: Duration,
    sent: &AtomicU64,
) -> io::Result<()> {
    for byte in bytes {
        tokio::time::sleep(every).await;
        stream.write_all(&[*byte]).await?;
        stream.flush().await?;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn endless(stream: &mut impl Wire, answer: &Answer, sent: &AtomicU64) -> io::Result<()> {
    stream.write_all(&head(answer, None)).await?;
    if !answer.body.is_empty() {
        write_chunk(stream, &answer.body, sent).await?;
    }
    let spaces = vec![b' '; CHUNK];
    loop {
        write_chunk(stream, &spaces, sent).await?;
    }
}

async fn write_chunk(stream: &mut impl Wire, bytes: &[u8], sent: &AtomicU64) -> io::Result<()> {
    let size = format!("{:x}\r\n", bytes.len());
    stream.write_all(size.as_bytes()).await?;
    stream.write_all(bytes).await?;
    stream.write_all(b"\r\n").await?;
    sent.fetch_add(length(bytes), Ordering::Relaxed);
    Ok(())
}

/// Waits for the client to give up.
async fn silence(stream: &mut impl Wire) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
