//! The types of flexible versions (KIP-482): compact texts and arrays, and tagged fields. Pure.
//!
//! The same rule as in [`codec`](super::codec) holds: no length is believed, and parsed values take a small multiple of
//! the bytes that came.

use super::codec::{ALLOCATION, Malformed, Reader, Writer};

/// The longest compact length that is taken: more than any answer has bytes.
const LONGEST: u32 = i32::MAX.cast_unsigned();

/// Writes an unsigned number, seven bits in a byte.
pub(super) fn write_length(to: &mut Writer, mut value: u32) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return to.i8(low.cast_signed());
        }
        to.i8((low | 0x80).cast_signed());
    }
}

/// Writes a compact text.
pub(super) fn write_text(to: &mut Writer, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(0).saturating_add(1);
    write_length(to, length);
    to.raw(text.as_bytes());
}

/// Writes no tagged fields.
pub(super) fn write_no_tags(to: &mut Writer) {
    to.i8(0);
}

/// Reads an unsigned number of at most 32 bits.
fn length(from: &mut Reader<'_>) -> Result<u32, Malformed> {
    let mut value = 0_u32;
    for shift in (0..35).step_by(7) {
        let byte = from.i8()?.cast_unsigned();
        let bits = u32::from(byte & 0x7f);
        if shift == 28 && bits > 0x0f {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return if value > LONGEST { Err(Malformed("a length is too large")) } else { Ok(value) };
        }
    }
    Err(Malformed("a length has too many digits"))
}

/// A compact length is one more than the number of elements; zero is null.
fn nullable_length(from: &mut Reader<'_>) -> Result<Option<usize>, Malformed> {
    let length = length(from)?;
    Ok(length.checked_sub(1).map(|length| length as usize))
}

/// Reads a compact text.
pub(super) fn text<'a>(from: &mut Reader<'a>) -> Result<std::borrow::Cow<'a, str>, Malformed> {
    let length = nullable_length(from)?.ok_or(Malformed("a text is missing"))?;
    let text = String::from_utf8_lossy(from.take(length)?);
    // Twice: a caller that keeps it copies it. Each byte that is no UTF-8 takes three.
    from.take_memory(2 * (text.len() + ALLOCATION))?;
    Ok(text)
}

/// Passes over a compact text that may be null.
pub(super) fn skip_text(from: &mut Reader<'_>) -> Result<(), Malformed> {
    let length = nullable_length(from)?.unwrap_or(0);
    from.take(length).map(drop)
}

/// Passes over tagged fields: nothing is read that only a later version has.
pub(super) fn skip_tags(from: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..length(from)? {
        let _tag = length(from)?;
        let size = length(from)?;
        from.take(size as usize)?;
    }
    Ok(())
}

/// Reads how many elements a compact array has; zero for null. Every element takes at least a byte.
pub(super) fn array_length(from: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = nullable_length(from)?.unwrap_or(0);
    if count <= from.left() { Ok(count) } else { Err(Malformed("it ends too early")) }
}

/// Reads a compact array; an empty one for null.
pub(super) fn array<'a, T>(
    from: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = array_length(from)?;
    let mut items = from.room_for(count)?;
    for _ in 0..count {
        items.push(read(from)?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.framed().split_off(4)
    }

    #[test]
    fn lengths_have_seven_bits_in_a_byte() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (300, &[0xac, 0x02]),
            (i32::MAX.cast_unsigned(), &[0xff, 0xff, 0xff, 0xff, 0x07]),
        ] {
            assert_eq!(written(|to| write_length(to, value)), bytes);
            assert_eq!(length(&mut Reader::new(bytes)), Ok(value));
        }
        for broken in [&[0x80][..], &[0xff; 5], &[0x80, 0x80, 0x80, 0x80, 0x10], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
            assert!(length(&mut Reader::new(broken)).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn texts_and_tags_are_read_or_passed_over() {
        let mut bytes = written(|to| write_text(to, "Größe"));
        bytes.extend([0x00, 0x03, b'o', b'k', 0x02, 0x05, 0x01, 0xaa, 0x07, 0x00, 0x2a]);
        let mut from = Reader::new(&bytes);
        assert_eq!(text(&mut from).unwrap(), "Größe");
        assert_eq!((skip_text(&mut from), skip_text(&mut from)), (Ok(()), Ok(())), "null, and a text");
        assert_eq!(skip_tags(&mut from), Ok(()));
        assert_eq!((from.i8(), from.left()), (Ok(0x2a), 0));
        assert_eq!(text(&mut Reader::new(&[0])), Err(Malformed("a text is missing")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_take_more_than_there_is(bytes: Vec<u8>) {
            let mut from = Reader::new(&bytes);
            let texts = array(&mut from, |from| text(from).map(|text| text.len()));
            prop_assert!(texts.map_or(0, |texts| texts.len()) <= bytes.len());
            let _ = skip_tags(&mut from);
        }
    }
}
