"""A Component in a process of its own, for tests which stop or kill it: `client_program.py PORT NAME`.

It signs in, prints its full name, then sends every message with payload back to its sender.
"""

from __future__ import annotations

import sys

import zmq

from leco import Client

client = Client(zmq.Context(), int(sys.argv[1]), sys.argv[2]).signed_in()
print(client.full_name.decode(), flush=True)
while True:
    message = client.receive(patience=3600)
    if not client.answer_probe(message) and message.payload:
        client.send(message.sender, *message.payload, conversation=message.conversation_id)
