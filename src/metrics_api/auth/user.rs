//! A user as Kubernetes describes one.

use std::collections::BTreeMap;

const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const MASTERS: &str = "system:masters";

/// A user with a verified identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    /// The name that roles refer to.
    pub name: String,
    /// Distinguishes users who had the same name at different times; often empty.
    pub uid: String,
    /// The groups of the user.
    pub groups: Vec<String>,
    /// Further attributes from the authenticator.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Adds the group `system:authenticated`, which every verified user has.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        let placed = self.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED);
        if !placed && !self.is_anonymous() {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// Whether this is the anonymous user.
    pub fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }

    /// Whether the user has all rights without a review.
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authenticated_group_is_given_once() {
        let user = User { name: "joe".into(), ..User::default() }.authenticated();
        assert_eq!(user.groups, [AUTHENTICATED]);
        assert_eq!(user.clone().authenticated(), user);
        let nobody = User { name: ANONYMOUS.into(), groups: vec![UNAUTHENTICATED.into()], ..User::default() };
        assert_eq!(nobody.clone().authenticated(), nobody);
    }
}
