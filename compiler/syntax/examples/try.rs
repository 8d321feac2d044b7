fn main() {
    let all = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    for text in all.split("=====\n") {
        let mut map = ssl_diagnostics::SourceMap::new();
        let id = map.add("t.ssl", text).unwrap();
        let p = ssl_syntax::parse_file(&map, id);
        println!("-------------------\n{text}");
        print!("{}", ssl_diagnostics::render_short(&map, &p.diagnostics));
        if std::env::args().len() > 2 {
            println!("{:#?}", p.file);
        }
        for i in &p.file.items {
            if let ssl_syntax::ast::Item::Pipeline(x) = i {
                show(&x.body, 0)
            }
        }
    }
}
fn show(b: &ssl_syntax::ast::Block, d: usize) {
    use ssl_syntax::ast::*;
    for s in &b.stmts {
        match &s.kind {
            StmtKind::Section(s) => {
                println!(
                    "{:d$}[{} {:?}]",
                    "",
                    s.kind.keyword(),
                    s.name.as_ref().map(|n| &n.name)
                );
                if let SectionBody::Block(b) = &s.body {
                    show(b, d + 2)
                }
            }
            StmtKind::Assign { path, value, .. } => println!(
                "{:d$}{} = {}",
                "",
                path.segments
                    .iter()
                    .map(|s| s.name.clone())
                    .collect::<Vec<_>>()
                    .join("."),
                format!("{:?}", value.kind)
                    .chars()
                    .take(40)
                    .collect::<String>()
            ),
            k => println!(
                "{:d$}{}",
                "",
                format!("{k:?}").chars().take(60).collect::<String>()
            ),
        }
    }
}
