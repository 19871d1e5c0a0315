//! Reads the fields of an encoded message, without knowing its type.

/// The deepest nesting of groups, as prost limits it.
const MAX_DEPTH: usize = 100;

/// A field as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number of any kind.
    Number,
    /// A text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

/// Reads the fields of a message one after the other. It ends where the message does, or where the
/// bytes stop being a message: a decoder stops there, too.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns the tag number and the value of the next field. Groups, which no message of the
    /// contract has, are skipped.
    pub(super) fn next(&mut self) -> Option<(u32, Value<'a>)> {
        loop {
            let (number, wire_type) = self.key()?;
            match wire_type {
                3 => self.skip_group()?,
                4 => return None,
                _ => return Some((number, self.value(wire_type)?)),
            }
        }
    }

    fn key(&mut self) -> Option<(u32, u32)> {
        let key = u32::try_from(self.varint()?).ok()?;
        Some((key >> 3, key & 7))
    }

    fn value(&mut self, wire_type: u32) -> Option<Value<'a>> {
        match wire_type {
            0 => self.varint().map(|_| Value::Number),
            1 => self.take(8).map(|_| Value::Number),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                self.take(len).map(Value::Bytes)
            }
            5 => self.take(4).map(|_| Value::Number),
            _ => None,
        }
    }

    /// Skips what is left of a group whose start was read, and the groups inside it.
    fn skip_group(&mut self) -> Option<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            let (_, wire_type) = self.key()?;
            match wire_type {
                3 if depth == MAX_DEPTH => return None,
                3 => depth += 1,
                4 => depth -= 1,
                _ => {
                    self.value(wire_type)?;
                }
            }
        }
        Some(())
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    /// Reads a number of 7 bits a byte, at most ten bytes long.
    fn varint(&mut self) -> Option<u64> {
        let (&first, rest) = self.bytes.split_first()?;
        // Nearly every tag and length is below 128.
        if first < 0x80 {
            self.bytes = rest;
            return Some(u64::from(first));
        }
        let mut number = 0;
        for (index, &byte) in self.bytes.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.bytes = &self.bytes[index + 1..];
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<(u32, Value<'_>)> {
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(|| reader.next()).collect()
    }

    #[test]
    fn every_wire_type_is_read() {
        let bytes = b"\x08\xff\x01\x11abcdefgh\x1a\x02xy\x25abcd\xfa\x3f\x00";
        let expected = [
            (1, Value::Number),
            (2, Value::Number),
            (3, Value::Bytes(b"xy")),
            (4, Value::Number),
            (1023, Value::Bytes(b"")),
        ];
        assert_eq!(read(bytes), expected);
    }

    #[test]
    fn what_follows_a_group_is_read() {
        assert_eq!(read(b"\x0b\x0a\x01x\x13\x14\x0c\x1a\x01y"), [(3, Value::Bytes(b"y"))]);
    }

    #[test]
    fn reading_ends_where_the_bytes_are_no_message() {
        for end in [
            &b"\x0a"[..],
            b"\x0a\x05abc",
            b"\x0c",
            b"\x0b",
            b"\x0e",
            b"\x08",
            b"\x11abcdefg",
            &[0xff; 20],
            &[0x0b; 200],
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            let bytes = [b"\x08\x01", end, b"\x08\x01"].concat();
            assert!(read(&bytes[..2 + end.len()]).len() == 1, "{end:?}");
        }
    }
}
