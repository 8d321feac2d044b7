//! Every size of every backbone against timm and torchvision: the names, shapes
//! and order of its tensors, how many numbers are trained, and the layers by
//! which rates fall.
//!
//! The table comes from `tests/numeric/reference/zoo.py`. What the language says
//! is compiled, and the network of the plan laid out without drawing weights.

#[path = "../support/bench.rs"]
mod bench;

use bench::planned;
use ssl_engine::nets::{Kind, Network};
use ssl_engine::optim::layers_behind;
use ssl_plan::{NetKind, Stage};

/// A tensor of a reference network.
#[derive(Debug, PartialEq)]
struct Row {
    key: String,
    shape: Vec<usize>,
    /// Layers from it to a classifier.
    behind: usize,
}

struct Reference {
    name: String,
    image: usize,
    parameters: u64,
    text: String,
    rows: Vec<Row>,
}

/// The key, shape and layer of a line.
fn row(line: &str) -> (String, Vec<usize>, usize) {
    let mut words = line.split_whitespace();
    let mut word = || words.next().expect("a word");
    let (key, shape, layer) = (word(), word(), word());
    let shape = shape.split('x').map(|n| n.parse().expect("a length"));
    (key.into(), shape.collect(), layer.parse().expect("a layer"))
}

fn table() -> Vec<Reference> {
    let text = include_str!("fixtures/zoo.txt");
    let mut out: Vec<Reference> = Vec::new();
    let mut rows: Vec<(String, Vec<usize>, usize)> = Vec::new();
    let mut lines = text.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        if let Some(head) = line.strip_prefix("network ") {
            let words: Vec<&str> = head.splitn(6, ' ').collect();
            out.push(Reference {
                name: words[0].into(),
                image: words[2].parse().expect("a side"),
                parameters: words[4].parse().expect("a count"),
                text: words[5].into(),
                rows: Vec::new(),
            });
        } else if let Some(last) = line.strip_prefix("layers ") {
            let last: usize = last.parse().expect("a layer");
            let done = std::mem::take(&mut rows).into_iter();
            let network = out.last_mut().expect("a network");
            network.rows = done
                .map(|(key, shape, layer)| Row {
                    key,
                    shape,
                    behind: last - layer,
                })
                .collect();
        } else if let Some((group, range)) = line.split_once(".[") {
            let range = range.strip_suffix(']').expect("a range");
            let (from, to) = range.split_once('-').expect("a range");
            let [from, to]: [usize; 2] = [from, to].map(|n| n.parse().expect("an index"));
            let mut own = Vec::new();
            while let Some(line) = lines.next_if(|l| l.starts_with("  ")) {
                own.push(row(line));
            }
            for index in from..=to {
                rows.extend(own.iter().map(|(key, shape, layer)| {
                    let key = format!("{group}.{index}.{key}");
                    (key, shape.clone(), layer + index - from)
                }));
            }
        } else {
            rows.push(row(line));
        }
    }
    out
}

/// The plan's stage of a backbone that is written so.
fn compiled(network: &Reference) -> (Stage, u64) {
    let text = format!(
        "pipeline p {{
  data {{
    source = digits()
    batch  = 16
  }}
  view a {{
    random_resized_crop({})
    normalize(half)
  }}
  view b = a
  net encoder {{
    backbone = {}
  }}
  step(a, b) {{
    minimize nt_xent(encoder(a), encoder(b), temperature: 0.2)
  }}
  train {{
    epochs    = 1
    optimizer = adamw(lr: 1e-3)
  }}
}}
",
        network.image, network.text
    );
    let (name, plan) = (&network.name, planned(&text, &[]));
    let counted = plan.estimate.parameters[0].trained + plan.estimate.parameters[0].frozen;
    match plan.recipe.nets.into_iter().next().expect("a net").kind {
        NetKind::Stages { stages } => (stages.into_iter().next().expect("a stage"), counted),
        NetKind::Ema { .. } => panic!("{name} is an average"),
    }
}

#[test]
fn every_size_has_the_names_shapes_and_layers_of_its_reference() {
    let table = table();
    assert!(table.len() > 20);
    for reference in table {
        let name = &reference.name;
        let (stage, counted) = compiled(&reference);
        let stages = [stage];
        let outline = Network::outline("encoder", &stages);
        let mut parameters = 0;
        let found: Vec<Row> = outline
            .into_iter()
            .map(|(key, kind, shape)| {
                if kind != Kind::Buffer {
                    parameters += shape.iter().product::<usize>() as u64;
                }
                let key = key.strip_prefix("encoder.backbone.").expect("its place");
                Row {
                    key: key.into(),
                    shape,
                    behind: layers_behind(&stages[0].module, key),
                }
            })
            .collect();
        for (found, expected) in found.iter().zip(&reference.rows) {
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(found.len(), reference.rows.len(), "{name}");
        assert_eq!(parameters, reference.parameters, "{name}");
        assert_eq!(counted, reference.parameters, "{name}: the plan's count");
    }
}
