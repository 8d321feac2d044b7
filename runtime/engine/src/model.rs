//! The plan's networks side by side: those that are trained and those that
//! are averages of them.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor};
use ssl_plan::{FeatureOf, Net, NetKind, Schedule, Stage};

use crate::error::EngineError;
use crate::nets::{Kind, Network, Visit};

/// All networks of a run.
pub struct Model {
    members: Vec<Member>,
}

/// One network with its name.
pub struct Member {
    /// Its name in the source.
    pub name: String,
    /// Its stages, an average's those of what it averages.
    pub stages: Vec<Stage>,
    /// Its tensors. A trained net's carry gradients, an average's do not.
    pub network: Network,
    average: Option<Average>,
}

struct Average {
    of: usize,
    decay: Schedule,
}

impl Member {
    /// Whether it is an average, which takes no gradient.
    pub fn is_average(&self) -> bool {
        self.average.is_some()
    }
}

impl Model {
    /// Builds and initialises every net of the plan. Averages start as copies.
    ///
    /// # Errors
    ///
    /// [`EngineError::Plan`] where an average is of no net, or of an average.
    pub fn new(nets: &[Net], seed: u64, device: &Device) -> Result<Self, EngineError> {
        let mut members = Vec::with_capacity(nets.len());
        for net in nets {
            let (stages, average, device) = match &net.kind {
                NetKind::Stages { stages } => (stages, None, device.clone().autodiff()),
                NetKind::Ema { of, decay } => {
                    let found = nets.iter().enumerate().find(|(_, net)| net.name == *of);
                    let Some((of, NetKind::Stages { stages })) = found.map(|(i, n)| (i, &n.kind))
                    else {
                        let name = &net.name;
                        return Err(EngineError::plan(format!(
                            "`{name}` averages `{of}`, which is no trained net"
                        )));
                    };
                    let decay = decay.clone();
                    (stages, Some(Average { of, decay }), device.clone())
                }
            };
            members.push(Member {
                name: net.name.clone(),
                stages: stages.clone(),
                network: Network::new(&net.name, stages, seed, &device),
                average,
            });
        }
        let mut model = Model { members };
        model.arm();
        model.start_averages(&|_| true);
        Ok(model)
    }

    /// The nets in the plan's order.
    pub fn members(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// The net of that name.
    pub fn member(&mut self, name: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.name == name)
    }

    /// Walks over all tensors of all nets.
    pub fn visit<V: Visit>(&mut self, visitor: &mut V) {
        for member in &mut self.members {
            member.network.visit(visitor);
        }
    }

    /// Walks over the nets that are trained.
    pub fn visit_trained<V: Visit>(&mut self, visitor: &mut V) {
        for member in &mut self.members {
            if member.average.is_none() {
                member.network.visit(visitor);
            }
        }
    }

    /// Makes every trained tensor a leaf that keeps its gradient. Needed after
    /// tensors were replaced from outside.
    pub fn arm(&mut self) {
        self.visit_trained(&mut Arm);
    }

    /// Runs something on the networks as constants, so that no graph is kept.
    pub fn without_gradients<T>(&mut self, run: impl FnOnce(&mut Model) -> T) -> T {
        self.visit_trained(&mut Disarm);
        let result = run(self);
        self.arm();
        result
    }

    /// The name of a feature, `NET.STAGE`.
    pub fn feature_name(&self, feature: &FeatureOf) -> String {
        let member = self.members.iter().find(|m| m.name == feature.net);
        let stage = member.and_then(|m| m.stages.get(feature.stage)?.name.as_ref());
        match stage {
            Some(stage) => format!("{}.{stage}", feature.net),
            None => feature.net.clone(),
        }
    }

    /// Makes the averages whose name `which` picks equal to what they average,
    /// running statistics included.
    pub fn start_averages(&mut self, which: &dyn Fn(&str) -> bool) {
        self.blend(|average| which(average).then_some(Blend::Copy));
    }

    /// One step of every average, `a = m a + (1 - m) p` with `m` at that step,
    /// to be done before the step's forward passes (MoCo v3). Frozen
    /// parameters are copied, running statistics left alone.
    pub fn update_averages(&mut self, step: f64) {
        let decays: HashMap<String, f64> = self.decays(step).collect();
        self.blend(|average| decays.get(average).map(|decay| Blend::Decay(*decay)));
    }

    /// Name and decay of every average at a step.
    pub fn decays(&self, step: f64) -> impl Iterator<Item = (String, f64)> + '_ {
        self.members.iter().filter_map(move |member| {
            let average = member.average.as_ref()?;
            Some((member.name.clone(), average.decay.at(step)))
        })
    }

    fn blend(&mut self, how: impl Fn(&str) -> Option<Blend>) {
        for i in 0..self.members.len() {
            let Some(Average { of, .. }) = self.members[i].average else {
                continue;
            };
            let Some(blend) = how(&self.members[i].name) else {
                continue;
            };
            let mut source = Snapshot {
                prefix: self.members[of].name.len(),
                tensors: HashMap::new(),
            };
            self.members[of].network.visit(&mut source);
            let mut target = Blender {
                prefix: self.members[i].name.len(),
                source: source.tensors,
                blend,
            };
            self.members[i].network.visit(&mut target);
        }
    }
}

struct Arm;

impl Visit for Arm {
    fn tensor<const D: usize>(&mut self, _: &str, kind: Kind, tensor: &mut Tensor<D>) {
        if matches!(kind, Kind::Trained(_)) {
            tensor.inplace(|tensor| tensor.inner().autodiff().require_grad());
        }
    }
}

struct Disarm;

impl Visit for Disarm {
    fn tensor<const D: usize>(&mut self, _: &str, _: Kind, tensor: &mut Tensor<D>) {
        tensor.inplace(Tensor::inner);
    }
}

#[derive(Clone, Copy)]
enum Blend {
    Copy,
    Decay(f64),
}

struct Snapshot {
    prefix: usize,
    tensors: HashMap<String, Tensor<1>>,
}

impl Visit for Snapshot {
    fn tensor<const D: usize>(&mut self, key: &str, _: Kind, tensor: &mut Tensor<D>) {
        let flat = tensor.clone().inner().flatten(0, D - 1);
        self.tensors.insert(key[self.prefix..].to_string(), flat);
    }
}

struct Blender {
    prefix: usize,
    source: HashMap<String, Tensor<1>>,
    blend: Blend,
}

impl Visit for Blender {
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
        let Some(source) = self.source.remove(&key[self.prefix..]) else {
            return;
        };
        let source = source.reshape(tensor.dims());
        match (self.blend, kind) {
            (Blend::Decay(_), Kind::Buffer) => {}
            (Blend::Decay(m), Kind::Trained(_)) => {
                tensor.inplace(|old| old.inner().mul_scalar(m) + source.mul_scalar(1.0 - m));
            }
            _ => *tensor = source,
        }
    }
}
