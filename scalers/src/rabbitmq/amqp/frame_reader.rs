//! Whole frames out of a stream of bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::frame::{HEAD, LARGEST_FRAME, frame_size};

/// Twice the largest frame, so that one packet with many answers is read at once.
const CAPACITY: usize = 2 * LARGEST_FRAME as usize;

/// The bytes of a broker that are not read yet.
#[derive(Debug)]
pub(super) struct FrameReader {
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self { buffer: vec![0; CAPACITY].into_boxed_slice(), begin: 0, end: 0 }
    }
}

impl FrameReader {
    /// The next frame that has come whole.
    ///
    /// # Errors
    /// The bytes are no frame, or a frame that is too large.
    pub(super) fn frame(&mut self) -> Result<Option<&[u8]>, String> {
        let Some(size) = self.size()? else { return Ok(None) };
        let begin = self.begin;
        self.begin += size;
        Ok(Some(&self.buffer[begin..begin + size]))
    }

    /// Whether a frame has come whole.
    ///
    /// # Errors
    /// As [`FrameReader::frame`].
    pub(super) fn has_frame(&self) -> Result<bool, String> {
        Ok(self.size()?.is_some())
    }

    /// The size of the next frame, once it has come whole.
    fn size(&self) -> Result<Option<usize>, String> {
        let present = &self.buffer[self.begin..self.end];
        let Some(head) = present.first_chunk::<HEAD>() else { return Ok(None) };
        let size = frame_size(*head)?;
        Ok((size <= present.len()).then_some(size))
    }

    /// Reads more bytes. Cancelling it loses none. Gives their number, 0 at the end of the stream.
    ///
    /// # Errors
    /// The stream cannot be read.
    pub(super) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        let more = stream.read(&mut self.buffer[self.end..]).await?;
        self.end += more;
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::tests::{declared, method};
    use super::*;

    #[tokio::test]
    async fn frames_come_whole_however_the_bytes_come() {
        let frames = [declared(1, "jobs", 7), method(0, 10, 41, &[0]), declared(1, &"q".repeat(255), 0)];
        let bytes = frames.concat().repeat(200);
        for packet in [1, 7, 300, 100_000] {
            let mut reader = FrameReader::default();
            let mut found = Vec::new();
            for mut packet in bytes.chunks(packet) {
                while !packet.is_empty() {
                    assert!(reader.fill(&mut packet).await.unwrap() > 0);
                    while let Some(frame) = reader.frame().unwrap() {
                        found.push(frame.to_vec());
                    }
                }
            }
            assert_eq!(found.len(), 600, "{packet}");
            assert!(found.chunks(3).all(|three| three == frames), "{packet}");
        }
    }
}
