//! Tests of messages: stored unchanged, once, and listed by page.

use super::*;
use crate::audit::fixtures::Repeating;

battery! {
    a_message_with_u_0000_in_its_fields_is_stored_with_its_bytes_unchanged,
    fields_of_any_length_are_stored,
    a_recorded_message_reads_back_byte_for_byte_from_another_connection,
    a_resend_gets_the_first_acknowledgement_and_is_stored_once,
    a_batch_of_resends_stores_one_message,
    each_caller_of_a_mixed_batch_gets_its_own_outcome,
    a_record_submitted_twice_is_stored_once,
    the_same_control_id_from_another_sender_is_another_message,
    other_bytes_with_a_used_control_id_are_stored_with_a_warning,
    a_control_id_reused_in_one_batch_or_by_two_processes_is_marked,
    rejected_messages_are_always_stored,
    messages_are_listed_by_device_type_time_verdict_and_page,
    a_message_in_which_its_sender_names_itself_is_found_by_that_identity,
    an_unreadable_row_is_reported_as_damage,
    queued_entries_are_written_before_the_store_closes,
    listings_of_large_rows_are_bounded,
    each_of_several_reconsidered_messages_is_on_record,
}

async fn a_recorded_message_reads_back_byte_for_byte_from_another_connection(place: TestStore) {
    let store = place.open().await;
    // PostgreSQL stores the first message of a node on the slow path, and later ones in a single statement.
    store.record(MessageRecord { device: "FIRST".parse().unwrap(), ..place.record("1", b"") }).await.unwrap();
    let record = place.record("1", b"MSH|^~\\&|\xff\x00\r");
    assert_eq!(store.record(record.clone()).await.unwrap(), RecordOutcome::Stored(record.id));

    // Another process sees the message at once: it was committed before the call returned.
    let other = place.open().await;
    let stored = other.message(record.id).await.unwrap().unwrap();
    assert_eq!(stored.raw, record.raw);
    assert_eq!(stored.acknowledgement, record.acknowledgement);
    assert_eq!(stored.session, record.session.to_string());
    assert_eq!(stored.fingerprint, record.fingerprint.to_string());
    assert_eq!(stored.peer, record.peer);
    assert_eq!(stored.identities, record.identities);
    let summary = MessageSummary {
        id: record.id,
        received_at: record.received_at,
        event_time: record.event_time,
        device: record.device,
        transaction: record.transaction,
        message_type: record.message_type,
        control_id: record.control_id,
        sending_application: record.sending_application,
        verdict: record.verdict,
        warnings: record.warnings,
        size: 12,
    };
    assert_eq!(stored.summary, summary);
    assert_eq!(other.messages(&ANY).await.unwrap().first(), Some(&summary));
    assert_eq!(event_names(&other).await, ["message-accepted"; 2]);
    assert!(other.message(crate::model::MessageId::at(Timestamp::UNIX_EPOCH)).await.unwrap().is_none());
}

async fn a_resend_gets_the_first_acknowledgement_and_is_stored_once(place: TestStore) {
    let store = place.open().await;
    let first = place.record("1", b"same");
    store.record(first.clone()).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    let again =
        MessageRecord { acknowledgement: Bytes::from_static(b"another"), ..place.record("1", b"same") };
    let expected = RecordOutcome::Resend { original: first.id, acknowledgement: first.acknowledgement };
    assert_eq!(store.record(again.clone()).await.unwrap(), expected);
    // Also after a restart, and through another handle.
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.record(again).await.unwrap(), expected);
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
    assert_eq!(event_names(&store).await, ["message-accepted", "message-resent", "message-resent"]);
}

async fn a_batch_of_resends_stores_one_message(place: TestStore) {
    let store = place.open().await;
    let outcomes = join_all((0..50).map(|_| store.record(place.record("1", b"same")))).await;
    let stored: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome.as_ref().unwrap() {
            RecordOutcome::Stored(id) => Some(*id),
            RecordOutcome::Resend { .. } => None,
        })
        .collect();
    assert_eq!(stored.len(), 1);
    for outcome in outcomes {
        if let RecordOutcome::Resend { original: of, .. } = outcome.unwrap() {
            assert_eq!(of, stored[0]);
        }
    }
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

async fn each_caller_of_a_mixed_batch_gets_its_own_outcome(place: TestStore) {
    let store = place.open().await;
    // Every fifth message is a resend of the one before it, with another entry in between.
    let records: Vec<_> = (0..60_u32)
        .map(|n| MessageRecord {
            acknowledgement: Bytes::from(format!("acknowledgement {n}")),
            ..place.record(&(if n % 5 == 4 { n - 1 } else { n }).to_string(), b"message")
        })
        .collect();
    let outcomes = join_all(records.iter().enumerate().map(async |(n, record)| {
        let aside = async {
            if n % 7 == 6 {
                let event = Event::PlatformStopped { reason: StopReason::Requested };
                let device = gateway(&format!("GW-{n}"));
                let (audited, added) = tokio::join!(store.audit(event), store.add_device(device, "alice"));
                audited.and(added).unwrap();
            }
        };
        tokio::join!(store.record(record.clone()), aside).0.unwrap()
    }))
    .await;
    let stored = |n: usize| RecordOutcome::Stored(records[n].id);
    let resend_of = |n: usize| {
        let acknowledgement = records[n].acknowledgement.clone();
        RecordOutcome::Resend { original: records[n].id, acknowledgement }
    };
    for (five, outcomes) in outcomes.chunks(5).enumerate() {
        let first = five * 5;
        assert_eq!(outcomes[..3], [stored(first), stored(first + 1), stored(first + 2)]);
        // The runtime decides which of the two comes first.
        let (one, other) = (first + 3, first + 4);
        let pair = [outcomes[3].clone(), outcomes[4].clone()];
        assert!(
            pair == [stored(one), resend_of(one)] || pair == [resend_of(other), stored(other)],
            "{one}: {pair:?}"
        );
    }
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 48);
    let names = event_names(&store).await;
    let count = |name: &str| names.iter().filter(|event| *event == name).count();
    assert_eq!((count("message-accepted"), count("platform-stopped"), count("device-added")), (48, 8, 8));
}

async fn a_record_submitted_twice_is_stored_once(place: TestStore) {
    let store = place.open().await;
    let record = place.record("1", b"message");
    store.record(record.clone()).await.unwrap();
    let again = store.record(record.clone()).await.unwrap();
    assert_eq!(
        again,
        RecordOutcome::Resend { original: record.id, acknowledgement: record.acknowledgement.clone() }
    );
    // A rejected message has an identifier of its own.
    let rejected = MessageRecord { id: record.id, ..place.rejected("1", b"message") };
    assert!(matches!(store.record(rejected).await, Err(StoreError::Refused(_))));
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

async fn the_same_control_id_from_another_sender_is_another_message(place: TestStore) {
    let store = place.open().await;
    let record = place.record("1", b"same");
    let other_device = MessageRecord { device: "PUMP-2".parse().unwrap(), ..place.record("1", b"same") };
    let other_application =
        MessageRecord { sending_application: "OTHER".to_owned(), ..place.record("1", b"same") };
    for record in [record, other_device, other_application] {
        let id = record.id;
        assert_eq!(store.record(record).await.unwrap(), RecordOutcome::Stored(id));
        assert_eq!(store.message(id).await.unwrap().unwrap().summary.warnings, ["eui64-spelling"]);
    }
}

async fn other_bytes_with_a_used_control_id_are_stored_with_a_warning(place: TestStore) {
    let store = place.open().await;
    store.record(place.record("1", b"first")).await.unwrap();
    let second = place.record("1", b"second");
    assert_eq!(store.record(second.clone()).await.unwrap(), RecordOutcome::Stored(second.id));
    let stored = store.message(second.id).await.unwrap().unwrap();
    assert_eq!(stored.summary.warnings, ["eui64-spelling", CONTROL_ID_REUSED]);
    // Resends of both are recognised from now on.
    assert!(matches!(store.record(place.record("1", b"first")).await.unwrap(), RecordOutcome::Resend { .. }));
    assert!(matches!(
        store.record(place.record("1", b"second")).await.unwrap(),
        RecordOutcome::Resend { .. }
    ));
}

async fn a_control_id_reused_in_one_batch_or_by_two_processes_is_marked(place: TestStore) {
    let (store, other) = (place.open().await, place.open().await);
    store.record(place.record("0", b"message")).await.unwrap();
    let (first, second) = (place.record("1", b"first"), place.record("1", b"second"));
    let (one, two) = tokio::join!(store.record(first.clone()), store.record(second.clone()));
    assert_eq!(
        (one.unwrap(), two.unwrap()),
        (RecordOutcome::Stored(first.id), RecordOutcome::Stored(second.id))
    );
    let third = place.record("1", b"third");
    other.record(third.clone()).await.unwrap();
    // The other process has written to the chain meanwhile.
    store.record(place.record("2", b"message")).await.unwrap();
    other.record(place.record("3", b"message")).await.unwrap();
    let fourth = place.record("3", b"other bytes");
    store.record(fourth.clone()).await.unwrap();
    let mut marked = Vec::new();
    for record in [first, second, third, fourth] {
        let warnings = store.message(record.id).await.unwrap().unwrap().summary.warnings;
        marked.push(warnings.iter().any(|warning| warning == CONTROL_ID_REUSED));
    }
    assert_eq!(marked, [false, true, true, true]);
}

async fn rejected_messages_are_always_stored(place: TestStore) {
    let store = place.open().await;
    for _ in 0..2 {
        let record = place.rejected("1", b"same");
        assert_eq!(store.record(record.clone()).await.unwrap(), RecordOutcome::Stored(record.id));
    }
    // When it is accepted later, it is neither a resend nor a reused control id.
    let accepted = place.record("1", b"same");
    assert_eq!(store.record(accepted.clone()).await.unwrap(), RecordOutcome::Stored(accepted.id));
    assert_eq!(store.message(accepted.id).await.unwrap().unwrap().summary.warnings, ["eui64-spelling"]);
    let rejected = place.rejected("1", b"same");
    assert_eq!(store.record(rejected.clone()).await.unwrap(), RecordOutcome::Stored(rejected.id));
    assert_eq!(
        event_names(&store).await,
        ["message-rejected", "message-rejected", "message-accepted", "message-rejected"]
    );
}

async fn messages_are_listed_by_device_type_time_verdict_and_page(place: TestStore) {
    let store = place.open().await;
    let mut ids = Vec::new();
    for n in 0..6_u32 {
        let mut record = place.record(&n.to_string(), b"message");
        if n == 1 {
            record.device = "PUMP-2".parse().unwrap();
        }
        if n == 2 {
            record.transaction = None;
            record.message_type = "ADT^A01".to_owned();
        }
        if n == 3 {
            record.identities = vec!["00A0370000000001".to_owned(), "1.2\"3^ISO".to_owned()];
        }
        if n >= 4 {
            record.verdict = Verdict::Rejected { code: "type".to_owned() };
        }
        ids.push(record.id);
        store.record(record).await.unwrap();
        place.clock.advance(Duration::from_secs(60));
    }
    let list = async |filter: MessageFilter| -> Vec<usize> {
        let found = store.messages(&filter).await.unwrap();
        found.iter().map(|message| ids.iter().position(|id| *id == message.id).unwrap()).collect()
    };
    assert_eq!(list(ANY).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(list(MessageFilter { limit: 2, ..ANY }).await, [5, 4]);
    assert_eq!(list(MessageFilter { before: Some(ids[4]), limit: 2, ..ANY }).await, [3, 2]);
    assert_eq!(list(MessageFilter { device: Some("PUMP-2".parse().unwrap()), ..ANY }).await, [1]);
    assert_eq!(list(MessageFilter { kind: Some("ADT^A01".to_owned()), ..ANY }).await, [2]);
    let identity = |text: &str| MessageFilter { identity: DeviceIdentity::parse(text), ..ANY };
    assert_eq!(list(identity("00-a0-37-00-00-00-00-01")).await, [3]);
    assert_eq!(list(identity("1.2\"3^ISO")).await, [3]);
    assert_eq!(list(identity("1.2\"3")).await, [3]);
    assert!(list(identity("1.2")).await.is_empty() && list(identity("2\"3")).await.is_empty());
    assert_eq!(list(MessageFilter { kind: Some("PCD-01".to_owned()), ..ANY }).await, [5, 4, 3, 1, 0]);
    assert_eq!(list(MessageFilter { rejected: true, ..ANY }).await, [5, 4]);
    let since = Some(place.clock.now() - jiff::SignedDuration::from_secs(120));
    assert_eq!(list(MessageFilter { since, ..ANY }).await, [5, 4]);
}

async fn a_message_in_which_its_sender_names_itself_is_found_by_that_identity(place: TestStore) {
    let store = place.open().await;
    let named = [
        ("PUMP-7", &["PUMP-7"][..]),
        ("PUMP-7", &["SUB^ISO", "PUMP-7^ISO"]),
        ("GATEWAY", &["PUMP-7"]),
        ("PUMP-7", &["SUB"]),
        ("PUMP-7", &[]),
        ("PUMP-7", &["PUMP-7"]),
    ];
    let mut ids = Vec::new();
    for (n, (sender, identities)) in named.into_iter().enumerate() {
        let identities = identities.iter().map(|identity| (*identity).to_owned()).collect();
        let device = sender.parse().unwrap();
        let record = MessageRecord { device, identities, ..place.record(&n.to_string(), b"message") };
        ids.push(record.id);
        store.record(record).await.unwrap();
        place.clock.advance(Duration::from_secs(1));
    }
    // As an earlier version has indexed it.
    let last = "INSERT INTO message_identity (identity, message)
                SELECT 'PUMP-7', id FROM message WHERE control_id = '5'";
    place.execute(last).await.unwrap();
    let sql =
        "SELECT identity || ' ' || control_id FROM message_identity JOIN message ON id = message ORDER BY 1";
    let indexed = place.connect_directly().await.texts(sql).await;
    assert_eq!(indexed, ["PUMP-7 2", "PUMP-7 5", "SUB 1", "SUB 3"]);
    let list = async |filter: MessageFilter| -> Vec<usize> {
        let (found, end) = store.search_messages(&filter).await.unwrap();
        assert_eq!(end, None);
        let all = store.messages(&filter).await.unwrap();
        assert_eq!(found, all, "{filter:?}");
        found.iter().map(|message| ids.iter().position(|id| *id == message.id).unwrap()).collect()
    };
    let identity = |text: &str| MessageFilter { identity: DeviceIdentity::parse(text), ..ANY };
    assert_eq!(list(identity("PUMP-7")).await, [5, 2, 1, 0]);
    assert_eq!(list(MessageFilter { limit: 2, ..identity("PUMP-7") }).await, [5, 2]);
    let before = Some(ids[2]);
    assert_eq!(list(MessageFilter { before, limit: 1, ..identity("PUMP-7") }).await, [1]);
    let of = |sender: &str| MessageFilter { device: sender.parse().ok(), ..identity("PUMP-7") };
    assert_eq!(list(of("PUMP-7")).await, [5, 1, 0]);
    assert_eq!(list(of("GATEWAY")).await, [2]);
    assert_eq!(list(identity("SUB")).await, [3, 1]);
    assert_eq!(list(identity("PUMP-7^ISO")).await, [1]);
    let whole = |_: &[u8]| true;
    let scanned = store.scan_messages(&identity("PUMP-7"), &whole).await.unwrap();
    assert_eq!(
        scanned.messages.iter().map(|message| message.id).collect::<Vec<_>>(),
        [ids[5], ids[2], ids[1], ids[0]]
    );
    // Names that are not the key of their identity, or are written otherwise in the list.
    for (sender, named) in [("PUMP^ISO", "PUMP^ISO"), (r#"A","B"#, "A"), (r#"A","B"#, "B")] {
        let device = sender.parse().unwrap();
        let identities = match sender {
            "PUMP^ISO" => vec![sender.to_owned()],
            _ => vec!["A".to_owned(), "B".to_owned()],
        };
        let record =
            MessageRecord { device, identities, ..place.record(named, sender.as_bytes().to_vec().leak()) };
        let id = record.id;
        store.record(record).await.unwrap();
        let found = store.messages(&identity(named)).await.unwrap();
        assert!(found.iter().any(|message| message.id == id), "{sender}: {named}");
    }
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
}

async fn an_unreadable_row_is_reported_as_damage(place: TestStore) {
    let store = place.open().await;
    let record = place.record("1", b"message");
    store.record(record.clone()).await.unwrap();
    place.execute("UPDATE message SET peer = 'nowhere'").await.unwrap();
    let read = store.message(record.id).await;
    assert!(matches!(read, Err(StoreError::Corrupt { place: "message.peer", .. })), "{read:?}");
}

async fn queued_entries_are_written_before_the_store_closes(place: TestStore) {
    let store = place.open().await;
    let records: Vec<_> = (0..30)
        .map(|n| {
            tokio::spawn({
                let (store, record) = (store.clone(), place.record(&n.to_string(), b"message"));
                async move { store.record(record).await }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut stored = 0;
    for record in records {
        match record.await.unwrap() {
            Ok(_) => stored += 1,
            Err(error) => assert!(matches!(error, StoreError::Closed), "{error:?}"),
        }
    }
    assert!(stored > 0);
    assert!(matches!(store.record(place.record("late", b"message")).await, Err(StoreError::Closed)));
    assert!(matches!(store.check().await, Err(StoreError::Closed)));
    assert_eq!(place.open().await.messages(&ANY).await.unwrap().len(), stored);
}

async fn a_message_with_u_0000_in_its_fields_is_stored_with_its_bytes_unchanged(place: TestStore) {
    let store = place.open().await;
    // PostgreSQL stores messages without unauthorized identities in a single statement.
    for (n, not_allowed) in [vec!["\0A".to_owned()], Vec::new()].into_iter().enumerate() {
        let record = MessageRecord {
            control_id: format!("{n}\0"),
            sending_application: "\0PUMP".to_owned(),
            message_type: "ORU\0R01".to_owned(),
            identities: vec!["\0A".to_owned()],
            not_allowed,
            ..place.record("1", b"MSH|\x00|")
        };
        let beside = place.record(&n.to_string(), b"another");
        let (one, other) = tokio::join!(store.record(record.clone()), store.record(beside.clone()));
        assert_eq!(
            (one.unwrap(), other.unwrap()),
            (RecordOutcome::Stored(record.id), RecordOutcome::Stored(beside.id))
        );
        let stored = store.message(record.id).await.unwrap().unwrap();
        assert_eq!(stored.raw, record.raw);
        assert_eq!(stored.identities, record.identities);
        assert_eq!(stored.summary.control_id, format!("{n}\u{2400}"));
        assert_eq!(store.seen_identities(&record.device).await.unwrap()[0].identity, "\u{2400}A");
        let resend = MessageRecord { id: place.record("1", b"").id, ..record };
        assert!(matches!(store.record(resend).await.unwrap(), RecordOutcome::Resend { .. }));
    }
}

async fn fields_of_any_length_are_stored(place: TestStore) {
    let store = place.open().await;
    // Incompressible: an index of PostgreSQL limits a key to a third of a page.
    let long: String = (0..20_000_u32).map(|n| Fingerprint::sha256(&n.to_be_bytes()).to_string()).collect();
    for (n, not_allowed) in [vec![long.clone()], Vec::new()].into_iter().enumerate() {
        let record = MessageRecord {
            control_id: format!("{n}{long}"),
            sending_application: long.clone(),
            message_type: long.clone(),
            not_allowed,
            ..place.record("", b"message")
        };
        assert_eq!(store.record(record.clone()).await.unwrap(), RecordOutcome::Stored(record.id));
        let stored = store.message(record.id).await.unwrap().unwrap();
        assert_eq!(stored.summary.control_id, record.control_id[..256], "listed up to 256 characters");
        let resend = MessageRecord { id: place.record("1", b"").id, ..record.clone() };
        let resend = store.record(resend).await.unwrap();
        assert!(matches!(resend, RecordOutcome::Resend { original: of, .. } if of == record.id));
        assert!(
            store.seen_identities(&record.device).await.unwrap().is_empty(),
            "too long to be an identity that an operator allows"
        );
    }
}

// Rows that an earlier version stored can have texts of megabytes.
async fn listings_of_large_rows_are_bounded(place: TestStore) {
    let store = place.open().await;
    for number in 0..20 {
        let control_id = format!("{number}-{}", "\u{1d11e}".repeat(100_000));
        let record = MessageRecord { control_id, ..place.record("", b"large") };
        store.record(record).await.unwrap();
    }
    let listed = store.messages(&ANY).await.unwrap();
    assert!(listed.iter().all(|message| message.control_id.chars().count() == 256), "cut");
    let mut filter = MessageFilter { limit: 100, ..ANY };
    let (mut pages, mut found) = (0, Vec::new());
    loop {
        let (page, is_cut) = store.message_page(&filter, 6000).await.unwrap();
        assert!(!page.is_empty() && page.len() <= 6, "{} messages", page.len());
        filter.before = page.last().map(|message| message.id);
        found.extend(page.into_iter().map(|message| message.id));
        pages += 1;
        if !is_cut {
            break;
        }
    }
    assert!(pages >= 4);
    assert_eq!(found, listed.iter().map(|message| message.id).collect::<Vec<_>>());
    assert_eq!(store.message_page(&ANY, 0).await.unwrap().0.len(), 1, "a page has a message");
    let trail = AuditFilter { event: Some("message-accepted".to_owned()), ..TRAIL };
    let (rows, is_cut) = store.audit_page(&trail, 1000).await.unwrap();
    assert!(is_cut && !rows.is_empty() && rows.len() < 20, "{}", rows.len());
}

async fn each_of_several_reconsidered_messages_is_on_record(place: TestStore) {
    let store = place.open().await;
    for number in ["1", "2", "3"] {
        let rejected = place.rejected(number, b"MSH|");
        store.record(rejected.clone()).await.unwrap();
        let reconsideration = Reconsideration {
            original: rejected.id,
            rejection: "identity-mismatch".to_owned(),
            actor: "alice".to_owned(),
        };
        let record = MessageRecord {
            reconsideration: Some(Box::new(reconsideration)),
            ..place.record(number, b"MSH|")
        };
        store.record(record.clone()).await.unwrap();
        let shown = store.message(rejected.id).await.unwrap().unwrap().reconsidered;
        assert_eq!(shown.map(|shown| shown.message), Some(record.id), "{number}");
    }
}
