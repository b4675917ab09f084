//! Unpacks a layer as it comes, and hashes what it unpacks to. Nothing of it is kept, and nothing of it is believed.
//!
//! Called while a layer is streamed, before anybody knows whether its bytes are the right ones: whoever answers for the
//! registry may have written them. So the unpackers are of Rust alone, their memory is bounded, and so is what they unpack.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_common::{Digest, Limits, digest::Hasher, registry::Onlooker};
use flate2::write::MultiGzDecoder;

use super::{
    LayersRefusal,
    contents::{Form, Layer},
    zstd::{self, Frames},
};

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One layer being unpacked.
pub(super) struct Unpacking {
    unpacker: Mutex<Unpacker>,
    most: u64,
    window: u64,
}

impl Unpacking {
    pub(super) fn new(layer: &Layer<'_>, limits: &Limits) -> Self {
        let most = layer
            .size
            .saturating_mul(limits.unpacked_ratio)
            .saturating_add(limits.unpacked);
        let mut algorithms: Vec<_> = layer.diff_ids.iter().map(Digest::algorithm).collect();
        // They are sorted: those of one algorithm are neighbours.
        algorithms.dedup();
        let output = Output {
            hashers: algorithms.into_iter().map(Hasher::new).collect(),
            left: most,
        };
        Self {
            unpacker: Mutex::new(match layer.form {
                Form::AsItIs => Unpacker::AsItIs(output),
                Form::Packed => Unpacker::Unknown(Vec::new(), output),
            }),
            most,
            window: limits.zstd_window,
        }
    }

    fn unpacker(&self) -> MutexGuard<'_, Unpacker> {
        self.unpacker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it all unpacked to each of those that the configurations name.
    pub(super) fn check(&self, layer: &Layer<'_>) -> Result<(), LayersRefusal> {
        let unpacker = std::mem::replace(&mut *self.unpacker(), Unpacker::Done);
        let found = unpacker
            .finish()
            .map_err(|fault| self.refusal(layer, fault))?;
        let other = |named: &&Digest| !found.contains(named);
        let Some(named) = layer.diff_ids.iter().find(other) else {
            return Ok(());
        };
        let actual = found
            .into_iter()
            .find(|found| found.algorithm() == named.algorithm());
        Err(LayersRefusal::DiffId {
            layer: layer.digest.clone(),
            named: named.clone(),
            actual: actual.unwrap_or_else(|| layer.digest.clone()),
        })
    }

    fn refusal(&self, layer: &Layer<'_>, fault: Fault) -> LayersRefusal {
        let digest = layer.digest.clone();
        match fault {
            Fault::Damaged(reason) => LayersRefusal::Damaged {
                layer: digest,
                reason,
            },
            Fault::Expands => LayersRefusal::Expands {
                layer: digest,
                size: layer.size,
                limit: self.most,
            },
            Fault::Window(window) => LayersRefusal::Window {
                layer: digest,
                window,
                limit: self.window,
            },
        }
    }
}

impl Onlooker for Unpacking {
    fn see(&self, bytes: &[u8]) {
        let mut unpacker = self.unpacker();
        let before = std::mem::replace(&mut *unpacker, Unpacker::Done);
        *unpacker = before
            .see(bytes, self.window)
            .unwrap_or_else(Unpacker::Failed);
    }
}

/// What can be wrong with a packed layer.
#[derive(Debug)]
pub(super) enum Fault {
    Damaged(String),
    /// It unpacks to more than it may.
    Expands,
    /// It needs so much memory, which is more than it may have.
    Window(u64),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::FileTooLarge {
            Self::Expands
        } else {
            Self::Damaged(error.to_string())
        }
    }
}

/// By what it turned out to be packed with.
enum Unpacker {
    AsItIs(Output),
    /// Nothing comes after its end.
    Done,
    /// What comes after a fault is not looked at; whether its bytes are the right ones matters all the same.
    Failed(Fault),
    /// Members one after the other, as runtimes read them.
    Gzip(Box<MultiGzDecoder<Output>>),
    /// Too few bytes so far to tell.
    Unknown(Vec<u8>, Output),
    Zstd(Box<Frames<Output>>),
}

impl Unpacker {
    fn see(self, bytes: &[u8], window: u64) -> Result<Self, Fault> {
        match self {
            Self::AsItIs(mut output) => {
                output.write_all(bytes)?;
                Ok(Self::AsItIs(output))
            }
            Self::Gzip(mut members) => {
                members.write_all(bytes)?;
                Ok(Self::Gzip(members))
            }
            Self::Unknown(mut first, output) => {
                first.extend_from_slice(bytes);
                match first.first_chunk::<4>() {
                    None => Ok(Self::Unknown(first, output)),
                    Some(magic) => Self::told_by(*magic, output, window).see(&first, window),
                }
            }
            Self::Zstd(mut frames) => {
                frames.write(bytes)?;
                Ok(Self::Zstd(frames))
            }
            ended @ (Self::Done | Self::Failed(_)) => Ok(ended),
        }
    }

    fn told_by(magic: [u8; 4], output: Output, window: u64) -> Self {
        if magic.starts_with(&GZIP) {
            Self::Gzip(Box::new(MultiGzDecoder::new(output)))
        } else if magic == zstd::MAGIC || zstd::is_skippable(magic) {
            Self::Zstd(Box::new(Frames::new(output, window)))
        } else {
            Self::AsItIs(output)
        }
    }

    /// What it unpacked to, by each algorithm that is asked for.
    fn finish(self) -> Result<Vec<Digest>, Fault> {
        let output = match self {
            Self::AsItIs(output) => output,
            Self::Done => return Err(Fault::Damaged("its end was passed before".to_owned())),
            Self::Failed(fault) => return Err(fault),
            Self::Gzip(members) => members.finish()?,
            Self::Unknown(all, mut output) => {
                output.write_all(&all)?;
                output
            }
            Self::Zstd(frames) => frames.finish()?,
        };
        Ok(output.hashers.into_iter().map(Hasher::finish).collect())
    }
}

/// Hashes what is unpacked, up to a limit.
struct Output {
    hashers: Vec<Hasher>,
    left: u64,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        for hasher in &mut self.hashers {
            hasher.update(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
