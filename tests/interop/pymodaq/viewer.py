"""One of PyMoDAQ's DAQ_Viewer modules without a screen, which is told by lines what to do and answers by lines of JSON.

    viewer.py actor PORT SIDE    a simulated camera of SIDE x SIDE doubles, connected to LECO as `camera`
    viewer.py director PORT      a module whose detector is the LECO director of `camera`

Lines: `snap` takes one image, `end` ends. An image that comes is told as {"image": [rows, columns, type, SHA-256]}.
"""

import hashlib
import json
import os
import sys
import threading

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from pymodaq.control_modules.daq_viewer import DAQ_Viewer
from pymodaq_gui.qt_utils import mkQApp
from pymodaq_gui.utils.dock import DockArea
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow


def say(**what):
    print(json.dumps(what), flush=True)


class Lines(QObject):
    """What comes on standard input, in Qt's thread."""

    came = Signal(str)

    def listen(self):
        def read():
            for line in sys.stdin:
                self.came.emit(line.strip())
            self.came.emit("end")

        threading.Thread(target=read, daemon=True).start()


def main():
    role, port = sys.argv[1], int(sys.argv[2])
    app = mkQApp(role)
    window = QMainWindow()
    area = DockArea()
    window.setCentralWidget(area)
    module = DAQ_Viewer(area, title=role, daq_type="DAQ2D")
    settings = module.settings

    def set_all(values, *path):
        for name, value in values.items():
            settings.child(*path, name).setValue(value)

    if role == "actor":
        side = int(sys.argv[3])
        module.detector = "Mock"
        set_all({"Nimagespannel": 1, "Nimagescolor": 1, "Nx": side, "Ny": side}, "detector_settings")
        set_all({"leco_name": "camera", "host": "localhost", "port": port}, "main_settings", "leco")
    else:
        module.detector = "LECODirector"
        set_all({"actor_name": "camera", "host": "localhost", "port": port}, "detector_settings")

    def image_came(dte):
        for data in dte.data:
            for array in data.data:
                digest = hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
                say(image=[*array.shape, str(array.dtype), digest])

    def obey(line):
        if line == "snap":
            module.snap()
        elif line == "end":
            QTimer.singleShot(0, app.quit)

    def is_in():
        if role == "actor":
            settings.child("main_settings", "leco", "connect_leco_server").setValue(True)
        say(ready=True)

    def initialized(done, *_):
        say(initialized=bool(done))
        if done:
            QTimer.singleShot(500, is_in)

    module.grab_done_signal.connect(image_came)
    module.init_signal.connect(initialized)
    lines = Lines()
    lines.came.connect(obey)
    lines.listen()
    window.show()
    module.init_hardware(True)
    app.exec()
    os._exit(0)


if __name__ == "__main__":
    main()
