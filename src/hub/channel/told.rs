//! What is told of a channel: who publishes, who subscribes to what, and who goes without.

use crate::counters::count;
use crate::hub::doors::Channel;
use crate::hub::peers::{Peers, Side};
use crate::leco::json::Json;
use crate::leco::name::shown;

use super::Channels;
use super::gatherers::State;
use super::instance::Instance;
use super::last::Lasts;
use super::link::Link;

/// How many connections of a kind, and topics, are told of; all are counted.
const MOST: usize = 200;
/// How many topics of one subscriber.
const MOST_OF_ONE: usize = 20;

impl Channels {
    /// Who publishes in a channel, who subscribes, what to, and which gatherers it is connected to, as JSON.
    pub(in crate::hub) fn told(&self, peers: &Peers, channel: Channel) -> String {
        let instance = self.of(channel);
        let (topics, subscriptions) = instance.topics.counts();
        let mut json = Json::default();
        json.object(|json| {
            json.key("channel").text(channel.word());
            links(json, "publishers", instance, peers, |side| side == Side::Publisher);
            links(json, "subscribers", instance, peers, |side| side == Side::Subscriber);
            links(json, "nodes", instance, peers, |side| matches!(side, Side::Distributor | Side::Gatherer(_)));
            json.key("topics").array(|json| {
                for (topic, [messages, bytes]) in instance.topics.iter().take(MOST) {
                    let (subscribers, nodes) = topic.wanted_by();
                    json.object(|json| {
                        json.key("topic").text(&shown(&topic.name));
                        json.key("subscribers").number(count(subscribers));
                        json.key("nodes").number(count(nodes));
                        json.key("messages").number(messages);
                        json.key("bytes").number(bytes);
                    });
                }
            });
            json.key("topics_in_all").number(count(topics));
            json.key("subscriptions").number(count(subscriptions));
            if let Some((topics, bytes)) = instance.lasts.as_ref().map(Lasts::counts) {
                json.key("last_values").number(count(topics));
                json.key("last_values_bytes").number(count(bytes));
            }
            json.key("gatherers").array(|json| {
                for (_, gatherer) in self.gatherers.of(channel).take(MOST) {
                    json.object(|json| {
                        json.key("address").text(&gatherer.address);
                        json.key("connected").truth(matches!(gatherer.state, State::Up(_)));
                        json.key("of_node").truth(gatherer.node.is_some());
                    });
                }
            });
        });
        json.into_text()
    }
}

fn links(json: &mut Json, key: &str, instance: &Instance, peers: &Peers, is_meant: impl Fn(Side) -> bool) {
    let all = || instance.links.iter().filter(|(_, link)| is_meant(link.side));
    json.key(key).array(|json| {
        for (key, link) in all().take(MOST) {
            let Some(peer) = peers.get(*key) else { continue };
            json.object(|json| {
                json.key("address").text(&peer.remote.to_string());
                json.key("user").text(peers.user_name(*key));
                json.key("age_s").number(peers.now.since(peer.traffic.opened).0 / 1000);
                json.key("waiting_bytes").number(count(peer.waiting()));
                if link.side.is_source() {
                    json.key("messages").number(link.messages);
                    json.key("bytes").number(link.bytes);
                    json.key("topic").text(&shown(&link.topic));
                } else {
                    json.key("messages").number(peer.messages_out + u64::from(peer.put_in));
                    json.key("bytes").number(peer.bytes_out);
                    json.key("drops").number(link.drops);
                    topics(json, instance, link);
                }
            });
        }
    });
    json.key(&format!("{key}_in_all")).number(count(all().count()));
}

fn topics(json: &mut Json, instance: &Instance, link: &Link) {
    json.key("topics").array(|json| {
        let found = link.subscriptions.iter().filter_map(|key| instance.topics.get(key));
        found.take(MOST_OF_ONE).for_each(|topic| json.text(&shown(&topic.name)));
    });
    json.key("topics_in_all").number(count(link.subscriptions.len()));
}
