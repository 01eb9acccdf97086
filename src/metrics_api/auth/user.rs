//! A user as Kubernetes describes one. Plain data.

use std::collections::BTreeMap;

const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const MASTERS: &str = "system:masters";

/// Somebody whose identity is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    /// The name that permissions are given to.
    pub name: String,
    /// Tells apart users that had the same name at different times; often empty.
    pub uid: String,
    /// The groups the user is in.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Puts the user into `system:authenticated`, as every verified one is.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        let placed = self.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED);
        if !placed && !self.is_anonymous() {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// Whether this is the user that stands for nobody.
    pub fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }

    /// Whether the user may do everything, without asking.
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
