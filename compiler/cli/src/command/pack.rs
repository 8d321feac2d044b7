//! `sslc pack`: the images of a pipeline as shards that are quick to read.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Args;
use ssl_core::{size, thousands};
use ssl_data::{Form, Pack, Packed, Split};

use super::{Choice, images};
use crate::signals::Signals;
use crate::world::reason;
use crate::{complete, output};

/// Options of `sslc pack`.
#[derive(Args)]
#[command(after_help = "\
The shards are WebDataset tar files; `pack.json` beside them says how they were
made, with a fingerprint. JPEG files that are small enough keep their bytes.

Examples:
  sslc pack mine.ssl --out packed --short-side 256
  sslc pack photos --out packed --short-side 160 --decoded

Ctrl-C ends it and leaves nothing behind.

Exit codes: 0 packed, 1 the file has errors, 65 the data cannot be read, 74 it cannot be written,
130 interrupted, 85 ended by SIGTERM.")]
pub struct Options {
    /// The `.ssl` file, or a folder of images
    #[arg(value_name = "FILE", add = complete::files())]
    file: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// The folder to write, empty or new
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: PathBuf,
    /// Shrink images whose shorter side is longer than this
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..))]
    short_side: Option<u32>,
    /// JPEG quality of what is encoded anew
    #[arg(long, value_name = "1-100", default_value = "90", value_parser = clap::value_parser!(u8).range(1..=100), conflicts_with = "decoded")]
    quality: u8,
    /// Store pixels: nothing to decode, several times the bytes
    #[arg(long)]
    decoded: bool,
    /// Images of a shard
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    shard: u32,
}

/// Packs the images of a pipeline or a folder.
pub fn run(options: &Options) -> ExitCode {
    match pack(options) {
        Ok(packed) => {
            output::eprint(&said(options, &packed));
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn pack(options: &Options) -> Result<Packed, ExitCode> {
    let found = images::subject(&options.file, &options.choice)?;
    let dataset = images::open(&found.data)?;
    let pack = Pack {
        short_side: options.short_side.map(|n| n as usize),
        form: match options.decoded {
            true => Form::Decoded,
            false => Form::Jpeg(options.quality),
        },
        shard: options.shard as usize,
    };
    let bar = images::bar(dataset.len(Split::Train) + dataset.len(Split::HeldOut));
    let signals = Signals::listen().map_err(|e| {
        output::eprint(&format!("error: signals cannot be heard: {}\n", reason(&e)));
        ExitCode::FAILURE
    })?;
    let stop = signals.flag();
    let packed = dataset.pack(&options.out, &pack, &|done| {
        bar.set_position(done as u64);
        !stop.load(Ordering::Relaxed)
    });
    bar.finish_and_clear();
    match packed {
        Ok(Some(packed)) => Ok(packed),
        Ok(None) => {
            output::eprint(&format!(
                "interrupted; nothing is left in `{}`\n",
                options.out.display()
            ));
            Err(signals.exit_code())
        }
        Err(e) => Err(images::fail(&e)),
    }
}

fn said(options: &Options, packed: &Packed) -> String {
    let mut out = String::new();
    for (prefix, what) in [("train-", "images"), ("test-", "held-out images")] {
        let shards: Vec<_> = packed
            .shards
            .iter()
            .filter(|s| s.file.starts_with(prefix))
            .collect();
        if shards.is_empty() {
            continue;
        }
        let count: usize = shards.iter().map(|s| s.images).sum();
        let bytes: u64 = shards.iter().map(|s| s.bytes).sum();
        out += &format!(
            "wrote {} {what} in {}, {}\n",
            thousands(count as u64),
            match shards.len() {
                1 => "one shard".into(),
                n => format!("{n} shards"),
            },
            size(bytes)
        );
    }
    if !packed.broken.is_empty() {
        out += &format!(
            "left out {} that cannot be read; `{}` names them\n",
            packed.broken.len(),
            options.out.join("pack.json").display()
        );
    }
    let fingerprint = packed.fingerprint.get(..16).unwrap_or(&packed.fingerprint);
    out + &format!("fingerprint {fingerprint}\n")
}
