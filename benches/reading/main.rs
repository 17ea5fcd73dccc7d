//! What hospital systems' reading costs and takes: messages of 25 observations from 16 devices over mutual
//! TLS, indexed for FHIR, and read over mutual TLS with a row of the audit trail before each answer.
//!
//! 1. The share of acknowledged messages a second that is left while the index is written (in turns).
//! 2. For a growing store: observations that are indexed a second, bytes of the index, and reads: by id, the
//!    newest 50 of a patient, those of one code, a day of one code.
//! 3. How far the index is behind at a given rate.
//! 4. What devices wait while 16 connections read, beside what they wait without (in turns).
//!
//! `PCD_BENCH_MESSAGES` (`400,4000,40000`) are the sizes of the store, `PCD_BENCH_ROUNDS` (3),
//! `PCD_BENCH_SECONDS` (5), `PCD_BENCH_RATE` (2000) change the course, `PCD_BENCH_BINARY` the platform.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine's own time, and waits for it"
)]
#![allow(clippy::indexing_slicing, reason = "a benchmark that meets the unexpected stops")]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a measurement that cannot go on ends; its results are its output"
)]

mod feed;
mod hospital;
mod message;
mod reader;
#[path = "../site/mod.rs"]
mod site;

use std::sync::Arc;
use std::time::{Duration, Instant};

use feed::{Fed, Feed};
use hospital::Hospital;
use reader::{Reader, Took, ask};
use serde_json::Value;

/// Patients: each has a message a minute of its own time.
const PATIENTS: u64 = 200;
/// Observations of a message.
const OBSERVATIONS: usize = 25;
/// Connections that read at once.
const READERS: usize = 16;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--feed") {
        return feed::main(&words[at + 1..]);
    }
    let text = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let number = |name: &str, default: &str| text(name, default).parse().expect("a number");
    let sizes: Vec<u64> = text("PCD_BENCH_MESSAGES", "400,4000,40000")
        .split(',')
        .map(|size| size.trim().parse().expect("a number"))
        .collect();
    let course = Course {
        rounds: number("PCD_BENCH_ROUNDS", "3"),
        during: Duration::from_secs(number("PCD_BENCH_SECONDS", "5")),
        rate: number("PCD_BENCH_RATE", "2000"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut store = Filled { hospital: Hospital::new(), messages: 0, run: 0 };
    for size in sizes {
        store.grow(size);
        runtime.block_on(store.read(course));
    }
    store.cost(course);
    store.lag(course);
    store.beside_readers(&runtime, course);
    single_observations();
}

#[derive(Debug, Clone, Copy)]
struct Course {
    rounds: u64,
    during: Duration,
    /// Messages a second.
    rate: u64,
}

/// A store with messages.
struct Filled {
    hospital: Hospital,
    messages: u64,
    run: u32,
}

impl Filled {
    /// Begins to send further messages.
    fn next(&mut self, messages: u64, rate: u64) -> std::process::Child {
        let feed = Feed {
            run: self.run,
            first: self.messages,
            messages,
            patients: PATIENTS,
            observations: OBSERVATIONS,
            rate,
        };
        self.run += 1;
        self.messages += messages;
        feed.begin(&self.hospital.site, &self.hospital.platform)
    }

    /// Sends what is missing to a size, and lets it be indexed.
    fn grow(&mut self, size: u64) {
        let missing = size.saturating_sub(self.messages);
        self.hospital.index(false);
        let fed = Fed::of(self.next(missing, 0));
        let counted = || self.hospital.platform.metric("pcd_fhir_observations_total");
        let (before, began) = (counted(), Instant::now());
        self.hospital.index(true);
        self.hospital.wait_until_indexed();
        let (observations, seconds) = (counted() - before, began.elapsed().as_secs_f64());
        let (index, whole) = self.hospital.sizes();
        let all = (self.messages * OBSERVATIONS as u64) as f64;
        println!(
            "{:>7} messages: sent {:>6.0}/s; indexed {:>7.0} observations/s; index {:.1} bytes an observation, \
             {:.1} % of the store",
            self.messages,
            fed.rate,
            observations / seconds,
            index as f64 / all,
            100.0 * index as f64 / whole as f64,
        );
    }

    async fn read(&self, course: Course) {
        let mut reader = Reader::connect(self.hospital.address(), Arc::clone(&self.hospital.reader)).await;
        let mut patients = Vec::new();
        for patient in 0..PATIENTS.min(self.messages) {
            let number = message::patient_number(patient);
            let path = format!("/fhir/Patient?identifier={}%7C{number}", message::SYSTEM);
            let found = reader.json(&path).await;
            let id = found["entry"][0]["resource"]["id"].as_str();
            patients.push(id.unwrap_or_else(|| panic!("no patient: {found}")).to_owned());
        }
        let of_each = |rest: &str| -> Arc<Vec<String>> {
            let path = |id: &String| format!("/fhir/Observation?patient=Patient/{id}{rest}");
            Arc::new(patients.iter().map(path).collect())
        };
        let code = format!("&code=urn:iso:std:iso:11073:10101%7C{}", message::METRICS[0].0);
        let newest = of_each("&_sort=-date&_count=50");
        let newest_of_code = of_each(&format!("{code}&_sort=-date&_count=50"));
        let mut ids = Vec::new();
        for path in newest.iter().take(40) {
            let found = reader.json(path).await;
            let entries = found["entry"].as_array().into_iter().flatten();
            let id = |entry: &Value| Some(format!("/fhir/Observation/{}", entry["resource"]["id"].as_str()?));
            ids.extend(entries.filter_map(id));
        }
        let ids = Arc::new(ids);
        for (what, paths) in
            [("by id", &ids), ("newest 50", &newest), ("newest 50 of a code", &newest_of_code)]
        {
            let took = async |connections| {
                ask(self.hospital.address(), &self.hospital.reader, connections, course.during, paths).await
            };
            let (one, many): (Took, Took) = (took(1).await, took(READERS).await);
            println!(
                "  {what:<20} one connection: p50 {:>6.2} ms, p99 {:>6.2} ms, {:>5.0}/s; {READERS}: p50 {:>6.2} ms, p99 {:>6.2} ms, \
                 {:>5.0}/s",
                one.p50, one.p99, one.rate, many.p50, many.p99, many.rate,
            );
        }
        self.day(&mut reader, &of_each(&code)).await;
    }

    /// The last day of a patient and a code, all pages.
    async fn day(&self, reader: &mut Reader, paths: &[String]) {
        let end = self.messages / PATIENTS;
        let (from, to) = (message::fhir_time(end.saturating_sub(1440)), message::fhir_time(end));
        let mut times = Vec::new();
        let mut found = 0;
        for path in paths.iter().take(9) {
            let began = Instant::now();
            let path = format!("{path}&date=ge{from}&date=lt{to}&_count=1000");
            found = reader.all(&path).await.len();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!("  {:<20} {found} observations: {:.0} ms", "a day of a code", times[times.len() / 2]);
    }

    /// What is left of the messages a second while the index is written.
    fn cost(&mut self, course: Course) {
        let each = 2000 * course.during.as_secs();
        let mut shares = Vec::new();
        for round in 0..course.rounds {
            let mut rate = |enabled: bool| {
                self.hospital.index(enabled);
                let fed = Fed::of(self.next(each, 0));
                (fed.rate, fed.p99)
            };
            // Each is the first one in half of the rounds.
            let (with, without) = if round % 2 == 0 {
                let without = rate(false);
                (rate(true), without)
            } else {
                (rate(true), rate(false))
            };
            shares.push(with.0 / without.0);
            println!(
                "devices: {:.0}/s, p99 {:.1} ms; while the index is written {:.0}/s, p99 {:.1} ms: {:.2}",
                without.0,
                without.1,
                with.0,
                with.1,
                with.0 / without.0
            );
        }
        shares.sort_by(f64::total_cmp);
        println!(
            "devices while the index is written, median: {:.2} of what they reach without",
            shares[shares.len() / 2]
        );
    }

    /// How far the index is behind at a rate.
    fn lag(&mut self, course: Course) {
        self.hospital.index(true);
        self.hospital.wait_until_indexed();
        let mut feed = self.next(course.rate * course.during.as_secs() * 4, course.rate);
        let (mut watch, mut lags) = (self.hospital.watch(), Vec::new());
        while feed.try_wait().expect("a process").is_none() {
            lags.push(watch.look().1);
            std::thread::sleep(Duration::from_millis(20));
        }
        let fed = Fed::of(feed);
        lags.sort_by(f64::total_cmp);
        let at = |share: usize| lags[(lags.len() - 1) * share / 100];
        println!(
            "lag at {:.0} messages/s: p50 {:.2} s, p99 {:.2} s, most {:.2} s",
            fed.rate,
            at(50),
            at(99),
            at(100)
        );
    }

    /// What devices wait beside readers.
    fn beside_readers(&mut self, runtime: &tokio::runtime::Runtime, course: Course) {
        let paths = runtime.block_on(async {
            let mut reader =
                Reader::connect(self.hospital.address(), Arc::clone(&self.hospital.reader)).await;
            let found = reader.json("/fhir/Observation?_lastUpdated=gt2000-01-01&_count=200").await;
            let entries = found["entry"].as_array().into_iter().flatten();
            let id = |entry: &Value| Some(format!("/fhir/Observation/{}", entry["resource"]["id"].as_str()?));
            Arc::new(entries.filter_map(id).collect::<Vec<_>>())
        });
        let rate = course.rate / 4;
        for _ in 0..course.rounds {
            let alone = Fed::of(self.next(rate * course.during.as_secs(), rate));
            let feed = self.next(rate * course.during.as_secs(), rate);
            let (to, reader) = (self.hospital.address(), Arc::clone(&self.hospital.reader));
            let took = runtime.block_on(ask(to, &reader, READERS, course.during, &paths));
            let beside = Fed::of(feed);
            println!(
                "devices at {rate}/s: p50 {:.2} ms, p99 {:.2} ms; beside {:.0} reads/s p50 {:.2} ms, p99 {:.2} ms: {:.2}",
                alone.p50,
                alone.p99,
                took.rate,
                beside.p50,
                beside.p99,
                beside.p99 / alone.p99
            );
        }
    }
}

/// The bytes of the index where each message has one observation.
fn single_observations() {
    let hospital = Hospital::new();
    let messages = 20_000;
    let feed = Feed { run: 0, first: 0, messages, patients: PATIENTS, observations: 1, rate: 0 };
    let _ = feed.send(&hospital.site, &hospital.platform);
    hospital.index(true);
    hospital.wait_until_indexed();
    let (index, _) = hospital.sizes();
    println!("one observation a message: index {:.0} bytes an observation", index as f64 / messages as f64);
}
