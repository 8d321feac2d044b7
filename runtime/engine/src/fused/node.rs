//! An operation with its gradient as one node of Burn's graph, by Burn's
//! backend extension.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};
use burn_flex::FlexTensor;

/// An operation on float32 tensors of the CPU.
pub(super) trait Operation: Debug + Send + Sync + 'static {
    /// The result, and where `keep` says so what [`Operation::backward`] will
    /// need.
    fn forward(&self, inputs: Vec<Block>, keep: bool) -> (Block, Vec<Block>);

    /// The gradient of every input that is `wanted`, in their order, from that
    /// of the result.
    fn backward(&self, kept: Vec<Block>, gradient: Block, wanted: &[bool]) -> Vec<Option<Block>>;
}

/// A float32 tensor whose numbers lie in order.
#[derive(Debug, Clone)]
pub(super) struct Block(FlexTensor);

impl Block {
    pub(super) fn new(values: Vec<f32>, shape: impl Into<Shape>) -> Self {
        Block(FlexTensor::from_data(TensorData::new(values, shape)))
    }

    /// Its numbers in row-major order.
    pub(super) fn values(&self) -> &[f32] {
        self.0
            .as_slice()
            .expect("float32, and in order since it was taken in")
    }

    pub(super) fn dims<const D: usize>(&self) -> [usize; D] {
        self.0.layout().shape().dims()
    }

    pub(super) fn shape(&self) -> Vec<usize> {
        self.0.layout().shape().iter().copied().collect()
    }

    /// Its numbers as an own vector: its very memory where nobody else holds
    /// it.
    pub(super) fn into_vec(self) -> Vec<f32> {
        let values = self.0.into_data().try_into_vec();
        values.unwrap_or_else(|_| unreachable!("float32 since it was taken in"))
    }

    fn take_in(tensor: FlexTensor) -> Self {
        match tensor.as_slice::<f32>() {
            Some(_) => Block(tensor),
            None => Block(tensor.to_contiguous()),
        }
    }
}

/// An operation on tensors, `D` the rank of the first and of the result.
pub(super) fn one<const D: usize>(x: Tensor<D>, operation: impl Operation) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_one(x.into_dispatch(), Arc::new(operation)))
}

/// As [`one`] of two tensors.
pub(super) fn two<const D: usize, const E: usize, const R: usize>(
    x: Tensor<D>,
    y: Tensor<E>,
    operation: impl Operation,
) -> Tensor<R> {
    let inputs = (x.into_dispatch(), y.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_two(inputs.0, inputs.1, Arc::new(operation)))
}

/// As [`one`] of three tensors.
pub(super) fn three<const D: usize, const E: usize, const F: usize>(
    x: Tensor<D>,
    y: Tensor<E>,
    z: Tensor<F>,
    operation: impl Operation,
) -> Tensor<D> {
    let operation = Arc::new(operation);
    let (x, y, z) = (x.into_dispatch(), y.into_dispatch(), z.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_three(x, y, z, operation))
}

/// As [`one`] of four tensors.
pub(super) fn four<const D: usize, const E: usize, const F: usize, const G: usize>(
    x: Tensor<D>,
    y: Tensor<E>,
    z: Tensor<F>,
    w: Tensor<G>,
    operation: impl Operation,
) -> Tensor<D> {
    let operation = Arc::new(operation);
    let (x, y) = (x.into_dispatch(), y.into_dispatch());
    let (z, w) = (z.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_four(x, y, z, w, operation))
}

/// An operation as the extension passes it on.
pub(super) type Shared = Arc<dyn Operation>;

#[backend_extension(Flex, Autodiff)]
pub(super) trait Fused: Backend {
    fn fused_one(a: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self>;
    fn fused_two(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        operation: Shared,
    ) -> FloatTensor<Self>;
    fn fused_three(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        operation: Shared,
    ) -> FloatTensor<Self>;
    fn fused_four(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        operation: Shared,
    ) -> FloatTensor<Self>;
}

type Flat = FloatTensor<Flex>;
type Traced<C> = FloatTensor<Autodiff<Flex, C>>;

impl Fused for Flex {
    fn fused_one(a: Flat, operation: Shared) -> Flat {
        plain([a], &*operation)
    }
    fn fused_two(a: Flat, b: Flat, operation: Shared) -> Flat {
        plain([a, b], &*operation)
    }
    fn fused_three(a: Flat, b: Flat, c: Flat, operation: Shared) -> Flat {
        plain([a, b, c], &*operation)
    }
    fn fused_four(a: Flat, b: Flat, c: Flat, d: Flat, operation: Shared) -> Flat {
        plain([a, b, c, d], &*operation)
    }
}

impl<C: CheckpointStrategy> Fused for Autodiff<Flex, C> {
    fn fused_one(a: Traced<C>, operation: Shared) -> Traced<C> {
        traced::<C, 1>([a], operation)
    }
    fn fused_two(a: Traced<C>, b: Traced<C>, operation: Shared) -> Traced<C> {
        traced::<C, 2>([a, b], operation)
    }
    fn fused_three(a: Traced<C>, b: Traced<C>, c: Traced<C>, operation: Shared) -> Traced<C> {
        traced::<C, 3>([a, b, c], operation)
    }
    fn fused_four(
        a: Traced<C>,
        b: Traced<C>,
        c: Traced<C>,
        d: Traced<C>,
        operation: Shared,
    ) -> Traced<C> {
        traced::<C, 4>([a, b, c, d], operation)
    }
}

fn plain<const N: usize>(inputs: [Flat; N], operation: &dyn Operation) -> Flat {
    let inputs = inputs.into_iter().map(Block::take_in).collect();
    operation.forward(inputs, false).0.0
}

fn traced<C: CheckpointStrategy, const N: usize>(
    inputs: [Traced<C>; N],
    operation: Shared,
) -> Traced<C> {
    let guards = inputs.each_ref().map(|input| input.node());
    let inputs = inputs.map(|input| Block::take_in(input.into_primitive()));
    let inputs = Vec::from(inputs);
    match Node::<N>.prepare::<C>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (result, kept) = operation.forward(inputs, true);
            prepared.finish(State { operation, kept }, result.0)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.forward(inputs, false).0.0),
    }
}

/// The node of any operation of `N` inputs.
#[derive(Debug)]
struct Node<const N: usize>;

#[derive(Debug, Clone)]
struct State {
    operation: Shared,
    kept: Vec<Block>,
}

impl<const N: usize> Backward<Flex, N> for Node<N> {
    type State = State;

    fn backward(self, ops: Ops<State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = Block::take_in(gradients.consume::<Flex>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let State { operation, kept } = ops.state;
        let found = operation.backward(kept, gradient, &wanted);
        for (parent, found) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(found)) = (parent, found) {
                gradients.register::<Flex>(parent.id, found.0);
            }
        }
    }
}
