fn main() {
    for f in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&f).unwrap();
        let n = text.lines().count();
        let t = std::time::Instant::now();
        let f2 = f.clone();
        let (d, first, tree) = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || {
                let mut map = ssl_diagnostics::SourceMap::new();
                let id = map.add(f2, text).unwrap();
                let p = ssl_syntax::parse_file(&map, id);
                let first = p.diagnostics.iter().take(3).cloned().collect::<Vec<_>>();
                (
                    p.diagnostics.len(),
                    ssl_diagnostics::render_short(&map, &first),
                    p.file.items.len(),
                )
            })
            .unwrap()
            .join()
            .unwrap();
        println!(
            "{f}: {n} lines {d} diagnostics {tree} items {:?}\n{first}",
            t.elapsed()
        );
    }
}
