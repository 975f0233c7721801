//! Our own keys, and what is to be spoken with those who come and with those whom we dial.

use core::fmt;
use core::net::SocketAddr;

use crate::auth::{Key, Origin, Users};
use crate::config::{Config, NodeRule};
use crate::hub::doors::{Entropy, SecretKey, Secrets};
use crate::leco::address;
use crate::zmtp::mechanism::seal::{KeyPair, Secret};
use crate::zmtp::mechanism::{Handshake, Offer};
use crate::zmtp::{Fault, SocketType};

/// Keys, and chance to make others from.
#[derive(Default)]
pub(in crate::hub) struct Keyring {
    /// What we show to those who come.
    server: Option<KeyPair>,
    /// What we show to those whom we dial.
    client: Option<KeyPair>,
    chance: Option<Entropy>,
    is_dry: bool,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("has_server", &self.server.is_some()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// One with these keys, which are wiped where they were.
    pub(in crate::hub) fn new(secrets: Secrets, chance: Entropy) -> Result<Self, String> {
        let pair = |mut key: SecretKey, whose: &str| {
            let pair = KeyPair::of(Secret::of(&mut key.secret));
            let fits = key.public.is_none_or(|public| public == pair.public);
            if fits { Ok(pair) } else { Err(format!("{whose}: the public key does not belong to the secret one")) }
        };
        let server = secrets.server.map(|key| pair(key, "server_key")).transpose()?;
        let client = secrets.client.map(|key| pair(key, "client_key")).transpose()?.or_else(|| server.clone());
        Ok(Self { server, client, chance: Some(chance), is_dry: false })
    }

    /// The public key that is shown to those who come, in letters.
    pub(in crate::hub) fn public(&self) -> Option<String> {
        self.server.as_ref().map(|pair| Key(pair.public).to_string())
    }

    /// Chance, for whoever needs some.
    pub(in crate::hub) fn chance(&mut self) -> impl FnMut(&mut [u8]) {
        let Self { chance, is_dry, .. } = self;
        *is_dry = false;
        move |place: &mut [u8]| *is_dry |= !chance.as_mut().is_some_and(|chance| chance(place))
    }

    /// What is to be done where whoever has come, or a node whom we dial, and we do not come together.
    pub(super) fn cure(&self, fault: Fault, is_dialled: bool) -> Option<String> {
        if !is_dialled {
            let ours = self.public().filter(|_| fault == Fault::CurveHello);
            return ours.map(|ours| format!("give it this node's key, {ours}"));
        }
        if let Fault::RefusedByPeer(_) = fault {
            let ours = self.client.as_ref().map_or_else(String::new, |pair| Key(pair.public).to_string());
            return Some(format!("there must be a user of the role node there with this node's key, {ours}"));
        }
        if fault == Fault::CurveWelcome {
            return Some("see that [[nodes]] or nodes_key has the key that it has".to_owned());
        }
        let speaks_another = matches!(fault, Fault::Wanted { .. });
        speaks_another.then(|| "give it a server_key, and let it ask who comes (auth)".to_owned())
    }

    /// There was no chance when some was needed: what was made without it can be guessed.
    pub(in crate::hub) const fn is_dry(&self) -> bool {
        self.is_dry
    }

    /// What is spoken with whoever comes from there. Nothing where nobody is asked who he is: then all is said at once.
    pub(super) fn listening(&self, users: &Users, remote: SocketAddr, ours: SocketType) -> Option<Handshake> {
        if users.is_off() {
            return None;
        }
        let address = remote.ip();
        let offer = Offer {
            null: users.by_address(address).is_some(),
            plain: users.takes_tokens_from(Origin::open(address.to_canonical())),
            curve: self.server.clone(),
        };
        Some(Handshake::listening(ours, offer))
    }

    /// What is spoken with a node that we dial: CURVE, where we know the key that it must have. Where all nodes have one key that is ours.
    pub(in crate::hub) fn dialling(
        &self,
        config: &Config,
        users: &Users,
        (ours, at): (SocketType, &str),
        namespace: Option<&[u8]>,
    ) -> Option<Handshake> {
        let client = self.client.clone()?;
        let is_it = |node: &&NodeRule| {
            let is_there = address::with_port(&node.address).is_some_and(|address| *address == *at);
            is_there || namespace.is_some_and(|namespace| *namespace == *node.namespace.as_bytes())
        };
        let of_rule = config.nodes.iter().filter(|node| !node.key.is_empty()).find(is_it);
        let named = of_rule.map_or(&*config.nodes_key, |node| &*node.key);
        let server = match Key::parse(named) {
            Some(Key(key)) => key,
            None if users.is_off() => return None,
            None => self.server.as_ref()?.public,
        };
        Some(Handshake::dialling(ours, server, client))
    }
}
