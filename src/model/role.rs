//! The roles of the people on the operator's side, and what each of them may do.

use std::fmt;

/// A role. A person may have several; each gives its rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees devices, messages, orders and the audit trail, without the content of a message.
    Viewer,
    /// Also sees the content of messages: values and patients. Each look is recorded.
    Clinical,
    /// Sees what a viewer sees, and changes devices, orders and refused messages.
    Operator,
    /// May do what an operator may, reload the configuration, and copy the store.
    Admin,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// To see what is no content of a message.
    See,
    /// To see the content of messages.
    Content,
    /// To change devices, orders and refused messages.
    Operate,
    /// To reload the configuration and to copy the store.
    Administer,
}

/// A set of roles.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Roles(u8);

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Clinical, Self::Operator, Self::Admin];

    /// The stable code, which is also its key in `[admin.roles]`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Clinical => "clinical",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether the role gives the right. The content of messages needs the clinical role, whatever else a
    /// person may do.
    #[must_use]
    pub const fn grants(self, right: Right) -> bool {
        match right {
            Right::See => true,
            Right::Content => matches!(self, Self::Clinical),
            Right::Operate => matches!(self, Self::Operator | Self::Admin),
            Right::Administer => matches!(self, Self::Admin),
        }
    }
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::See, Self::Content, Self::Operate, Self::Administer];

    /// The role that gives the right and the least besides.
    #[must_use]
    pub const fn least_role(self) -> Role {
        match self {
            Self::See => Role::Viewer,
            Self::Content => Role::Clinical,
            Self::Operate => Role::Operator,
            Self::Administer => Role::Admin,
        }
    }
}

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);
    /// Every role.
    pub const ALL: Self = Self(0b1111);

    /// The set with `role` in it.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role as u8)
    }

    /// Whether the role is in the set.
    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// The roles of the set.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }

    /// Whether no role is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of the roles gives the right.
    #[must_use]
    pub fn grant(self, right: Right) -> bool {
        self.iter().any(|role| role.grants(right))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::NONE, Self::with)
    }
}

/// The codes, separated by commas.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: Vec<_> = self.iter().map(Role::code).collect();
        f.write_str(&codes.join(", "))
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_gives_its_rights_and_content_needs_the_clinical_role() {
        let rights = |roles: Roles| Right::ALL.map(|right| roles.grant(right));
        assert_eq!(rights(Roles::NONE), [false; 4]);
        assert_eq!(rights([Role::Viewer].into_iter().collect()), [true, false, false, false]);
        assert_eq!(rights([Role::Clinical].into_iter().collect()), [true, true, false, false]);
        assert_eq!(rights([Role::Operator].into_iter().collect()), [true, false, true, false]);
        assert_eq!(rights([Role::Admin].into_iter().collect()), [true, false, true, true]);
        assert_eq!(rights(Roles::ALL), [true; 4]);
        assert_eq!(Roles::ALL.to_string(), "viewer, clinical, operator, admin");
    }

    #[test]
    fn the_least_role_of_a_right_gives_it() {
        assert!(Right::ALL.into_iter().all(|right| right.least_role().grants(right)));
    }
}
