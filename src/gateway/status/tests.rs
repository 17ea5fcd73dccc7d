use super::*;

fn at(text: &str) -> Clock {
    Clock::manual(text.parse().unwrap())
}

fn metrics() -> Metrics {
    Metrics::new().unwrap()
}

/// A clock that was set back by five hours when `clock` had run for so long.
fn set_back(clock: &Clock) -> Clock {
    clock.with_wall(clock.now() - jiff::SignedDuration::from_hours(5))
}

#[test]
fn a_platform_that_refuses_after_the_handshake_is_away_since_the_first_refusal() {
    let (status, clock, metrics) = (Status::default(), at("2026-01-01T12:00:00Z"), metrics());
    let (relay, began) = (Relay::default(), clock.now());
    let second = || clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        status.opened(0, &clock, &relay, &metrics);
        status.publish(ForwardBacklog::default(), &clock, &metrics);
        status.closed(0, &relay, &metrics);
        status.failed("revoked".to_owned(), &clock);
        second();
    }
    assert_eq!(status.look(&clock).away.map(|away| away.since), Some(began));
    status.opened(0, &clock, &relay, &metrics);
    assert!(status.look(&clock).away.is_some(), "nothing was acknowledged yet");
    clock.advance(OF_USE);
    status.publish(ForwardBacklog::default(), &clock, &metrics);
    assert_eq!(status.look(&clock).away, None, "it lasts");
    status.closed(0, &relay, &metrics);
    status.failed("cut".to_owned(), &clock);
    second();
    status.opened(0, &clock, &relay, &metrics);
    status.answered();
    assert_eq!(status.look(&clock).away, None, "it acknowledges");
}

#[test]
fn a_clock_that_is_set_back_hides_no_outage() {
    let (status, clock, metrics) = (Status::default(), at("2026-01-01T12:00:00Z"), metrics());
    status.failed("refused".to_owned(), &clock);
    let oldest = Some(MessageId::at(clock.now()));
    let backlog = ForwardBacklog { messages: 7, oldest };
    status.publish(backlog, &clock, &metrics);
    clock.advance(Duration::from_mins(10));
    let back = set_back(&clock);
    status.publish(backlog, &back, &metrics);
    let away = status.look(&back).away.unwrap();
    assert_eq!(away.lasted, Duration::from_mins(10));
    assert_eq!(back.now().duration_since(away.since).as_mins(), 10);
    assert_eq!(
        (metrics.gateway.outage_seconds.get(), metrics.gateway.oldest_seconds.get() >= 600),
        (600, true)
    );
}

#[test]
fn a_process_that_starts_during_an_outage_continues_it() {
    let (status, clock, metrics) = (Status::default(), at("2026-01-01T12:00:00Z"), metrics());
    let before = clock.now();
    let milliseconds = u128::try_from(before.as_millisecond()).unwrap();
    let oldest = MessageId::from_bytes((milliseconds << 80).to_be_bytes());
    let backlog = ForwardBacklog { messages: 1, oldest: Some(oldest) };
    clock.advance(Duration::from_hours(2));
    status.failed("refused".to_owned(), &clock);
    status.publish(backlog, &clock, &metrics);
    let away = status.look(&clock).away.unwrap();
    assert_eq!((away.since, away.lasted), (before, Duration::from_hours(2)));
    status.publish(backlog, &clock, &metrics);
    assert_eq!(status.look(&clock).away.unwrap().lasted, Duration::from_hours(2));
    // A later outage of the process begins when it begins.
    status.answered();
    status.failed("refused".to_owned(), &clock);
    status.publish(backlog, &clock, &metrics);
    assert_eq!(status.look(&clock).away.unwrap().lasted, Duration::ZERO);
}

#[test]
fn a_platform_that_sends_no_results_is_awaited_for_a_short_time() {
    let (status, clock) = (Status::default(), at("2026-01-01T12:00:00Z"));
    let limit = Duration::from_secs(30);
    for messages in 1..=3 {
        assert_eq!(status.result_timeout(limit), limit);
        status.result_missing(MessageId::at(clock.now()), &clock);
        assert_eq!(status.look(&clock).missing.unwrap().messages, messages);
    }
    assert_eq!(status.result_timeout(limit), SHORT_WAIT);
    clock.advance(MISSING_SHOWN);
    assert_eq!(status.look(&clock).missing, None);
    status.result_came();
    assert_eq!(status.result_timeout(limit), limit);
}

// A cable that is pulled, or a firewall that drops: no connection ends.
#[test]
fn a_platform_that_says_nothing_on_open_connections_is_away_since_then() {
    let (status, clock, metrics) = (Status::default(), at("2026-01-01T12:00:00Z"), metrics());
    let relay = Relay::default();
    let publish = || status.publish(ForwardBacklog::default(), &clock, &metrics);
    [0, 1].into_iter().for_each(|number| status.opened(number, &clock, &relay, &metrics));
    clock.advance(OF_USE);
    status.heard(&clock);
    status.answered();
    clock.advance(Duration::from_secs(1));
    let (silent, began) = (clock.now(), clock.instant());
    status.awaits(0, Some(began));
    clock.advance(SILENCE - Duration::from_secs(1));
    publish();
    assert_eq!(status.look(&clock).away, None);
    clock.advance(Duration::from_secs(1));
    publish();
    let away = status.look(&clock).away.unwrap();
    assert_eq!((away.since, away.lasted), (silent, SILENCE));
    // The connection is given up. Another one is open, of before.
    status.closed(0, &relay, &metrics);
    clock.advance(OF_USE);
    publish();
    assert_eq!(status.look(&clock).away.unwrap().since, silent);
    // The platform is back.
    status.opened(0, &clock, &relay, &metrics);
    clock.advance(OF_USE);
    publish();
    assert_eq!(status.look(&clock).away, None);
    // Nothing is awaited, so nothing is to be heard.
    clock.advance(SILENCE * 10);
    publish();
    assert_eq!(status.look(&clock).away, None);
    status.awaits(1, Some(clock.instant()));
    publish();
    assert_eq!(status.look(&clock).away, None, "it has just been sent");

    // It accepts connections, and acknowledges nothing on them.
    clock.advance(SILENCE);
    publish();
    let began = status.look(&clock).away.unwrap().since;
    status.closed(1, &relay, &metrics);
    status.opened(1, &clock, &relay, &metrics);
    status.awaits(1, Some(clock.instant()));
    clock.advance(OF_USE);
    publish();
    assert_eq!(status.look(&clock).away.unwrap().since, began, "a new connection changes nothing");
    status.heard(&clock);
    status.answered();
    status.awaits(1, None);
    // It answers, and takes nothing: its store is full, for instance.
    for _ in 0..SILENCE.as_secs() {
        status.postponed(&clock);
        status.heard(&clock);
        publish();
        assert_eq!(status.look(&clock).away, None);
        clock.advance(Duration::from_secs(1));
    }
    publish();
    assert_eq!(status.look(&clock).away.unwrap().lasted, SILENCE);
    status.answered();
    publish();
    assert_eq!(status.look(&clock).away, None);
    // Its port takes connections, and says nothing: the attempts go on for long.
    [0, 1].into_iter().for_each(|number| status.closed(number, &relay, &metrics));
    publish();
    assert_eq!(status.look(&clock).away, None);
    clock.advance(SILENCE);
    publish();
    assert_eq!(status.look(&clock).away.unwrap().why, UNCONNECTED);
    status.opened(0, &clock, &relay, &metrics);
    clock.advance(OF_USE);
    publish();
    assert_eq!(status.look(&clock).away, None);
}

#[test]
fn a_message_that_is_stuck_is_shown_until_it_is_settled_or_not_tried_any_more() {
    let (status, clock) = (Status::default(), at("2026-01-01T12:00:00Z"));
    let lane = ForwardLane { class: ForwardClass::Alarm, device: "PUMP-1".parse().unwrap() };
    let [first, second] = [(); 2].map(|()| MessageId::at(clock.now()));
    assert!(status.stuck(first, &lane, &clock) && status.stuck(second, &lane, &clock));
    assert!(!status.stuck(first, &lane, &clock), "it is no news");
    let shown = || status.look(&clock).stuck.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(shown(), [first, second]);
    status.settled(&[(first, ForwardOutcome::given_up("x"))]);
    assert_eq!(shown(), [second]);
    clock.advance(STUCK_SHOWN);
    assert!(shown().is_empty());
}

// The store may be unreadable while the platform says nothing.
#[test]
fn an_outage_is_found_also_while_the_backlog_cannot_be_read() {
    let (status, clock) = (Status::default(), at("2026-01-01T12:00:00Z"));
    let metrics = metrics();
    status.opened(0, &clock, &Relay::default(), &metrics);
    status.awaits(0, Some(clock.instant()));
    status.publish_again(&clock, &metrics);
    assert_eq!(status.look(&clock).away, None);
    clock.advance(SILENCE);
    status.publish_again(&clock, &metrics);
    assert_eq!(status.look(&clock).away.unwrap().lasted, SILENCE);
}

// Nothing is read while a large message leaves.
#[test]
fn a_platform_that_takes_bytes_is_not_silent() {
    let (status, clock, metrics) = (Status::default(), at("2026-01-01T12:00:00Z"), metrics());
    status.opened(0, &clock, &Relay::default(), &metrics);
    status.awaits(0, Some(clock.instant()));
    let is_away = || {
        status.publish_again(&clock, &metrics);
        status.look(&clock).away.is_some()
    };
    for _ in 0..3 {
        clock.advance(SILENCE - Duration::from_secs(1));
        status.leaves(&clock);
        assert!(!is_away());
    }
    clock.advance(SILENCE);
    assert!(is_away(), "it takes nothing any more");
}
