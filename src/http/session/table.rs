//! The links that wait for a browser, and the sessions of browsers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::secret::{Secret, SecretDigest};
use crate::http::person::LocalUser;
use crate::http::token;
use crate::model::Clock;

/// The links and the sessions. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::http) struct Sessions {
    tables: Arc<Mutex<Tables>>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Tables {
    links: VecDeque<Link>,
    /// The one that was used last is the last.
    sessions: VecDeque<Session>,
}

#[derive(Debug)]
struct Link {
    digest: SecretDigest,
    user: Arc<LocalUser>,
    until: Instant,
}

/// The session of a browser.
#[derive(Debug, Clone)]
pub(in crate::http) struct Session {
    digest: SecretDigest,
    /// The account that asked for the link.
    pub(in crate::http) user: Arc<LocalUser>,
    /// What forms of its pages send back.
    pub(in crate::http) form_token: String,
    since: Instant,
    used: Instant,
}

/// A session that has ended, and why.
#[derive(Debug)]
pub(in crate::http) struct Ended {
    pub(in crate::http) user: Arc<LocalUser>,
    /// `requested`, `idle`, `limit` or `displaced`.
    pub(in crate::http) why: &'static str,
}

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Lifetime {
    /// Without a request.
    pub(in crate::http) idle: Duration,
    /// In all.
    pub(in crate::http) limit: Duration,
}

impl Sessions {
    pub(in crate::http) fn new(clock: Clock) -> Self {
        Self { tables: Arc::default(), clock }
    }

    /// A secret that begins one session of the account within a minute; `None` without randomness. The oldest
    /// link goes when there are too many.
    pub(in crate::http) fn issue(&self, user: Arc<LocalUser>) -> Option<Secret> {
        let secret = Secret::new()?;
        let until = self.clock.instant() + LINK_LIFETIME;
        let mut tables = self.tables();
        let own = |link: &Link| link.user.user == user.user;
        // An account makes room for itself, and takes none from another one.
        let of_account = tables.links.iter().filter(|link| own(link)).count() >= MAX_LINKS / SHARE;
        let at = if of_account { tables.links.iter().position(own) } else { Some(0) };
        if of_account || tables.links.len() >= MAX_LINKS {
            at.and_then(|at| tables.links.remove(at));
        }
        tables.links.push_back(Link { digest: secret.digest(), user, until });
        Some(secret)
    }

    /// Whether the account has begun so few sessions within the last minute that another link is given out:
    /// each begin and each end is a row of the audit trail.
    pub(in crate::http) fn may_begin(&self, user: &LocalUser) -> bool {
        let now = self.clock.instant();
        let is_new = |session: &&Session| now.duration_since(session.since) < LOGIN_WINDOW;
        let tables = self.tables();
        let own = tables.sessions.iter().filter(|session| session.user.user == user.user);
        own.filter(is_new).count() < MAX_LOGINS
    }

    /// The account that a link is for, which still counts.
    pub(in crate::http) fn invited(&self, secret: &str) -> Option<Arc<LocalUser>> {
        let (now, given) = (self.clock.instant(), SecretDigest::of(secret));
        let tables = self.tables();
        let link = tables.links.iter().find(|link| link.until > now && link.digest.is(&given))?;
        Some(Arc::clone(&link.user))
    }

    /// Begins the session of a link, whose secret counts no more. Also returns the session that made room.
    pub(in crate::http) fn begin(&self, secret: &str) -> Option<(Secret, Session, Option<Ended>)> {
        let (now, given) = (self.clock.instant(), SecretDigest::of(secret));
        let mut tables = self.tables();
        tables.links.retain(|link| link.until > now);
        let at = tables.links.iter().position(|link| link.digest.is(&given))?;
        let user = tables.links.remove(at)?.user;
        let secret = Secret::new()?;
        let form_token = token::of_person(&format!("session:{}", secret.as_str()));
        let session = Session { digest: secret.digest(), user, form_token, since: now, used: now };
        let own = |other: &Session| other.user.user == session.user.user;
        let of_account = tables.sessions.iter().filter(|other| own(other)).count() >= MAX_SESSIONS / SHARE;
        let at = if of_account { tables.sessions.iter().position(own) } else { Some(0) };
        let full = of_account || tables.sessions.len() >= MAX_SESSIONS;
        let displaced = at.filter(|_| full).and_then(|at| tables.sessions.remove(at));
        tables.sessions.push_back(session.clone());
        Some((secret, session, displaced.map(|session| Ended { user: session.user, why: "displaced" })))
    }

    /// The session with this secret. `is_use`: a person does something, which prolongs it.
    pub(in crate::http) fn find(&self, secret: &str, lifetime: Lifetime, is_use: bool) -> Option<Session> {
        let (now, given) = (self.clock.instant(), SecretDigest::of(secret));
        let mut tables = self.tables();
        let at = tables.sessions.iter().position(|session| session.digest.is(&given))?;
        if tables.sessions.get(at)?.end(now, lifetime).is_some() {
            return None;
        }
        if !is_use {
            return tables.sessions.get(at).cloned();
        }
        let session = Session { used: now, ..tables.sessions.remove(at)? };
        tables.sessions.push_back(session.clone());
        Some(session)
    }

    /// Ends the session with this secret.
    pub(in crate::http) fn end(&self, secret: &str) -> Option<Ended> {
        let given = SecretDigest::of(secret);
        let mut tables = self.tables();
        let at = tables.sessions.iter().position(|session| session.digest.is(&given))?;
        Some(Ended { user: tables.sessions.remove(at)?.user, why: "requested" })
    }

    /// Removes the sessions whose time is over.
    pub(in crate::http) fn expire(&self, lifetime: Lifetime) -> Vec<Ended> {
        let now = self.clock.instant();
        let mut ended = Vec::new();
        self.tables().sessions.retain(|session| match session.end(now, lifetime) {
            None => true,
            Some(why) => {
                ended.push(Ended { user: Arc::clone(&session.user), why });
                false
            }
        });
        ended
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Why it has ended by now.
    fn end(&self, now: Instant, lifetime: Lifetime) -> Option<&'static str> {
        if now.duration_since(self.since) >= lifetime.limit {
            return Some("limit");
        }
        (now.duration_since(self.used) >= lifetime.idle).then_some("idle")
    }
}

/// Sessions that an account may begin within [`LOGIN_WINDOW`]; fewer than it may have at once.
const MAX_LOGINS: usize = 24;
const LOGIN_WINDOW: Duration = Duration::from_secs(60);
/// How long a link can be used.
const LINK_LIFETIME: Duration = Duration::from_secs(60);
/// Links that wait.
const MAX_LINKS: usize = 64;
/// Sessions at a time; the one that was not used for the longest time goes.
const MAX_SESSIONS: usize = 256;
/// An account has at most this part of the links, and of the sessions.
const SHARE: usize = 8;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const LIFETIME: Lifetime = Lifetime { idle: Duration::from_mins(15), limit: Duration::from_hours(12) };

    fn sessions() -> (Sessions, Clock) {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        (Sessions::new(clock.clone()), clock)
    }

    fn user() -> Arc<LocalUser> {
        Arc::new(LocalUser { user: 7, groups: Vec::new(), login: None })
    }

    #[test]
    fn a_link_begins_one_session_within_a_minute() {
        let (sessions, clock) = sessions();
        let [first, late] = [(); 2].map(|()| sessions.issue(user()).unwrap());
        assert!(first.as_str().len() == 64 && first.as_str() != late.as_str());
        assert!(sessions.begin("").is_none() && sessions.begin(&first.as_str()[..63]).is_none());
        assert_eq!(
            sessions.invited(first.as_str()).unwrap().user,
            7,
            "whom it is for says nothing of its use"
        );
        let (secret, session, _) = sessions.begin(first.as_str()).unwrap();
        assert_eq!(session.user.user, 7);
        assert_ne!(secret.as_str(), first.as_str());
        assert!(sessions.begin(first.as_str()).is_none(), "it counts once");
        assert!(sessions.invited(first.as_str()).is_none());
        clock.advance(Duration::from_secs(60));
        assert!(sessions.invited(late.as_str()).is_none());
        assert!(sessions.begin(late.as_str()).is_none(), "it is too late");
        assert!(sessions.find(secret.as_str(), LIFETIME, true).is_some());
        assert!(sessions.find(late.as_str(), LIFETIME, true).is_none());
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_in_any_case_after_its_limit() {
        let (sessions, clock) = sessions();
        let begin = || sessions.begin(sessions.issue(user()).unwrap().as_str()).unwrap().0;
        let (idle, busy) = (begin(), begin());
        for _ in 0..71 {
            clock.advance(Duration::from_mins(10));
            assert!(sessions.find(busy.as_str(), LIFETIME, true).is_some());
            // What a page does by itself is no use.
            let _ = sessions.find(idle.as_str(), LIFETIME, false);
        }
        assert!(sessions.find(idle.as_str(), LIFETIME, true).is_none());
        assert_eq!(sessions.expire(LIFETIME).iter().map(|ended| ended.why).collect::<Vec<_>>(), ["idle"]);
        clock.advance(Duration::from_mins(10));
        assert!(sessions.find(busy.as_str(), LIFETIME, true).is_none());
        assert_eq!(sessions.expire(LIFETIME).iter().map(|ended| ended.why).collect::<Vec<_>>(), ["limit"]);
        assert!(sessions.expire(LIFETIME).is_empty());
    }

    #[test]
    fn an_account_begins_so_many_sessions_in_a_minute() {
        let (sessions, clock) = sessions();
        for _ in 0..MAX_LOGINS {
            assert!(sessions.may_begin(&user()));
            sessions.begin(sessions.issue(user()).unwrap().as_str()).unwrap();
        }
        assert!(!sessions.may_begin(&user()));
        assert!(sessions.may_begin(&LocalUser { user: 8, groups: Vec::new(), login: None }));
        clock.advance(LOGIN_WINDOW);
        assert!(sessions.may_begin(&user()));
    }

    #[test]
    fn links_and_sessions_are_bounded_and_a_logout_ends_one() {
        let (sessions, clock) = sessions();
        let other = || Arc::new(LocalUser { user: 8, groups: Vec::new(), login: None });
        let of_other = sessions.issue(other()).unwrap();
        let first = sessions.issue(user()).unwrap();
        for _ in 0..MAX_LINKS {
            sessions.issue(user()).unwrap();
        }
        assert!(sessions.begin(first.as_str()).is_none());
        let of_other = sessions.begin(of_other.as_str()).expect("an account takes no link of another one").0;
        let begin = || {
            clock.advance(Duration::from_secs(3));
            assert!(sessions.may_begin(&user()));
            sessions.begin(sessions.issue(user()).unwrap().as_str()).unwrap()
        };
        let (oldest, second) = (begin().0, begin().0);
        for _ in 0..MAX_SESSIONS / SHARE - 2 {
            assert!(begin().2.is_none());
        }
        assert!(sessions.find(oldest.as_str(), LIFETIME, true).is_some());
        assert_eq!(begin().2.map(|ended| ended.why), Some("displaced"));
        assert!(
            sessions.find(second.as_str(), LIFETIME, true).is_none(),
            "the one that was used least lately"
        );
        assert!(sessions.find(of_other.as_str(), LIFETIME, true).is_some(), "an account displaces its own");
        assert_eq!(sessions.end(oldest.as_str()).map(|ended| ended.why), Some("requested"));
        assert!(sessions.end(oldest.as_str()).is_none());
    }
}
