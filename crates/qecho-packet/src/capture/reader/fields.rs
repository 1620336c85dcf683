//! Numbers and bytes from the front of a slice, never from beyond its end.

/// The byte order of numbers.
#[derive(Clone, Copy, Default)]
pub(super) enum ByteOrder {
    #[default]
    Little,
    Big,
}

/// Bytes that have not been read yet.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], order: ByteOrder) -> Self {
        Self { bytes, order }
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let bytes = self.array()?;
        Some(match self.order {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let bytes = self.array()?;
        Some(match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        let bytes = self.array()?;
        Some(match self.order {
            ByteOrder::Little => i64::from_le_bytes(bytes),
            ByteOrder::Big => i64::from_be_bytes(bytes),
        })
    }

    /// Returns so many bytes, or none at all.
    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(first)
    }

    /// Returns so many bytes, or as many as there are.
    pub(super) fn bytes_at_most(&mut self, length: u32) -> &'a [u8] {
        let length = self.bytes.len().min(length as usize);
        let (first, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        first
    }

    /// Passes over what pads so many bytes to 32 bits.
    pub(super) fn padding_of(&mut self, length: usize) {
        self.bytes_at_most((length.wrapping_neg() % 4) as u32);
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_either_order_and_not_beyond_the_end() {
        let mut little = Fields::new(&[1, 2, 3, 4, 5, 6, 7], ByteOrder::Little);
        assert_eq!(little.u32(), Some(0x0403_0201));
        assert_eq!(little.u32(), None);
        assert_eq!(little.u16(), Some(0x0605));
        let mut big = Fields::new(&[255, 255, 255, 255, 255, 255, 255, 254], ByteOrder::Big);
        assert_eq!(big.i64(), Some(-2));
        assert_eq!(big.u16(), None);
    }

    #[test]
    fn padding_reaches_to_the_next_32_bits_and_may_be_missing() {
        let rest = |length| {
            let mut fields = Fields::new(&[0; 4], ByteOrder::Little);
            fields.padding_of(length);
            fields.bytes_at_most(u32::MAX).len()
        };
        assert_eq!([0, 1, 2, 3, 4].map(rest), [4, 1, 2, 3, 4]);
        let mut fields = Fields::new(&[0; 1], ByteOrder::Little);
        fields.padding_of(5);
        assert_eq!(fields.bytes(1), None);
    }
}
