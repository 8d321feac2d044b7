//! What a path holds, for messages that name the source that would read it.

use std::path::Path;

/// What lies at a path, and the source that reads it: `("CIFAR-10",
/// "cifar10(\"data\")")`.
pub(crate) fn looks_like(path: &Path) -> Option<(&'static str, String)> {
    super::watch::at(path);
    let text = path.display().to_string();
    let quoted = |function: &str, path: &str| format!("{function}({path:?})");
    if path.is_file() {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        return Some(match name.rsplit('.').next()? {
            _ if name.starts_with("cifar-100") => {
                ("the archive of CIFAR-100", quoted("cifar100", &text))
            }
            _ if name.starts_with("cifar-10") => {
                ("the archive of CIFAR-10", quoted("cifar10", &text))
            }
            _ if name.ends_with(".tar.gz") || name.ends_with(".tgz") => {
                ("a tar file", quoted("webdataset", &text))
            }
            "tar" => ("a tar file", quoted("webdataset", &text)),
            "h5" | "hdf5" | "he5" => ("an HDF5 file", quoted("hdf5", &text)),
            "parquet" => ("a Parquet file", quoted("parquet", &text)),
            "csv" | "tsv" | "txt" => ("a list", quoted("list", &text)),
            "safetensors" => ("a file of tensors", quoted("recorded", &text)),
            _ => return None,
        });
    }
    let has = |names: &[&str]| names.iter().any(|name| path.join(name).exists());
    if has(&[
        "data_batch_1",
        "data_batch_1.bin",
        "cifar-10-batches-py",
        "cifar-10-batches-bin",
    ]) {
        return Some(("CIFAR-10", quoted("cifar10", &text)));
    }
    if has(&[
        "fine_label_names.txt",
        "cifar-100-python",
        "cifar-100-binary",
    ]) || (has(&["meta"]) && has(&["train"]))
    {
        return Some(("CIFAR-100", quoted("cifar100", &text)));
    }
    if has(&[
        "train-images-idx3-ubyte",
        "train-images-idx3-ubyte.gz",
        "MNIST/raw",
        "FashionMNIST/raw",
    ]) {
        return Some(("MNIST or a set of its form", quoted("mnist", &text)));
    }
    if has(&["unlabeled_X.bin", "stl10_binary", "train_X.bin"]) {
        return Some(("STL-10", quoted("stl10", &text)));
    }
    let mut below = false;
    for entry in path.read_dir().ok()?.filter_map(Result::ok).take(1000) {
        super::watch::on();
        let name = entry.file_name();
        let entry = Path::new(&name);
        match entry.extension().and_then(|e| e.to_str()) {
            Some("tar") => {
                return Some((
                    "a folder of tar files",
                    quoted("webdataset", &format!("{text}/*.tar")),
                ));
            }
            Some("parquet") => {
                return Some((
                    "a folder of Parquet files",
                    quoted("parquet", &format!("{text}/*.parquet")),
                ));
            }
            _ if super::folder::is_image(entry) => {
                return Some(("an image folder", quoted("image_folder", &text)));
            }
            _ => {}
        }
        below |= path.join(&name).is_dir();
    }
    // Classes of images, as far as one look below tells.
    let folder = |path: &Path| {
        let mut entries = path.read_dir().ok()?.filter_map(Result::ok).take(100);
        entries.find(|entry| super::folder::is_image(Path::new(&entry.file_name())))
    };
    let mut folders = path.read_dir().ok()?.filter_map(Result::ok).take(100);
    (below && folders.any(|entry| folder(&entry.path()).is_some()))
        .then(|| ("an image folder", quoted("image_folder", &text)))
}
