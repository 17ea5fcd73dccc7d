//! What a key exchange costs one side: a key pair and the shared secret. Figures for
//! `docs/explanation/ffdhe.md`.

use criterion::{Criterion, criterion_group, criterion_main};
use pcd_platform::tls::provider::{Settings, provider};
use rustls::NamedGroup;
use rustls::crypto::{SharedSecret, SupportedKxGroup};

fn key_exchange(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("start and complete");
    for kx_group in provider(Settings::default()).kx_groups {
        // The hybrid group's two sides differ.
        if kx_group.name() == NamedGroup::X25519MLKEM768 {
            continue;
        }
        // A key pair for the peer; what is measured is the exchange with it.
        let Ok(peer) = kx_group.start() else { continue };
        group.bench_function(format!("{kx_group:?}"), |bencher| {
            bencher.iter(|| exchange(kx_group, peer.pub_key()))
        });
    }
    group.finish();
}

fn exchange(group: &dyn SupportedKxGroup, peer: &[u8]) -> Result<SharedSecret, rustls::Error> {
    group.start()?.complete(peer)
}

criterion_group!(benches, key_exchange);
criterion_main!(benches);
