//! A value that is kept as its JSON: it takes the room of its text, and is parsed when it is used.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The JSON of a `T`. Clones share the text.
pub struct RawJson<T> {
    text: Arc<str>,
    value: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> RawJson<T> {
    /// The JSON of a value.
    ///
    /// # Errors
    /// The type has no JSON, which is a bug.
    pub fn new(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { text: serde_json::to_string(value)?.into(), value: PhantomData })
    }

    /// The JSON of a value. It shares the text of `before` where that is the same.
    ///
    /// # Errors
    /// As of [`RawJson::new`].
    pub fn after(before: Option<&Self>, value: &T) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(value)?;
        match before {
            Some(before) if *before.text == *text => Ok(before.clone()),
            _ => Ok(Self { text: text.into(), value: PhantomData }),
        }
    }

    /// The value.
    ///
    /// # Errors
    /// The type cannot be read from its own JSON, which is a bug.
    pub fn open(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.text)
    }
}

impl<T> RawJson<T> {
    /// The length of the text in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is no text. No JSON is empty.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl<T> Clone for RawJson<T> {
    fn clone(&self) -> Self {
        Self { text: Arc::clone(&self.text), value: PhantomData }
    }
}

/// Equal values have equal texts.
impl<T> PartialEq for RawJson<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> std::fmt::Debug for RawJson<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_that_stays_shares_its_text() {
        let first = RawJson::new(&vec![1, 2]).unwrap();
        let second = RawJson::after(Some(&first), &vec![1, 2]).unwrap();
        let third = RawJson::after(Some(&second), &vec![1, 2, 3]).unwrap();
        assert!(Arc::ptr_eq(&first.text, &second.text));
        assert_eq!((third.open().unwrap(), second == third), (vec![1, 2, 3], false));
    }

    proptest! {
        #[test]
        fn any_text_comes_out_whole(text in "\\PC{0,200}") {
            prop_assert_eq!(RawJson::new(&text).unwrap().open().unwrap(), text);
        }
    }
}
