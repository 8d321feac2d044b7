//! The plan's networks side by side: those that are trained and those that
//! are averages of them.

use burn::tensor::{Device, Tensor};
use ssl_plan::{FeatureOf, Module, Net, NetKind, Precision, Schedule, Stage};

use crate::error::EngineError;
use crate::export::is_backbone;
use crate::nets::{Kind, Network, Visit, is_under};
use crate::weights::initial::Place;
use crate::weights::{self, Misfit, NamedTensor, Unexpected};

/// All networks of a run. A clone shares storage until either side changes.
#[derive(Clone)]
pub struct Model {
    members: Vec<Member>,
}

/// One network with its name.
#[derive(Clone)]
pub struct Member {
    /// Its name in the source.
    pub name: String,
    /// Its stages, an average's those of what it averages.
    pub stages: Vec<Stage>,
    /// Its tensors. A trained net's carry gradients, an average's do not.
    pub network: Network,
    average: Option<Average>,
}

#[derive(Clone)]
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

/// The stages of an average, which leaves nothing out: stochastic depth is for
/// what is trained (as DINO's teacher).
fn whole(stages: &[Stage]) -> Vec<Stage> {
    let mut stages = stages.to_vec();
    for stage in &mut stages {
        match &mut stage.module {
            Module::Vit(vit) => vit.drop_path = None,
            Module::Convnext(net) => net.drop_path = None,
            _ => {}
        }
    }
    stages
}

impl Model {
    /// Builds and initialises every net of the plan; parameters are float32,
    /// forward passes of the given precision. Averages start as copies.
    ///
    /// # Errors
    ///
    /// [`EngineError::Plan`] where an average is of no net, or of an average.
    pub fn new(
        nets: &[Net],
        precision: Precision,
        seed: u64,
        device: &Device,
    ) -> Result<Self, EngineError> {
        Model::with_frozen(nets, precision, seed, device, &[])
    }

    /// As [`Model::new`], where parameters whose key is in `freeze`, or starts
    /// with a path there up to a dot, are not trained.
    ///
    /// # Errors
    ///
    /// As [`Model::new`], and where a path is that of no parameter.
    pub fn with_frozen(
        nets: &[Net],
        precision: Precision,
        seed: u64,
        device: &Device,
        freeze: &[String],
    ) -> Result<Self, EngineError> {
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
            // An average copies what its net does not train.
            let own: Vec<String> = match &net.kind {
                NetKind::Stages { .. } => freeze.to_vec(),
                NetKind::Ema { of, .. } => (freeze.iter())
                    .filter(|path| is_under(path, of))
                    .map(|path| path.replacen(of, &net.name, 1))
                    .collect(),
            };
            let network = match average {
                None => Network::with_frozen(&net.name, stages, seed, &device, &own),
                Some(_) => Network::with_frozen(&net.name, &whole(stages), seed, &device, &own),
            };
            members.push(Member {
                name: net.name.clone(),
                stages: stages.clone(),
                network: network.with_precision(precision),
                average,
            });
        }
        for path in freeze {
            let mut found = Finds { path, any: false };
            for member in &mut members {
                member.network.visit(&mut found);
            }
            if !found.any {
                return Err(EngineError::plan(format!(
                    "`{path}` is frozen, and is no parameter"
                )));
            }
        }
        let mut model = Model { members };
        model.each_average(|average, source, _| average.copy_from(source));
        Ok(model)
    }

    /// The nets in the plan's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The net of that name.
    pub fn member(&mut self, name: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.name == name)
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

    /// The same nets without a graph; see [`Network::untracked`].
    #[must_use]
    pub fn untracked(&self) -> Self {
        let mut model = self.clone();
        for member in &mut model.members {
            member.network = member.network.untracked();
        }
        model
    }

    /// Takes over the running statistics of a clone.
    pub fn take_statistics(&mut self, other: &Model) {
        for (own, other) in self.members.iter_mut().zip(&other.members) {
            own.network.take_statistics(&other.network);
        }
    }

    /// Walks over the tensors of the nets that are trained, net by net.
    pub fn visit_trained<V: Visit>(&mut self, visitor: &mut V) {
        for member in self.trained() {
            member.network.visit(visitor);
        }
    }

    /// The nets that are trained.
    pub fn trained(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members
            .iter_mut()
            .filter(|member| !member.is_average())
    }

    /// One step of every average, `a = m a + (1 - m) p` with `m` at that step,
    /// to be done before the step's forward passes (MoCo v3). Frozen
    /// parameters are copied, running statistics left alone.
    pub fn update_averages(&mut self, step: f64) {
        self.each_average(|average, source, decay| average.average(source, decay.at(step)));
    }

    /// Name and decay of every average at a step.
    pub fn decays(&self, step: f64) -> impl Iterator<Item = (String, f64)> + '_ {
        self.members.iter().filter_map(move |member| {
            let average = member.average.as_ref()?;
            Some((member.name.clone(), average.decay.at(step)))
        })
    }

    /// Every tensor of every net, averages and running statistics included.
    pub fn collect(&self) -> Vec<NamedTensor> {
        let nets = self.members.iter();
        nets.flat_map(|member| weights::collect(&member.network))
            .collect()
    }

    /// Every stage that has tensors, as weights from elsewhere see it.
    pub fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for member in &self.members {
            let of = member.average.as_ref().and_then(|a| self.members.get(a.of));
            for (i, stage) in member.stages.iter().enumerate() {
                let Some(path) = member.network.stage_path(i).map(str::to_owned) else {
                    continue;
                };
                let mut tensors = weights::collect_stage(&member.network, i);
                for tensor in &mut tensors {
                    tensor.key = format!("{path}.{}", tensor.key);
                }
                if !tensors.is_empty() {
                    places.push(Place {
                        net: member.name.clone(),
                        path,
                        backbone: is_backbone(&stage.module),
                        average_of: of.map(|of| of.name.clone()),
                        tensors,
                    });
                }
            }
        }
        places
    }

    /// Replaces all tensors by given ones; see [`weights::load`].
    ///
    /// # Errors
    ///
    /// Every key that does not fit. Nothing has changed then.
    pub fn load(&mut self, tensors: &[NamedTensor]) -> Result<(), Misfit> {
        let trained = |members: &[Member], of: usize| {
            members[..of]
                .iter()
                .filter(|member| !member.is_average())
                .count()
        };
        let places: Vec<usize> = (0..self.members.len())
            .map(|i| trained(&self.members, i))
            .collect();
        let mut networks = Vec::new();
        let mut averages = Vec::new();
        for member in &mut self.members {
            match &member.average {
                None => networks.push(&mut member.network),
                Some(average) => averages.push(weights::Average {
                    network: &mut member.network,
                    of: places[average.of],
                }),
            }
        }
        weights::load(&mut networks, &mut averages, tensors, Unexpected::Refuse)
    }

    /// Resizes position embeddings that were made for another size of the
    /// images, in weights from elsewhere. What was resized, in words.
    pub fn fit_positions(&self, tensors: &mut [NamedTensor]) -> Vec<String> {
        let mut notes = Vec::new();
        for tensor in tensors {
            let NamedTensor { key, shape, data } = &*tensor;
            let fitted = (self.members.iter())
                .find_map(|member| member.network.fit_positions(key, shape, data));
            let Some(data) = fitted else { continue };
            let [count, dim] = [shape[1], shape[2]];
            let now = data.len() / dim.max(1);
            notes.push(format!(
                "`{key}` was made for another size: its {count} positions became {now}"
            ));
            tensor.shape = vec![1, now, dim];
            tensor.data = data;
        }
        notes
    }

    /// Puts the parameters of all nets to where they are bound to lie, as every
    /// update does for trained ones: for weights from elsewhere.
    pub fn project(&mut self) {
        for member in &mut self.members {
            for stage in 0..member.network.stage_count() {
                member.network.project_stage(stage);
            }
        }
    }

    fn each_average(&mut self, update: impl Fn(&mut Network, &Network, &Schedule)) {
        for i in 0..self.members.len() {
            let Some(Average { of, decay }) = &self.members[i].average else {
                continue;
            };
            let (source, decay) = (self.members[*of].network.clone(), decay.clone());
            update(&mut self.members[i].network, &source, &decay);
        }
    }
}

/// Whether any key lies under a path.
struct Finds<'a> {
    path: &'a str,
    any: bool,
}

impl Visit for Finds<'_> {
    fn tensor<const D: usize>(&mut self, key: &str, _: Kind, _: &mut Tensor<D>) {
        self.any |= is_under(key, self.path);
    }
}
