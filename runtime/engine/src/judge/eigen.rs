//! Eigenvalues of a symmetric matrix: Householder tridiagonalisation, then the
//! implicit QL algorithm (Golub & Van Loan, *Matrix Computations*, 8.3).

/// All eigenvalues of a symmetric `n` by `n` matrix, rows after each other, in
/// no order.
pub fn symmetric_eigenvalues(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    if n == 0 || a.len() != n * n {
        return Vec::new();
    }
    let (mut diagonal, mut off) = tridiagonal(&mut a, n);
    implicit_ql(&mut diagonal, &mut off);
    diagonal
}

/// Diagonal, and the entries below it at `off[0..n-1]`.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut off = vec![0.0; n];
    let mut v = vec![0.0; n];
    let mut w = vec![0.0; n];
    for k in 0..n.saturating_sub(2) {
        // Reflect column k below the diagonal onto its first entry.
        let m = k + 1;
        let norm = (m..n).map(|i| a[i * n + k].powi(2)).sum::<f64>().sqrt();
        let first = a[m * n + k];
        let alpha = if first > 0.0 { -norm } else { norm };
        off[k] = alpha;
        // |v|^2 / 2 for v = x - alpha e1.
        let half = alpha * (alpha - first);
        if half == 0.0 {
            off[k] = first;
            continue;
        }
        for i in m..n {
            v[i] = a[i * n + k];
        }
        v[m] -= alpha;
        for i in m..n {
            let row = &a[i * n + m..i * n + n];
            w[i] = row.iter().zip(&v[m..n]).map(|(x, y)| x * y).sum::<f64>() / half;
        }
        let shift = (m..n).map(|i| v[i] * w[i]).sum::<f64>() / (2.0 * half);
        for i in m..n {
            w[i] -= shift * v[i];
        }
        for i in m..n {
            let row = &mut a[i * n + m..i * n + n];
            for ((x, vj), wj) in row.iter_mut().zip(&v[m..n]).zip(&w[m..n]) {
                *x -= v[i] * wj + w[i] * vj;
            }
        }
    }
    if n > 1 {
        off[n - 2] = a[(n - 1) * n + n - 2];
    }
    ((0..n).map(|i| a[i * n + i]).collect(), off)
}

fn implicit_ql(d: &mut [f64], e: &mut [f64]) {
    const MOST_SWEEPS: usize = 60;
    let n = d.len();
    for l in 0..n {
        for _ in 0..MOST_SWEEPS {
            let small = |i: &usize| e[*i].abs() <= f64::EPSILON * (d[*i].abs() + d[*i + 1].abs());
            let m = (l..n - 1).find(small).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                let t = (d[i] - g) * s + 2.0 * c * b;
                p = s * t;
                d[i + 1] = g + p;
                g = c * t - b;
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::symmetric_eigenvalues;

    /// The second-difference matrix has eigenvalues `2 - 2 cos(j pi / (n+1))`.
    /// A fixed rotation of it fills the matrix.
    #[test]
    fn a_filled_matrix_has_the_known_spectrum() {
        let n = 40;
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = 2.0;
            if i + 1 < n {
                a[i * n + i + 1] = -1.0;
                a[(i + 1) * n + i] = -1.0;
            }
        }
        // H a H with H = I - 2 u u' for a unit u.
        let raw: Vec<f64> = (0..n).map(|i| ((i * i + 1) as f64).sin()).collect();
        let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
        let u: Vec<f64> = raw.iter().map(|x| x / length).collect();
        let h = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * u[i] * u[j];
        let times = |x: &dyn Fn(usize, usize) -> f64, y: &dyn Fn(usize, usize) -> f64| {
            let entry = |at: usize| (0..n).map(|k| x(at / n, k) * y(k, at % n)).sum();
            (0..n * n).map(entry).collect::<Vec<f64>>()
        };
        let left = times(&h, &|i, j| a[i * n + j]);
        let both = times(&|i, j| left[i * n + j], &h);
        let mut found = symmetric_eigenvalues(both, n);
        found.sort_by(f64::total_cmp);
        for (j, value) in found.into_iter().enumerate() {
            let angle = (j + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
            let expected = 2.0 - 2.0 * angle.cos();
            assert!((value - expected).abs() < 1e-12, "{j}: {value} {expected}");
        }
    }
}
