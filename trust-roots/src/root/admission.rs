//! Whether a signer may sign in a scope now: asked before its key is used, so that an alias that was pointed at another key
//! is an alarm, and not a signature that nobody accepts.
//!
//! Verifiers do not ask: they judge what was signed, by the time at which it was.

use countersign_common::{Algorithm, Code, Escaped, Explain, KeyId, PublicKey, Timestamp};

use super::Grant;
use crate::{Lapse, Role};

/// A key that the root does not let sign here now.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// It signs otherwise than the root says.
    #[error("key {}… signs with `{found}`, and root version {version} lists it for `{listed}`", key.short())]
    Algorithm {
        /// The key.
        key: KeyId,
        /// How it signs.
        found: Algorithm,
        /// How it must.
        listed: Algorithm,
        /// The root's version.
        version: u64,
    },
    /// Its time is over, or has not begun.
    #[error(
        "root version {version} does not let {} sign at {now}: {}",
        Escaped(name),
        reason(lapse)
    )]
    Lapsed {
        /// What the root calls it.
        name: String,
        /// Why not.
        lapse: Lapse,
        /// When it was asked.
        now: Timestamp,
        /// The root's version.
        version: u64,
    },
    /// It may do something else.
    #[error("root version {version} lets {} sign in `{}` as {}, not as {}", Escaped(name), Escaped(scope), roles(has), role.name())]
    Role {
        /// What the root calls it.
        name: String,
        /// The role that it must have.
        role: Role,
        /// Those that it has.
        has: Vec<Role>,
        /// The scope.
        scope: String,
        /// The root's version.
        version: u64,
    },
    /// It is not there.
    #[error(
        "{} is key {}…, which root version {version} does not list for `{}`; it lists: {}",
        Escaped(named), key.short(), Escaped(scope), listed_names(listed)
    )]
    Unlisted {
        /// What its holder calls it.
        named: String,
        /// The key.
        key: KeyId,
        /// The scope.
        scope: String,
        /// Who is listed.
        listed: Vec<String>,
        /// The root's version.
        version: u64,
    },
}

fn reason(lapse: &Lapse) -> String {
    match lapse {
        Lapse::Outside(window) => {
            let start = window.start.map(|start| format!("from {start}"));
            let end = window.end.map(|end| format!("until {end}"));
            let both: Vec<_> = start.into_iter().chain(end).collect();
            format!("its signatures count {}", both.join(" "))
        }
        Lapse::Revoked(_) => "it is revoked".to_owned(),
    }
}

fn roles(roles: &[Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    names.join(" and ")
}

fn listed_names(listed: &[String]) -> String {
    if listed.is_empty() {
        return "nobody".to_owned();
    }
    let names: Vec<_> = listed
        .iter()
        .map(|name| Escaped(name).to_string())
        .collect();
    names.join(", ")
}

impl NotAdmitted {
    /// Every code of these.
    pub const CODES: &'static [Code] = &[
        Code::new("algorithm-not-allowed"),
        Code::new("key-compromised"),
        Code::new("key-outside-validity"),
        Code::new("key-unknown"),
        Code::new("role-not-authorized"),
    ];
}

impl Explain for NotAdmitted {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Algorithm { .. } => "algorithm-not-allowed",
            Self::Lapsed {
                lapse: Lapse::Outside(_),
                ..
            } => "key-outside-validity",
            Self::Lapsed {
                lapse: Lapse::Revoked(_),
                ..
            } => "key-compromised",
            Self::Role { .. } => "role-not-authorized",
            Self::Unlisted { .. } => "key-unknown",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Algorithm { listed, .. } => format!("sign as the root says: `--algorithm {listed}`"),
            Self::Lapsed { .. } => {
                "sign with a key whose time is now: `countersign trust show` lists them".to_owned()
            }
            Self::Role { role, .. } => format!(
                "sign with a key of that role, or give this one the role: `countersign trust add-key --role {}`",
                role.name()
            ),
            Self::Unlisted { .. } => {
                "find out who pointed the alias at another key, or named it; if the key is to sign, add it: `countersign trust add-key`".to_owned()
            }
        }
    }
}

impl Grant<'_> {
    /// Whether a key, which its holder calls so, may sign documents of a role now.
    pub fn admits(
        &self,
        (key, named): (&PublicKey, &str),
        role: Role,
        now: Timestamp,
    ) -> Result<(), NotAdmitted> {
        let version = self.root().version();
        let scope = self.pattern().to_string();
        let Some((id, declared)) = self.listed(key) else {
            return Err(NotAdmitted::Unlisted {
                named: named.to_owned(),
                key: key.id().clone(),
                scope,
                listed: self.names(role),
                version,
            });
        };
        let name = self.root().key_name(id);
        let has: Vec<Role> = Role::ALL
            .into_iter()
            .filter(|role| self.scope().key_ids(*role).contains(id))
            .collect();
        if !has.contains(&role) {
            return Err(NotAdmitted::Role {
                name,
                role,
                has,
                scope,
                version,
            });
        }
        if declared.algorithm() != key.algorithm() {
            return Err(NotAdmitted::Algorithm {
                key: key.id().clone(),
                found: key.algorithm(),
                listed: declared.algorithm(),
                version,
            });
        }
        let admitted = self.root().term(id).admits(now);
        admitted.map_err(|lapse| NotAdmitted::Lapsed {
            name,
            lapse,
            now,
            version,
        })
    }

    /// The key of the scope with this material.
    fn listed(&self, key: &PublicKey) -> Option<(&String, &PublicKey)> {
        let ids = Role::ALL
            .into_iter()
            .flat_map(|role| self.scope().key_ids(role));
        ids.filter_map(|id| Some((id, self.root().keys().get(id)?.key.as_ref()?)))
            .find(|(_, declared)| declared.id() == key.id())
    }

    fn names(&self, role: Role) -> Vec<String> {
        let ids = self.scope().key_ids(role).iter();
        ids.map(|id| self.root().key_name(id)).collect()
    }
}
