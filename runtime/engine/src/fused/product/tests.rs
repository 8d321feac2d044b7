//! Products against sums in float64, of every way to split them.

use std::time::Instant;

use pulp::Arch;

use super::split::Problem;
use super::{Matrix, Threads, product};

/// Numbers around zero that look like chance.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    let number = |i: usize| (((i + 1) * (2 * seed + 3)) as f32 * 0.618_034).fract() * 2.0 - 1.0;
    (0..count).map(number).collect()
}

/// The sides of a product, each as it is or transposed.
struct Sides {
    size: [usize; 3],
    turned: [bool; 2],
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Sides {
    fn new([m, k, n]: [usize; 3], turned: [bool; 2]) -> Self {
        let (a, b) = (numbers(1, m * k), numbers(2, k * n));
        Sides {
            size: [m, k, n],
            turned,
            a,
            b,
        }
    }

    fn matrices(&self) -> [Matrix<'_>; 2] {
        let of = |values, [rows, columns]: [usize; 2], turned| match turned {
            true => Matrix::rows(values, [columns, rows]).t(),
            false => Matrix::rows(values, [rows, columns]),
        };
        let [m, k, n] = self.size;
        [
            of(&self.a, [m, k], self.turned[0]),
            of(&self.b, [k, n], self.turned[1]),
        ]
    }

    /// An element, and the sum of the sizes of its terms.
    fn element(&self, row: usize, column: usize) -> (f64, f64) {
        let [m, k, n] = self.size;
        let term = |p: usize| {
            let a = match self.turned[0] {
                true => self.a[p * m + row],
                false => self.a[row * k + p],
            };
            let b = match self.turned[1] {
                true => self.b[column * k + p],
                false => self.b[p * n + column],
            };
            f64::from(a) * f64::from(b)
        };
        (0..k).fold((0.0, 0.0), |(sum, all), p| {
            (sum + term(p), all + term(p).abs())
        })
    }

    fn check(&self, what: &str, into: &[f32], down: usize, before: &[f32], factor: f64) {
        let [m, k, n] = self.size;
        // All of a small result, some of a large one.
        for at in (0..m * n).step_by((m * n * k / 2_000_000).max(1)) {
            let (row, column) = (at / n, at % n);
            let (sum, all) = self.element(row, column);
            let at = row * down + column;
            let right = f64::from(before.get(at).copied().unwrap_or(0.0)) + factor * sum;
            let apart = (f64::from(into[at]) - right).abs();
            assert!(
                apart <= 1e-6 * (all + 1.0),
                "{what} {:?} {:?} at {row} {column}: {} is not {right}",
                self.size,
                self.turned,
                into[at]
            );
        }
    }
}

const SIZES: [[usize; 3]; 14] = [
    [1, 1, 1],
    [1, 5, 1],
    [3, 0, 4],
    [5, 3, 40],
    [7, 13, 17],
    [6, 385, 16],
    [65, 64, 65],
    [13, 9, 300],
    [300, 9, 13],
    [97, 400, 129],
    [8, 1030, 260],
    [200, 800, 33],
    [33, 3001, 70],
    [530, 700, 90],
];
const TURNED: [[bool; 2]; 4] = [[false, false], [false, true], [true, false], [true, true]];

#[test]
fn products_are_those_of_float64() {
    for size in SIZES {
        for turned in TURNED {
            let sides = Sides::new(size, turned);
            let [a, b] = sides.matrices();
            let down = size[2] + 3;
            let before = numbers(3, size[0] * down);
            for threads in [Threads::One, Threads::All] {
                let mut into = before.clone();
                product(&mut into, down, a, b, (false, 0.25), threads);
                sides.check("alone", &into, down, &[], 0.25);
                for (row, before) in into.chunks(down).zip(before.chunks(down)) {
                    assert_eq!(row[size[2]..], before[size[2]..], "what lies between rows");
                }
                let mut into = before.clone();
                product(&mut into, down, a, b, (true, -0.5), threads);
                sides.check("added", &into, down, &before, -0.5);
            }
        }
    }
}

#[test]
fn products_without_vectors_are_the_same() {
    for size in [[7, 13, 17], [97, 400, 129], [33, 3001, 70]] {
        for turned in TURNED {
            let sides = Sides::new(size, turned);
            let [a, b] = sides.matrices();
            let mut into = vec![f32::NAN; size[0] * size[2]];
            // SAFETY: all of `into`, which nobody else holds.
            unsafe {
                Problem::new(into.as_mut_ptr(), size[2], a, b, (false, 1.0))
                    .solve(Arch::Scalar, Threads::All);
            }
            sides.check("scalar", &into, size[2], &[], 1.0);
        }
    }
}

#[test]
fn products_are_the_same_by_any_number_of_threads() {
    for size in [
        [97, 400, 129],
        [33, 3001, 70],
        [530, 700, 90],
        [90, 700, 530],
    ] {
        for turned in TURNED {
            let sides = Sides::new(size, turned);
            let by = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.expect("a pool").install(|| {
                    let [a, b] = sides.matrices();
                    super::product_of(a, b)
                })
            };
            let bits = |x: Vec<f32>| x.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let alone = bits(by(1));
            assert_eq!(alone, bits(by(3)), "{size:?}");
            assert_eq!(alone, bits(by(4)), "{size:?}");
        }
    }
}

#[test]
#[should_panic(expected = "unlike shapes")]
fn unlike_shapes_are_refused() {
    let x = [0.0; 6];
    super::product_of(Matrix::rows(&x, [2, 3]), Matrix::rows(&x, [2, 3]));
}

/// A row of the table of `tests/bench/README.md` a line: GFLOP/s of the crate and
/// of ours, each the median of turns that alternate.
#[test]
#[ignore = "prints speeds, for a machine that does nothing else"]
fn speed_beside_the_crate() {
    const TURNS: usize = 15;
    for (size, turned) in [
        ([8320, 192, 768], [false, false]),
        ([8320, 768, 192], [false, false]),
        ([768, 8320, 192], [true, false]),
        ([128, 4096, 4096], [false, false]),
        ([65, 64, 65], [false, true]),
    ] {
        let sides = Sides::new(size, turned);
        let work = 2.0 * size.iter().product::<usize>() as f64;
        let repeats = (2e8 / work).ceil() as usize;
        for threads in [1, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let mut seconds = [vec![], vec![]];
            pool.expect("a pool").install(|| {
                let [a, b] = sides.matrices();
                for _ in 0..TURNS {
                    for (of, taken) in [by_the_crate, super::product_of].iter().zip(&mut seconds) {
                        let start = Instant::now();
                        for _ in 0..repeats {
                            std::hint::black_box(of(a, b));
                        }
                        taken.push(start.elapsed().as_secs_f64() / repeats as f64);
                    }
                }
            });
            let [theirs, ours] = seconds.map(|mut taken| {
                taken.sort_by(f64::total_cmp);
                work / taken[TURNS / 2] / 1e9
            });
            println!("{size:?} by {threads}: {theirs:.0}, {ours:.0}");
        }
    }
}

/// What the engine did before: see the module.
fn by_the_crate(a: Matrix, b: Matrix) -> Vec<f32> {
    let ([m, k], n) = (a.shape, b.shape[1]);
    let mut into = Vec::with_capacity(m * n);
    let strides = |x: Matrix| x.strides.map(|stride| stride as isize);
    let ([down, across], [deeper, beside]) = (strides(a), strides(b));
    let (left, right) = (a.values.as_ptr(), b.values.as_ptr());
    let parallelism = gemm::Parallelism::Rayon(0);
    // SAFETY: there is space for `m n` numbers, each is written and none read;
    // what is read lies in a and b.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            into.as_mut_ptr(),
            1,
            n as isize,
            false,
            left,
            across,
            down,
            right,
            beside,
            deeper,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
        into.set_len(m * n);
    }
    into
}
