//! The embedded handwritten digits (UCI "Optical Recognition of Handwritten
//! Digits", CC BY 4.0; see `assets/README.md`).

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::DataError;
use crate::image::Rgb;

/// Training images; the rest are held out.
pub(crate) const TRAIN: usize = 1200;
/// Held-out images.
pub(crate) const HELD_OUT: usize = 597;
const SIDE: usize = 8;
const FILE: &[u8] = include_bytes!("../../assets/digits.csv.gz");

/// Names of the classes.
pub(crate) fn classes() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

/// All images in file order with their labels: values 0..=16 as
/// `round(v * 255 / 16)` in three equal channels.
pub(crate) fn read() -> Result<Vec<(Rgb, u32)>, DataError> {
    let broken = || DataError::Defect {
        place: "the embedded digits".into(),
        message: "unexpected content".into(),
    };
    let mut text = String::new();
    GzDecoder::new(FILE)
        .read_to_string(&mut text)
        .map_err(|source| DataError::Read {
            path: Path::new("the embedded digits").into(),
            source,
        })?;
    let images = text
        .lines()
        .map(|line| {
            let values = line
                .split(',')
                .map(str::parse)
                .collect::<Result<Vec<u32>, _>>()
                .map_err(|_| broken())?;
            let Some((label, pixels)) = values.split_last() else {
                return Err(broken());
            };
            if pixels.len() != SIDE * SIDE {
                return Err(broken());
            }
            let data = pixels
                .iter()
                .flat_map(|v| [((v * 255 + 8) / 16) as u8; 3])
                .collect();
            let image = Rgb {
                width: SIDE,
                height: SIDE,
                data,
            };
            Ok((image, *label))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if images.len() != TRAIN + HELD_OUT {
        return Err(broken());
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts that scikit-learn's `load_digits()` states: 1,797 images, values
    /// whose sum is 561,718, and these counts for each digit.
    #[test]
    fn all_digits_are_there() {
        let images = read().unwrap();
        let mut counts = [0; 10];
        let mut sum = 0;
        for (image, label) in &images {
            counts[*label as usize] += 1;
            for pixel in image.data.chunks_exact(3) {
                assert_eq!(pixel[0], pixel[2]);
                sum += (u32::from(pixel[0]) * 16 + 127) / 255;
            }
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(sum, 561_718);
        let first = &images[0].0.data;
        assert_eq!(first[2 * 3], 80, "round(5 * 255 / 16)");
    }
}
