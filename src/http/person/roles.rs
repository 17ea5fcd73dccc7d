//! Which roles the configuration gives to a person.

use super::proof::Proof;
use crate::config::AdminRoles;
use crate::model::{Role, Roles};

/// The roles of whom `proof` shows.
pub(super) fn of(proof: &Proof<'_>, rules: &AdminRoles) -> Roles {
    if proof.owns_the_platform() {
        return Roles::ALL;
    }
    let has = |role: &Role| rules.subjects(*role).iter().any(|subject| proof.is(subject));
    Role::ALL.into_iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::person::way::LocalUser;

    #[test]
    fn an_account_has_the_roles_of_its_name_its_number_and_its_groups() {
        let list = |subjects: &[&str]| subjects.iter().map(|subject| (*subject).to_owned()).collect();
        let rules = AdminRoles {
            viewer: list(&["group:4000000990"]),
            clinical: list(&["user:4000000001"]),
            operator: list(&["user:root", "group:root", "CN=4000000001", "person:4000000001"]),
            admin: list(&["user:no-such-account", "group:4000000001"]),
        };
        let user = |user, groups: &[u32]| LocalUser { user, groups: groups.to_vec(), login: None };
        let of = |user: LocalUser| super::of(&Proof::Account(&user), &rules).to_string();
        assert_eq!(of(user(4_000_000_001, &[7])), "clinical");
        assert_eq!(of(user(4_000_000_001, &[7, 4_000_000_990])), "viewer, clinical");
        assert_eq!(of(user(4_000_000_002, &[7])), "");
        assert_eq!(of(user(4_000_000_002, &[0])), "operator");
        assert_eq!(of(user(0, &[])), "viewer, clinical, operator, admin");
        // The account counts, not the login: only root can say who that was.
        // A person of a proxy is no account of that name.
        let named = |person: &str| Proof::Named { person: person.to_owned(), proxy: "sso".to_owned() };
        assert_eq!(super::of(&named("root"), &rules).to_string(), "");
        assert_eq!(super::of(&named("user:root"), &rules).to_string(), "");
        assert_eq!(of(LocalUser { login: Some(0), ..user(4_000_000_002, &[]) }), "");
    }
}
