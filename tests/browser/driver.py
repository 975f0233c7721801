"""A browser, driven over WebDriver with the standard library; and a server for it to look at."""

import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 20.0


def browser_programs():
    """Chromium and its driver, or None."""
    def find(variable, names):
        return os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)

    browser = find("CHROMIUM", ["chromium", "chromium-browser", "google-chrome"])
    driver = find("CHROMEDRIVER", ["chromedriver", "chromium.chromedriver"])
    return (browser, driver) if browser and driver else None


def until(what, question, patience=PATIENCE):
    """Asks until the answer is true; says it. What it is waited for is named when it does not come."""
    end = time.monotonic() + patience
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {patience} s; last: {answer!r}")
        time.sleep(0.05)


class Browser:
    """One window of Chromium without a screen."""

    def __init__(self, width=1280, height=800, more=()):
        browser, driver = browser_programs()
        self.profile = tempfile.mkdtemp(prefix="instep-browser-")
        self.process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                self.base = f"http://127.0.0.1:{found[1]}"
                break
        else:
            raise RuntimeError("chromedriver does not start")
        options = {
            "binary": browser,
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--enable-precise-memory-info",
                     "--js-flags=--expose-gc", f"--window-size={width},{height}", f"--user-data-dir={self.profile}", *more],
        }
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        answer = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.session = f"/session/{answer['sessionId']}"
        self.ask("POST", self.session + "/timeouts", {"script": 120000, "pageLoad": 30000})

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=150) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise RuntimeError(f"{path}: {value['error']}: {value['message']}") from None

    def go(self, url):
        self.ask("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        """What a script returns; a promise is waited for."""
        return self.ask("POST", self.session + "/execute/sync", {"script": script, "args": list(arguments)})

    def element(self, selector):
        found = until(selector, lambda: self.ask("POST", self.session + "/elements", {"using": "css selector", "value": selector}))
        return f"{self.session}/element/{next(iter(found[0].values()))}"

    def click(self, selector):
        self.ask("POST", self.element(selector) + "/click", {})

    def press(self, text):
        """The button with that text."""
        until(f"button {text}", lambda: self.run(
            "const b = [...document.querySelectorAll('button')].find(b => b.textContent.trim() === arguments[0] && b.offsetParent); if (b) b.click(); return !!b", text))

    def type(self, selector, text):
        self.ask("POST", self.element(selector) + "/value", {"text": text})

    def key(self, key):
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.ask("POST", self.session + "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def cdp(self, command, **parameters):
        return self.ask("POST", self.session + "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.ask("GET", self.session + "/screenshot")))

    def log(self, kind):
        return self.ask("POST", self.session + "/se/log", {"type": kind})

    def requested(self):
        """Addresses that were asked for since the last call."""
        messages = [json.loads(line["message"])["message"] for line in self.log("performance")]
        requests = [message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return requests + [message["params"]["url"] for message in messages if message["method"] == "Network.webSocketCreated"]

    def heap(self):
        """Bytes of the page's objects, after a collection."""
        self.cdp("HeapProfiler.collectGarbage")
        metrics = self.cdp("Performance.enable") or self.cdp("Performance.getMetrics")
        return next(int(one["value"]) for one in metrics["metrics"] if one["name"] == "JSHeapUsedSize")

    def close(self):
        try:
            self.ask("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait()
            shutil.rmtree(self.profile, ignore_errors=True)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Server:
    """instep on ports of its own."""

    def __init__(self, *more, logs=None):
        self.program = os.environ["INSTEP_BIN"]
        self.leco, self.control, self.viewer, self.http = free_ports(4)
        here = "127.0.0.1:{}".format
        self.words = ["--namespace", "N1", "--bind", here(self.leco), "--control-bind", here(self.control), "--viewer-bind", here(self.viewer),
                      "--http-bind", here(self.http), "--data-port", "0", "--log-channel-port", "off", "-q", *(["--log-dir", str(logs)] if logs else []), *more]
        self.url = f"http://127.0.0.1:{self.http}/"
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.program, *self.words], stderr=subprocess.PIPE, text=True)
        until("the server listens", lambda: self.listens())

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError(self.process.stderr.read())
        try:
            socket.create_connection(("127.0.0.1", self.http), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.communicate()

    def ctl(self, *words):
        command = [self.program, "ctl", "--address", f"127.0.0.1:{self.leco}", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    def call(self, method, params=None, name="COORDINATOR"):
        return json.loads(self.ctl("call", name, method, *([] if params is None else [json.dumps(params)])))

    def subscribe(self, *topics):
        """A subscriber of data; what it hears is read from its standard output."""
        command = [self.program, "ctl", "--address", f"127.0.0.1:{self.leco}", "subscribe", *topics]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def watch(self, session):
        """Another member of a session; what it hears is read from its standard output."""
        command = [self.program, "ctl", "--address", f"127.0.0.1:{self.leco}", "session", "watch", session]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# ---- MsgPack, as far as recordings and viewers have it ----


def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes([value]) if 0 <= value < 128 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        return b"\xda" + struct.pack(">H", len(data)) + data
    if isinstance(value, dict):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(pack(key) + pack(item) for key, item in value.items())
    return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(pack, value))


def unpack(data, at=0):
    """A value and where it ends."""
    head = data[at]
    at += 1
    if head < 0x80:
        return head, at
    if head >= 0xE0:
        return head - 256, at
    if head in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[head], at
    numbers = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    if head in numbers:
        size = struct.calcsize(numbers[head])
        return struct.unpack(numbers[head], data[at : at + size])[0], at + size
    sizes = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
    if head in sizes:
        length, at = int.from_bytes(data[at : at + sizes[head]], "big"), at + sizes[head]
        kind = "text" if head < 0xDC else "list" if head < 0xDE else "map"
    else:
        kind, length = ("map", head & 15) if head < 0x90 else ("list", head & 15) if head < 0xA0 else ("text", head & 31)
    if kind == "text":
        return data[at : at + length].decode(), at + length
    if kind == "list":
        items = []
        for _ in range(length):
            item, at = unpack(data, at)
            items.append(item)
        return items, at
    items = {}
    for _ in range(length):
        key, at = unpack(data, at)
        items[key], at = unpack(data, at)
    return items, at


class Viewer:
    """A viewer on TCP."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.viewer), 10)
        self.port = self.socket.getsockname()[1]
        self.data = b""

    def ask(self, request, time_=0):
        body = pack({"request": request, "time": time_})
        self.socket.sendall(b"\xcd" + struct.pack(">H", len(body)) + body)

    def result(self):
        while True:
            if len(self.data) >= 9:
                length, at = unpack(self.data)
                if len(self.data) >= at + length:
                    value = unpack(self.data, at)[0]
                    self.data = self.data[at + length :]
                    return value
            more = self.socket.recv(1 << 16)
            if not more:
                raise EOFError("the server has closed")
            self.data += more

    def close(self):
        self.socket.close()
