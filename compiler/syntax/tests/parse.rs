//! Texts without mistakes, and what they become.

#[path = "../../../tests/support/trees.rs"]
mod trees;

use ssl_diagnostics::{Code, SourceMap, Span};
use ssl_syntax::ast::{ExprKind, Item, SectionBody, StmtKind};
use ssl_syntax::parse_assignment;
use trees::{expr, file, parse, stmt};

const MOCOV3: &str = include_str!("files/mocov3.ssl");
const SHORT: &str = include_str!("files/short.ssl");
const LOSSES: &str = include_str!("files/losses.ssl");

/// The tree of a text without mistakes.
fn tree(text: &str) -> String {
    let (_, parsed) = parse(text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    file(&parsed.file)
}

#[test]
fn the_examples_become_the_trees_they_say() {
    let found = tree(MOCOV3);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    for part in [
        "pipeline mocov3_vitb { /// param decay: Float = 0.99 in (0..=1); let image = 224; \
         data { source = image_folder(\"$IMAGENET/train\"); batch = 4096 }; view a { \
         random_resized_crop(image, scale: (0.08..1)); color_jitter(brightness: 0.4",
        "view b extends a { gaussian_blur.p = 0.1; solarize(threshold: 128, p: 0.2) after \
         gaussian_blur }",
        "backbone = vit(size: base, patch: 16, position: sincos2d, pool: cls, \
         patch_projection: frozen)",
        "last_norm: batch(affine: false), bias: false) }; net predictor = mlp([4096, 256]",
        "net momentum = ema(encoder, decay: cosine((decay -> 1)))",
        "step(a, b) { q_a = predictor(encoder(a))",
        "minimize (info_nce(q_a, k_b, temperature: 0.2) + info_nce(q_b, k_a, temperature: 0.2)); \
         track collapse = feature_std(q_a) }",
        "optimizer = adamw(lr: ((0.00015 * data.batch) / 256), weight_decay: 0.1)",
        "schedule = (warmup(40 epochs) then cosine((optimizer.lr -> 0)))",
        "monitor { knn(encoder.backbone, k: 20, bank: 10 %, every: 50 steps); \
         gradient_norm(per: layer, every: 10 steps) }; eval { linear(encoder.backbone, epochs: 90) } }",
    ] {
        assert!(lines[0].contains(part), "no {part:?} in\n{}", lines[0]);
    }
    assert_eq!(
        lines[1],
        "pipeline simclr_vitb extends mocov3_vitb { drop momentum, predictor; view b = a; \
         step { drop q_a, q_b, k_a, k_b, collapse; z_a = encoder(a); z_b = encoder(b); \
         minimize nt_xent(z_a, z_b, temperature: 0.2) } }"
    );
    assert_eq!(
        lines[2],
        "sweep momentum_ablation of mocov3_vitb { vary decay in [0, 0.9, 0.99, 0.999]; \
         vary encoder.backbone.position in [sincos2d, learned, none]; mode = one_at_a_time }"
    );
    assert_eq!(
        tree(SHORT),
        "use std.mocov3\npipeline mine extends mocov3.vit_small { \
         data.source = image_folder(\"photos\"); data.batch = 256 }\n"
    );
    assert_eq!(
        tree(LOSSES),
        "pipeline dino { view global[2] { random_resized_crop(224, scale: (0.25..1), \
         ratio: ((3 / 4)..(4 / 3))) }; view local[8] extends global { \
         random_resized_crop.size = 96; early: gaussian_blur(sigma: (0.1..2)) before normalize }; \
         step { let t = [teacher(global)]; let s = [student(global), student(local)]; \
         minimize mean(for u in t, v in s where (u.view != v.view) { cross_entropy(u, v) }) }; \
         train { schedule = ((warmup(10 epochs) then linear((0.001 -> 0.0005))) then \
         cosine((0.0005 -> 0))); memory = 24 GiB; total = (1 + (2 * (3 - -4))); data = none }; \
         train.epochs = 100 epochs; allow(collapse) }\n"
            .to_owned()
            .split_inclusive('\n')
            .fold(functions(), |all, line| all + line)
    );
}

fn functions() -> String {
    "fn info_nce(q: Embedding[B, D], k: Embedding[B, D], temperature: Schedule[Float]) -> Loss \
     { let logits = (matmul(normalize(q), transpose(normalize(k))) / temperature); \
     ((2 * temperature) * cross_entropy(logits, diagonal(logits))) }\n\
     fn head(body: Net[In -> Out], width: Int = 256, image: Image[B, 3, H, W]) -> Net[In -> Out] \
     { (body >> mlp([4096, width])) }\n"
        .to_owned()
}

/// Value, and its tree with all parentheses.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("1 + 2 * 3 - 4 / 5", "((1 + (2 * 3)) - (4 / 5))"),
    ("(1 + 2) * -3", "((1 + 2) * -3)"),
    ("1 - 2 - 3", "((1 - 2) - 3)"),
    ("-a.b..c + 1", "(-a.b..(c + 1))"),
    ("3/4..=4/3", "((3 / 4)..=(4 / 3))"),
    ("0..5", "(0..5)"),
    (".5...75", "?"),
    (".5.. .75", "(0.5..0.75)"),
    (
        "1e-3 -> 2.5E+4 then 1_000",
        "((0.001 -> 25000.0) then 1000)",
    ),
    ("a then b then c", "((a then b) then c)"),
    ("a..b -> c", "((a..b) -> c)"),
    ("a + 1 <= b * 2", "((a + 1) <= (b * 2))"),
    ("vit() >> mlp(3) >> norm()", "((vit() >> mlp(3)) >> norm())"),
    ("40epochs + 10% - 24 GiB", "((40 epochs + 10 %) - 24 GiB)"),
    ("1.5 furlongs", "1.5 furlongs"),
    ("[]", "[]"),
    ("[1, [2, 3,],]", "[1, [2, 3]]"),
    (
        "f(in: 1, step: 2, view: view)",
        "f(in: 1, step: 2, view: view)",
    ),
    ("std.f(a)(b)", "?"),
    (r#""a\n\t\"\\ \$HOME 🎉""#, r#""a\n\t\"\\ $HOME 🎉""#),
    ("true", "true"),
    ("truely", "truely"),
    ("for x in xs { -x }", "for x in xs { -x }"),
    (
        "f(\n  a,\n\n  // comment ) }\n  b: 1\n    - 2,\n)",
        "f(a, b: (1 - 2))",
    ),
    ("1 // one\n  + 2 // two\n\n  * 3", "(1 + (2 * 3))"),
    ("1 +\n 2", "(1 + 2)"),
    ("data.batch * step", "(data.batch * step)"),
];

#[test]
fn operators_bind_as_usual_and_lines_end_where_they_should() {
    for (text, expected) in EXPRESSIONS {
        let whole = format!("pipeline p {{\n  x = {text}\n  y = 1\n}}\n");
        let (_, parsed) = parse(&whole);
        let Item::Pipeline(p) = &parsed.file.items[0] else {
            panic!("no pipeline");
        };
        let StmtKind::Assign { value, .. } = &p.body.stmts[0].kind else {
            panic!("{text}: {}", stmt(&p.body.stmts[0]));
        };
        if *expected == "?" {
            assert!(!parsed.diagnostics.is_empty(), "{text}");
        } else {
            assert_eq!(expr(value), *expected, "{text}");
            assert_eq!(parsed.diagnostics, [], "{text}");
        }
        assert_eq!(stmt(p.body.stmts.last().unwrap()), "y = 1", "{text}");
    }
}

#[test]
fn section_words_are_free_as_names() {
    assert_eq!(
        tree(
            "pipeline step {\n  net data = view(train: 1)\n  net view {\n    net = mlp(1)\n  }\n  \
             train = data.step\n  eval.view.data = monitor\n  step(data, view)\n  {\n    \
             net = data(view)\n  }\n}\n"
        ),
        "pipeline step { net data = view(train: 1); net view { net = mlp(1) }; \
         train = data.step; eval.view.data = monitor; step(data, view) { net = data(view) } }\n"
    );
}

/// Every span covers exactly the text of its node, without the blanks and
/// comments behind it.
#[test]
fn spans_cover_their_nodes() {
    let text = "use std.x as y // alias\npipeline p extends q.r {\n  /// Doc.\n  a . b = 1\n}\n";
    let (_, broken) = parse(text);
    assert_eq!(
        broken.diagnostics.len(),
        1,
        "blanks around dots are no path"
    );

    let text = "use std.x as y // alias\n/// Of p.\npipeline p extends q.r {\n  /// Doc.\n  \
                s = f( 1 + 2 , n : [ 3 ] ) * ( a -> b )  // end\n  lr =   \n\n  \
                view v [ 8 ] extends w { early : g ( ) after h // x\n  }\n}\n";
    let (map, parsed) = parse(text);
    assert_eq!(parsed.diagnostics.len(), 1);
    let says = |span: Span| map.text(span).to_owned();
    assert_eq!(says(parsed.file.uses[0].span), "use std.x as y");
    let Item::Pipeline(p) = &parsed.file.items[0] else {
        panic!("no pipeline");
    };
    assert_eq!(says(p.span), text[34..text.len() - 1]);
    assert_eq!(p.docs.lines[0].node, "Of p.");
    assert_eq!(says(p.docs.lines[0].span), "/// Of p.");
    assert_eq!(says(p.extends.as_ref().unwrap().span), "q.r");
    let [first, missing, view] = p.body.stmts.as_slice() else {
        panic!("three statements");
    };
    assert_eq!(says(first.span), "s = f( 1 + 2 , n : [ 3 ] ) * ( a -> b )");
    let StmtKind::Assign { value, .. } = &first.kind else {
        panic!("an assignment");
    };
    assert_eq!(says(value.span), "f( 1 + 2 , n : [ 3 ] ) * ( a -> b )");
    let ExprKind::Binary { left, right, .. } = &value.kind else {
        panic!("a product");
    };
    assert_eq!(says(right.span), "( a -> b )");
    let ExprKind::Call {
        args, args_span, ..
    } = &left.kind
    else {
        panic!("a call");
    };
    assert_eq!(says(*args_span), "( 1 + 2 , n : [ 3 ] )");
    assert_eq!(says(args[0].value.span), "1 + 2");
    assert_eq!(says(args[1].value.span), "[ 3 ]");
    let StmtKind::Assign { value, .. } = &missing.kind else {
        panic!("an assignment");
    };
    assert_eq!(value.kind, ExprKind::Missing);
    assert_eq!(says(missing.span), "lr =");
    assert_eq!((value.span.len(), value.span.start), (0, missing.span.end));
    let StmtKind::Section(section) = &view.kind else {
        panic!("a section");
    };
    assert_eq!(says(section.keyword), "view");
    let SectionBody::Block(block) = &section.body else {
        panic!("a block");
    };
    assert_eq!(says(block.span), "{ early : g ( ) after h // x\n  }");
    assert_eq!(says(block.stmts[0].span), "early : g ( ) after h");
}

#[test]
fn comments_and_blank_lines_are_kept() {
    let text = "// top\r\n\r\n\r\npipeline p { // opens\r\n  a = \"// no\" // yes\r\n  \r\n  \
                //// four\r\n}\r\n// last";
    let (map, parsed) = parse(text);
    assert_eq!(parsed.diagnostics, []);
    let comments: Vec<(&str, bool)> = parsed
        .trivia
        .comments
        .iter()
        .map(|c| (c.text.as_str(), c.trailing))
        .collect();
    assert_eq!(
        comments,
        [
            ("// top", false),
            ("// opens", true),
            ("// yes", true),
            ("//// four", false),
            ("// last", false)
        ]
    );
    for comment in &parsed.trivia.comments {
        assert_eq!(map.text(comment.span), comment.text);
    }
    let lines: Vec<usize> = parsed
        .trivia
        .blank_lines
        .iter()
        .map(|at| map.place(Span::new(*at, *at)).unwrap().1)
        .collect();
    assert_eq!(lines, [1, 5]);
}

fn assignment(text: &str) -> Result<String, String> {
    let mut map = SourceMap::new();
    map.add("other.ssl", "x").unwrap();
    let id = map.add("--set", text).unwrap();
    let (found, diagnostics) = parse_assignment(&map, id);
    match (found, diagnostics.first()) {
        (Some(found), None) => Ok(stmt(&found)),
        (_, Some(d)) => {
            assert_eq!(d.code, Code::SYNTAX);
            let (name, line, column) = map.place(d.span().unwrap()).unwrap();
            assert_eq!((&*name, line), ("--set", 1));
            Err(format!("{column} {}", d.message))
        }
        (None, None) => panic!("nothing said of {text:?}"),
    }
}

#[test]
fn set_takes_what_an_assignment_takes() {
    let ok = |text, expected: &str| assert_eq!(assignment(text).as_deref(), Ok(expected), "{text}");
    ok(
        "data.source=image_folder(\"a b\")",
        "data.source = image_folder(\"a b\")",
    );
    ok(
        " train.schedule = warmup(4 epochs) then cosine(1 -> 0) ",
        "train.schedule = (warmup(4 epochs) then cosine((1 -> 0)))",
    );
    ok("drop_path.p=.5", "drop_path.p = 0.5");
    ok("lr=-1e-3", "lr = -0.001");
    let bad = |text, expected: &str| {
        assert_eq!(
            assignment(text).map_err(|e| e.to_string()),
            Err(expected.to_owned())
        );
    };
    bad("lr", "3 expected `=` after `lr`, found the end of the line");
    bad("lr=", "4 expected a value after `=`");
    bad("", "1 expected a name, found the end of the line");
    bad("lr:1", "3 expected `=` after `lr`, found `:`");
    bad("lr==1", "3 a value is given with one `=`");
    bad(
        "a=1 b=2",
        "5 expected the end of the line after `1`, found `b`",
    );
    bad("a=f(1", "4 this `(` is never closed");
    bad("a=\"b", "3 this text is never closed");
    bad(
        "net m = ema(encoder)",
        "5 expected `=` after `net`, found `m`",
    );
    bad("9a=1", "1 expected a name, found `9a`");
}
