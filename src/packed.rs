//! Values that there are many of, which are kept for long and seldom looked at.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What most of them have in common, which is not kept for each: JSON of a ScaledObject and its status as Ebb writes them.
/// It may change at any time, as nothing packed outlives the process.
const COMMON: &[u8] = include_bytes!("packed/common.json");

/// A value as compressed JSON: a ScaledObject or its status takes about a tenth of its room in memory.
pub struct Packed<T> {
    bytes: Box<[u8]>,
    value: PhantomData<fn() -> T>,
}

/// The value's type has no form in JSON that it could be read from again.
#[derive(Debug, thiserror::Error)]
pub enum PackedError {
    /// It cannot be read, or written.
    #[error("what is kept has no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The bytes are not those that were written.
    #[error("what is kept cannot be unpacked: {0}")]
    Bytes(#[from] lz4_flex::block::DecompressError),
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    /// Packs a value.
    pub fn new(value: &T) -> Result<Self, PackedError> {
        let bytes = lz4_flex::block::compress_prepend_size_with_dict(&serde_json::to_vec(value)?, COMMON);
        Ok(Self { bytes: bytes.into(), value: PhantomData })
    }

    /// The value.
    pub fn open(&self) -> Result<T, PackedError> {
        let json = lz4_flex::block::decompress_size_prepended_with_dict(&self.bytes, COMMON)?;
        Ok(serde_json::from_slice(&json)?)
    }
}

impl<T> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), value: PhantomData }
    }
}

/// Equal values have equal bytes.
impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> std::fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use ebb_crds::ScaledObject;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_packed_is_small_and_comes_out_whole() {
        let text = include_str!("packed/common.json").replace("jobs", "mail").replace("2026-", "2027-");
        let object: ScaledObject = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let packed = Packed::new(&object).unwrap();
        let (before, after) =
            (serde_json::to_value(&object).unwrap(), serde_json::to_value(packed.open().unwrap()).unwrap());
        assert_eq!(before, after);
        assert!(packed.bytes.len() < before.to_string().len() / 8, "{packed:?}");
    }

    proptest! {
        #[test]
        fn any_text_comes_out_whole(text in "\\PC{0,200}") {
            prop_assert_eq!(Packed::new(&text).unwrap().open().unwrap(), text);
        }
    }
}
