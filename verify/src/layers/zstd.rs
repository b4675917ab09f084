//! Frames of zstd, as they come ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878)): cut into blocks here, and unpacked by
//! ruzstd one block at a time, so that a few bytes that stand for many never become many at once.
//!
//! Called by [`unpack`](super::unpack). Dictionaries are not provided; no layer has one.

use std::io::{self, Write};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder, errors::FrameDecoderError};

use super::unpack::Fault;

pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Whether a frame that is to be skipped begins so.
pub(super) fn is_skippable(magic: [u8; 4]) -> bool {
    (0x184d_2a50..=0x184d_2a5f).contains(&u32::from_le_bytes(magic))
}

/// Unpacks frames, one after the other, into a writer.
pub(super) struct Frames<W> {
    decoder: FrameDecoder,
    output: W,
    /// The beginning of what cannot be unpacked yet: less than a header, or a block.
    pending: Vec<u8>,
    next: Next,
}

/// What comes next in the stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Block {
        /// Whether a checksum follows the last one.
        checksum: bool,
    },
    Frame,
    Skipped(u64),
}

impl<W: Write> Frames<W> {
    /// Unpacks with at most so much memory for what was unpacked before.
    pub(super) fn new(output: W, window: u64) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(window);
        Self {
            decoder,
            output,
            pending: Vec::new(),
            next: Next::Frame,
        }
    }

    /// Takes the next bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut rest = pending.as_slice();
        while let Some(left) = self.advance(rest)? {
            rest = left;
        }
        let done = pending.len() - rest.len();
        pending.drain(..done);
        self.pending = pending;
        Ok(())
    }

    /// What was written to, if the last frame is whole.
    pub(super) fn finish(self) -> Result<W, Fault> {
        if self.pending.is_empty() && self.next == Next::Frame {
            Ok(self.output)
        } else {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
        }
    }

    /// What is left after the next step; `None` if more bytes are needed for it.
    fn advance<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, Fault> {
        match self.next {
            Next::Block { checksum } => self.block(bytes, checksum),
            Next::Frame => self.frame(bytes),
            Next::Skipped(0) => {
                self.next = Next::Frame;
                Ok(Some(bytes))
            }
            Next::Skipped(_) if bytes.is_empty() => Ok(None),
            Next::Skipped(length) => {
                let skipped = usize::try_from(length).map_or(bytes.len(), |it| it.min(bytes.len()));
                self.next = Next::Skipped(length - skipped as u64);
                Ok(bytes.get(skipped..))
            }
        }
    }

    fn frame<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, Fault> {
        let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
            return Ok(None);
        };
        if is_skippable(*magic) {
            return Ok(rest.split_first_chunk::<4>().map(|(length, rest)| {
                self.next = Next::Skipped(u32::from_le_bytes(*length).into());
                rest
            }));
        }
        let Some(descriptor) = rest.first() else {
            return Ok(None);
        };
        let Some((mut header, rest)) = bytes.split_at_checked(4 + header_length(*descriptor))
        else {
            return Ok(None);
        };
        self.decoder.reset(&mut header)?;
        self.next = Next::Block {
            checksum: descriptor & 0b100 != 0,
        };
        Ok(Some(rest))
    }

    fn block<'b>(&mut self, bytes: &'b [u8], checksum: bool) -> Result<Option<&'b [u8]>, Fault> {
        let Some(([low, middle, high], _)) = bytes.split_first_chunk::<3>() else {
            return Ok(None);
        };
        let header = u32::from_le_bytes([*low, *middle, *high, 0]);
        let (is_last, is_repeated) = (header & 1 == 1, (header >> 1) & 0b11 == 1);
        // One byte stands for all of a block that repeats it.
        let content = if is_repeated { 1 } else { header >> 3 };
        let trailer = if is_last && checksum { 4 } else { 0 };
        let length = 3 + content as usize + trailer;
        let Some((mut block, rest)) = bytes.split_at_checked(length) else {
            return Ok(None);
        };
        self.decoder
            .decode_blocks(&mut block, BlockDecodingStrategy::UptoBlocks(1))?;
        while self.decoder.can_collect() > 0 {
            self.decoder.collect_to_writer(&mut self.output)?;
        }
        if is_last {
            self.next = Next::Frame;
        }
        Ok(Some(rest))
    }
}

/// How long the header of a frame is after its magic number, by its first byte.
fn header_length(descriptor: u8) -> usize {
    let is_single_segment = descriptor & 0b10_0000 != 0;
    let dictionary = match descriptor & 0b11 {
        3 => 4,
        length => usize::from(length),
    };
    let content_size = match descriptor >> 6 {
        0 => usize::from(is_single_segment),
        flag => 1 << flag,
    };
    1 + usize::from(!is_single_segment) + dictionary + content_size
}

impl From<FrameDecoderError> for Fault {
    fn from(error: FrameDecoderError) -> Self {
        match error {
            FrameDecoderError::WindowSizeTooBig { requested, .. } => Self::Window(requested),
            error => Self::Damaged(error.to_string()),
        }
    }
}
