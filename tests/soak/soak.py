#!/usr/bin/env python3
"""Three nodes under chance: clients that send, stall, go and come back, nodes that are frozen, stopped and killed, a session on a slow disk.

Every message has an id, and at the end each one has been delivered once and in order, or answered with an error, or there is a reason
that can be named (see account.py). Needs Python 3 and the built program (cargo build --release; or INSTEP_BIN=path), nothing else.

    tests/soak/soak.py                 seeds 0 to 9
    tests/soak/soak.py 0:100 --jobs 2  a hundred seeds, in two processes
    tests/soak/soak.py 7               seed 7 alone; its story is told with --story

A seed decides what is done and when; how the machine interleaves it is another chance each time.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import random
import selectors
import sys
import time
from collections import Counter
from typing import Any, Optional

import wire
from account import CUTS, DROPS, UNKNOWN_ENDS, Account, Fault
from mesh import Mesh, Node
from party import Party
from people import Client

#: Clients at each node, and how long a run is in chaos; after that it has so long to come to rest.
CLIENTS_PER_NODE, CHAOS_SECONDS, REST_SECONDS = 4, 1.3, 8.0
#: Nothing has happened for so long: nothing more will. Longer than any deadline of the nodes.
QUIET_SECONDS = 1.0
#: A turn of this program that took so long may have cost clients their links.
LATE_SECONDS = 0.15
#: What one run may send.
MESSAGES_MAX, BYTES_MAX = 6000, 60_000_000
#: Runs that share one mesh.
RUNS_PER_MESH = 10

SIZES = (0, 0, 40, 300, 300, 3000, 30_000, 100_000)
ACTIONS = ("still", "still", "long still", "reset", "leave", "freeze", "long freeze", "stop", "kill", "flood", "disk")


class Run:
    """One seed over a mesh."""

    def __init__(self, seed: int, mesh: Mesh) -> None:
        self.seed, self.mesh = seed, mesh
        self.dice = random.Random(seed)
        self.account = Account(seed)
        self.story: list[tuple[float, str]] = []
        self.began = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.watched: dict[Client, tuple[Any, int]] = {}
        self.clients = [
            Client(f"c{seed}-{node}{n}", node, mesh.nodes[node].port, self.account, self.say)
            for node in range(len(mesh.nodes))
            for n in range(CLIENTS_PER_NODE)
        ]
        for client in self.clients:
            client.closing = functools.partial(self.forget, client)
        self.last_turn = time.monotonic()
        # What this run is like.
        self.actions = self.dice.sample(ACTIONS, self.dice.randint(1, 5))
        self.action_gap = self.dice.choice([0.05, 0.15, 0.3])
        self.sizes = self.dice.sample(SIZES, self.dice.randint(1, 4))
        self.burst = self.dice.choice([1, 10, 60])
        self.bytes = 0
        self.drops = 0
        self.has_frozen = False
        self.unknown_ends = [0, 0, 0]
        self.cuts = [0, 0, 0]
        self.base: list[dict[str, int]] = [{}, {}, {}]

    def say(self, what: str) -> None:
        self.story.append((time.monotonic(), what))

    # ---- A life ----

    def play(self) -> list[Fault]:
        self.turn_until(lambda: all(client.is_in for client in self.clients), REST_SECONDS, "all clients are in")
        self.meet()
        self.party = Party(self.clients[0], self.clients[1::CLIENTS_PER_NODE], self.say)
        self.party.gather()
        self.turn_until(self.party.is_gathered, 10.0, "all members have joined")
        self.party.begin()
        self.base = [self.counters(node) for node in self.mesh.nodes]
        for node in self.mesh.nodes:
            node.last_counts()
        self.say(f"chaos begins: {self.actions}, sizes {self.sizes}, bursts of {self.burst}")
        self.chaos()
        self.calm()
        for n, node in enumerate(self.mesh.nodes):
            self.take_count(n, node)
        killed = [node.killed for node in self.mesh.nodes]
        frozen = [node.frozen for node in self.mesh.nodes]
        faults = self.account.judge(killed, frozen, self.drops, self.unknown_ends, self.cuts)
        faults += self.party.judge(self.is_unharmed, time.monotonic())
        self.account.reasons["events heard"] += sum(map(len, self.party.heard.values()))
        for client in self.clients:
            client.close(reset=True, back_in=3600)
        self.selector.close()
        return faults

    def is_unharmed(self, client: Client) -> bool:
        """Whether nothing has happened in this run that may have cost a member an event."""
        way = (self.mesh.nodes[0], self.mesh.nodes[client.node])
        harmed = any(moment > self.began for node in way for moment in [*node.killed, *node.stopped])
        return not harmed and client.life is not None and not client.life.has_stood_still and not self.has_frozen

    def meet(self) -> None:
        """Waits until messages go from each node to each other."""
        def met() -> bool:
            for client in self.clients[::CLIENTS_PER_NODE]:
                for node in range(len(self.mesh.nodes)):
                    if (client.node, node) not in reached:
                        asked = bytes([255, client.node, node]) + bytes(13)
                        client.say_to(f"N{node + 1}.COORDINATOR", asked, wire.JSON, wire.request("pong"))
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                self.turn()
            return len(reached) == len(self.mesh.nodes) ** 2

        reached: set[tuple[int, int]] = set()

        def hear(heard: wire.Heard) -> None:
            if heard.conversation[0] == 255 and "result" in heard.json():
                reached.add((heard.conversation[1], heard.conversation[2]))

        for client in self.clients:
            client.other = hear
        self.turn_until(met, 15.0, "all nodes are linked")

    def chaos(self) -> None:
        ends = time.monotonic() + CHAOS_SECONDS
        next_action = next_trigger = time.monotonic()
        next_burst = {client: time.monotonic() for client in self.clients}
        while (now := time.monotonic()) < ends:
            if now >= next_action:
                self.act()
                next_action = now + self.dice.uniform(0, 2 * self.action_gap)
            if now >= next_trigger:
                self.party.act()
                next_trigger = now + self.dice.uniform(0, 0.1)
            for client in self.clients:
                if now >= next_burst[client]:
                    self.send_burst(client)
                    next_burst[client] = now + self.dice.choice([0.0, 0.01, 0.05])
            self.turn()

    def calm(self) -> None:
        """All go on, and what is on its way arrives."""
        self.say("calm")
        for client in self.clients:
            client.reads_from = 0.0
        for node in self.mesh.nodes:
            node.thaw()
            node.slow_disk(0)
        ends = time.monotonic() + REST_SECONDS
        last, at = None, time.monotonic()
        while (now := time.monotonic()) < ends:
            self.turn()
            state = (self.account.open(), len(self.account.lives), sum(life.taken for life in self.account.lives))
            if state != last:
                last, at = state, now
            settled = all(client.is_in for client in self.clients) and all(node.is_up() for node in self.mesh.nodes)
            if settled and (now - at > QUIET_SECONDS or (state[0] == 0 and now - at > 0.1)):
                return
        self.say("it did not come to rest")

    # ---- What is done ----

    def send_burst(self, client: Client) -> None:
        if not self.has_budget():
            return
        receivers = self.dice.sample(self.clients, self.dice.randint(1, 2))
        for _ in range(self.dice.randint(1, self.burst)):
            if client.has_room():
                self.send(client, self.dice.choice(receivers), self.dice.choice(self.sizes))

    def send(self, client: Client, receiver: Client, size: int) -> None:
        client.send(receiver.full, receiver.node, size)
        self.bytes += size

    def has_budget(self) -> bool:
        return len(self.account.all) < MESSAGES_MAX and self.bytes < BYTES_MAX

    def act(self) -> None:
        action = self.dice.choice(self.actions)
        client, node = self.dice.choice(self.clients), self.dice.choice(self.mesh.nodes)
        if action == "still":
            client.stand_still(self.dice.uniform(0.05, 0.4))
        elif action == "long still":
            client.stand_still(self.dice.uniform(0.5, 1.5))
        elif action in ("reset", "leave"):
            client.close(action == "reset", self.dice.uniform(0, 0.3))
        elif action == "flood":
            self.flood(client)
        elif action == "disk":
            wait = self.dice.choice([0, 5, 50, 400])
            self.say(f"each sync of the disk takes {wait} ms")
            self.mesh.nodes[0].slow_disk(wait)
        elif node.is_up():
            self.harm(node, action)

    def flood(self, receiver: Client) -> None:
        """Much for one who does not read."""
        receiver.stand_still(self.dice.uniform(0.2, 1.2))
        for client in self.dice.sample(self.clients, 4):
            for _ in range(60):
                if client.has_room() and self.has_budget():
                    self.send(client, receiver, self.dice.choice([40, 60_000, 100_000]))

    def harm(self, node: Node, action: str) -> None:
        if action in ("freeze", "long freeze"):
            span = self.dice.uniform(0.05, 0.4) if action == "freeze" else self.dice.uniform(0.4, 1.6)
            self.say(f"{node.name} is frozen for {span:.2f} s")
            self.has_frozen = True
            node.freeze(span)
        elif not any(other.stopping_since for other in self.mesh.nodes):
            if action == "stop" and not node.frozen_until:
                self.say(f"{node.name} is told to end")
                node.stop()
            elif action == "kill":
                self.say(f"{node.name} is killed")
                self.base[self.mesh.nodes.index(node)] = {}
                node.kill()

    # ---- The loop ----

    def turn(self) -> None:
        """Does what can be done, within some milliseconds."""
        now = time.monotonic()
        if now - self.last_turn > LATE_SECONDS:
            # It is we who were slow, and all have stood still.
            self.say(f"this program stood still for {now - self.last_turn:.2f} s")
            for client in self.clients:
                if client.life is not None:
                    client.life.has_stood_still = True
        self.last_turn = now
        self.mesh.tend()
        for client in self.clients:
            client.begin(now)
            self.watch(client, now)
        for key, events in self.selector.select(0.005):
            client = key.data
            if events & selectors.EVENT_WRITE and client.socket is key.fileobj:
                client.write()
            if events & selectors.EVENT_READ and client.socket is key.fileobj:
                client.read()
            self.watch(client, now)

    def watch(self, client: Client, now: float) -> None:
        wanted = (client.socket, client.wants(now) if client.socket is not None else 0)
        before = self.watched.get(client, (None, 0))
        if wanted == before:
            return
        if before[1]:
            self.selector.unregister(before[0])
        if wanted[1]:
            self.selector.register(wanted[0], wanted[1], client)
        self.watched[client] = wanted

    def forget(self, client: Client) -> None:
        before = self.watched.pop(client, (None, 0))
        if before[1]:
            self.selector.unregister(before[0])

    def turn_until(self, done: Any, patience: float, what: str) -> None:
        ends = time.monotonic() + patience
        while not done():
            self.turn()
            if time.monotonic() > ends:
                raise RuntimeError(f"not within {patience} s: {what}\n{self.told(None)}")

    # ---- Counters ----

    def counters(self, node: Node) -> dict[str, int]:
        return {name: value for name, value in ask_counters(node.port).items() if isinstance(value, int)}

    def take_count(self, n: int, node: Node) -> None:
        """Adds what a node has counted since the run began: in the lives that it told of at their ends, and in the one it lives now."""
        for counted in [*node.last_counts(), self.counters(node)]:
            self.drops += sum(counted.get(name, 0) - self.base[n].get(name, 0) for name in DROPS)
            self.cuts[n] += sum(counted.get(name, 0) - self.base[n].get(name, 0) for name in CUTS)
            self.unknown_ends[n] += counted.get(UNKNOWN_ENDS, 0) - self.base[n].get(UNKNOWN_ENDS, 0)
            self.base[n] = {}

    def told(self, at: Optional[float]) -> str:
        """The story, or what of it was around a moment."""
        near = [(when, what) for when, what in self.story if at is None or at - 0.7 <= when <= at + 1.5]
        return "\n".join(f"    {when - self.began:7.3f} {what}" for when, what in near)


def ask_counters(port: int) -> dict[str, Any]:
    """What `send_counters` says, asked over a connection of its own."""
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
        asked = bytes([254]) * 16
        name = b"counts%d" % (time.monotonic_ns() % 10**9)
        link.sendall(wire.opening())
        link.sendall(wire.message(b"COORDINATOR", name, bytes(16), wire.JSON, wire.request("sign_in")))
        link.sendall(wire.message(b"COORDINATOR", name, asked, wire.JSON, wire.request("send_counters")))
        reader = wire.Reader()
        while data := link.recv(1 << 16):
            for heard in reader.feed(data):
                if heard.conversation == asked:
                    return heard.json().get("result") or {}
    raise OSError("the link ended")


def describe(fault: Fault, run: Run) -> str:
    message = f"{fault.message}" if fault.message else ""
    told = [f"  seed {run.seed}, at {fault.at - run.began:.3f}: {message} {fault.what}"]
    if fault.message:
        life = fault.message.life
        after = [f"{sent.place}{'+' if sent.came else '!' if sent.errors else '?'}" for sent in life.sent[fault.message.place - 3 : fault.message.place + 8]]
        told.append(f"    its neighbours in {life} (+ came, ! refused, ? nothing): {' '.join(after)}; sent {life.taken} of {life.queued} B")
    return "\n".join(told)


def play_group(seeds: list[int], story: bool) -> tuple[int, list[int], Counter[str]]:
    """Plays seeds over one mesh; gives how many were played, which failed, and what became of the messages."""
    failed: list[int] = []
    reasons: Counter[str] = Counter()
    mesh = Mesh(seeds[0])
    try:
        for seed in seeds:
            run = Run(seed, mesh)
            try:
                faults = run.play()
            except RuntimeError as error:
                faults = [Fault(str(error), None, time.monotonic())]
            reasons += run.account.reasons
            if story or faults:
                print(f"seed {seed}, nodes with {' '.join(mesh.flags[1:])}, {time.monotonic() - run.began:.1f} s: {dict(run.account.reasons)}")
            if story:
                print(run.told(None))
            if faults:
                failed.append(seed)
                kinds = Counter(fault.what.split(":")[0] for fault in faults)
                print(f"seed {seed}: FAILED, {dict(kinds)}")
                print("\n".join(describe(fault, run) for fault in faults[:6]))
                print(run.told(faults[0].at))
                for node in mesh.nodes:
                    print(f"  {node.name}:\n{node.log_around(faults[0].at)}")
                mesh.close()
                mesh = Mesh(seeds[0])
    finally:
        mesh.close()
    sys.stdout.flush()
    return len(seeds), failed, reasons


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", nargs="?", default="0:10", help="one seed, or FIRST:END (default 0:10)")
    parser.add_argument("--jobs", type=int, default=1, help="meshes at a time (default 1)")
    parser.add_argument("--story", action="store_true", help="tell of every run what happened")
    given = parser.parse_args()
    first, _, end = given.seeds.partition(":")
    seeds = list(range(int(first), int(end) if end else int(first) + 1))
    groups = [(seeds[at : at + RUNS_PER_MESH], given.story) for at in range(0, len(seeds), RUNS_PER_MESH)]
    began = time.monotonic()
    if given.jobs > 1:
        with multiprocessing.Pool(given.jobs) as pool:
            results = pool.starmap(play_group, groups, chunksize=1)
    else:
        results = [play_group(*group) for group in groups]
    failed = sorted(seed for _, some, _ in results for seed in some)
    reasons = sum((some for _, _, some in results), Counter())
    took = time.monotonic() - began
    print(f"{len(seeds)} seeds in {took:.0f} s: {', '.join(f'{n} {why}' for why, n in sorted(reasons.items()))}")
    print(f"{len(failed)} failed: {failed}" if failed else "nothing was lost, doubled or out of order")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
