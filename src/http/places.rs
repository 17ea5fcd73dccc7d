//! The places of a listener's connections: some for people, and as many for all others.
//!
//! A connection begins as one of a stranger, unless the listener knows at once who connects. It is one of a
//! person as long as its latest proof, or its latest request, shows a person with a role: a certificate that
//! gives no role, or an account that has none, takes no place from people.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The connections of a listener. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<Vec<Arc<Occupant>>>>);

/// The place of one connection: an extension of each of its requests.
#[derive(Debug, Clone)]
pub(super) struct Place {
    occupant: Arc<Occupant>,
    places: Places,
}

#[derive(Debug)]
struct Occupant {
    /// Whether it is being answered whether the platform works, or a reload.
    is_urgent: AtomicBool,
    is_person: AtomicBool,
    close: CancellationToken,
}

impl Places {
    /// A place for a new connection. When its kind has `max` of them, the oldest of the kind gives way that
    /// is not being answered about the health of the platform. A person for whom none gives way is one of the
    /// strangers; `None` when no stranger gives way.
    pub(super) fn admit(&self, max: usize, is_person: bool, parent: &CancellationToken) -> Option<Place> {
        let mut open = self.open();
        let is_person = is_person && make_room(&mut open, max, true).is_some();
        if !is_person {
            make_room(&mut open, max, false)?;
        }
        let occupant = Arc::new(Occupant {
            is_urgent: AtomicBool::default(),
            is_person: AtomicBool::new(is_person),
            close: parent.child_token(),
        });
        open.push(Arc::clone(&occupant));
        Some(Place { occupant, places: self.clone() })
    }

    /// The oldest connection is the first.
    fn open(&self) -> MutexGuard<'_, Vec<Arc<Occupant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Says whether the connection is one of a person with a role. When people have `max` places, the oldest
    /// of them gives way; if that one is being answered about the health of the platform, this connection
    /// stays one of a stranger.
    pub(super) fn set_person(&self, is_person: bool, max: usize) {
        if self.is_person() == is_person {
            return;
        }
        let mut open = self.places.open();
        let has_room = !is_person || make_room(&mut open, max, true).is_some();
        self.occupant.is_person.store(is_person && has_room, Ordering::Relaxed);
    }

    /// Says whether it is being answered about the health of the platform.
    pub(super) fn set_urgent(&self, is_urgent: bool) {
        self.occupant.is_urgent.store(is_urgent, Ordering::Relaxed);
    }

    /// Whether the connection is one of a person with a role.
    pub(super) fn is_person(&self) -> bool {
        self.occupant.is_person.load(Ordering::Relaxed)
    }

    /// Resolves when the connection has to give way.
    pub(super) async fn lost(&self) {
        self.occupant.close.cancelled().await;
    }

    /// The connection has ended.
    pub(super) fn leave(&self) {
        self.places.open().retain(|open| !Arc::ptr_eq(open, &self.occupant));
    }
}

/// Closes the oldest idle connection of people, or of strangers, when they have `max`; `None` when none of
/// them is idle.
fn make_room(open: &mut Vec<Arc<Occupant>>, max: usize, people: bool) -> Option<()> {
    let is_kind = |occupant: &Arc<Occupant>| occupant.is_person.load(Ordering::Relaxed) == people;
    if open.iter().filter(|occupant| is_kind(occupant)).count() < max {
        return Some(());
    }
    let is_idle = |occupant: &Arc<Occupant>| !occupant.is_urgent.load(Ordering::Relaxed);
    let oldest = open.iter().position(|occupant| is_kind(occupant) && is_idle(occupant))?;
    open.remove(oldest).close.cancel();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lost(place: &Place) -> bool {
        place.occupant.close.is_cancelled()
    }

    #[test]
    fn the_oldest_connection_gives_way_unless_it_is_a_probe() {
        let (places, parent) = (Places::default(), CancellationToken::new());
        let [first, second] = [(); 2].map(|()| places.admit(2, false, &parent).unwrap());
        first.set_urgent(true);
        let third = places.admit(2, false, &parent).unwrap();
        assert!(!is_lost(&first) && is_lost(&second) && !is_lost(&third));
        third.set_urgent(true);
        assert!(places.admit(2, false, &parent).is_none());
        first.leave();
        assert!(places.admit(2, false, &parent).is_some());
    }

    #[test]
    fn strangers_take_no_place_from_people_and_people_none_from_strangers() {
        let (places, parent) = (Places::default(), CancellationToken::new());
        let person = places.admit(2, false, &parent).unwrap();
        person.set_person(true, 2);
        let strangers: Vec<Place> = (0..50).map(|_| places.admit(2, false, &parent).unwrap()).collect();
        assert!(!is_lost(&person));
        assert_eq!(strangers.iter().filter(|stranger| !is_lost(stranger)).count(), 2);
        let [second, third] = [48, 49].map(|n| &strangers[n]);
        second.set_person(true, 2);
        assert!(!is_lost(&person) && !is_lost(third));
        third.set_person(true, 2);
        assert!(is_lost(&person) && !is_lost(second), "among people the oldest one gives way");
        // Without its role it is a stranger again.
        third.set_person(false, 2);
        for _ in 0..2 {
            places.admit(2, false, &parent).unwrap();
        }
        assert!(is_lost(third) && !is_lost(second));
    }

    #[test]
    fn who_is_known_at_once_is_pushed_out_by_no_stranger() {
        let (places, parent) = (Places::default(), CancellationToken::new());
        let person = places.admit(1, true, &parent).unwrap();
        let strangers: Vec<Place> = (0..9).map(|_| places.admit(1, false, &parent).unwrap()).collect();
        assert!(person.is_person() && !is_lost(&person) && is_lost(&strangers[0]));
        person.set_urgent(true);
        let second = places.admit(1, true, &parent).unwrap();
        assert!(!second.is_person() && !is_lost(&person) && is_lost(&strangers[8]));
    }

    #[test]
    fn a_person_for_whom_no_other_gives_way_stays_a_stranger() {
        let (places, parent) = (Places::default(), CancellationToken::new());
        let [command, person] = [(); 2].map(|()| places.admit(2, false, &parent).unwrap());
        command.set_person(true, 1);
        command.set_urgent(true);
        person.set_person(true, 1);
        assert!(command.is_person() && !person.is_person() && !is_lost(&command) && !is_lost(&person));
        command.set_urgent(false);
        person.set_person(true, 1);
        assert!(person.is_person() && is_lost(&command));
    }
}
