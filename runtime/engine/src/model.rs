//! The plan's networks side by side: those that are trained and those that
//! are averages of them.

use burn::tensor::Device;
use ssl_plan::{FeatureOf, Net, NetKind, Precision, Schedule, Stage};

use crate::error::EngineError;
use crate::nets::{Network, Visit};
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
                network: Network::new(&net.name, stages, seed, &device).with_precision(precision),
                average,
            });
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

    /// The same nets outside of any gradient; see
    /// [`Network::without_gradients`].
    #[must_use]
    pub fn without_gradients(&self) -> Self {
        let mut model = self.clone();
        for member in &mut model.members {
            member.network = member.network.without_gradients();
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
