//! Whether the methods learn, and the control does not.

use ssl_engine::{Options, Outcome, Session};

use crate::plans::{Method, digits};

#[test]
#[ignore = "minutes"]
fn full_anchor() {
    let method = match std::env::var("METHOD").as_deref() {
        Ok("simclr") => Method::SimClr,
        Ok("byol") => Method::Byol,
        Ok("collapse") => Method::Collapse,
        _ => Method::MocoV3,
    };
    let epochs = std::env::var("EPOCHS").map_or(60, |e| e.parse().unwrap());
    let out = tempfile::tempdir().unwrap();
    let out = std::env::var_os("OUT").map_or(out.path().to_path_buf(), Into::into);
    let plan = digits(method, epochs, 0);
    let begun = std::time::Instant::now();
    let session = Session::new(plan, Options::new(&out, "by hand")).unwrap();
    let Outcome::Finished(summary) = session.run(&mut ()).unwrap() else {
        panic!("interrupted");
    };
    println!("{:?} in {:.1?}: {summary:#?}", method, begun.elapsed());
}
