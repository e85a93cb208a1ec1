//! How keys and values lie on disk: fixed fields, big-endian, then the ciphertext.
//!
//! A row that does not read back is an error with the table's name, never a default.

use crate::store::Id;

/// A row that is shorter or longer than its fields, or holds a number that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Torn;

/// Fields put one after another.
#[derive(Default)]
pub(super) struct Row(Vec<u8>);

impl Row {
    pub(super) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn i64(mut self, value: i64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn id(mut self, value: &Id) -> Self {
        self.0.extend(value);
        self
    }

    /// One byte for whether it is there, then the id.
    pub(super) fn maybe_id(self, value: Option<&Id>) -> Self {
        match value {
            Some(id) => self.u8(1).id(id),
            None => self.u8(0),
        }
    }

    /// The last field: as many bytes as there are.
    pub(super) fn rest(mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.extend(bytes);
        self.0
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Fields read one after another.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Torn> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Torn)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Torn> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Torn> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Torn> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Torn> {
        self.take().map(i64::from_be_bytes)
    }

    pub(super) fn id(&mut self) -> Result<Id, Torn> {
        self.take()
    }

    pub(super) fn maybe_id(&mut self) -> Result<Option<Id>, Torn> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.id().map(Some),
            _ => Err(Torn),
        }
    }

    /// The last field.
    pub(super) fn rest(self) -> Box<[u8]> {
        self.0.into()
    }

    /// Whether everything was read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may be left over.
    pub(super) fn end(self) -> Result<(), Torn> {
        if self.0.is_empty() { Ok(()) } else { Err(Torn) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Row, Torn};

    #[test]
    fn what_was_written_reads_back_and_anything_shorter_or_longer_is_torn() {
        let row = Row::default().u8(7).u32(8).u64(9).i64(-1).maybe_id(Some(&[3; 16])).maybe_id(None).done();
        let read = |bytes: &[u8]| -> Result<_, Torn> {
            let mut it = Fields(bytes);
            let fields = (it.u8()?, it.u32()?, it.u64()?, it.i64()?, it.maybe_id()?, it.maybe_id()?);
            it.end().map(|()| fields)
        };
        assert_eq!(read(&row), Ok((7, 8, 9, -1, Some([3; 16]), None)));
        for short in 0..row.len() {
            assert_eq!(read(&row[..short]), Err(Torn), "{short} bytes");
        }
        assert_eq!(read(&[&row[..], &[0]].concat()), Err(Torn));
    }
}
