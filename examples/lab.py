"""A lab with pyleco: an Actor that measures and publishes, a Director that sets it, a DataLogger that keeps what it publishes.

    instep &
    python3 examples/lab.py [PORT]

Needs pyleco (pip install pyleco). Each of the three may as well be a program of its own, on any machine of the network.
"""

import sys
import time
from threading import Thread

from pyleco.actors.actor import Actor
from pyleco.directors.data_logger_director import DataLoggerDirector
from pyleco.directors.director import Director
from pyleco.management.data_logger import DataLogger, TriggerTypes, ValuingModes
from pyleco.utils.data_publisher import DataPublisher

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 12300
TO_CHANNEL, FROM_CHANNEL = PORT - 1200, PORT - 1201  # the data channel of the same instep


class Supply:
    """Stands for the driver of an instrument."""

    voltage = 0.0


class SupplyActor(Actor):
    def read_publish(self, device: Supply, publisher: DataPublisher) -> None:
        publisher.send_data({"voltage": device.voltage})


actor = SupplyActor("supply", Supply, periodic_reading=0.05, port=PORT)
actor.publisher = DataPublisher("supply", port=TO_CHANNEL)
actor.connect()
Thread(target=actor.listen, daemon=True).start()
logger = DataLogger("logger", port=PORT, data_port=FROM_CHANNEL)
logger.publisher = DataPublisher("logger", port=TO_CHANNEL)
Thread(target=logger.listen, daemon=True).start()

with (
    Director(actor="supply", name="operator", port=PORT) as supply,
    DataLoggerDirector(actor="logger", name="keeper", port=PORT) as points,
):
    supply.set_parameters({"voltage": 12.0})
    print("the supply is at", supply.get_parameters("voltage")["voltage"], "V")
    variable = f"{actor.full_name}.voltage"
    points.start_collecting(
        variables=[variable],
        trigger_type=TriggerTypes.VARIABLE,
        trigger_variable=variable,
        valuing_mode=ValuingModes.LAST,
    )
    while points.ask_rpc("get_list_length") < 5:
        time.sleep(0.05)
    points.stop_collecting()
    print("the logger has", points.get_last_datapoint())
