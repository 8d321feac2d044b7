//! The built-in functions: transforms, modules, optimisers, schedules,
//! sources, instruments.

use super::fields::{
    BETA1, BETA2, CLIP, CLIP_PER, CONSTANT_LR, DROP_PATH, EVERY, EXCLUDE_LR_SCALE, FILL, FREEZE,
    FROZEN, INTERPOLATION, LAYER_DECAY, LR, MOMENTUM, OVER, P, SIDE, WEIGHT_DECAY, WIDTH,
};
use super::{COUNT, Fallback as F, Field, INF, PROBABILITY, Want as W, field};

/// What a function makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// An image transform.
    Transform,
    /// A network module.
    Module,
    /// The average of a net.
    Average,
    /// An update rule.
    Optimizer,
    /// A schedule.
    Schedule,
    /// A data source.
    Source,
    /// An instrument that reads a run.
    Monitor,
    /// A judgement of the result.
    Eval,
    /// A norm.
    Norm,
}

impl Group {
    /// For messages.
    pub fn describe(self) -> &'static str {
        match self {
            Group::Transform => "an image transform",
            Group::Module => "a network module",
            Group::Average => "an average of a net",
            Group::Optimizer => "an optimizer",
            Group::Schedule => "a schedule",
            Group::Source => "a data source",
            Group::Monitor => "a monitor",
            Group::Eval => "an evaluation",
            Group::Norm => "a norm",
        }
    }
}

/// A built-in function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// What it makes.
    pub group: Group,
    /// Its parameters; positional arguments fill them in this order.
    pub params: &'static [Field],
    /// What it does.
    pub doc: &'static str,
}

macro_rules! functions {
    ($($group:ident $name:literal $doc:literal [$($param:expr),* $(,)?])*) => {
        const FUNCTIONS: &[Function] = &[$(Function {
            name: $name,
            group: Group::$group,
            params: &[$($param),*],
            doc: $doc,
        }),*];
    };
}

functions! {
    // sources
    Source "digits" "the 8x8 handwritten digits that are embedded in the binary" []
    Source "image_folder" "a folder of image files, nested or not; class folders give labels" [
        field("path", W::Text, F::Required, "the folder; `$NAME` is an environment variable"),
        field("test", W::Text, F::Absent, "a folder of held-out images with the same classes"),
    ]
    Source "list" "image files named by a list: CSV, TSV, or text with a path in each line" [
        field("path", W::Text, F::Required, "the list"),
        field("root", W::Text, F::Absent, "what its paths are relative to; the list's folder where nothing is said"),
        field("image", W::Text, F::Absent, "column of the paths; `path`, `file`, ... or the first where nothing is said"),
        field("label", W::Text, F::Absent, "column of the labels; `label`, `class`, ... or the second where nothing is said"),
        field("test", W::Text, F::Absent, "a list of held-out images with the same classes"),
    ]
    Source "webdataset" "tar shards, gzipped or not; members of one name but for the ending are one sample" [
        field("shards", W::Text, F::Required, "a pattern of file names: `\"shards-{000..099}.tar\"`, `\"*.tar\"`"),
        field("image", W::Text, F::Absent, "ending of the images; that of any image where nothing is said"),
        field("label", W::Text, F::Text("cls"), "ending of the labels"),
        field("test", W::Text, F::Absent, "held-out shards with the same classes"),
    ]
    Source "parquet" "Parquet shards with image files in a column, as Hugging Face's `datasets` writes them" [
        field("shards", W::Text, F::Required, "a pattern of file names: `\"data/train-*.parquet\"`"),
        field("image", W::Text, F::Absent, "column of the images; `image` or `img` where nothing is said"),
        field("label", W::Text, F::Absent, "column of the labels; `label` where nothing is said"),
        field("test", W::Text, F::Absent, "held-out shards with the same classes"),
    ]
    Source "hdf5" "an array of 8-bit images in an HDF5 file: `[N, H, W, 3]`, `[N, 3, H, W]` or `[N, H, W]`" [
        field("path", W::Text, F::Required, "the file"),
        field("image", W::Text, F::Absent, "the array of images, `group/array` where it lies deeper; the only one of such a form where nothing is said"),
        field("label", W::Text, F::Absent, "the array of labels; `labels`, `label` or `y` where nothing is said"),
        field("test", W::Text, F::Absent, "a file of held-out images with the same arrays"),
    ]
    Source "cifar10" "CIFAR-10 as its authors give it, binary or pickled, with its test images held out" [
        field("path", W::Text, F::Required, "its folder, or the archive"),
    ]
    Source "cifar100" "CIFAR-100 as its authors give it, binary or pickled, with its test images held out" [
        field("path", W::Text, F::Required, "its folder, or the archive"),
        field("labels", W::Choice(&["fine", "coarse"]), F::Symbol("fine"), "the 100 classes, or the 20"),
    ]
    Source "mnist" "MNIST's idx files, plain or gzipped, with its test images held out" [
        field("path", W::Text, F::Required, "their folder"),
    ]
    Source "fashion_mnist" "Fashion-MNIST's idx files, plain or gzipped, with its test images held out" [
        field("path", W::Text, F::Required, "their folder"),
    ]
    Source "stl10" "STL-10 in its binary files" [
        field("path", W::Text, F::Required, "their folder"),
        field("split", W::Choice(&["unlabeled", "train"]), F::Symbol("unlabeled"), "the 100,000 images without labels, or the 5,000 with labels and the 8,000 held out"),
    ]
    Source "concat" "sources one after the other; classes of one name are one class" [
        field("sources", W::Sources, F::Required, "the sources"),
    ]
    Source "mix" "sources in fixed proportions; each is gone through again and again in its own order" [
        field("sources", W::Sources, F::Required, "the sources"),
        field("weights", W::Weights, F::Required, "share of each source, up to a common factor"),
        field("samples", W::Images(1, 4_294_967_295), F::Absent, "images of an epoch; those of all sources where nothing is said"),
    ]
    Source "recorded" "stored views, one tensor `[S, B, 3, H, W]` each, without transforms" [
        field("path", W::Text, F::Required, "a safetensors file"),
    ]

    // transforms
    Transform "random_resized_crop" "torchvision's RandomResizedCrop" [
        field("size", W::Size, F::Required, "output size in pixels"),
        field("scale", W::Interval(0.0, 1.0), F::Range(0.08, 1.0), "share of the area"),
        field("ratio", W::Interval(0.01, 100.0), F::Range(3.0 / 4.0, 4.0 / 3.0), "width over height"),
        INTERPOLATION,
    ]
    Transform "resize" "resize the shorter side, keeping the aspect" [
        field("size", SIDE, F::Required, "the shorter side in pixels"),
        INTERPOLATION,
    ]
    Transform "center_crop" "cut the centre" [
        field("size", W::Size, F::Required, "output size in pixels"),
    ]
    Transform "color_jitter" "torchvision's ColorJitter, in random order" [
        field("brightness", W::Strength, F::Float(0.0), "strength"),
        field("contrast", W::Strength, F::Float(0.0), "strength"),
        field("saturation", W::Strength, F::Float(0.0), "strength"),
        field("hue", W::Interval(-0.5, 0.5), F::Float(0.0), "a number `h` for `-h..h`, in turns"),
        P,
    ]
    Transform "grayscale" "luminance in all channels" [P]
    Transform "gaussian_blur" "Pillow's Gaussian blur" [
        field("sigma", W::Interval(0.0, 1000.0), F::Range(0.1, 2.0), "standard deviation in pixels"),
        P,
    ]
    Transform "solarize" "invert values at or above a threshold" [
        field("threshold", W::Int(0, 256), F::Int(128), "of 0..255"),
        P,
    ]
    Transform "horizontal_flip" "mirror left to right" [
        field("p", PROBABILITY, F::Float(0.5), "probability"),
    ]
    Transform "vertical_flip" "mirror top to bottom" [
        field("p", PROBABILITY, F::Float(0.5), "probability"),
    ]
    Transform "rotation" "turn about the centre, as torchvision's RandomRotation" [
        field("degrees", W::Interval(-360.0, 360.0), F::Required, "a number `d` for `-d..d`, counter-clockwise"),
        field("interpolation", W::Choice(&["nearest", "bilinear", "bicubic"]), F::Symbol("nearest"),
            "how turned pixels are read"),
        FILL,
        P,
    ]
    Transform "posterize" "keep the highest bits of every value" [
        field("bits", W::Int(0, 8), F::Required, "bits kept of 8"),
        P,
    ]
    Transform "equalize" "level the histogram of every channel" [P]
    Transform "autocontrast" "stretch every channel to 0..255" [P]
    Transform "invert" "255 less every value" [P]
    Transform "sharpness" "Pillow's sharpness" [
        field("factor", W::Interval(0.0, 100.0), F::Required, "0 is smoothed, 1 changes nothing"),
        P,
    ]
    Transform "rand_augment" "RandAugment: operations drawn one after the other" [
        field("ops", W::Int(1, 64), F::Int(2), "operations of one image"),
        field("magnitude", W::Float(0.0, 30.0), F::Float(9.0), "strength: of 30 of torchvision's, of 10 of timm's"),
        field("magnitude_std", W::Float(0.0, 30.0), F::Float(0.0), "standard deviation of the strength; timm's only"),
        field("policy", W::Choice(&["torchvision", "timm"]), F::Symbol("torchvision"),
            "whose operations; `timm` is its `inc1`"),
        FILL,
        P,
    ]
    Transform "three_augment" "one of grayscale, solarize and blur, as DeiT III" [
        field("sigma", W::Interval(0.0, 1000.0), F::Range(0.1, 2.0), "standard deviation of the blur in pixels"),
        field("threshold", W::Int(0, 256), F::Int(128), "of solarize"),
        P,
    ]
    Transform "random_erasing" "overwrite a rectangle of the finished values, after `normalize`" [
        field("scale", W::Interval(0.0, 1.0), F::Range(0.02, 0.33), "share of the area"),
        field("ratio", W::Interval(0.01, 100.0), F::Range(0.3, 3.3), "height over width"),
        field("value", W::Choice(&["zero", "noise"]), F::Symbol("zero"),
            "what stands there then: 0, or standard normal numbers"),
        field("p", PROBABILITY, F::Float(0.5), "probability"),
    ]
    Transform "normalize" "subtract the mean, divide by the standard deviation, of values in 0..1" [
        field("statistics", W::Statistics, F::Absent, "`imagenet`, or `half` for 0.5 and 0.5"),
        field("mean", W::Channels, F::Absent, "mean of each channel"),
        field("std", W::Channels, F::Absent, "standard deviation of each channel"),
    ]

    // modules
    Module "vit" "vision transformer" [
        field("size", W::Choice(&["tiny", "small", "base", "large", "huge"]), F::Absent,
            "named size; sets `dim`, `depth`, `heads`"),
        field("patch", SIDE, F::Int(16), "side of a patch in pixels"),
        field("dim", WIDTH, F::Absent, "width"),
        field("depth", W::Int(1, 10_000), F::Absent, "blocks"),
        field("heads", WIDTH, F::Absent, "attention heads"),
        field("hidden", WIDTH, F::Absent, "hidden width of a block's MLP; four times `dim`"),
        field("position", W::Choice(&["sincos2d", "learned", "none"]), F::Symbol("sincos2d"),
            "position embedding"),
        field("pool", W::Choice(&["cls", "mean", "tokens"]), F::Symbol("cls"),
            "what becomes the feature; `tokens`: all of them, for a decoder"),
        field("patch_projection", W::Choice(&["trained", "frozen"]), F::Symbol("trained"),
            "`frozen`: stays as initialised"),
        field("mlp_norm", W::Choice(&["layer", "batch"]), F::Symbol("layer"),
            "norm before the MLP of a block"),
        field("final_norm", W::Bool, F::Bool(true), "whether a norm follows the last block"),
        field("norm_eps", W::Positive, F::Float(1e-6), "LayerNorm epsilon"),
        field("stem", W::Choice(&["linear", "conv"]), F::Symbol("linear"),
            "how pixels become tokens; `conv`: 3x3 convolutions of stride 2"),
        field("class_token", W::Bool, F::Absent,
            "whether a class token goes along; where it or all tokens are pooled, it does"),
        field("pool_norm", W::Bool, F::Bool(false), "whether a norm follows the pooling"),
        field("register_tokens", W::Int(0, 1 << 10), F::Int(0),
            "trained tokens that nobody reads, beside the class token"),
        field("qk_norm", W::Bool, F::Bool(false), "whether queries and keys are normalised"),
        field("layer_scale", W::Positive, F::Absent,
            "first value of trained factors on every branch of a block"),
        field("init", W::Choice(&["mocov3", "timm", "dino", "mae"]), F::Symbol("mocov3"),
            "whose first weights: of linear maps, patch projection and class token"),
        DROP_PATH,
        FROZEN,
    ]
    Module "convnext" "ConvNeXt" [
        field("size", W::Choice(&["tiny", "small", "base", "large"]), F::Required, "named size"),
        field("patch", SIDE, F::Int(4), "side of the stem's patches in pixels"),
        field("layer_scale", W::Positive, F::Float(1e-6),
            "first value of trained factors on every block"),
        DROP_PATH,
        field("norm_eps", W::Positive, F::Float(1e-6), "LayerNorm epsilon"),
        FROZEN,
    ]
    Module "resnet" "residual network" [
        field("depth", W::Int(1, 200), F::Required, "18, 34, 50, 101, 152 or 200"),
        field("width", W::Int(1, 16), F::Int(1), "factor on the width of every convolution"),
        field("selective_kernel", W::Bool, F::Bool(false), "selective kernels, as in SimCLR v2"),
        field("stem", W::Choice(&["imagenet", "small"]), F::Symbol("imagenet"),
            "`small`: 3x3 without pooling, for images of about 32 pixels"),
        field("zero_init_residual", W::Bool, F::Bool(false), "start every block as the identity"),
        FROZEN,
    ]
    Module "vit_decoder" "decoder of a masked autoencoder: fills in the patches of a mask" [
        field("dim", WIDTH, F::Int(512), "width"),
        field("depth", W::Int(1, 10_000), F::Int(8), "blocks"),
        field("heads", WIDTH, F::Int(16), "attention heads"),
        field("hidden", WIDTH, F::Absent, "hidden width of a block's MLP; four times `dim`"),
        field("norm_eps", W::Positive, F::Float(1e-6), "LayerNorm epsilon"),
        FROZEN,
    ]
    Module "linear" "one linear map" [
        field("width", WIDTH, F::Required, "output width"),
        field("bias", W::Bool, F::Bool(true), "whether it has a bias"),
        field("weight_norm", W::Bool, F::Bool(false),
            "whether every row of the weight is scaled to length 1 when it is used"),
        FROZEN,
    ]
    Module "prototypes" "inner products with trained vectors that are kept at length 1" [
        field("count", WIDTH, F::Required, "how many"),
        FROZEN,
    ]
    Module "l2_normalize" "scale to length 1" [
        field("eps", W::Positive, F::Float(1e-12), "floor of the norm"),
    ]
    Module "mlp" "multi-layer perceptron" [
        field("widths", W::Widths, F::Required, "output width of every layer"),
        field("norm", W::Norm, F::Symbol("none"), "norm after every hidden layer"),
        field("last_norm", W::Norm, F::Symbol("none"), "norm after the last layer"),
        field("bias", W::Bool, F::Bool(true), "whether hidden layers have a bias"),
        field("last_bias", W::Bool, F::Absent, "the same for the last layer; as `bias`"),
        field("activation", W::Choice(&["relu", "gelu"]), F::Symbol("relu"), "after every hidden layer"),
        field("last_activation", W::Choice(&["none", "relu", "gelu"]), F::Symbol("none"),
            "after the last layer"),
        field("init", W::Choice(&["pytorch", "dino"]), F::Symbol("pytorch"),
            "whose first weights; `dino`: normal(0, 0.02), biases zero"),
        FROZEN,
    ]
    Average "ema" "exponential moving average of a net's parameters" [
        field("of", W::Net, F::Required, "the net that is averaged"),
        field("decay", W::Schedule(0.0, 1.0), F::Required, "share of the old value that is kept"),
    ]
    Norm "batch" "BatchNorm" [
        field("affine", W::Bool, F::Bool(true), "whether it has a trained scale and shift"),
        field("shift", W::Bool, F::Absent, "whether a trained shift goes with the scale; as `affine`"),
        field("eps", W::Positive, F::Float(1e-5), "epsilon"),
        field("momentum", PROBABILITY, F::Float(0.1), "share of the new value in the running statistics"),
    ]
    Norm "layer" "LayerNorm" [
        field("eps", W::Positive, F::Float(1e-5), "epsilon"),
    ]

    // optimizers
    Optimizer "adamw" "Adam with decoupled weight decay" [
        LR,
        WEIGHT_DECAY,
        BETA1,
        BETA2,
        field("eps", W::Positive, F::Float(1e-8), "added to the root"),
        field("exclude", W::Classes, F::Symbols(&[]), "parameters without weight decay"),
        EXCLUDE_LR_SCALE,
        CLIP,
        CLIP_PER,
        CONSTANT_LR,
        LAYER_DECAY,
        FREEZE,
    ]
    Optimizer "lamb" "Adam with layer-wise adaptive rate scaling" [
        LR,
        WEIGHT_DECAY,
        BETA1,
        BETA2,
        field("eps", W::Positive, F::Float(1e-6), "added to the root"),
        field("exclude", W::Classes, F::Symbols(&["bias", "norm"]),
            "parameters without weight decay and without scaling"),
        EXCLUDE_LR_SCALE,
        CLIP,
        CLIP_PER,
        CONSTANT_LR,
        LAYER_DECAY,
        FREEZE,
    ]
    Optimizer "sgd" "stochastic gradient descent with momentum" [
        LR,
        WEIGHT_DECAY,
        MOMENTUM,
        field("nesterov", W::Bool, F::Bool(false), "look ahead"),
        field("exclude", W::Classes, F::Symbols(&[]), "parameters without weight decay"),
        EXCLUDE_LR_SCALE,
        CLIP,
        CLIP_PER,
        CONSTANT_LR,
        LAYER_DECAY,
        FREEZE,
    ]
    Optimizer "lars" "layer-wise adaptive rate scaling" [
        LR,
        WEIGHT_DECAY,
        MOMENTUM,
        field("trust", W::Positive, F::Float(0.001), "trust coefficient"),
        field("lr_in_momentum", W::Bool, F::Bool(false),
            "whether the rate goes into the velocity (Google's code) or scales it"),
        field("exclude", W::Classes, F::Symbols(&["bias", "norm"]),
            "parameters without weight decay and without scaling"),
        EXCLUDE_LR_SCALE,
        CLIP,
        CLIP_PER,
        CONSTANT_LR,
        LAYER_DECAY,
        FREEZE,
    ]

    // schedules
    Schedule "constant" "one value" [
        field("value", W::Float(-INF, INF), F::Required, "the value"),
        OVER,
    ]
    Schedule "linear" "straight from one value to another" [
        field("ramp", W::Ramp, F::Required, "from `->` to"),
        OVER,
    ]
    Schedule "cosine" "half a cosine from one value to another" [
        field("ramp", W::Ramp, F::Required, "from `->` to"),
        OVER,
    ]
    Schedule "poly" "polynomial decay" [
        field("ramp", W::Ramp, F::Required, "from `->` to"),
        field("power", W::Positive, F::Float(1.0), "exponent"),
        OVER,
    ]
    Schedule "step_decay" "multiply by a factor at each of some times" [
        field("value", W::Float(-INF, INF), F::Required, "first value"),
        field("at", W::Times, F::Required, "when"),
        field("gamma", W::Positive, F::Float(0.1), "factor"),
        OVER,
    ]
    Schedule "warmup" "straight up to where the next part starts" [
        field("length", W::Time, F::Required, "how long"),
        field("from", W::Float(-INF, INF), F::Float(0.0), "first value"),
    ]

    // instruments
    Monitor "knn" "nearest neighbours among the latest step features" [
        field("feature", W::Feature, F::Required, "which output is the feature"),
        field("k", COUNT, F::Int(20), "neighbours"),
        field("temperature", W::Positive, F::Float(0.07), "votes weigh `exp(cosine / temperature)`"),
        field("bank", W::Amount, F::Absent, "features kept; 10% of the training images"),
        field("view", W::View, F::Absent, "under which view; the first of the step"),
        EVERY,
    ]
    Monitor "gradient_norm" "Euclidean norm of the gradient" [
        field("per", W::Choice(&["net", "layer"]), F::Symbol("net"), "for each of what"),
        EVERY,
    ]
    Eval "knn" "weighted nearest neighbours on frozen features" [
        field("feature", W::Feature, F::Required, "which output is the feature"),
        field("k", COUNT, F::Int(20), "neighbours"),
        field("temperature", W::Positive, F::Float(0.07), "votes weigh `exp(cosine / temperature)`"),
        field("view", W::View, F::Absent,
            "how an image is prepared; resized to 8/7 of the first view's size and cropped to it"),
    ]
    Eval "linear" "a linear classifier on frozen features (linear probing)" [
        field("feature", W::Feature, F::Required, "which output is the feature"),
        field("epochs", W::Epochs, F::Float(90.0), "passes over the labelled images"),
        field("batch", COUNT, F::Int(1024), "images per step"),
        field("lr", W::Positive, F::Required, "learning rate at the start; falls to 0 along half a cosine"),
        field("momentum", PROBABILITY, F::Float(0.9), "share of the old velocity"),
        field("weight_decay", W::Float(0.0, INF), F::Float(0.0), "weight decay"),
    ]
    Eval "finetune" "end-to-end fine-tuning with a linear head, AdamW" [
        field("feature", W::Feature, F::Required, "which output is the feature"),
        field("data", W::Text, F::Absent, "a folder of labelled images; the run's own"),
        field("test", W::Text, F::Absent, "a folder of held-out images with the same classes"),
        field("epochs", W::Epochs, F::Float(100.0), "passes over the labelled images"),
        field("batch", COUNT, F::Int(1024), "images per step"),
        field("lr", W::Positive, F::Required, "learning rate at its peak; falls to 0 along half a cosine"),
        field("warmup", W::Time, F::Epochs(5.0), "time in which the rate rises from 0"),
        field("weight_decay", W::Float(0.0, INF), F::Float(0.05), "weight decay"),
        field("layer_decay", PROBABILITY, F::Float(1.0), "factor on the rate from one layer to the one before"),
        field("drop_path", PROBABILITY, F::Float(0.0), "probability of leaving out the last block"),
        field("label_smoothing", PROBABILITY, F::Float(0.0), "share of the target that goes to all classes"),
        field("mixup", W::Float(0.0, INF), F::Float(0.0), "alpha of mixup; 0 for none"),
        field("cutmix", W::Float(0.0, INF), F::Float(0.0), "alpha of CutMix; 0 for none"),
        field("random_erasing", PROBABILITY, F::Float(0.0), "probability of erasing a rectangle"),
        field("randaugment", W::Bool, F::Bool(false), "RandAugment of magnitude 9, deviation 0.5"),
    ]
}

/// Every built-in function.
pub fn functions() -> &'static [Function] {
    FUNCTIONS
}

/// A function of a group by its name.
pub fn function(group: Group, name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .iter()
        .find(|f| f.group == group && f.name == name)
}

/// The functions of a group.
pub fn in_group(group: Group) -> impl Iterator<Item = &'static Function> + Clone {
    FUNCTIONS.iter().filter(move |f| f.group == group)
}
