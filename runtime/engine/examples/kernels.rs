//! Scratch: one training step of what a ViT and a ResNet use.
use burn::module::Module;
use burn::nn::*;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{
    DType, Device, Distribution, Tensor, activation, module::conv2d, ops::ConvOptions,
};

#[derive(Module, Debug)]
struct Net {
    stem: conv::Conv2d,
    bn: BatchNorm,
    ln: LayerNorm,
    qkv: Linear,
    out: Linear,
    fc1: Linear,
    fc2: Linear,
    head: Linear,
    hbn: BatchNorm,
}

impl Net {
    fn new(d: &Device) -> Self {
        Net {
            stem: conv::Conv2dConfig::new([3, 64], [2, 2])
                .with_stride([2, 2])
                .init(d),
            bn: BatchNormConfig::new(64).init(d),
            ln: LayerNormConfig::new(64).init(d),
            qkv: LinearConfig::new(64, 192).init(d),
            out: LinearConfig::new(64, 64).init(d),
            fc1: LinearConfig::new(64, 256).init(d),
            fc2: LinearConfig::new(256, 64).init(d),
            head: LinearConfig::new(64, 128).with_bias(false).init(d),
            hbn: BatchNormConfig::new(128).init(d),
        }
    }
    fn forward(&self, x: Tensor<4>, half: bool) -> Tensor<2> {
        let x = activation::relu(self.bn.forward(self.stem.forward(x)));
        let [b, c, h, w] = x.dims();
        let x = x.reshape([b, c, h * w]).swap_dims(1, 2);
        let y = self.ln.forward(x.clone());
        let qkv = self
            .qkv
            .forward(y)
            .reshape([b, h * w, 3, 4, 16])
            .permute([2, 0, 3, 1, 4]);
        let p = |i: usize| qkv.clone().slice([i..i + 1]).squeeze_dim::<4>(0);
        let (q, k, v) = (p(0), p(1), p(2));
        let (q, k, v) = if half {
            (
                q.cast(DType::BF16),
                k.cast(DType::BF16),
                v.cast(DType::BF16),
            )
        } else {
            (q, k, v)
        };
        let a = activation::softmax(q.matmul(k.transpose()).div_scalar(4.0).cast(DType::F32), 3);
        let a = if half { a.cast(DType::BF16) } else { a };
        let o = a
            .matmul(v)
            .cast(DType::F32)
            .swap_dims(1, 2)
            .reshape([b, h * w, 64]);
        let x = x + self.out.forward(o);
        let x = x.clone()
            + self
                .fc2
                .forward(activation::gelu(self.fc1.forward(self.ln.forward(x))));
        let f = x.slice([0..b, 0..1]).squeeze_dim::<2>(1);
        let z = self.hbn.forward(self.head.forward(f));
        let norm = z
            .clone()
            .powf_scalar(2.0)
            .sum_dim(1)
            .sqrt()
            .add_scalar(1e-6);
        z / norm
    }
}

fn main() {
    println!("probe: {:?}", ssl_engine::cuda::probe());
    let t = std::time::Instant::now();
    let d = Device::cuda(0).autodiff();
    let mut net = Net::new(&d);
    let mut opt = AdamWConfig::new().init();
    for half in [false, true] {
        for s in 0..2 {
            let x: Tensor<4> = Tensor::random([24, 3, 8, 8], Distribution::Default, &d);
            let (q, k) = (net.forward(x.clone(), half), net.forward(x, half).detach());
            let logits = q.matmul(k.transpose()).div_scalar(0.2);
            let loss = activation::log_softmax(logits, 1).mean().neg();
            println!(
                "{s} {half} loss {:?} {:.1?}",
                loss.clone().into_data().to_vec::<f32>(),
                t.elapsed()
            );
            let g = GradientsParams::from_grads(loss.backward(), &net);
            net = opt.step(1e-3, net, g);
        }
    }
    let w = Tensor::<4>::random([8, 3, 3, 3], Distribution::Default, &d);
    let y = conv2d(
        Tensor::random([2, 3, 8, 8], Distribution::Default, &d),
        w,
        None,
        ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
    );
    println!(
        "{:?} {:.1?}",
        y.sum().into_data().to_vec::<f32>(),
        t.elapsed()
    );
}
