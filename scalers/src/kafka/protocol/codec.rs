//! The primitive types of the Kafka protocol (kafka.apache.org/protocol, "Protocol Primitive Types"), in the form that
//! they have in versions without tagged fields. Pure.
//!
//! No length in an answer is believed. Each value is in the bytes that have come, and takes at most [`TIMES`] their
//! size.

use std::fmt;

/// The most memory that a parsed answer takes, as a multiple of its bytes. Topics that do not exist take the most of
/// all that an honest broker answers: 14 bytes and a name become 64 and the name.
const TIMES: usize = 5;
/// Bytes that a parsed answer may take besides: a small answer takes little memory in any case.
const BESIDES: usize = 1 << 10;

/// The bytes that the allocator adds to a text.
pub(super) const ALLOCATION: usize = 16;

/// The memory that an answer of `length` bytes takes, with its parsed values.
pub(super) const fn memory(length: usize) -> usize {
    length + TIMES * length + BESIDES
}

/// The longest answer that takes no more memory than this.
pub(super) const fn longest(memory: usize) -> usize {
    (memory - BESIDES) / (1 + TIMES)
}

/// A malformed answer: the part that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) struct Malformed(pub(super) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an answer that makes no sense ({})", self.0)
    }
}

/// Writes a request.
#[derive(Debug, Default)]
pub(in crate::kafka) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn i8(&mut self, value: i8) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.i8(value.into());
    }

    /// A text. The protocol takes 32,767 bytes.
    pub(super) fn string(&mut self, text: &str) {
        let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
        self.i16(length);
        self.0.extend(&text.as_bytes()[..usize::from(length.unsigned_abs())]);
    }

    /// Bytes without their length.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.0.extend(bytes);
    }

    pub(super) fn array<T>(&mut self, items: impl ExactSizeIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        self.i32(i32::try_from(items.len()).unwrap_or(i32::MAX));
        items.for_each(|item| write(self, item));
    }

    /// The length that means no array.
    pub(super) fn no_array(&mut self) {
        self.i32(-1);
    }

    /// The request with its length before it.
    pub(super) fn framed(self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(4 + self.0.len());
        frame.extend(u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend(self.0);
        frame
    }
}

/// Reads an answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::kafka) struct Reader<'a> {
    bytes: &'a [u8],
    /// The memory that parsed values may still take.
    allowance: usize,
}

impl<'a> Reader<'a> {
    pub(in crate::kafka) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, allowance: memory(bytes.len()) - bytes.len() }
    }

    /// Takes memory for parsed values.
    pub(super) fn take_memory(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.allowance = self.allowance.checked_sub(bytes).ok_or(Malformed("it takes too much memory"))?;
        Ok(())
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, left) = self.bytes.split_at_checked(length).ok_or(Malformed("it ends too early"))?;
        self.bytes = left;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, left) = self.bytes.split_first_chunk().ok_or(Malformed("it ends too early"))?;
        self.bytes = left;
        Ok(*taken)
    }

    pub(super) fn i8(&mut self) -> Result<i8, Malformed> {
        self.number().map(i8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Malformed> {
        self.number().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.number().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        self.number().map(i64::from_be_bytes)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        self.i8().map(|value| value != 0)
    }

    /// A number of records' own kind: seven bits in a byte, and the sign in the lowest bit (Protocol Buffers'
    /// `sint64`).
    pub(super) fn varint(&mut self) -> Result<i64, Malformed> {
        let mut folded = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.number()?;
            folded |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed());
            }
        }
        Err(Malformed("a number has too many digits"))
    }

    pub(super) fn nullable_string(&mut self) -> Result<Option<String>, Malformed> {
        match self.i16()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Malformed("a text has a negative length"))?;
                let text = String::from_utf8_lossy(self.take(length)?).into_owned();
                self.take_memory(text.len() + ALLOCATION)?;
                Ok(Some(text))
            }
        }
    }

    /// Passes over a text that is not needed.
    pub(super) fn skip_string(&mut self) -> Result<(), Malformed> {
        let length = self.i16()?;
        self.take(usize::try_from(length).unwrap_or(0)).map(drop)
    }

    pub(super) fn string(&mut self) -> Result<String, Malformed> {
        self.nullable_string()?.ok_or(Malformed("a text is missing"))
    }

    /// Bytes; none for the length that means no bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        match self.i32()? {
            -1 => Ok(&[]),
            length => self.take(usize::try_from(length).map_err(|_| Malformed("bytes have a negative length"))?),
        }
    }

    /// A copy of them.
    pub(super) fn bytes_owned(&mut self) -> Result<Vec<u8>, Malformed> {
        let bytes = self.bytes()?;
        self.take_memory(bytes.len())?;
        Ok(bytes.to_vec())
    }

    /// Up to `length` bytes of a part that may be cut off.
    pub(super) fn take_most(&mut self, length: usize) -> &'a [u8] {
        let (taken, left) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = left;
        taken
    }

    /// An array; an empty one for the length that means no array. Every element takes at least a byte.
    pub(super) fn array<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count()?;
        let mut items = self.room_for(count)?;
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// A vector for `count` elements. All its memory is taken at once: one that grows takes up to three times as much.
    pub(super) fn room_for<T>(&mut self, count: usize) -> Result<Vec<T>, Malformed> {
        self.take_memory(count.saturating_mul(size_of::<T>()))?;
        Ok(Vec::with_capacity(count))
    }

    /// An array that nothing is kept of. Every element takes at least a byte.
    pub(super) fn each(&mut self, mut read: impl FnMut(&mut Self) -> Result<(), Malformed>) -> Result<(), Malformed> {
        (0..self.count()?).try_for_each(|_| read(self))
    }

    /// The number of an array's elements.
    fn count(&mut self) -> Result<usize, Malformed> {
        match self.i32()? {
            -1 => Ok(0),
            count => usize::try_from(count)
                .map_err(|_| Malformed("an array has a negative length"))
                .and_then(|count| if count <= self.left() { Ok(count) } else { Err(Malformed("it ends too early")) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = Writer::default();
        writer.i8(-1);
        writer.i16(-2);
        writer.i32(-3);
        writer.i64(-4);
        writer.flag(true);
        writer.string("Größe");
        writer.bytes(b"xyz");
        writer.array([1, 2, 3].into_iter(), Writer::i32);
        writer.no_array();
        let frame = writer.framed();
        let mut reader = Reader::new(&frame);
        assert_eq!(reader.i32(), Ok(i32::try_from(frame.len() - 4).unwrap()));
        assert_eq!((reader.i8(), reader.i16(), reader.i32(), reader.i64()), (Ok(-1), Ok(-2), Ok(-3), Ok(-4)));
        assert_eq!((reader.flag(), reader.string(), reader.bytes()), (Ok(true), Ok("Größe".into()), Ok(&b"xyz"[..])));
        assert_eq!((reader.array(Reader::i32), reader.array(Reader::i32)), (Ok(vec![1, 2, 3]), Ok(vec![])));
        assert_eq!(reader.left(), 0);
        assert_eq!(reader.i8(), Err(Malformed("it ends too early")));
    }

    #[test]
    fn a_length_that_is_none_is_not_believed() {
        let all = [0x7f, 0xff, 0xff, 0xff];
        assert!(Reader::new(&all).bytes().is_err());
        assert!(Reader::new(&all).array(Reader::i32).is_err() && Reader::new(&all).each(|_| Ok(())).is_err());
        assert!(Reader::new(&all).string().is_err());
        let negative = [0xff, 0xff, 0xff, 0xfe];
        assert!(Reader::new(&negative).bytes().is_err());
        assert!(Reader::new(&negative).array(Reader::i32).is_err());
        assert!(Reader::new(&[0xff, 0xfe]).nullable_string().is_err());
        assert_eq!(Reader::new(&[0xff, 0xff]).nullable_string(), Ok(None));
        assert!(Reader::new(&[0xff, 0xff]).string().is_err());
    }

    #[test]
    fn numbers_of_records_are_folded() {
        for (bytes, number) in [
            (&[0x00][..], 0),
            (&[0x01], -1),
            (&[0x02], 1),
            (&[0x7f], -64),
            (&[0x80, 0x01], 64),
            (&[0xac, 0x02], 150),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], i64::MIN),
        ] {
            assert_eq!(Reader::new(bytes).varint(), Ok(number), "{bytes:?}");
        }
        assert!(Reader::new(&[0x80; 11]).varint().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
    }

    #[test]
    fn an_answer_becomes_no_more_than_a_few_times_its_size() {
        // A million empty texts in two megabytes would take 24.
        let mut bytes = 1_000_000_i32.to_be_bytes().to_vec();
        bytes.extend(vec![0; 2_000_000]);
        assert_eq!(Reader::new(&bytes).array(Reader::string), Err(Malformed("it takes too much memory")));
        // A byte that is no UTF-8 becomes three.
        let mut bytes = [0x7f, 0xff].repeat(100);
        bytes.resize(100 * 0x8001, 0xff);
        let mut reader = Reader::new(&bytes);
        let texts = (0..100).map_while(|_| reader.string().ok()).count();
        assert!(texts < 100, "{texts}");
        let mut reader = Reader::new(&[0, 0, 0, 3, 1, 2, 3]);
        assert_eq!(reader.each(|reader| reader.i8().map(drop)), Ok(()));
        assert_eq!(reader.left(), 0);
    }

    #[test]
    fn the_longest_answer_takes_the_memory_that_it_may() {
        for bytes in [8 << 10, 64 << 10, 8 << 20] {
            let length = longest(bytes);
            assert!(memory(length) <= bytes && memory(length + 1) > bytes, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_takes_more_than_is_there(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.array(|reader| reader.array(Reader::string));
            prop_assert!(reader.left() <= bytes.len());
        }
    }
}
