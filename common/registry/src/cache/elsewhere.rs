//! No folder: where one cannot be opened first and judged then, nothing is kept.
//!
//! In the place of [`folder`](super::folder) on systems that are no Unix. Never opened.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{CacheError, Count, Found};

#[derive(Debug)]
pub(super) enum Folder {}

impl Folder {
    pub(super) fn open(folder: PathBuf) -> Result<Self, CacheError> {
        Err(CacheError::Unusable {
            folder,
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        match *self {}
    }

    pub(super) fn read(&self, _: &str, _: std::ops::RangeInclusive<u64>) -> Found {
        match *self {}
    }

    pub(super) fn length(&self, _: &str) -> Option<u64> {
        match *self {}
    }

    pub(super) fn remove(&self, _: &str) {
        match *self {}
    }

    pub(super) fn count(&self, _: u64) -> io::Result<Count> {
        match *self {}
    }

    pub(super) fn write(&self, _: &str, _: &[u8]) -> io::Result<()> {
        match *self {}
    }

    pub(super) fn sweep(&self, _: u64, _: u64) -> io::Result<()> {
        match *self {}
    }
}
