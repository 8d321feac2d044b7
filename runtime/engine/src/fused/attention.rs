//! `softmax(q k^T / sqrt(width)) v` of every head of every sample: a head's
//! scores stay in the cache of the core that computes them, and are computed
//! again for the gradient instead of being kept.

use burn::tensor::activation::softmax;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{DType, FloatDType, Tensor, module};
use rayon::prelude::*;

use super::gelu::exp_of_negative;
use super::lanes::{largest, sum_of, wide};
use super::node::{Block, Operation, one, three};
use super::on_host;
use super::product::{Matrix, Threads, product};

/// Every token of every sample asks: of q, k and v side by side,
/// `[batch * N, 3 dim]`, to `[batch * N, dim]`.
pub(crate) fn attention(qkv: Tensor<2>, batch: usize, heads: usize) -> Tensor<2> {
    match on_host(&qkv) {
        true => one(qkv, Attention { batch, heads }),
        false => {
            let dim = qkv.dims()[1] / 3;
            plain(
                [0, 1, 2].map(|i| qkv.clone().narrow(1, i * dim, dim)),
                batch,
                heads,
            )
        }
    }
}

/// Of q, `[batch * M, dim]`, where M tokens of each sample ask, and of k and v
/// of every token, `[batch * N, dim]`, to `[batch * M, dim]`.
pub(crate) fn attention_apart(qkv: [Tensor<2>; 3], batch: usize, heads: usize) -> Tensor<2> {
    match on_host(&qkv[0]) {
        true => {
            let [q, k, v] = qkv;
            three(q, k, v, Attention { batch, heads })
        }
        false => plain(qkv, batch, heads),
    }
}

/// Of q, k and v, `[batch * tokens, dim]` each.
pub(super) fn plain(qkv: [Tensor<2>; 3], batch: usize, heads: usize) -> Tensor<2> {
    let [rows, dim] = qkv[0].dims();
    let width = dim / heads;
    let [q, k, v] = qkv.map(|x| {
        let tokens = x.dims()[0] / batch;
        x.reshape([batch, tokens, heads, width]).swap_dims(1, 2)
    });
    let context = if q.is_autodiff() {
        let q = q * (1.0 / (width as f64).sqrt());
        let scores = q.matmul(k.swap_dims(2, 3));
        let weights = match scores.dtype() {
            DType::F32 | DType::F64 => softmax(scores, 3),
            narrow => softmax(scores.cast(FloatDType::F32), 3).cast(narrow),
        };
        weights.matmul(v)
    } else {
        module::attention(q, k, v, None, None, AttentionModuleOptions::default())
    };
    context.swap_dims(1, 2).reshape([rows, dim])
}

#[derive(Debug)]
struct Attention {
    batch: usize,
    heads: usize,
}

/// Where q, k and v of a head lie.
#[derive(Clone, Copy)]
struct Head<'a> {
    q: Matrix<'a>,
    k: Matrix<'a>,
    v: Matrix<'a>,
}

/// The sizes of an attention.
#[derive(Clone, Copy)]
struct Sizes {
    heads: usize,
    /// Tokens of a sample that ask, and tokens that are asked.
    asking: usize,
    asked: usize,
    /// Numbers of a head, and of all.
    width: usize,
    dim: usize,
    /// Numbers from one row to the next, where q, k and v are side by side.
    down: usize,
}

impl Attention {
    fn sizes(&self, inputs: &[Block]) -> Sizes {
        let [rows, down] = inputs[0].dims();
        let (dim, asked) = match inputs {
            [_, k, _] => (down, k.dims::<2>()[0]),
            _ => (down / 3, rows),
        };
        Sizes {
            heads: self.heads,
            asking: rows / self.batch,
            asked: asked / self.batch,
            width: dim / self.heads,
            dim,
            down,
        }
    }
}

impl Sizes {
    fn factor(self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// One head of one sample.
    fn head(self, inputs: &[Block], task: usize) -> Head<'_> {
        let (sample, head) = (task / self.heads, task % self.heads);
        let of = |part: usize, tokens: usize| {
            let (values, column) = match inputs.get(part) {
                Some(own) if inputs.len() > 1 => (own.values(), 0),
                _ => (inputs[0].values(), part * self.dim),
            };
            let begin = sample * tokens * self.down + column + head * self.width;
            Matrix::new(&values[begin..], [tokens, self.width], self.down)
        };
        Head {
            q: of(0, self.asking),
            k: of(1, self.asked),
            v: of(2, self.asked),
        }
    }

    /// The softmax of a head's scores, `[asking, asked]`.
    fn weights(&self, head: Head, into: &mut [f32]) {
        let scale = (false, self.factor());
        product(into, self.asked, head.q, head.k.t(), scale, Threads::One);
        wide!({
            for row in into.chunks_exact_mut(self.asked) {
                softmax_in_place(row);
            }
        });
    }
}

#[inline(always)]
fn softmax_in_place(row: &mut [f32]) {
    let most = largest(row);
    for x in row.iter_mut() {
        let below = *x - most;
        // What is not a number stays none.
        *x = exp_of_negative(below) + 0.0 * below;
    }
    let share = 1.0 / sum_of(row, row, |x, _| x);
    for x in row {
        *x *= share;
    }
}

impl Operation for Attention {
    fn forward(&self, inputs: Vec<Block>, _: bool) -> (Block, Vec<Block>) {
        let sizes = self.sizes(&inputs);
        let Sizes {
            asking,
            asked,
            width,
            dim,
            ..
        } = sizes;
        // The columns of a head lie apart, so each is computed aside and the
        // rows are put together after.
        let mut apart = vec![0.0; self.batch * asking * dim];
        apart
            .par_chunks_mut((asking * width).max(1))
            .enumerate()
            .for_each_init(
                || vec![0.0; asking * asked],
                |weights, (task, into)| {
                    let head = sizes.head(&inputs, task);
                    sizes.weights(head, weights);
                    let weights = Matrix::rows(weights, [asking, asked]);
                    product(into, width, weights, head.v, (false, 1.0), Threads::One);
                },
            );
        let mut context = vec![0.0; apart.len()];
        let parts = [Part {
            at: 0,
            values: &apart,
        }];
        gather(&mut context, dim, asking, self.heads, width, &parts);
        (Block::new(context, [self.batch * asking, dim]), inputs)
    }

    fn backward(&self, kept: Vec<Block>, gradient: Block, _: &[bool]) -> Vec<Option<Block>> {
        let sizes = self.sizes(&kept);
        let gradient = gradient.values();
        let Sizes {
            asking,
            asked,
            width,
            dim,
            ..
        } = sizes;
        let mut of_q = vec![0.0; self.batch * asking * dim];
        let mut of_k = vec![0.0; self.batch * asked * dim];
        let mut of_v = vec![0.0; self.batch * asked * dim];
        let scratch = || [vec![0.0; asking * asked], vec![0.0; asking * asked]];
        of_q.par_chunks_mut((asking * width).max(1))
            .zip(of_k.par_chunks_mut((asked * width).max(1)))
            .zip(of_v.par_chunks_mut((asked * width).max(1)))
            .enumerate()
            .for_each_init(
                scratch,
                |[weights, slopes], (task, ((of_q, of_k), of_v))| {
                    let (sample, number) = (task / self.heads, task % self.heads);
                    let head = sizes.head(&kept, task);
                    sizes.weights(head, weights);
                    let own = &gradient[sample * asking * dim + number * width..];
                    let own = Matrix::new(own, [asking, width], dim);
                    product(slopes, asked, own, head.v.t(), (false, 1.0), Threads::One);
                    {
                        let weights = Matrix::rows(weights, [asking, asked]);
                        product(of_v, width, weights.t(), own, (false, 1.0), Threads::One);
                    }
                    wide!({
                        let rows = slopes.chunks_exact_mut(asked);
                        for (slopes, weights) in rows.zip(weights.chunks_exact(asked)) {
                            let level = sum_of(slopes, weights, |s, w| s * w);
                            for (slope, weight) in slopes.iter_mut().zip(weights) {
                                *slope = weight * (*slope - level);
                            }
                        }
                    });
                    let slopes = Matrix::rows(slopes, [asking, asked]);
                    let scale = (false, sizes.factor());
                    product(of_q, width, slopes, head.k, scale, Threads::One);
                    product(of_k, width, slopes.t(), head.q, scale, Threads::One);
                },
            );
        let together = |columns: usize, tokens: usize, parts: &[Part]| {
            let mut into = vec![0.0; self.batch * tokens * columns];
            gather(&mut into, columns, tokens, self.heads, width, parts);
            Some(Block::new(into, [self.batch * tokens, columns]))
        };
        let part = |at, values| Part { at, values };
        match kept.len() {
            1 => {
                let parts = [part(0, &of_q), part(dim, &of_k), part(2 * dim, &of_v)];
                vec![together(3 * dim, asking, &parts)]
            }
            _ => vec![
                together(dim, asking, &[part(0, &of_q)]),
                together(dim, asked, &[part(0, &of_k)]),
                together(dim, asked, &[part(0, &of_v)]),
            ],
        }
    }
}

/// Heads one behind the other, `[batch, heads, tokens, width]`, that belong
/// into rows from a column on.
struct Part<'a> {
    at: usize,
    values: &'a [f32],
}

/// Puts heads into rows of so many columns.
fn gather(
    into: &mut [f32],
    columns: usize,
    tokens: usize,
    heads: usize,
    width: usize,
    parts: &[Part],
) {
    into.par_chunks_mut((tokens * columns).max(1))
        .enumerate()
        .for_each(|(sample, rows)| {
            for (token, row) in rows.chunks_exact_mut(columns).enumerate() {
                for part in parts {
                    for head in 0..heads {
                        let from = ((sample * heads + head) * tokens + token) * width;
                        let to = part.at + head * width;
                        row[to..to + width].copy_from_slice(&part.values[from..from + width]);
                    }
                }
            }
        });
}
