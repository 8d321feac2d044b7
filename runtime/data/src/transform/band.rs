//! Some rows of an image on their way to the views: few enough to stay in the
//! caches from the decoder to the last view that reads them.

use std::ops::Range;

use crate::wide::wide;

/// Rows of a band: in the horizontal passes a weight serves all of them.
pub(super) const ROWS: usize = 16;

/// One byte of each row.
pub(super) type Column = [u8; ROWS];

/// Bytes of a row that are turned at once.
const BLOCK: usize = 32;

/// Up to [`ROWS`] rows.
#[derive(Debug, Default)]
pub(super) struct Band {
    /// The rows' places in the image.
    place: Range<usize>,
    /// Bytes of each row that belong to pixels.
    line: usize,
    /// Bytes from one row to the next.
    stride: usize,
    /// Bytes before the first row.
    skip: usize,
    rows: Vec<u8>,
    /// The rows, turned.
    columns: Vec<Column>,
}

impl Band {
    /// Take all rows of an image of a height and width, each written by
    /// `read`, and call a function with each band of them.
    ///
    /// # Errors
    /// That of `read`.
    pub(super) fn each<E>(
        &mut self,
        [height, width]: [usize; 2],
        mut read: impl FnMut(&mut [u8]) -> Result<(), E>,
        mut call: impl FnMut(&mut Self),
    ) -> Result<(), E> {
        self.line = width * 3;
        // An odd number of cache lines: the same place of all rows together
        // would take more ways than a cache has.
        self.stride = (self.line.div_ceil(64) | 1) * 64;
        self.rows.resize(ROWS * self.stride + BLOCK, 0);
        // libjpeg-turbo writes rows that begin at a multiple of 32 past the
        // caches, from where they would have to be fetched again.
        let misaligned = self.rows.as_ptr().addr() + BLOCK / 2;
        self.skip = BLOCK - misaligned % BLOCK;
        for top in (0..height).step_by(ROWS) {
            self.place = top..height.min(top + ROWS);
            let rows = self.rows[self.skip..].chunks_exact_mut(self.stride);
            for row in rows.take(self.place.len()) {
                read(&mut row[..self.line])?;
            }
            call(self);
        }
        Ok(())
    }

    /// The rows' places in the image.
    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// The bytes of each row.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let rows = self.rows[self.skip..].chunks_exact(self.stride);
        rows.take(self.place.len()).map(|row| &row[..self.line])
    }

    /// Make the columns ready.
    pub(super) fn turn(&mut self) {
        self.columns
            .resize(self.line.next_multiple_of(BLOCK), [0; ROWS]);
        let rows = &self.rows[self.skip..];
        #[cfg(target_arch = "x86_64")]
        if super::avx2::turn(rows, self.stride, &mut self.columns) {
            return;
        }
        turn(rows, self.stride, &mut self.columns);
    }

    /// Each byte of the rows, as [`Band::turn`] has found it; where there are
    /// fewer rows, the last ones are of no use.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }
}

wide! {
    /// The columns of rows that are `stride` bytes apart.
    pub(super) fn turn(rows: &[u8], stride: usize, columns: &mut [Column]) {
        for (r, row) in rows.chunks_exact(stride).enumerate() {
            for (column, value) in columns.iter_mut().zip(row) {
                column[r] = *value;
            }
        }
    }
}
