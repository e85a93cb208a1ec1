//! What recognising costs: one canonical head, and one look among ten, a thousand and a hundred thousand events.
//!
//! `cargo bench --bench matching`. The bar is at most four times the cost of ten events at a hundred thousand.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot build its table should stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use stepward_core::{
    event::{
        self, Cover,
        matcher::{Event, Matcher, Standing},
        readings,
    },
    request::head::{Head, Limits, Parts, Version},
};

/// Ten kinds of pattern for each service, as `research/policy.md` section 3 has them.
const KINDS: [&str; 10] = [
    "GET bank.example.com/api/{service}/items",
    "POST bank.example.com/api/{service}/items",
    "GET bank.example.com/api/{service}/items/{id}",
    "PUT bank.example.com/api/{service}/items/{id}/owner",
    "GET bank.example.com/api/{service}/users/{user}/orders/{order}",
    "POST bank.example.com/api/{service}/login",
    "ANY bank.example.com/api/{service}/admin/**",
    "GET bank.example.com/api/{service}/reports/report-{name}.pdf",
    "DELETE bank.example.com/api/{service}/sessions/*",
    "POST bank.example.com/api/{service}/transfers",
];

fn covers(count: usize) -> Vec<Cover> {
    let cover = |at: usize| {
        let text = KINDS[at % KINDS.len()].replace("{service}", &format!("service-{}", at / KINDS.len()));
        let (method, host, path) = event::parse_cover(&text).unwrap();
        Cover { text: text.into(), method, host, path, matches: None }
    };
    (0..count).map(cover).collect()
}

/// 512 requests over the whole table, one in six of them for nothing.
fn requests(count: usize) -> Vec<(&'static str, String)> {
    let request = |at: usize| {
        let service = (at * 7919) % count.div_ceil(KINDS.len());
        let (method, rest) = [
            ("GET", "items"),
            ("POST", "items"),
            ("GET", "items/4711"),
            ("PUT", "items/4711/owner"),
            ("POST", "login"),
            ("GET", "static/app.min.js"),
        ][at % 6];
        (method, format!("/api/service-{service}/{rest}"))
    };
    (0..512).map(request).collect()
}

fn matching(criterion: &mut Criterion) {
    for count in [10, 1_000, 100_000] {
        let covers = covers(count);
        let matcher = Matcher::build(covers.chunks(1).map(|covers| Event { covers, standing: Standing::Decides }));
        let requests = requests(count);
        let mut at = 0;
        criterion.bench_function(&format!("match among {count}"), |bench| {
            bench.iter(|| {
                at = (at + 1) % requests.len();
                let (method, path) = &requests[at];
                black_box(matcher.candidates(&[method], "bank.example.com", path))
            });
        });
        criterion.bench_function(&format!("nothing among {count}"), |bench| {
            bench.iter(|| black_box(matcher.candidates(&["GET"], "bank.example.com", black_box("/assets/app.min.js"))));
        });
    }
}

fn canonical(criterion: &mut Criterion) {
    let fields: [(&[u8], &[u8]); 8] = [
        (b"host", b"bank.example.com"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (b"accept-language", b"en-US,en;q=0.5"),
        (b"accept-encoding", b"gzip, deflate, br, zstd"),
        (b"cookie", b"sessionid=2f6a9d4e8c; __Host-stepward=k3.AbCdEfGhIjKlMnOpQrStUvWxYz; theme=dark"),
        (b"sec-fetch-mode", b"navigate"),
        (b"connection", b"keep-alive"),
    ];
    let limits = Limits::default();
    criterion.bench_function("canonical head", |bench| {
        bench.iter(|| {
            let target = b"/api/service-7/items/4711?page=2&sort=name";
            let fields = fields.into_iter();
            black_box(Head::of(
                Parts { method: b"GET", target, version: Version::Http11, authority: None, fields },
                &limits,
            ))
        });
    });
    for path in ["/users/J%20D/mail", "/public/..;/%2e%2e%2fadmin//x."] {
        criterion.bench_function(&format!("readings of {path}"), |bench| {
            bench.iter(|| black_box(readings::forms(black_box(path))));
        });
    }
}

criterion_group!(benches, canonical, matching);
criterion_main!(benches);
