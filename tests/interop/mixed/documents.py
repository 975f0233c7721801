"""What is handed in, as its author writes it and as it is heard."""

from __future__ import annotations

import random
from typing import Optional

#: What those of GMU can read, and what they cannot.
NAMESPACES = ("http://www.sisostds.org/schemas/C2SIM/1.1", "http://www.sisostds.org/schemas/C2SIM/2.0.0-cwix2026")
TRIGGERS = {"PAUSE_SCENARIO": "PauseScenario", "RESUME_SCENARIO": "ResumeScenario", "STOP_SCENARIO": "StopScenario"}

#: Letters of a document's text; from 64 KiB on it goes past the ring of whoever hears it.
SIZES = (*[10] * 8, *[200] * 6, *[2000] * 4, 20_000)
LARGE = 70_000


def mark(author: str, number: int, *, order: bool, foreign: bool) -> str:
    """The name of a document. All that it says follows from it."""
    return f"{author}-{number}{'o' if order else 'r'}{'f' if foreign else 'n'}"


def author_of(name: str) -> str:
    return name.split("-")[0]


def is_foreign(name: str) -> bool:
    return name.endswith("f")


def header(sender: str, namespace: str) -> str:
    return (
        f'<Message xmlns="{namespace}"><C2SIMHeader><CommunicativeActTypeCode>Inform</CommunicativeActTypeCode>'
        "<ConversationID>11111111-2222-4333-8444-555555555555</ConversationID>"
        f"<FromSendingSystem>{sender}</FromSendingSystem><MessageID>aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee</MessageID>"
        "<Protocol>SISO-STD-C2SIM</Protocol><ProtocolVersion>1.0.2</ProtocolVersion>"
        "<ToReceivingSystem>ALL</ToReceivingSystem></C2SIMHeader>"
    )


def document(name: str) -> tuple[str, str]:
    """A document as its author writes it, and as it is written on one line."""
    dice = random.Random(name)
    size = LARGE + dice.randrange(LARGE) if dice.random() < 0.015 else dice.choice(SIZES)
    words = [f"w{dice.randrange(10**6)}" for _ in range(8)]
    text = " ".join(words)
    text = (text * (1 + size // len(text)))[:size] + "."
    kind = "OrderBody" if name[-2] == "o" else "ReportBody"
    head = header(author_of(name), NAMESPACES[is_foreign(name)])
    parts = [head, "<MessageBody>", "<DomainMessageBody>", f"<{kind}>", f"<Mark>{name}</Mark>"]
    ends = [f"</{kind}>", "</DomainMessageBody>", "</MessageBody>", "</Message>"]
    end = f"{words[0]} &amp; ä &lt;</Text>"
    line = "".join([*parts, f"<Text>{text}&#10;{end}", *ends])
    if dice.random() < 0.5:
        return line, line
    comment = ["<!-- nobody needs\nto know -->"] if dice.random() < 0.3 else []
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    return "\n  ".join([declaration, *parts, *comment, f"<Text>{text}\n{end}", *ends]) + "\n", line


def trigger(sender: str, element: str) -> str:
    body = f"<SystemMessageBody><{element}/></SystemMessageBody>"
    return f"{header(sender, NAMESPACES[0])}<MessageBody>{body}</MessageBody></Message>"


def difference(heard: str, due: str) -> str:
    """Where two texts begin to differ."""
    at = next((at for at, (a, b) in enumerate(zip(heard, due)) if a != b), min(len(heard), len(due)))
    return f"{len(heard)} letters for {len(due)}, from {at} on {heard[at:at + 80]!r} for {due[at:at + 80]!r}"


def item_of(text: str) -> Optional[list[str]]:
    """What a document is, if it is one of these."""
    if "<Mark>" in text:
        return ["document", text.split("<Mark>", 1)[1].split("</Mark>", 1)[0]]
    found = [element for element in TRIGGERS.values() if f"<{element}" in text]
    return ["trigger", found[0]] if found else None
