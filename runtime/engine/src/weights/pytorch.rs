//! PyTorch's own files: `.pt`, `.pth`, `.pth.tar`.
//!
//! Such a file is a pickle, which is a program. Reading is `pytorch-reader`'s:
//! a small interpreter that knows the few calls by which tensors are rebuilt
//! and executes nothing else. What is asked here beside it: that no tensor is
//! larger than the file, that nothing is compressed (which `torch.save` never
//! does), and that there is a tensor at all.

mod read;
mod write;

pub use read::{is_one, read};
pub use write::{Entry, encode};
