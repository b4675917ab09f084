//! Blobs that are too long to be kept: streamed, hashed, shown to an onlooker, and taken up again where a connection broke.
//!
//! Called for the layers of images. Each blob is a task of its own, so that several keep several cores busy; what looks longer
//! than hashing takes does so beside the runtime. Nothing is said of a blob before its last byte came.

use std::{panic::resume_unwind, sync::Arc, time::Instant};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Repository,
    digest::Hasher,
    registry::{Error, Failure, Looking, Onlooker},
};
use futures_util::{StreamExt, future};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_RANGE, HeaderValue, RANGE},
};
use tokio::task::{JoinError, JoinSet, consume_budget, spawn_blocking};

use crate::{
    body::{self, Pace},
    client::{Client, check_content, wrong_size},
    place::Place,
    transport::{Answer, Kind, Request},
};

/// How often a connection may break in the middle of one blob: of ten gigabytes, some do.
const BREAKS: u32 = 3;
/// Pieces that are there already are hashed together.
const TOGETHER: usize = 16;

impl Client {
    pub(crate) async fn stream_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Result<Option<u64>, Failure> {
        let mut stream = Stream::new(repository, descriptor, onlooker);
        let mut breaks = 0;
        loop {
            let answer = self.transport.send(&stream.request()).await?;
            let Some(known) = stream.known(&answer.response) else {
                return answer.absent().map(|()| None);
            };
            let place = answer.place.clone();
            let (read, end) = beside(stream.read(answer, known)).await;
            match end {
                Ok(()) => return read.finish(&place).map(Some),
                // Only its end was not seen: the digest says whether it is whole, and there is nothing left to ask for.
                Err(Failure::Error(_)) if read.bytes == descriptor.size => {
                    return read.finish(&place).map(Some);
                }
                Err(Failure::Error(Error::Unreachable { .. })) if breaks < BREAKS => {
                    (stream, breaks) = (read, breaks + 1);
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Does it where connections are read: a piece is hashed while the processor has it near, and its memory takes the next one.
/// It ends when nobody waits for it any more.
async fn beside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    match tasks.join_next().await {
        Some(done) => ended(done).await,
        None => future::pending().await,
    }
}

async fn ended<T>(task: Result<T, JoinError>) -> T {
    match task.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime ends, and this with it.
        Err(Err(_)) => future::pending().await,
    }
}

/// As much of a blob as came so far.
struct Stream {
    repository: Repository,
    descriptor: Descriptor,
    bytes: u64,
    sight: Sight,
}

impl Stream {
    fn new(repository: &Repository, descriptor: &Descriptor, onlooker: Arc<dyn Onlooker>) -> Self {
        let hasher = Hasher::new(descriptor.digest.algorithm());
        Self {
            repository: repository.clone(),
            descriptor: descriptor.clone(),
            bytes: 0,
            sight: Sight { hasher, onlooker },
        }
    }

    /// For all of it, or for what is missing.
    fn request(&self) -> Request<'_> {
        let path = format!("blobs/{}", self.descriptor.digest);
        let mut request = Request {
            kind: Kind::Streamed,
            ..Client::get(&self.repository, path)
        };
        let range = HeaderValue::from_str(&format!("bytes={}-", self.bytes));
        if let (1.., Ok(range)) = (self.bytes, range) {
            request.headers.insert(RANGE, range);
        }
        request
    }

    /// How many bytes of an answer were seen before: none if the registry goes on where it stopped, and all of them if it
    /// begins again. `None` if it does neither.
    fn known(&self, response: &Response) -> Option<u64> {
        let goes_on = || {
            let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
            range
                .strip_prefix("bytes ")?
                .strip_prefix(&self.bytes.to_string())?
                .starts_with('-')
                .then_some(0)
        };
        match response.status() {
            StatusCode::OK => Some(self.bytes),
            StatusCode::PARTIAL_CONTENT if self.bytes > 0 => goes_on(),
            _ => None,
        }
    }

    /// Takes in what an answer brings, as far as it comes.
    async fn read(
        mut self,
        Answer { response, place }: Answer,
        mut known: u64,
    ) -> (Self, Result<(), Failure>) {
        if let Err(failure) = body::check_encoding(&response, &place) {
            return (self, Err(failure));
        }
        let mut pace = Pace::new(Instant::now(), place.timeout);
        let mut pieces = response.bytes_stream().ready_chunks(TOGETHER);
        while let Some(together) = pieces.next().await {
            // A connection that is always ahead must not keep the others of this thread waiting.
            consume_budget().await;
            let mut fresh = Vec::with_capacity(together.len());
            let mut end = Ok(());
            for piece in together {
                end = piece
                    .map_err(|error| Failure::Error(place.broken(error)))
                    .and_then(|piece| self.admit(piece, &mut known, (&mut pace, &place)))
                    .map(|piece| fresh.push(piece));
                if end.is_err() {
                    break;
                }
            }
            self.sight = self.sight.see(fresh).await;
            if end.is_err() {
                return (self, end);
            }
        }
        (self, Ok(()))
    }

    /// What is new of a piece, if there may be so much and it came fast enough.
    fn admit(
        &mut self,
        mut bytes: Bytes,
        known: &mut u64,
        (pace, of): (&mut Pace, &Place),
    ) -> Result<Bytes, Failure> {
        if !pace.keeps_up(Instant::now(), bytes.len()) {
            return Err(Failure::Error(of.timed_out()));
        }
        let again = usize::try_from(*known).map_or(bytes.len(), |known| known.min(bytes.len()));
        *known -= again as u64;
        let fresh = bytes.split_off(again);
        self.bytes += fresh.len() as u64;
        if self.bytes > self.descriptor.size {
            return Err(wrong_size(&self.descriptor, &self.repository));
        }
        Ok(fresh)
    }

    fn finish(self, place: &Place) -> Result<u64, Failure> {
        check_content(
            &self.repository,
            &self.descriptor,
            self.bytes,
            self.sight.hasher.finish(),
            place,
        )?;
        Ok(self.bytes)
    }
}

/// What looks at the bytes.
struct Sight {
    hasher: Hasher,
    onlooker: Arc<dyn Onlooker>,
}

impl Sight {
    async fn see(self, pieces: Vec<Bytes>) -> Self {
        match self.onlooker.looking() {
            Looking::Brief => self.look(&pieces),
            Looking::Long => ended(spawn_blocking(move || self.look(&pieces)).await).await,
        }
    }

    fn look(mut self, pieces: &[Bytes]) -> Self {
        for piece in pieces {
            self.hasher.update(piece);
            self.onlooker.see(piece);
        }
        self
    }
}
