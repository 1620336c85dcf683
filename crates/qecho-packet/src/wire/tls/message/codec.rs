//! Reading and writing by one description of each structure (RFC 8446 §3).

use crate::wire::reader::{Malformed, Reader};

/// Whether something was as it has to be, which in writing it always is.
pub type Coded = Result<(), Malformed>;

/// Reads bytes that nobody trusts into values, or writes values, whatever is in them. The names
/// are for errors, of which writing has none.
pub enum Codec<'a> {
    /// Bytes that are left to be read.
    Read(Reader<'a>),
    /// Bytes that were written.
    Write(Vec<u8>),
}

/// Reads what all of some bytes are.
///
/// # Errors
/// If they are not that, or if something follows.
pub fn decode<T: Default>(
    bytes: &[u8],
    code: impl FnOnce(&mut Codec<'_>, &mut T) -> Coded,
) -> Result<T, Malformed> {
    let (mut codec, mut value) = (Codec::Read(Reader::new(bytes)), T::default());
    code(&mut codec, &mut value)?;
    codec.demand(codec.is_done(), "end")?;
    Ok(value)
}

/// Writes a value.
pub fn encode<T>(mut value: T, code: impl FnOnce(&mut Codec<'_>, &mut T) -> Coded) -> Vec<u8> {
    let mut codec = Codec::Write(Vec::new());
    let written = code(&mut codec, &mut value);
    debug_assert!(written.is_ok(), "anything can be written");
    match codec {
        Codec::Write(out) => out,
        Codec::Read(_) => Vec::new(),
    }
}

impl Codec<'_> {
    /// Tells whether nothing is left to be read.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Read(reader) if reader.is_empty())
    }

    /// Refuses what was read, if something does not hold.
    pub(super) fn demand(&self, holds: bool, name: &'static str) -> Coded {
        match self {
            Self::Read(reader) if !holds => Err(reader.malformed(name)),
            _ => Ok(()),
        }
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        bytes: &mut [u8; N],
        name: &'static str,
    ) -> Coded {
        match self {
            Self::Read(reader) => *bytes = reader.array(name)?,
            Self::Write(out) => out.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// One byte.
    ///
    /// # Errors
    /// If nothing is left.
    pub fn byte(&mut self, value: &mut u8, name: &'static str) -> Coded {
        self.array(std::array::from_mut(value), name)
    }

    /// A number of two bytes.
    ///
    /// # Errors
    /// If they are not there.
    pub fn short(&mut self, value: &mut u16, name: &'static str) -> Coded {
        let mut bytes = value.to_be_bytes();
        self.array(&mut bytes, name)?;
        *value = u16::from_be_bytes(bytes);
        Ok(())
    }

    pub(super) fn long(&mut self, value: &mut u32, name: &'static str) -> Coded {
        let mut bytes = value.to_be_bytes();
        self.array(&mut bytes, name)?;
        *value = u32::from_be_bytes(bytes);
        Ok(())
    }

    /// All bytes up to the end of the vector that they are in.
    pub(super) fn rest(&mut self, bytes: &mut Vec<u8>) -> Coded {
        match self {
            Self::Read(reader) => *bytes = reader.take_rest().to_vec(),
            Self::Write(out) => out.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// A length in so many bytes, of which it has the low ones, and as many bytes, which are what
    /// is `inside` and no more.
    pub(super) fn vector(
        &mut self,
        length_bytes: usize,
        name: &'static str,
        inside: impl FnOnce(&mut Codec<'_>) -> Coded,
    ) -> Coded {
        if let Self::Read(reader) = self {
            let mut vector = Codec::Read(Reader::new(reader.vector(length_bytes, name)?));
            inside(&mut vector)?;
            return vector.demand(vector.is_done(), "end");
        }
        let mut vector = Codec::Write(Vec::new());
        inside(&mut vector)?;
        if let (Self::Write(out), Codec::Write(vector)) = (self, vector) {
            let length = (vector.len() as u64).to_be_bytes();
            out.extend_from_slice(&length[8 - length_bytes..]);
            out.extend(vector);
        }
        Ok(())
    }

    /// Bytes behind their length, which has so many itself.
    ///
    /// # Errors
    /// If they are not there.
    pub fn bytes(&mut self, length_bytes: usize, bytes: &mut Vec<u8>, name: &'static str) -> Coded {
        self.vector(length_bytes, name, |codec| codec.rest(bytes))
    }

    /// A vector of items.
    pub(super) fn list<T: Default>(
        &mut self,
        length_bytes: usize,
        items: &mut Vec<T>,
        name: &'static str,
        item: impl Fn(&mut Codec<'_>, &mut T) -> Coded,
    ) -> Coded {
        self.vector(length_bytes, name, |codec| {
            while matches!(codec, Codec::Read(_)) && !codec.is_done() {
                let mut value = T::default();
                item(codec, &mut value)?;
                items.push(value);
            }
            match codec {
                Codec::Read(_) => Ok(()),
                Codec::Write(_) => items.iter_mut().try_for_each(|value| item(codec, value)),
            }
        })
    }
}
