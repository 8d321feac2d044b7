//! From 8 bits to the floats of a batch: `(value / 255 - mean) / std` in single
//! floats, in the order of torchvision.

#[cfg(target_arch = "x86_64")]
use super::avx2;

/// What every 8-bit value of a channel becomes.
#[derive(Debug, Clone)]
pub(super) struct Values {
    table: Box<[f32; 256]>,
    /// The way without a table, where it gives the same bits.
    #[cfg(target_arch = "x86_64")]
    affine: Option<avx2::Affine>,
}

impl Values {
    /// Those of the three channels.
    pub(super) fn new(mean: [f64; 3], std: [f64; 3]) -> [Self; 3] {
        std::array::from_fn(|c| Values::channel(mean[c] as f32, std[c] as f32))
    }

    fn channel(mean: f32, std: f32) -> Self {
        let mut table = Box::new([0.0; 256]);
        for (value, entry) in (0..=255u8).zip(table.iter_mut()) {
            *entry = (f32::from(value) / 255.0 - mean) / std;
        }
        Values {
            #[cfg(target_arch = "x86_64")]
            affine: avx2::Affine::new(mean, std, &table),
            table,
        }
    }

    /// Write the floats of a channel's pixels.
    pub(super) fn write(&self, source: &[u8], target: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(affine) = self.affine
            && avx2::values(source, target, affine)
        {
            return;
        }
        for (target, value) in target.iter_mut().zip(source) {
            *target = self.table[usize::from(*value)];
        }
    }
}
