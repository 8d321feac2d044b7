use ssl_core::*;
use ssl_plan::Source;
use std::path::*;
struct W;
impl World for W {
    fn read(&self, p: &Path) -> Result<String, WorldError> {
        std::fs::read_to_string(p).map_err(|e| WorldError {
            message: e.to_string(),
            help: None,
        })
    }
    fn absolute(&self, p: &Path) -> PathBuf {
        p.to_path_buf()
    }
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn dataset(&self, _: &Source) -> Result<DatasetInfo, WorldError> {
        Ok(DatasetInfo {
            samples: 1200,
            classes: Some(vec!["0".into()]),
            held_out: Some(597),
            recorded: None,
        })
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let c = compile(
        &Request {
            path: a[1].clone().into(),
            pipeline: None,
            set: a[2..].to_vec(),
            demand: Demand::Run,
        },
        &W,
    );
    for d in &c.diagnostics {
        println!("{:?} {} {}", d.severity, d.code, d.message);
        for l in &d.labels {
            println!(
                "   {:?} {:?}: {}",
                c.map.place(l.span),
                c.map.text(l.span),
                l.text
            );
        }
        if let Some(h) = &d.help {
            println!("   help: {h}");
        }
    }
    if let Some(p) = &c.plan {
        println!("{:#?}", p.recipe.step);
        for v in &p.values {
            println!("{} = {}  {:?}", v.path, v.value, v.origin);
        }
        println!("{:?}", p.estimate);
    }
}
