//! Who we are to the Coordinator, and how we come to a name.

use serde_json::{Value, json};

use super::error::ErrorObject;
use crate::leco::name::{COORDINATOR, FullName, is_legal};
use crate::leco::rpc::DUPLICATE_NAME;
use crate::limits::CLIENT_SIGN_INS_MAX;

/// What comes of a refused sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterRefusal {
    /// Another attempt at once, with another name or without a wish that the Coordinator does not know.
    Again,
    /// The same attempt after a pause: our name is still somebody's, perhaps our own lost connection's.
    Later,
    /// There is no use in another attempt on this connection.
    Final,
}

/// Our names.
#[derive(Debug)]
pub(super) struct Identity {
    /// Component name that the owner wants, and the one that we have.
    wanted: String,
    name: String,
    namespace: String,
    /// We were signed in before: the name is ours.
    is_known: bool,
    varies: bool,
    /// The sign-in asks for a suggestion; a Coordinator may not know that.
    suggest: bool,
    /// Sign-ins refused since we last came in.
    refusals: u32,
}

impl Identity {
    /// Nobody knows us yet. With `varies`, a free variation of the name will do.
    pub(super) fn new(wanted: &str, varies: bool) -> Self {
        let (wanted, name, namespace) = (wanted.to_owned(), wanted.to_owned(), String::new());
        Self { wanted, name, namespace, is_known: false, varies, suggest: varies, refusals: 0 }
    }

    /// Component name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn full_name(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}.{}", self.namespace, self.name) }
    }

    /// Whether we have been signed in.
    pub(super) const fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether this is the name of our Coordinator.
    pub(super) fn is_coordinator(&self, full_name: &str) -> bool {
        let full = FullName::split(full_name.as_bytes());
        full.name == COORDINATOR && full.namespace == self.namespace.as_bytes()
    }

    /// The parameters of a sign-in.
    pub(super) fn wishes(&self) -> Value {
        if self.suggest && !self.is_known { json!({"suggest": true}) } else { Value::Null }
    }

    /// The Coordinator lets us in. It answers by its full name: that is how a Component learns its namespace.
    pub(super) fn accepted(&mut self, coordinator: &str) {
        let namespace = FullName::split(coordinator.as_bytes()).namespace;
        self.namespace = String::from_utf8_lossy(namespace).into_owned();
        self.is_known = true;
        self.refusals = 0;
    }

    /// The Coordinator refuses.
    pub(super) fn refused(&mut self, error: &ErrorObject) -> AfterRefusal {
        let is_taken = error.code == i64::from(DUPLICATE_NAME.code);
        self.refusals = self.refusals.saturating_add(1);
        if self.is_known {
            return if is_taken { AfterRefusal::Later } else { AfterRefusal::Final };
        }
        if !self.varies || self.refusals >= CLIENT_SIGN_INS_MAX {
            return AfterRefusal::Final;
        }
        if is_taken {
            let suggestion = error.data.get("suggestion").and_then(Value::as_str);
            let suggestion = suggestion.filter(|name| is_legal(name.as_bytes())).map(str::to_owned);
            self.name = suggestion.unwrap_or_else(|| format!("{}_{}", self.wanted, self.refusals + 1));
            return AfterRefusal::Again;
        }
        // A Coordinator that makes no suggestions has a sign_in without parameters.
        if core::mem::take(&mut self.suggest) { AfterRefusal::Again } else { AfterRefusal::Final }
    }
}
