"""The page in a real browser, against the built binary: what a person would see and do."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import city
from driver import Browser, Server, Viewer, until

HERE = Path(__file__).parent
STEPS = 40
#: Bits of a viewer's request.
OPEN, ACTION, UPDATE, WORLD = 1, 4, 8, 16


#: The events of a session.
ROW = ".list[aria-label=Events] .lines .line"


def say(text):
    print(f"    {text}", flush=True)


def shot(browser, name):
    """A picture for whoever wants to look (INSTEP_SHOTS=DIR)."""
    if os.environ.get("INSTEP_SHOTS"):
        browser.screenshot(Path(os.environ["INSTEP_SHOTS"], f"{name}.png"))


class Open(unittest.TestCase):
    """One browser and one server with logs of its own, which a class of tests makes."""

    @classmethod
    def open(cls):
        cls.server = Server(logs=cls.logs)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.server.stop()
        shutil.rmtree(cls.logs)


class Page(Open):
    """One browser and one server, which has a small city to show."""

    @classmethod
    def setUpClass(cls):
        cls.logs = Path(tempfile.mkdtemp(prefix="instep-logs-"))
        city.recording(cls.logs / "city.vlog", 100, 24, 12, STEPS)
        data = os.environ.get("INSTEP_RCRS_DATA")
        if data:
            shutil.copy(Path(data, "rich40-xz", "rescue.log.xz"), cls.logs / "rich.xz")
        super().open()

    def setUp(self):
        self.browser.log("browser")
        self.browser.requested()

    def tearDown(self):
        """Whatever a test did: no error on the console, and nothing asked of another host."""
        wrong = [line["message"] for line in self.browser.log("browser") if line["level"] == "SEVERE"]
        wrong = [line for line in wrong if not (getattr(self, "server_was_away", False) and "ERR_" in line)]
        self.assertEqual(wrong, [])
        own = f"127.0.0.1:{self.server.http}/"
        foreign = [url for url in self.browser.requested() if url.split("://")[0] in ("http", "https", "ws", "wss") and not url.split("://")[1].startswith(own)]
        self.assertEqual(foreign, [])

    # ---- What tests are made of ----

    def go(self, place):
        """To a view, from scratch."""
        self.browser.go("about:blank")
        self.browser.go(self.server.url + place)

    def open(self, log="city.vlog"):
        """A provider of its own for a test; it stands at its beginning until somebody looks on."""
        opened = self.server.call("open_provider", {"logfilename": log})
        provider = opened["provider"]
        info = lambda: self.server.call("providers", {"provider": [provider]})["providerinfo"][0]  # noqa: E731
        until("the log is read", lambda: info()["maxtime"] > 0)
        self.addCleanup(self.server.call, "close_provider", {"provider": [provider]})
        return provider

    def map(self, expression):
        return self.browser.run(f"const pane = window.instep?.panes[0]; if (!pane) return null; const {{player, frames}} = instep; return {expression}")

    def shows(self, time_):
        until(f"timestep {time_} is shown", lambda: self.map(f"pane.scene.time === {time_} && pane.scene.world !== undefined && pane.scene.part === 1"))
        time.sleep(0.1)

    def pixel(self, x, y):
        """Red, green and blue where a point in millimetres is drawn."""
        return self.map(f"(() => {{const at = pane.view.pixel({{x: {x}, y: {y}}}); return [...pane.view.to.getImageData(Math.round(at.x), Math.round(at.y), 1, 1).data.slice(0, 3)]}})()")

    # ---- Tests ----

    def test_a_phone_shows_it_too(self):
        provider = self.open()
        self.browser.cdp("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
        self.browser.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        try:
            for place in ("#overview", "#sessions", f"#map/{provider}/2"):
                self.go(place)
                until("connected", lambda: self.browser.text("#link") == "connected")
                time.sleep(0.5)
                self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 390, f"{place} is no wider than the screen")
                shot(self.browser, "phone" + re.sub(r"\W+", "-", place))
            self.shows(2)
            self.assertEqual(self.pixel(9_000, 9_000), [36, 39, 45], "dark")
        finally:
            self.browser.cdp("Emulation.clearDeviceMetricsOverride")
            self.browser.cdp("Emulation.setEmulatedMedia", features=[])

    def test_pure_parts(self):
        self.go("#sessions")
        until("the page is there", lambda: self.browser.text("#view h2"))
        done = self.browser.run(f"return (async () => {{{(HERE / 'unit.js').read_text()}}})()")
        say(f"{done['checks']} checks of pure parts; 10,000 rows sorted and shown in {done['listed']:.1f} ms")
        self.assertEqual(done["wrong"], [])
        self.assertGreater(done["checks"], 30)

    def test_every_view_comes_up_and_says_that_it_is_connected(self):
        provider = self.open()
        for place, word in [("", "This node"), ("#overview", "Who is slow"), ("#sessions", "default"), ("#map", "city.vlog"), (f"#compare/{provider}/{provider}", "score")]:
            self.go(place)
            until(place, lambda word=word: word in self.browser.text("#view"))
            until("connected", lambda: self.browser.text("#link") == "connected")
            shot(self.browser, re.sub(r"\W+", "-", place) or "home")
        self.assertEqual(self.browser.text("#name"), "N1")

    def test_overview_tells_who_is_there(self):
        provider = self.open()
        watching = self.server.watch("default")
        try:
            self.go("#overview")
            for word in ["ctl-", "city.vlog", "default", "messages in /s"]:
                until(word, lambda word=word: word in self.browser.text("#view"))
            self.browser.type("input[type=search]", "nobody-is-called-so")
            until("the filter takes all away", lambda: "ctl-" not in self.browser.text(".list[aria-label*=Components]"))
        finally:
            watching.terminate()
            watching.communicate()
        self.assertGreater(provider, 0)

    def test_overview_tells_what_is_published_and_who_hears_it(self):
        hearing = self.server.subscribe("N1.", "N2")
        card = "section[aria-label=Channels]"
        try:
            self.go("#overview")
            until("the subscriber with its topics", lambda: re.search(r"N1\. N2|N2 N1\.", self.browser.text(f"{card} .list[aria-label=Subscribers]")))
            self.assertIn("N2", self.browser.text(f"{card} .list[aria-label=Topics]"))
            self.assertIn("nobody publishes", self.browser.text(f"{card} .list[aria-label=Publishers]"))
            for n in range(3):
                self.server.ctl("publish", "N1.probe", f'{{"volt": {n}}}')
            self.assertIn("N1.probe", hearing.stdout.readline())
            until("its messages", lambda: self.browser.run("return [...document.querySelectorAll(arguments[0])].map((line) => line.textContent)", f"{card} .spark")[0] is not None)
            topics = f"{card} .list[aria-label=Topics]"

            def rates():
                # What has come of each topic: in a second, its bytes, and in all.
                lines = self.browser.run("return [...document.querySelectorAll(arguments[0])].map((line) => [...line.children].map((cell) => cell.textContent))", f"{topics} .line")
                return {line[0]: line[1:4] for line in lines}

            until("the messages of a topic and no others", lambda: rates().get("N1.", ["", "", ""])[2] == "3" and rates()["N2"][2] == "0")
            until("and no more in a second", lambda: rates()["N1."][0] == "0")
            self.server.ctl("publish", "N1.probe", '{"volt": 3}')
            until("one more in a second", lambda: rates()["N1."][0] not in ("0", "–", ""))
            self.assertEqual(rates()["N2"][0], "0")
            until("counted", lambda: re.search(r"subscribers1.*topics2.*subscriptions2", self.browser.text(f"{card} .facts")))
            self.browser.run("document.querySelector(arguments[0]).scrollIntoView()", card)
            shot(self.browser, "channels")
            self.browser.run("const picker = document.querySelector('select[aria-label=channel]'); picker.value = 'log'; picker.dispatchEvent(new Event('change'))")
            until("the other one is off", lambda: "The log channel is off." in self.browser.text(card))
        finally:
            hearing.terminate()
            hearing.communicate()

    def test_a_log_is_played_faster_and_from_elsewhere_for_everybody(self):
        provider = self.open()
        self.go(f"#map/{provider}")
        until("it plays", lambda: self.map("pane.feed?.live >= 2"))

        def speed(times):
            self.browser.run("const speed = document.querySelector('.session select'); speed.value = arguments[0]; speed.dispatchEvent(new Event('change'))", times)
            until("it is told", lambda: f"played at {times} times" in self.browser.text("#notes"))

        speed("100")
        until("it is soon at the end", lambda: self.map("pane.feed.live") == STEPS, 10)
        speed("0.25")
        self.browser.run("document.querySelector('.timeline input').value = 10; document.querySelector('.timeline input').dispatchEvent(new Event('input'))")
        self.shows(10)
        shot(self.browser, "play")
        self.browser.press("go on from here")
        until("all go on from there", lambda: 10 <= self.map("pane.feed.live") < 20)
        info = self.server.call("providers", {"provider": [provider]})["providerinfo"][0]
        self.assertLess(info["time"], 20)

    def test_map_draws_what_there_is_where_it_is(self):
        provider = self.open()
        self.go(f"#map/{provider}/1")
        self.shows(1)
        for layer in ("blockades", "buried"):
            self.browser.run("localStorage.removeItem('layer ' + arguments[0])", layer)
        world = self.map("[...pane.scene.world.values()]")
        places = self.map("pane.feed.map.entities.map(({id, type, x, y}) => ({id, type, x, y}))")
        far = lambda a: all(abs(a["x"] - b["x"]) > 6000 or abs(a["y"] - b["y"]) > 6000 for b in world if b.get("x") is not None and b["type"] not in ("Road", "Building"))  # noqa: E731
        free = [place for place in places if far(place)]
        road = next(place for place in free if place["type"] == "Road")
        self.assertEqual(self.pixel(road["x"], road["y"]), [185, 185, 185])
        broken = {one["id"]: one["broken"] for one in world if one["type"] == "Building"}
        building = next(place for place in free if place["type"] == "Building" and place["id"] != 1)
        grey = round(135 - broken[building["id"]] / 2)
        self.assertLessEqual(max(abs(part - grey) for part in self.pixel(building["x"], building["y"])), 1)
        blocks = [one for one in world if one["type"] == "Blockade"]
        people = [one for one in world if one.get("hp") is not None]
        apart = lambda a, others: all(abs(a["x"] - b["x"]) > 5000 or abs(a["y"] - b["y"]) > 5000 for b in others if b is not a)  # noqa: E731
        block = next(one for one in blocks if apart(one, people))
        self.assertEqual(self.pixel(block["x"] + 1200, block["y"] + 1200), [0, 0, 0])
        colours = {"Civilian": (0, 1, 0), "TacticsFire": (1, 0, 0), "TacticsPolice": (0, 0, 1), "TacticsAmbulance": (1, 1, 1)}
        seen = 0
        for person in people:
            if apart(person, people) and all(0 < person[axis] < 98_000 for axis in "xy"):
                part = 255 / 2 ** sum(person["hp"] < limit for limit in (10000, 7500, 1000))
                wanted = [round(one * part) for one in colours[person["type"]]]
                self.assertLessEqual(max(abs(a - b) for a, b in zip(self.pixel(person["x"], person["y"]), wanted)), 2, person)
                seen += 1
        self.assertGreater(seen, 5)
        shot(self.browser, "map")

    def test_clock_plays_seeks_and_follows(self):
        provider = self.open()
        self.go(f"#map/{provider}")
        until("it plays live", lambda: self.map("player.follows && pane.feed?.live >= 3 && pane.scene.time >= 3"))
        until("people move between timesteps", lambda: 0.1 < self.map("pane.scene.part") < 0.9)
        self.browser.press("❚❚")
        stands = self.map("player.head")
        live = self.map("pane.feed.live")
        until("the session goes on", lambda: self.map("pane.feed.live") > live + 1)
        self.assertEqual(self.map("player.head"), stands, "a pause is this page's alone")
        self.browser.run("document.querySelector('.timeline input').value = 30; document.querySelector('.timeline input').dispatchEvent(new Event('input'))")
        self.shows(30)
        self.browser.click("canvas.map")
        self.browser.key("\ue012")  # left
        self.shows(29)
        self.browser.key("\ue011")  # home
        until("the first", lambda: self.map("pane.scene.time") <= 1)
        self.browser.key(" ")
        until("it plays from there", lambda: 2 <= self.map("player.head") < 29)
        self.browser.press("live")
        until("at the live edge", lambda: self.map("player.follows && pane.scene.time >= pane.feed.live - 1"))

    def test_somebody_is_found_followed_and_told_about(self):
        provider = self.open()
        self.go(f"#map/{provider}/5/100001")
        self.shows(5)
        until("told about", lambda: "TacticsFire 100001" in self.browser.text(".inspector"))
        self.browser.press("follow")
        self.browser.run("instep.panes[0].view.zoom(4)")
        for time_ in (6, 7):
            self.browser.press("›")
            self.shows(time_)
            until("in the middle", lambda: self.map("(() => {const one = pane.scene.world.get(100001); return Math.abs(one.x - pane.view.camera.x) + Math.abs(one.y - pane.view.camera.y) < 1})()"))
        until("the address tells", lambda: self.browser.run("return location.hash") == f"#map/{provider}/7/100001")
        until("its past", lambda: self.browser.run("return [...document.querySelectorAll('.inspector button[aria-expanded]')].length > 1"))
        self.browser.run("document.querySelector('.inspector button[aria-expanded]').click()")
        until("values over time", lambda: self.browser.run("return document.querySelectorAll('.inspector td button.time').length > 1"))

    def test_picture_and_scores_are_saved(self):
        provider = self.open()
        self.browser.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.logs))
        self.go(f"#map/{provider}")
        until("some timesteps", lambda: self.map("pane.feed?.live >= 4 && pane.scene.time >= 3"))
        self.browser.press("PNG")
        self.browser.press("CSV")
        picture = until("the picture", lambda: next(self.logs.glob("map-*.png"), None))
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        scores = until("the scores", lambda: next(self.logs.glob("scores-*.csv"), None)).read_text().splitlines()
        self.assertEqual(scores[0].split(",")[:2], ["time", "score"])
        self.assertGreater(len(scores), 4)

    def test_two_providers_stand_on_one_clock(self):
        left, right = self.open(), self.open()
        self.go(f"#compare/{left}/{right}")
        until("both are there", lambda: self.map("instep.panes.every((one) => one.feed?.live >= 3)"))
        self.browser.run("document.activeElement.blur()")
        self.browser.press("❚❚")
        self.browser.run("document.querySelector('.timeline input').value = 12; document.querySelector('.timeline input').dispatchEvent(new Event('input'))")
        until("both show it", lambda: self.map("instep.panes.every((one) => one.scene.time === 12)"))
        self.assertEqual(self.browser.run("return document.querySelectorAll('.numbers tr:first-child td').length"), 2)
        shot(self.browser, "compare")

    def test_compare_begins_with_two_different_providers(self):
        self.open(), self.open()
        self.go("#compare")
        until("both show one", lambda: self.map("instep.panes.every((one) => one.provider !== undefined)"))
        left, right = self.map("instep.panes.map((one) => one.provider)")
        self.assertNotEqual(left, right)

    def test_compare_begins_beside_the_provider_that_the_address_names(self):
        first, second = self.open(), self.open()
        # The list of providers is there before the view is opened by its address.
        self.go("#compare")
        until("both show one", lambda: self.map("instep.panes.every((one) => one.provider !== undefined)"))
        self.browser.run(f"location.hash = '#compare/{second}'")
        until("both show one", lambda: self.map(f"instep.panes[0].provider === {second} && instep.panes[1].provider !== undefined"))
        self.assertEqual(self.map("instep.panes.map((one) => one.provider)"), [second, first])

    def test_a_session_that_the_page_chooses_has_its_own_events_alone(self):
        for name in ("first", "second"):
            self.server.call("create_session", {"name": name})
        self.addCleanup(self.server.call, "delete_session", {"name": "first", "force": True})
        self.server.ctl("session", "submit", "first")
        self.server.call("delete_session", {"name": "second", "force": True})
        self.go("#sessions")
        rows = lambda: self.browser.run("return [...document.querySelectorAll('[aria-label=Events] .lines .line')].map((line) => line.textContent)")  # noqa: E731
        until("its events are there", lambda: any("submit initialization" in row for row in rows()))
        self.assertFalse([row for row in rows() if "deleted" in row])

    def test_viewer_on_tcp_sees_the_same(self):
        provider = self.open()
        viewer = Viewer(self.server)
        self.addCleanup(viewer.close)
        viewer.ask(OPEN)
        viewer.result()
        id_ = next(one["id"] for one in self.server.call("viewers")["viewerinfo"] if one["address"]["port"] == viewer.port)
        self.server.call("connect_viewer", {"viewer": id_, "provider": provider})
        self.go(f"#map/{provider}/9")
        self.shows(9)
        viewer.ask(WORLD | UPDATE | ACTION, 9)
        while True:
            result = viewer.result()
            if result["time"] == 9 and "world" in result["record"]:
                break
        there = {one["id"]: one for one in result["record"]["world"]}
        here = {one["id"]: one for one in self.map("[...pane.scene.world.values()]")}
        self.assertEqual(here.keys(), there.keys())
        for id_, one in there.items():
            self.assertEqual({key: here[id_].get(key) for key in ("type", "x", "y", "hp", "fiery", "broken")}, {key: one.get(key) for key in ("type", "x", "y", "hp", "fiery", "broken")})
        listed = [one for one in self.server.call("viewers")["viewerinfo"] if one["status"] == "online"]
        self.assertEqual(len(listed), 2, "the page is a viewer like any other")

    def test_buttons_move_the_session_and_other_members_hear_it(self):
        self.server.call("create_session", {"name": "drill", "display_name": "A drill"})
        self.addCleanup(self.server.call, "delete_session", {"name": "drill", "force": True})
        watching = self.server.watch("drill")
        heard = []
        reader = threading.Thread(target=lambda: heard.extend(iter(watching.stdout.readline, "")), daemon=True)
        reader.start()
        self.addCleanup(lambda: (watching.terminate(), watching.wait(), reader.join(), watching.stdout.close()))
        self.go("#sessions/drill")
        until("somebody watches", lambda: "instep-ctl" in self.browser.text(".list[aria-label=Members]"))
        for trigger, state in [("SUBMIT_INITIALIZATION", "INITIALIZING"), ("SHARE_SCENARIO", "INITIALIZED"), ("START_SCENARIO", "RUNNING"), ("PAUSE_SCENARIO", "PAUSED"), ("RESUME_SCENARIO", "RUNNING")]:
            if trigger == "SHARE_SCENARIO":
                self.hand_in()
            self.browser.click(f"button[data-trigger={trigger}]")
            until(f"others hear {trigger}", lambda: any(trigger in line and state in line for line in heard))
            until(f"shown {state}", lambda state=state: f"the session is {state}" in self.browser.run("return document.querySelector('.diagram').getAttribute('aria-label')"))
        shot(self.browser, "session")
        until("events are listed", lambda: "resume" in self.browser.text(".list[aria-label=Events]"))

    def reads(self, words, content):
        """Clicks the event with these words, and reads its document."""
        until(words, lambda: self.browser.run(
            "return [...document.querySelectorAll(arguments[0])].some((line) => new RegExp(arguments[1]).test(line.textContent) && (line.click(), true))", ROW, words))
        until("it is shown, with its lines indented", lambda: content in self.browser.text("dialog pre"))
        self.browser.run("document.querySelector('dialog').close()")

    def test_a_guest_reads_the_documents_of_a_session(self):
        self.server.call("create_session", {"name": "readers"})
        self.addCleanup(self.server.call, "delete_session", {"name": "readers", "force": True})
        self.go("#sessions/readers")
        self.browser.press("attend")
        until("the page has joined", lambda: "page" in self.browser.text(".list[aria-label=Members]"))
        self.browser.click("button[data-trigger=SUBMIT_INITIALIZATION]")
        self.reads("SubmitInitialization", "\n  <")
        self.browser.press("attending")
        until("it has resigned", lambda: self.server.call("members", name="session:readers")["members"] == [])

    def test_documents_are_read_without_joining(self):
        self.server.call("create_session", {"name": "looked-at"})
        self.addCleanup(self.server.call, "delete_session", {"name": "looked-at", "force": True})
        self.go("#sessions/looked-at")
        self.browser.click("button[data-trigger=SUBMIT_INITIALIZATION]")
        until("it collects", lambda: "the session is INITIALIZING" in self.browser.run("return document.querySelector('.diagram').getAttribute('aria-label')"))
        self.hand_in()
        self.browser.click("button[data-trigger=SHARE_SCENARIO]")
        self.reads("C2SIM_INITIALIZATION.*document of", "C2SIMInitializationBody")
        self.assertNotIn("page", self.browser.text(".list[aria-label=Members]"))
        until("all that happened is there once", lambda: self.browser.run(
            "const seen = [...document.querySelectorAll(arguments[0])].map((line) => line.firstChild.textContent).filter((n) => n); return seen.length > 3 && new Set(seen).size === seen.length", ROW))
        shot(self.browser, "documents")

    def test_a_small_window_has_all_titles_of_members(self):
        self.browser.cdp("Emulation.setDeviceMetricsOverride", width=1040, height=620, deviceScaleFactor=1, mobile=False)
        self.addCleanup(self.browser.cdp, "Emulation.clearDeviceMetricsOverride")
        self.go("#sessions/default")
        titles = lambda: self.browser.run("return [...document.querySelectorAll('.list[aria-label=Members] button')].map((one) => [one.textContent, one.scrollWidth - one.clientWidth])")  # noqa: E731
        until("the titles are there", lambda: len(titles()) == 7)
        self.assertEqual([title for title, beyond in titles() if beyond > 0], [])

    def test_a_start_is_scheduled_and_counted_down(self):
        self.server.call("create_session", {"name": "later", "share_guard": "none"})
        self.addCleanup(self.server.call, "delete_session", {"name": "later", "force": True})
        self.go("#sessions/later")
        for trigger in ("SUBMIT_INITIALIZATION", "SHARE_SCENARIO"):
            self.browser.click(f"button[data-trigger={trigger}]")
        self.browser.element("button[data-trigger=START_SCENARIO]")
        self.browser.run("document.querySelector('select[aria-label=\"how soon\"]').value = '5'")
        self.browser.click("button[data-trigger=START_SCENARIO]")
        until("it is counted down", lambda: re.match(r"start in [1-5](\.\d)? s", self.browser.text(".scheduled")))
        until("it has started", lambda: "the session is RUNNING" in self.browser.run("return document.querySelector('.diagram').getAttribute('aria-label')"))

    def hand_in(self):
        """An initialization, as a file from the disk."""
        document = (
            '<Message xmlns="http://www.sisostds.org/schemas/C2SIM/1.1"><C2SIMHeader><ConversationID>11111111-2222-4333-8444-555555555555</ConversationID>'
            "<FromSendingSystem>PLANNER</FromSendingSystem><MessageID>aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee</MessageID><Protocol>SISO-STD-C2SIM</Protocol>"
            "<ProtocolVersion>1.0.2</ProtocolVersion></C2SIMHeader><MessageBody><C2SIMInitializationBody><ObjectDefinitions/><ScenarioSetting><Name>x</Name>"
            "</ScenarioSetting></C2SIMInitializationBody></MessageBody></Message>")
        path = self.logs / "init.xml"
        path.write_text(document)
        self.browser.run("document.querySelector('input[type=file]').classList.remove('hidden')")
        self.browser.type("input[type=file]", str(path))
        until("handed in", lambda: "init.xml is handed in" in self.browser.text("#notes"))

    def test_lost_server_is_told_and_found_again(self):
        self.server_was_away = True
        self.go("#overview")
        until("connected", lambda: self.browser.text("#link") == "connected")
        self.server.stop()
        until("lost", lambda: self.browser.text("#link").startswith("connection lost"))
        self.server.start()
        until("connected again", lambda: self.browser.text("#link") == "connected")
        provider = self.open()
        until("all is live again", lambda: "city.vlog" in self.browser.text("#view"))
        self.go(f"#map/{provider}")
        until("the map is there", lambda: self.map("pane.scene.world !== undefined"))
        self.server.stop()
        self.server.start()
        again = self.open()
        self.assertEqual(again, provider)
        until("the map comes back by itself", lambda: self.map("pane.feed?.message === '' && pane.feed.live >= 1"))

    def test_part_that_did_not_come_is_loaded_when_the_server_is_back(self):
        self.server_was_away = True
        self.go("#overview")
        until("connected", lambda: self.browser.text("#link") == "connected")
        self.server.stop()
        until("lost", lambda: self.browser.text("#link").startswith("connection lost"))
        self.browser.run("location.hash = '#sessions'")
        until("it is said", lambda: "loaded again when it is back" in self.browser.text("#view"))
        self.server.start()
        until("it is there", lambda: "default" in self.browser.text("#view"))

    def test_page_of_an_older_server_loads_itself_anew(self):
        self.server_was_away = True
        self.go("#overview")
        until("connected", lambda: self.browser.text("#link") == "connected")
        self.browser.run("document.querySelector('meta[name=version]').content = 'older'; window.isOld = true")
        # The module has read its version already: what it compares with is asked of the server.
        self.assertTrue(self.browser.run("return isOld"))
        version = self.browser.run("return fetch('page/version').then((answer) => answer.text())")
        self.assertRegex(version, r"^\d+\.\d+\.\d+-[0-9a-f]{16}$")
        self.browser.run("return import(new URL('page/net.js?older', document.baseURI)).then((net) => { void net.renew(); })")
        until("it has loaded itself anew", lambda: self.browser.run("return window.isOld === undefined && document.querySelector('#link')?.textContent === 'connected'"))
        self.assertEqual(self.browser.run("return document.querySelector('meta[name=version]').content"), version)

    @unittest.skipUnless(os.environ.get("INSTEP_RCRS_DATA"), "INSTEP_RCRS_DATA names no logs")
    def test_first_map_of_a_real_log(self):
        self.go("#map")
        until("the page is there", lambda: self.map("true"))
        began = time.monotonic()
        took = self.browser.run("""
            const {rpc} = await import(new URL('page/net.js', document.baseURI));
            const began = performance.now();
            const {provider} = await rpc('open_provider', {logfilename: 'rich.xz'});
            const pane = instep.panes[0];
            pane.hadOne = true;
            pane.choose(provider);
            while (pane.view.drawn.world === undefined) await new Promise(requestAnimationFrame);
            return [performance.now() - began, provider];
        """.join(["return (async () => {", "})()"]))
        self.addCleanup(self.server.call, "close_provider", {"provider": [took[1]]})
        provider = took[1]
        self.go(f"#map/{provider}/20")
        self.shows(20)
        agent = self.map("[...pane.scene.world.values()].find(({type}) => type === 'TacticsFire').id")
        self.browser.run("document.querySelector('.layers').open = true; document.querySelectorAll('.layers input')[4].click()")
        self.browser.run("instep.panes[0].pick(arguments[0])", agent)
        until("what it has perceived", lambda: "Perception" in self.browser.text(".inspector"))
        self.browser.run("document.querySelectorAll('.layers input')[4].click()")
        say(f"first map {took[0]:.0f} ms after Open of a real log ({time.monotonic() - began:.2f} s with the driver)")
        shot(self.browser, "rich")


class Access(unittest.TestCase):
    """A server that asks everybody who he is."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="instep-access-"))
        program = os.environ["INSTEP_BIN"]
        made = subprocess.run([program, "token", "new", "chief"], check=True, capture_output=True, text=True).stdout.splitlines()
        self.token, line = made[0], made[-1]
        settings = self.folder / "instep.toml"
        settings.write_text(f'auth = "all"\n[[users]]\nname = "chief"\nrole = "controller"\n{line}\n')
        self.server = Server("--config", str(settings))
        self.browser = Browser()

    def tearDown(self):
        self.browser.close()
        self.server.stop()
        shutil.rmtree(self.folder)

    def log_in(self, token):
        self.browser.type("dialog input[name=token]", token)
        self.browser.click("dialog button[type=submit]")

    def test_page_asks_for_a_token_and_keeps_it_in_its_tab(self):
        self.browser.go(self.server.url + "#overview")
        until("it asks", lambda: "this needs a token" in self.browser.text("dialog"))
        self.log_in("it_" + "A" * 43)
        until("it asks again", lambda: "That token is not taken" in self.browser.text("dialog"))
        self.log_in(self.token)
        until("connected", lambda: self.browser.text("#link") == "connected")
        until("the overview is there", lambda: "Who is slow" in self.browser.text("#view"))
        self.assertEqual(self.browser.text("dialog"), "")
        kept = self.browser.run("return [sessionStorage.getItem('token'), localStorage.length, document.cookie]")
        self.assertEqual(kept, [self.token, 0, ""])
        # What happens is told, and a viewer is let in.
        heard = self.browser.run("""
            const {link, root, rpc} = await import(new URL('page/net.js', document.baseURI));
            const {socketAs} = await import(new URL('page/access.js', document.baseURI));
            const told = new Promise((done) => link.addEventListener('sessions', (event) => done(event.detail.kind)));
            await rpc('create_session', {name: 'seen'});
            const place = new URL('viewer', root);
            place.protocol = place.protocol.replace('http', 'ws');
            const opened = new Promise((done) => { const socket = socketAs(place); socket.onopen = () => done(socket.protocol); socket.onerror = () => done('error'); });
            return [await told, await opened];
        """.join(["return (async () => {", "})()"]))
        self.assertEqual(heard, ["sessions", "instep"])


class Measures(Open):
    """Printed, not judged tightly: machines differ."""

    @classmethod
    def setUpClass(cls):
        cls.logs = Path(tempfile.mkdtemp(prefix="instep-logs-"))
        city.recording(cls.logs / "big.vlog", 10_000, 600, 500, 320)
        cls.open()

    def test_frames_and_memory_over_a_long_run(self):
        provider = self.server.call("open_provider", {"logfilename": "big.vlog"})["provider"]
        self.browser.go(self.server.url + f"#map/{provider}")
        run = self.browser.run
        until("the map is there", lambda: run("return window.instep?.panes[0].view.drawn.world !== undefined && instep.panes[0].feed.live > 2"))
        shot(self.browser, "big")
        frames = run("""return (async () => {
            const times = [];
            const first = instep.frames.drawn;
            await new Promise((done) => requestAnimationFrame(function tick(now) { times.push(now); times.length < 240 ? requestAnimationFrame(tick) : done(); }));
            const spans = times.slice(1).map((time, n) => time - times[n]).sort((a, b) => a - b);
            return {fps: 1000 * (times.length - 1) / (times.at(-1) - times[0]), p95: spans[Math.floor(spans.length * 0.95)], drawn: instep.frames.drawn - first};
        })()""")
        say(f"10,000 polygons, 600 humans: {frames['fps']:.1f} frames a second, p95 {frames['p95']:.1f} ms, {frames['drawn']} of 240 drawn anew")
        self.assertGreater(frames["drawn"], 30)
        self.assertGreater(frames["fps"], 5)
        heaps = []
        for step in (20, 100, 200, 300):
            until(f"step {step}", lambda step=step: run("return instep.panes[0].feed.live") >= step, 120)
            heaps.append((run("return instep.panes[0].feed.live"), self.browser.heap(), run("return instep.panes[0].feed.track.bytes")))
        for live, heap, kept in heaps:
            say(f"step {live}: {heap / 2**20:.1f} MiB of objects, {kept / 2**20:.1f} MiB of frames kept")
        self.assertLess(heaps[-1][1], heaps[0][1] + (24 << 20), "what a page keeps is bounded")


if __name__ == "__main__":
    unittest.main(verbosity=2)
