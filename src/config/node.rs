//! Other nodes that a configuration describes.

use crate::auth::Key;
use crate::leco::{address, name};
use crate::limits;
use crate::spelling::meant;

/// Another node: where it is, and by which key it is known. In the file it is a table `[[nodes]]`; as a flag, only its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeRule {
    /// Its namespace; empty where that is not known.
    pub namespace: String,
    /// `host:port` of its Coordinator, which is joined; empty where others will tell.
    pub address: String,
    /// The key that it must have, in letters; empty where nothing else than `nodes_key` says.
    pub key: String,
}

impl NodeRule {
    /// Reads one table of the file.
    pub(super) fn from_table(table: &serde_json::Map<String, serde_json::Value>) -> Result<Self, String> {
        let mut one = Self::default();
        for (key, value) in table {
            let word = value.as_str().ok_or_else(|| format!("{key} of a node is a string"))?;
            match key.as_str() {
                "namespace" => word.clone_into(&mut one.namespace),
                "address" => word.clone_into(&mut one.address),
                "key" => word.clone_into(&mut one.key),
                other => {
                    let meant = meant(other, ["namespace", "address", "key"]);
                    let all = ", but namespace, address and key";
                    return Err(format!("a node has no '{key}'{}", if meant.is_empty() { all } else { &meant }));
                }
            }
        }
        one.check().map(|()| one)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let Self { namespace, address, key } = self;
        if namespace.is_empty() && address.is_empty() {
            return Err("a node has a namespace or an address".to_owned());
        }
        if !namespace.is_empty() && !name::is_legal(namespace.as_bytes()) {
            return Err(format!("'{namespace}' is not a namespace"));
        }
        if address.len() > limits::ADDRESS_BYTES_MAX || (!address.is_empty() && address::with_port(address).is_none()) {
            return Err(format!("'{address}' is not an address, host:port"));
        }
        if !key.is_empty() && Key::parse(key).is_none() {
            return Err(format!("'{key}' is not a public key, 40 letters of Z85"));
        }
        Ok(())
    }

    /// The table as the file has it.
    pub(super) fn to_table(&self) -> String {
        let mut text = "\n[[nodes]]\n".to_owned();
        for (key, word) in [("namespace", &self.namespace), ("address", &self.address), ("key", &self.key)] {
            text.push_str(&format!("{key} = {}\n", serde_json::Value::from(word.as_str())));
        }
        text
    }
}
