"""A recording of a made-up city, as large as it is asked for: for measuring."""

import random

from driver import pack

SIDE = 10_000
BLOCK = 8_000


def square(x, y, size, neighbour):
    points = [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]
    point = lambda at: {"x": at[0], "y": at[1]}  # noqa: E731
    return [{"start": point(a), "end": point(b), **({"adjacent": neighbour} if n == 0 and neighbour else {})}
            for n, (a, b) in enumerate(zip(points, points[1:] + points[:1]))]


def recording(path, areas, humans, blockades, steps, seed=1):
    """Writes a recording with so many areas, half of them roads."""
    chance = random.Random(seed)
    columns = int(areas**0.5)
    places, entities, world = [], [], []
    for n in range(areas):
        x, y = n % columns * SIDE, n // columns * SIDE
        kind = "Road" if (n % columns + n // columns) % 2 else "Building"
        places.append((x + BLOCK // 2, y + BLOCK // 2))
        entities.append({"id": n + 1, "type": kind, "x": x + BLOCK // 2, "y": y + BLOCK // 2, "edges": square(x, y, BLOCK, n if n else None), "neighbours": [n] if n else []})
        world.append({"id": n + 1, "type": kind, **({"broken": n % 100, "fiery": 2 if n % 400 == 0 else 0} if kind == "Building" else {})})
    kinds = ["Civilian", "TacticsFire", "TacticsPolice", "TacticsAmbulance"]
    people = []
    for n in range(humans):
        x, y = chance.choice(places)
        people.append({"id": 100_000 + n, "type": kinds[n % 4], "x": x, "y": y, "hp": chance.choice([10000, 9000, 5000, 900]), "buried": 0})
    for n in range(blockades):
        x, y = chance.choice(places)
        apexes = [{"x": x + dx, "y": y + dy} for dx, dy in ((0, 0), (3000, 500), (2000, 3000), (-500, 2000))]
        world.append({"id": 200_000 + n, "type": "Blockade", "x": x, "y": y, "apexes": apexes, "repairCost": 20})
    world += [dict(one) for one in people]
    log = {"0": {"time": 0, "world": world}}
    for step in range(1, steps + 1):
        changes = []
        for one in people:
            history = [{"x": one["x"], "y": one["y"]}]
            one["x"] += chance.randrange(-20_000, 20_000)
            one["y"] += chance.randrange(-20_000, 20_000)
            history.append({"x": one["x"], "y": history[0]["y"]})
            changes.append({"id": one["id"], "type": one["type"], "x": one["x"], "y": one["y"], "history": history})
        commands = [{"id": one["id"], "type": "Move", "path": [1, 2, 3]} for one in people[: humans // 2]]
        log[str(step)] = {"time": step, "changes": changes, "commands": commands}
    whole = {"version": 1, "maxTimeStep": steps, "mapName": "city",
             "map": {"width": float(columns * SIDE), "height": float(areas // columns * SIDE), "x": 0.0, "y": 0.0, "entities": entities},
             "config": {"kernel.timesteps": str(steps), "kernel.agents.think-time": "200"}, "log": log}
    with open(path, "wb") as file:
        file.write(pack(whole))
