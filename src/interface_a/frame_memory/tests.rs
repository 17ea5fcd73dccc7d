use super::super::fixtures::{clock, config, handle};
use super::*;
use crate::model::Clock;
use tokio_util::task::TaskTracker;

struct Bench {
    memory: Arc<FrameMemory>,
    clock: Clock,
}

impl Bench {
    fn new(megabytes: usize) -> Self {
        Self::with((1 << 20) - SMALL_FRAME, config::FrameMemory::Bytes(megabytes << 20))
    }

    fn with(max_frame: usize, frame_memory: config::FrameMemory) -> Self {
        let mut config = config();
        (config.interface_a.max_frame, config.interface_a.frame_memory) = (max_frame, frame_memory);
        let (metrics, clock) = (Metrics::new().unwrap(), clock());
        let accepting = Accepting::new(TaskTracker::new(), metrics.clone(), clock.clone());
        let memory = FrameMemory::new(handle(config), accepting, metrics);
        Self { memory: memory.into(), clock }
    }

    fn share(&self, device: &str) -> FrameShare {
        // Sessions of one millisecond are distinct by their random bits.
        let session = SessionId::at(self.clock.now());
        self.memory.share(session, device.parse().unwrap(), self.clock.instant())
    }

    fn resize(&self, share: &mut FrameShare, bytes: usize) -> bool {
        share.resize(bytes, share.complete, self.clock.instant())
    }

    fn held(&self) -> i64 {
        self.memory.metrics.frame_memory_bytes.get()
    }
}

fn is_refused(share: &FrameShare) -> bool {
    use futures_util::FutureExt as _;
    share.refused().now_or_never().is_some()
}

#[test]
fn large_frames_wait_for_memory_and_small_ones_do_not() {
    let bench = Bench::new(3);
    let mut shares = ["A", "B", "C", "D"].map(|name| bench.share(name));
    for share in &mut shares[..3] {
        assert!(bench.resize(share, 1 << 20));
    }
    assert!(!bench.resize(&mut shares[3], SMALL_FRAME + 1), "the memory is exhausted");
    assert!(!bench.resize(&mut shares[0], (1 << 20) + 1), "and no large frame grows");
    assert!(bench.resize(&mut shares[0], 1 << 20), "but it is read as far as it has memory");
    assert!(bench.resize(&mut shares[3], SMALL_FRAME));
    assert_eq!(bench.held(), (3 << 20) + SMALL_FRAME as i64);
    let paused = bench.memory.metrics.read_pauses_total.with_label_values(&[PAUSE_REASON]).get();
    assert_eq!(paused, 2);
    assert!(bench.resize(&mut shares[0], 0), "its frame is complete");
    bench.clock.advance(EXHAUSTED_TIME);
    assert!(bench.resize(&mut shares[3], 512 << 10));
    drop(shares);
    assert_eq!(bench.held(), 0);
}

#[test]
fn a_device_has_its_share_and_only_its_own_frames_wait() {
    let bench = Bench::new(16);
    let mut own: Vec<_> = (0..5).map(|_| bench.share("HOSTILE")).collect();
    for share in &mut own[..4] {
        assert!(bench.resize(share, 1 << 20));
    }
    assert!(!bench.resize(&mut own[4], 100 << 10), "a quarter is held");
    let mut other = bench.share("OTHER");
    assert!(bench.resize(&mut other, 1 << 20));
    assert!(own.iter().all(|share| !is_refused(share)));
    bench.clock.advance(STALLED_AFTER);
    assert!(!bench.resize(&mut own[4], 100 << 10));
    assert_eq!(own.iter().filter(|share| is_refused(share)).count(), 1, "one that has stalled");
    assert!(!is_refused(&other));
    assert!(bench.resize(&mut own[0], 0) && bench.resize(&mut own[4], 100 << 10));
}

#[test]
fn the_largest_stalled_frame_of_the_device_that_holds_most_is_refused() {
    let bench = Bench::new(3);
    let (mut one, mut other) = (bench.share("HOSTILE"), bench.share("HOSTILE"));
    let (mut honest, mut third) = (bench.share("HONEST"), bench.share("THIRD"));
    assert!(bench.resize(&mut one, 450 << 10) && bench.resize(&mut other, 550 << 10));
    assert!(bench.resize(&mut third, 900 << 10) && bench.resize(&mut honest, 900 << 10));
    let mut next = bench.share("NEXT");
    assert!(!bench.resize(&mut next, 300 << 10));
    assert!([&one, &other, &third, &honest].into_iter().all(|share| !is_refused(share)), "none has stalled");
    bench.clock.advance(STALLED_AFTER);
    assert!(!bench.resize(&mut next, 300 << 10));
    assert!(is_refused(&other), "not the larger frame of a device that holds less");
    assert!([&one, &third, &honest].into_iter().all(|share| !is_refused(share)), "one is enough");
    bench.clock.advance(EXHAUSTED_TIME);
    assert!(!bench.resize(&mut next, 300 << 10), "until it is gone");
    assert!([&one, &third, &honest].into_iter().all(|share| !is_refused(share)));
    drop(other);
    bench.clock.advance(EXHAUSTED_TIME);
    assert!(bench.resize(&mut next, 300 << 10));
}

#[test]
fn a_frame_that_goes_on_is_not_refused() {
    let bench = Bench::new(2);
    let (mut slow, mut steady) = (bench.share("ONE"), bench.share("ONE"));
    let (mut other, mut next) = (bench.share("OTHER"), bench.share("NEXT"));
    assert!(bench.resize(&mut slow, 400 << 10) && bench.resize(&mut steady, 600 << 10));
    assert!(bench.resize(&mut other, 900 << 10));
    bench.clock.advance(STALLED_AFTER);
    steady.touch(bench.clock.instant());
    assert!(bench.resize(&mut steady, 600 << 10));
    assert!(!bench.resize(&mut next, 300 << 10));
    assert!(is_refused(&slow) && !is_refused(&steady));
}

#[test]
fn a_device_that_holds_less_is_not_refused_for_waiting() {
    let bench = Bench::new(2);
    let (mut hostile, mut honest) = (bench.share("HOSTILE"), bench.share("HONEST"));
    let mut third = bench.share("THIRD");
    assert!(bench.resize(&mut honest, 800 << 10) && bench.resize(&mut hostile, 1000 << 10));
    assert!(bench.resize(&mut third, 200 << 10));
    bench.clock.advance(STALLED_AFTER);
    hostile.touch(bench.clock.instant());
    assert!(bench.resize(&mut hostile, 1000 << 10));
    assert!(!bench.resize(&mut honest, 900 << 10));
    assert!(!is_refused(&honest) && !is_refused(&hostile), "the other one has not stalled yet");
    bench.clock.advance(STALLED_AFTER);
    assert!(!bench.resize(&mut honest, 900 << 10));
    assert!(!is_refused(&honest) && is_refused(&hostile));
}

// PDF reports: at the default limits, which a peer must not exceed.
#[test]
fn sixteen_sessions_with_the_largest_frames_share_the_budget_and_all_get_through() {
    let max_frame = config::InterfaceA::default().max_frame;
    let bench = Bench::with(max_frame, config::FrameMemory::Automatic);
    let mut shares: Vec<_> =
        (0..16).map(|number| (bench.share(&format!("DEVICE-{number}")), 8 * 1024)).collect();
    let (mut rounds, mut most, mut alarm) = (0, 0, bench.share("ALARM"));
    while !shares.is_empty() {
        for (share, wanted) in &mut shares {
            if bench.resize(share, *wanted) {
                *wanted = (*wanted * 2).min(max_frame + 16 * 1024);
                share.touch(bench.clock.instant());
            }
            assert!(!is_refused(share));
        }
        assert!(bench.resize(&mut alarm, SMALL_FRAME), "a small frame never waits");
        assert!(bench.held() <= MAX_AUTOMATIC as i64 + SMALL_FRAME as i64, "{}", bench.held());
        bench.clock.advance(EXHAUSTED_TIME);
        // One that has all its memory is complete, and stored some time later.
        rounds += 1;
        if rounds % 5 == 0 {
            shares.retain(|(share, _)| share.bytes <= max_frame);
            most = most.max(bench.held());
        }
        assert!(rounds < 200, "{} wait forever", shares.len());
    }
    assert!(most > MAX_AUTOMATIC as i64 / 2, "the budget is used: {most}");
}

#[test]
fn a_complete_frame_counts_until_it_is_stored_and_small_ones_pass_behind_it() {
    let bench = Bench::new(2);
    let mut first = bench.share("GATEWAY");
    assert!(bench.resize(&mut first, 1 << 20));
    assert!(first.resize(0, 1 << 20, bench.clock.instant()));
    assert_eq!(bench.held(), 1 << 20);
    bench.clock.advance(WAITING_TIME);
    assert!(first.resize(SMALL_FRAME, 1 << 20, bench.clock.instant()));
    let mut second = bench.share("GATEWAY");
    assert!(bench.resize(&mut second, SMALL_FRAME));
    assert!(!bench.resize(&mut second, 500 << 10), "a device has one of the largest");
    assert!(!is_refused(&first), "a complete one cannot be");
    assert!(first.resize(0, 0, bench.clock.instant()));
    assert!(bench.resize(&mut second, 500 << 10));
}

#[test]
fn a_frame_that_waits_for_another_one_of_its_device_has_not_stalled() {
    let bench = Bench::new(2);
    let (mut goes_on, mut waits) = (bench.share("GATEWAY"), bench.share("GATEWAY"));
    assert!(bench.resize(&mut goes_on, 700 << 10) && bench.resize(&mut waits, 300 << 10));
    for _ in 0..29 {
        assert!(!bench.resize(&mut waits, 600 << 10));
        bench.clock.advance(STALLED_AFTER);
        goes_on.touch(bench.clock.instant());
        assert!(bench.resize(&mut goes_on, 700 << 10));
    }
    assert!(!is_refused(&waits));
    bench.clock.advance(STALLED_AFTER);
    assert!(!bench.resize(&mut waits, 600 << 10));
    assert!(is_refused(&waits) || is_refused(&goes_on), "but not forever");
}

#[tokio::test]
async fn reports_do_not_wait_for_the_largest_messages() {
    use futures_util::FutureExt as _;
    let bench = Bench::with(16 << 20, config::FrameMemory::Automatic);
    let share = bench.share("A");
    let turn = |bytes| share.reading_turn(bytes).now_or_never().flatten();
    let largest = turn(16 << 20);
    assert!(largest.is_some() && turn(MAX_SHARED_READING + 1).is_none(), "one of them after the other");
    let mut reports: Vec<_> = (0..4).map(|_| turn(MAX_SHARED_READING)).collect();
    assert!(reports.iter().all(Option::is_some));
    assert!(turn(SMALL_FRAME).is_none(), "so much of them is read at once");
    drop(reports.pop());
    assert!(turn(SMALL_FRAME).is_some());
    drop(largest);
    assert!(turn(MAX_SHARED_READING + 1).is_some());
}
