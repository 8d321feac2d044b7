//! Which images of a batch are forwarded together. What is drawn for an image
//! depends on its place in the batch, so that micro-batches draw what the whole
//! batch would.

/// The rows of a batch that are computed together.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// Images of the whole batch.
    pub batch: usize,
    /// The first that is computed.
    pub first: usize,
    /// How many are.
    pub count: usize,
}

impl Rows {
    /// All of a batch.
    pub fn all(batch: usize) -> Self {
        Rows {
            batch,
            first: 0,
            count: batch,
        }
    }

    /// One of several equal parts of a batch.
    pub fn part(batch: usize, part: usize, parts: usize) -> Self {
        let count = batch / parts;
        Rows {
            batch,
            first: part * count,
            count,
        }
    }

    /// The place in the batch, and behind it in further views of the same
    /// images, of a row that is computed.
    pub fn place(self, row: usize) -> usize {
        let count = self.count.max(1);
        row / count * self.batch + self.first + row % count
    }
}
