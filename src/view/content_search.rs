//! A search for messages by what stands in them: by a number of a patient or an order, or by a text. It is a
//! look at content, so it is recorded before anything is shown.

use crate::audit::{ContentSearch, Event};
use crate::model::{PatientKey, Searched};
use crate::pcd::{SearchTerms, TextSearch};
use crate::store::{MessageFilter, Scanned, Store, StoreError};

/// What a person searches for; empty texts are none.
#[derive(Clone, Copy, Default)]
pub struct ContentTerms<'a> {
    /// A number of a patient.
    pub patient: &'a str,
    /// A number of an order.
    pub order: &'a str,
    /// The name of the segments in which the text is looked for; empty: all.
    pub segment: &'a str,
    /// A text.
    pub text: &'a str,
}

impl ContentTerms<'_> {
    /// The reason of a person as the audit trail stores it. It stays in the trail when the messages are gone.
    ///
    /// # Errors
    /// When it is missing or too long, or repeats what is searched for.
    pub fn reason(&self, reason: &str) -> Result<String, &'static str> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > MAX_REASON {
            return Err(NO_REASON);
        }
        let written = reason.to_lowercase();
        let numbers = [self.patient, self.order].map(|number| number.split('^').next().unwrap_or_default());
        let sought = numbers.into_iter().chain([self.text]).map(|text| text.trim().to_lowercase());
        let is_repeated = |text: String| text.chars().count() >= MIN_REPEATED && written.contains(&text);
        if sought.into_iter().any(is_repeated) { Err(TELLING_REASON) } else { Ok(reason.to_owned()) }
    }
}

/// A search that can be made.
pub struct ContentQuery {
    filter: MessageFilter,
    text: Option<TextSearch>,
    search: ContentSearch,
}

impl ContentQuery {
    /// The search for these terms among the messages of `filter`. `key` is that of the store.
    ///
    /// # Errors
    /// What is missing or unusable, as a sentence for the person.
    pub fn new(
        terms: ContentTerms<'_>,
        filter: MessageFilter,
        key: &PatientKey,
    ) -> Result<Self, &'static str> {
        let ContentTerms { patient, order, segment, text } = terms;
        let is_given = |text: &str| !text.trim().is_empty();
        if !is_given(patient) && !is_given(order) && !is_given(text) {
            return Err(NOTHING);
        }
        if is_given(patient) && is_given(order) {
            return Err(BOTH);
        }
        let of = |searched, number: &str, unusable| match SearchTerms::normalized(number) {
            _ if !is_given(number) => Ok(None),
            None => Err(unusable),
            Some(number) => key.search_key(searched, &number).map(Some).ok_or(NO_KEY),
        };
        let patient = of(Searched::Patient, patient, NO_NUMBER)?;
        let order = of(Searched::Order, order, NO_NUMBER)?;
        if !is_given(text) && is_given(segment) {
            return Err(NO_TEXT);
        }
        let text = match is_given(text) {
            true => Some(TextSearch::new(segment, text).ok_or(NO_TEXT)?),
            false => None,
        };
        let filter = MessageFilter { key: patient.or(order), ..filter };
        let is_bounded = filter.key.is_some() || filter.device.is_some() || filter.since.is_some();
        if text.is_some() && !is_bounded {
            return Err(UNBOUNDED);
        }
        let search = ContentSearch {
            patient,
            order,
            text: text.as_ref().and_then(|text| key.search_key(Searched::Text, text.text())),
            segment: text.as_ref().map(|text| text.segment().to_owned()).filter(|name| !name.is_empty()),
            device: filter.device.clone(),
            since: filter.since,
            ..ContentSearch::default()
        };
        Ok(Self { filter, text, search })
    }

    /// A page of what is found, newest first, once the audit trail says who searches and why.
    ///
    /// # Errors
    /// When the row cannot be written: then nothing is searched. When the messages cannot be read.
    pub async fn run(
        &self,
        store: &Store,
        actor: String,
        reason: Option<String>,
    ) -> Result<Scanned, StoreError> {
        let search = ContentSearch { actor, reason, ..self.search.clone() };
        store.audit(Event::MessagesSearched(Box::new(search))).await?;
        if let Some(text) = &self.text {
            return store.scan_messages(&self.filter, &|bytes| text.is_in(bytes)).await;
        }
        let (messages, end) = store.search_messages(&self.filter).await?;
        let is_full = messages.len() >= usize::try_from(self.filter.limit).unwrap_or(usize::MAX);
        let last = messages.last().filter(|_| is_full).map(|message| message.id);
        let searched = messages.len() as u64;
        Ok(Scanned { stopped_at: last.or(end.map(|end| end.floor)), messages, searched })
    }
}

/// Characters of a reason.
const MAX_REASON: usize = 200;
/// Characters of a number or a text that a reason must not have: fewer are in many words.
const MIN_REPEATED: usize = 3;
const NO_REASON: &str = "a reason is missing, or has more than 200 characters: write in a few words why you search; \
                         the audit trail records it with your name";
const TELLING_REASON: &str = "the reason repeats what is searched for, and stays in the audit trail: write it without \
                              names and numbers of patients";
const NOTHING: &str = "a search needs a number of a patient, a number of an order, or a text";
const BOTH: &str = "a search is by a patient or by an order, not by both";
const NO_NUMBER: &str = "a number has at least one character before the first ^, and at most 200";
const NO_TEXT: &str =
    "a search by text needs a text of at most 200 characters, and a segment is named by three letters";
const UNBOUNDED: &str =
    "a search by text reads the messages one by one: name a device, a time since when, a patient or an order";
const NO_KEY: &str = "the key of the store cannot be read, so nothing is found by a patient or an order; the log \
                      says why";

#[cfg(test)]
mod tests {
    use super::*;

    fn made(terms: ContentTerms<'_>, filter: MessageFilter) -> Result<ContentQuery, &'static str> {
        ContentQuery::new(terms, filter, &PatientKey::new(b"key"))
    }

    #[test]
    fn a_reason_is_bounded_and_does_not_repeat_what_is_searched_for() {
        let terms =
            ContentTerms { patient: "Gh-47^^^H", order: "12", text: "kinked", ..ContentTerms::default() };
        assert_eq!(terms.reason(" transfer of 12 beds ").as_deref(), Ok("transfer of 12 beds"));
        for (reason, expected) in [
            (String::new(), NO_REASON),
            ("x".repeat(201), NO_REASON),
            ("transfer of GH-47".to_owned(), TELLING_REASON),
            ("Kinked tubes".to_owned(), TELLING_REASON),
        ] {
            assert_eq!(terms.reason(&reason), Err(expected), "{reason}");
        }
    }

    #[test]
    fn a_search_says_what_it_lacks() {
        let terms = ContentTerms::default();
        let anywhere = MessageFilter::default;
        let text = ContentTerms { text: "kinked", ..terms };
        for (terms, expected) in [
            (terms, NOTHING),
            (ContentTerms { patient: "1", order: "2", ..terms }, BOTH),
            (ContentTerms { patient: "^", ..terms }, NO_NUMBER),
            (ContentTerms { patient: "1", segment: "OBX", ..terms }, NO_TEXT),
            (ContentTerms { segment: "OB", ..text }, NO_TEXT),
            (text, UNBOUNDED),
        ] {
            assert_eq!(made(terms, anywhere()).err(), Some(expected));
        }
        assert!(made(ContentTerms { patient: "1", ..text }, anywhere()).is_ok());
        let of_device = MessageFilter { device: "PUMP-1".parse().ok(), ..anywhere() };
        assert!(made(text, of_device).is_ok());
        let unkeyed =
            ContentQuery::new(ContentTerms { order: "1", ..terms }, anywhere(), &PatientKey::random());
        assert_eq!(unkeyed.err(), Some(NO_KEY));
    }
}
