//! Creates metrics and registers them.

use std::cell::RefCell;

use prometheus::core::{AtomicU64, Collector, Desc, GenericCounterVec};
use prometheus::proto::MetricType;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Counters with labels.
pub(super) type CounterVec = GenericCounterVec<AtomicU64>;

/// Creates metrics and registers them.
pub(super) struct Registrar<'a> {
    registry: &'a Registry,
    described: RefCell<Vec<DescribedMetric>>,
}

/// What the documentation says about a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DescribedMetric {
    /// The name that `/metrics` has.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// What it is.
    pub help: String,
}

impl<'a> Registrar<'a> {
    pub(super) const fn new(registry: &'a Registry) -> Self {
        Self { registry, described: RefCell::new(Vec::new()) }
    }

    /// Every metric that was registered, by name.
    pub(super) fn into_described(self) -> Vec<DescribedMetric> {
        let mut described = self.described.into_inner();
        described.sort();
        described
    }

    fn register<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, prometheus::Error> {
        let kind = metric.collect().first().map_or("", |family| kind(family.get_field_type()));
        let described = metric.desc().into_iter().map(|of| DescribedMetric {
            name: format!("{PREFIX}_{}", of.fq_name),
            kind,
            labels: labels(of),
            help: of.help.clone(),
        });
        self.described.borrow_mut().extend(described);
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    pub(super) fn build_info(&self) -> Result<(), prometheus::Error> {
        let options = Opts::new("build_info", "Always 1; the label is the version of this build");
        let build = IntGauge::with_opts(options.const_label("version", env!("CARGO_PKG_VERSION")))?;
        build.set(1);
        self.register(build).map(drop)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::new(name, help)?)
    }

    pub(super) fn seconds(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.register(Gauge::new(name, help)?)
    }

    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::new(name, help)?)
    }

    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<CounterVec, prometheus::Error> {
        self.register(CounterVec::new(Opts::new(name, help), labels)?)
    }

    /// The duration of `what`.
    pub(super) fn duration(&self, name: &str, what: &str) -> Result<Histogram, prometheus::Error> {
        self.histogram(name, &format!("Duration in seconds: {what}"), &SECONDS)
    }

    pub(super) fn durations(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.register(HistogramVec::new(options, labels)?)
    }

    pub(super) fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        self.register(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }
}

fn labels(of: &Desc) -> Vec<String> {
    let constant = of.const_label_pairs.iter().map(|pair| pair.name().to_owned());
    constant.chain(of.variable_labels.iter().cloned()).collect()
}

const fn kind(of: MetricType) -> &'static str {
    match of {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY | MetricType::UNTYPED => "other",
    }
}

/// The registry puts it before each name.
pub(super) const PREFIX: &str = "pcd";

/// Buckets of the durations, in seconds: 100 µs to 10 s.
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
