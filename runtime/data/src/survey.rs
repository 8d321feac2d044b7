//! What a data set is made of: sizes, formats, broken files, duplicates,
//! channel statistics. Every image is read and decoded once.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::crew::Crew;
use crate::dataset::Split;
use crate::image::Rgb;
use crate::report::CorruptFile;
use crate::source::Loaded;
use crate::{DataError, Dataset};

/// What was found out about the images of a split.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// Images looked at, broken ones with them.
    pub images: usize,
    /// Bytes of their files; 0 where they are no files.
    pub bytes: u64,
    /// Images of each format by its content; `pixels` where they are no files,
    /// `unreadable` where nothing could be read.
    pub formats: BTreeMap<&'static str, usize>,
    /// Height and width of every readable image, ordered by their pixels.
    pub sizes: Vec<[usize; 2]>,
    /// What could not be decoded, ordered by index.
    pub broken: Vec<CorruptFile>,
    /// Names of the images of equal content, by group in the order of their
    /// first.
    pub duplicates: Vec<Vec<String>>,
    /// Mean of each channel over all pixels, of values in 0..1.
    pub mean: [f64; 3],
    /// Standard deviation of each channel, likewise.
    pub std: [f64; 3],
    /// Readable and broken images of each label, where there are labels.
    pub labels: Option<Vec<usize>>,
}

/// What one worker has seen.
#[derive(Default)]
struct Seen {
    /// The file in hand.
    file: Vec<u8>,
    bytes: u64,
    formats: BTreeMap<&'static str, usize>,
    sizes: Vec<[usize; 2]>,
    broken: Vec<CorruptFile>,
    hashes: Vec<([u8; 32], u32)>,
    pixels: u64,
    sums: [u64; 3],
    squares: [u64; 3],
}

impl Dataset {
    /// Look at `most` images of a split, spread evenly over it, on `workers`
    /// threads (0: one for each core). `progress` is told how many are done,
    /// now and then. The result does not depend on the number of workers.
    ///
    /// # Errors
    /// The source holds no images of that split; one took longer than the
    /// plan's `stall_limit`.
    pub fn survey(
        &self,
        split: Split,
        most: usize,
        workers: usize,
        progress: &dyn Fn(usize),
    ) -> Result<Survey, DataError> {
        let total = self.images(split)?.len();
        let step = total.div_ceil(most.max(1)).max(1);
        let samples: Vec<u32> = (0..total as u32).step_by(step).collect();
        let images = self.images(split)?;
        let crew = Crew {
            workers,
            stall_limit: self.stall_limit(),
            name: &|sample| images.whereabouts(sample),
        };
        let dataset = self.clone();
        let look = move |sample, seen: &mut Seen| dataset.look(split, sample, seen);
        let count = samples.len();
        let all = crew.each(samples, look, &mut |done| {
            progress(done);
            true
        })?;
        let mut seen = Seen::default();
        all.into_iter().flatten().for_each(|one| seen.take(one));
        Ok(self.summary(split, (count, step), seen))
    }

    fn look(&self, split: Split, sample: u32, seen: &mut Seen) {
        let Ok(images) = self.images(split) else {
            return;
        };
        let mut file = std::mem::take(&mut seen.file);
        let bytes = &mut file;
        let loaded = catch_unwind(AssertUnwindSafe(|| images.load_file(sample, bytes)));
        let broken = match loaded {
            Ok(Ok(loaded)) => {
                let image = match &loaded {
                    Loaded::Kept(image) => *image,
                    Loaded::Part(image, _) => image,
                };
                seen.pixels(image);
                let content = if bytes.is_empty() {
                    &image.data
                } else {
                    &*bytes
                };
                seen.hashes
                    .push((*blake3::hash(content).as_bytes(), sample));
                None
            }
            Ok(Err(unreadable)) => Some(unreadable.to_string()),
            Err(_) => Some("the decoder failed; this is a defect, please report it".into()),
        };
        seen.bytes += bytes.len() as u64;
        // A broken image without bytes was no file that could be read.
        let of = match broken.is_some() && bytes.is_empty() {
            true => "unreadable",
            false => format(bytes),
        };
        *seen.formats.entry(of).or_insert(0) += 1;
        if let Some(reason) = broken {
            seen.broken.push(CorruptFile {
                sample,
                path: images.name(sample),
                reason,
            });
        }
        seen.file = file;
    }

    /// Of so many images, one of so many.
    fn summary(&self, split: Split, (count, step): (usize, usize), mut seen: Seen) -> Survey {
        seen.sizes.sort_unstable_by_key(|[h, w]| (h * w, *h));
        seen.broken.sort_unstable_by_key(|file| file.sample);
        seen.hashes.sort_unstable_by_key(|(_, sample)| *sample);
        let name = |sample: &u32| {
            let images = self.images(split);
            images.map_or(String::new(), |images| images.name(*sample))
        };
        let mut groups: HashMap<[u8; 32], Vec<u32>> = HashMap::new();
        for (hash, sample) in &seen.hashes {
            groups.entry(*hash).or_default().push(*sample);
        }
        let mut groups: Vec<Vec<u32>> = groups.into_values().filter(|g| g.len() > 1).collect();
        groups.sort_unstable();
        let pixels = seen.pixels.max(1) as f64;
        let mean = seen.sums.map(|sum| sum as f64 / pixels / 255.0);
        let square = seen
            .squares
            .map(|sum| sum as f64 / pixels / (255.0 * 255.0));
        let labels = self.labels(split).map(|labels| {
            let mut counts = vec![0; self.classes().map_or(0, <[String]>::len)];
            for label in labels.iter().step_by(step) {
                if let Some(count) = counts.get_mut(*label as usize) {
                    *count += 1;
                }
            }
            counts
        });
        Survey {
            images: count,
            bytes: seen.bytes,
            formats: seen.formats,
            sizes: seen.sizes,
            broken: seen.broken,
            duplicates: groups
                .iter()
                .map(|g| g.iter().map(name).collect())
                .collect(),
            mean,
            std: std::array::from_fn(|c| (square[c] - mean[c] * mean[c]).max(0.0).sqrt()),
            labels,
        }
    }
}

impl Seen {
    fn pixels(&mut self, image: &Rgb) {
        self.sizes.push([image.height, image.width]);
        self.pixels += (image.height * image.width) as u64;
        let (pixels, _) = image.data.as_chunks::<3>();
        // Short enough for sums of squares in 32 bits.
        for run in pixels.chunks(1 << 15) {
            let (mut sums, mut squares) = ([0u32; 3], [0u32; 3]);
            for pixel in run {
                for c in 0..3 {
                    let value = u32::from(pixel[c]);
                    sums[c] += value;
                    squares[c] += value * value;
                }
            }
            for c in 0..3 {
                self.sums[c] += u64::from(sums[c]);
                self.squares[c] += u64::from(squares[c]);
            }
        }
    }

    fn take(&mut self, other: Seen) {
        self.bytes += other.bytes;
        for (format, count) in other.formats {
            *self.formats.entry(format).or_insert(0) += count;
        }
        self.sizes.extend(other.sizes);
        self.broken.extend(other.broken);
        self.hashes.extend(other.hashes);
        self.pixels += other.pixels;
        for c in 0..3 {
            self.sums[c] += other.sums[c];
            self.squares[c] += other.squares[c];
        }
    }
}

/// The format of a file by its first bytes.
fn format(bytes: &[u8]) -> &'static str {
    let known: [(&[u8], &str); 9] = [
        (&[0xFF, 0xD8, 0xFF], "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"BM", "bmp"),
        (b"RIFF", "webp"),
        (b"", "other"),
    ];
    if bytes.is_empty() {
        return "pixels";
    }
    let found = known.iter().find(|(start, _)| bytes.starts_with(start));
    found.map_or("other", |(_, name)| name)
}
