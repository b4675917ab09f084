//! How far down an image is looked at: what its digest reaches beyond its manifest and configuration, hashed.
//!
//! Collected for the judgement if nothing else is missing for trust, since what is refused anyway need not be fetched. Each
//! layer is streamed once in a run and none is kept; nothing looks into an archive.

mod collect;
mod contents;
mod refusal;
mod seen;
mod unpack;
mod zstd;

use self::contents::Layer;
pub use self::{refusal::LayersRefusal, seen::Seen};

/// How much of an image must hash to its name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Depth {
    /// Its manifest and its configuration; of an index, itself.
    Manifest,
    /// All that its digest reaches: each layer too, and of an index all of each child.
    Layers,
    /// And what each layer of an image unpacks to, which its configuration names.
    Unpacked,
}

/// All that a digest reaches hashes to its name, down to this depth. Made by collecting alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hashed {
    depth: Depth,
    layers: usize,
    unpacked: usize,
    bytes: u64,
}

impl Hashed {
    /// Nothing so far, and nothing that is missing.
    pub(crate) fn down_to(depth: Depth) -> Self {
        Self {
            depth,
            layers: 0,
            unpacked: 0,
            bytes: 0,
        }
    }

    fn add(&mut self, layer: &Layer<'_>) {
        self.layers += 1;
        self.unpacked += usize::from(!layer.diff_ids.is_empty());
        self.bytes = self.bytes.saturating_add(layer.size);
    }

    /// How far down.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// How many layers; one that several images share is one.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// How many of them were unpacked and are what a configuration names. The others belong to artifacts, of which none
    /// names it.
    pub fn unpacked(&self) -> usize {
        self.unpacked
    }

    /// Their bytes, as they are in the registry.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
