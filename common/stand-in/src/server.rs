//! Accepts connections and speaks HTTP/1.1 on them, until a lie needs the bare connection. Started by the stand-in,
//! once for each listener. Never answers by itself.

use std::{convert::Infallible, future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    calls::Service,
    proxy,
    services::{Reply, Services},
    wire::{self, Ending, Wire},
};

type Responding = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// What stands behind a listener.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) service: Service,
    pub(crate) services: Arc<Services>,
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Serves until it is dropped, and every connection with it.
pub(crate) async fn serve(listener: TcpListener, door: Door) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(door.clone().welcome(stream))),
                // Out of file descriptors: let some connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Door {
    async fn welcome(mut self, mut stream: TcpStream) {
        // Without it a small answer waits for the acknowledgement of its own head.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        if self.service == Service::Proxy {
            let Some(service) = proxy::admit(&mut stream, &self.services).await else {
                return;
            };
            self.service = service;
        }
        match self.tls.take() {
            None => self.converse(stream).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    self.converse(stream).await;
                }
            }
        }
    }

    async fn converse<W: Wire + 'static>(self, stream: W) {
        let (take_over, mut lies) = mpsc::channel(1);
        let respond = service_fn(move |request| self.clone().respond(request, take_over.clone()));
        let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), respond);
        let reply = tokio::select! {
            _ = poll_fn(|context| connection.poll_without_shutdown(context)) => None,
            reply = lies.recv() => reply,
        };
        let mut stream = connection.into_parts().io.into_inner();
        let ending = match reply {
            None => Ending::Close,
            Some(Reply { answer, sent }) => wire::write(&mut stream, &answer, &sent).await,
        };
        if ending == Ending::Close {
            // The client may have closed first.
            drop(stream.shutdown().await);
        }
    }

    /// The response, or none at all when the reply goes to the bare connection instead.
    fn respond(self, request: Request<Incoming>, take_over: mpsc::Sender<Reply>) -> Responding {
        Box::pin(async move {
            let reply = self.services.reply(self.service, request).await;
            if let Some(response) = reply.answer.response() {
                return Ok(response);
            }
            drop(take_over.send(reply).await);
            std::future::pending().await
        })
    }
}
