"""The page in a real browser: a picture goes out, and what comes back is shown beside it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.edge.outputs.waiting import until
from tests.edge.serve.page_acts import (
    AFTER_PX,
    BEFORE_PX,
    DONE,
    GREEN,
    RED,
    RESULT,
    STATE,
    TIMES,
    box,
    choose,
    finish,
    png,
    seen,
    shows,
    text,
)
from tests.edge.serve.page_server import Answer


class TestResult:
    def test_it_is_shown_beside_the_original_in_the_same_box(
        self, browser, server, picture, tmp_path
    ):
        finish(browser, server, picture)
        assert box(browser, "#before") == box(browser, "#after") == box(browser, "#pair")
        left, top, right, bottom = box(browser, "#after")
        assert (right - left) / (bottom - top) == pytest.approx(1.5, rel=0.01)
        red, green = shows(browser, tmp_path / "seen.png")
        assert red == pytest.approx(0.5, abs=0.02)
        assert green == pytest.approx(0.5, abs=0.02)

    def test_it_says_what_was_done(self, browser, server, picture):
        finish(browser, server, picture)
        assert text(browser, "#fact-faces") == "2 covered"
        assert text(browser, "#fact-before").startswith(f"90 {TIMES} 60, ")
        assert text(browser, "#fact-after").startswith(f"180 {TIMES} 120, ")
        assert text(browser, "#fact-model") == f"2{TIMES}, espcn-x2"
        assert text(browser, "#fact-time") == "0.31 s"

    def test_a_picture_covered_whole_is_pointed_out(self, browser, server, picture):
        headers = {"Faceguard-Faces": "0", "Faceguard-Covered-Whole": "true"}
        server.answers = [Answer(200, RESULT, headers)]
        choose(browser, server, picture)
        browser.click("#go")
        browser.until(f"{STATE} === 'done'")
        assert text(browser, "#fact-faces") == "Whole picture covered"

    def test_it_is_downloaded_as_it_came(self, browser, server, picture, tmp_path):
        folder = tmp_path / "downloads"
        folder.mkdir()
        browser.downloads_to(folder)
        finish(browser, server, picture)
        browser.click("#download")
        got = folder / "holiday-redacted-x2.png"
        until(lambda: got.exists() and got.read_bytes() == RESULT, within_s=60)

    def test_the_picture_that_was_chosen_goes_out_unchanged(self, browser, server, picture):
        finish(browser, server, picture)
        (asked,) = server.asked
        assert asked.path == "/v1/redact?style=pixelate"
        assert asked.body == picture.read_bytes()
        assert asked.headers["Content-Type"] == "image/png"
        assert "Authorization" not in asked.headers

    def test_nothing_but_the_server_is_talked_to_and_the_policy_breaks_nothing(
        self, browser, server, picture
    ):
        finish(browser, server, picture)
        browser.click("#closer")
        assert browser.complaints == []
        addresses = [one for one in browser.requested if not one.startswith("blob:")]
        assert addresses == [server.url, f"{server.url}v1/redact?style=pixelate"]

    def test_a_dropped_picture_is_as_good(self, browser, server, picture):
        server.answers = [DONE]
        browser.open(server.url)
        browser.drop_file(*browser.middle("#stage"), picture)
        browser.until(f"{STATE} === 'chosen'")
        assert "holiday.png" in text(browser, ".caption")

    def test_a_pasted_picture_is_as_good(self, browser, server):
        browser.open(server.url)
        browser.run(
            "new Promise(done => document.createElement('canvas').toBlob(blob => {"
            "  const data = new DataTransfer();"
            "  data.items.add(new File([blob], 'pasted.png', {type: 'image/png'}));"
            "  document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}));"
            "  done(true); }))"
        )
        browser.until(f"{STATE} === 'chosen'")
        assert "pasted.png" in text(browser, ".caption")

    def test_another_picture_begins_anew(self, browser, server, picture, tmp_path):
        finish(browser, server, picture)
        other = tmp_path / "other.png"
        other.write_bytes(png((40, 80), GREEN))
        browser.give_file("#file", other)
        browser.until(
            f"{STATE} === 'chosen' && document.querySelector('#before').naturalWidth===40"
        )
        assert not browser.run("document.querySelector('#after').hasAttribute('src')")

    def test_one_that_the_browser_cannot_show_is_sent_all_the_same(self, browser, server, tmp_path):
        odd = tmp_path / "scan.tiff"
        Pillow.new("RGB", BEFORE_PX, RED).save(odd)
        server.answers = [DONE]
        browser.open(server.url)
        browser.give_file("#file", odd)
        browser.until("document.querySelector('#status').innerText.includes('cannot show')")
        browser.click("#go")
        browser.until(f"{STATE} === 'done'")
        assert server.asked[0].body == odd.read_bytes()
        assert browser.run("document.querySelector('#at').disabled")


class TestSlider:
    @pytest.mark.parametrize(
        ("key", "times", "red"), [("Home", 1, 0.0), ("End", 1, 1.0), ("ArrowRight", 20, 0.7)]
    )
    def test_it_obeys_the_keyboard(self, browser, server, picture, tmp_path, key, times, red):
        finish(browser, server, picture)
        browser.run("document.querySelector('#at').focus()")
        browser.press(key, times)
        assert shows(browser, tmp_path / "seen.png")[0] == pytest.approx(red, abs=0.02)
        said = browser.run("document.querySelector('#at').ariaValueText")
        assert said == f"{round(100 * red)} % before, {round(100 - 100 * red)} % after"

    def test_who_starts_by_keyboard_is_led_to_it(self, browser, server, picture):
        server.answers = [DONE]
        choose(browser, server, picture)
        browser.run("document.querySelector('#go').focus()")
        browser.press("Enter")
        browser.until(f"{STATE} === 'done' && document.activeElement.id === 'at'")

    @pytest.mark.parametrize("to", [0.1, 0.85])
    def test_it_stands_where_the_mouse_let_it_go(self, browser, server, picture, tmp_path, to):
        finish(browser, server, picture)
        left, top, right, bottom = box(browser, "#pair")
        x, y = left + to * (right - left), (top + bottom) / 2
        browser.mouse("mousePressed", (left + right) / 2, y)
        browser.mouse("mouseMoved", x, y)
        browser.mouse("mouseReleased", x, y)
        assert shows(browser, tmp_path / "seen.png")[0] == pytest.approx(to, abs=0.02)

    def test_it_follows_a_finger(self, browser, server, picture, tmp_path):
        browser.resize(360, 740)
        finish(browser, server, picture)
        left, top, right, bottom = box(browser, "#pair")
        y, wide = (top + bottom) / 2, right - left

        def follows() -> bool:
            browser.settle()
            browser.touch(*((left + part * wide, y) for part in (0.5, 0.4, 0.3, 0.25)))
            browser.settle()
            return abs(float(browser.run("document.querySelector('#at').value")) - 25) < 2

        browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
        try:
            # A machine that halts in the middle makes a long press of it, which is another gesture.
            until(follows, within_s=60)
        finally:
            browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
        assert shows(browser, tmp_path / "seen.png")[0] == pytest.approx(0.25, abs=0.02)

    def test_actual_size_is_that_of_the_result(self, browser, server, picture, tmp_path):
        finish(browser, server, picture)
        browser.click("#closer")
        left, top, right, bottom = box(browser, "#after")
        assert (right - left, bottom - top) == AFTER_PX
        assert shows(browser, tmp_path / "seen.png")[0] == pytest.approx(0.5, abs=0.02)

    def test_a_large_result_is_moved_under_the_slider(self, browser, server, picture, tmp_path):
        server.answers = [Answer(200, png((3000, 2000), GREEN))]
        choose(browser, server, picture)
        browser.click("#go")
        browser.until(f"{STATE} === 'done'")
        browser.click("#closer")
        browser.run("document.querySelector('#view').scrollLeft = 0")
        # The picture is moved, and the slider stays in the middle of what is seen of it.
        browser.until("document.querySelector('#pair').getBoundingClientRect().left > 0")
        left, _top, right, bottom = box(browser, "#view")
        row = seen(browser, tmp_path / "seen.png")[round(bottom) - 40, round(left) : round(right)]
        red = np.abs(row - RED).sum(axis=1) < 24
        assert red.mean() == pytest.approx(0.5, abs=0.02)


class TestOptions:
    def test_models_are_those_of_the_scale(self, browser, server):
        browser.open(server.url)
        browser.click("[name=do][value=enhance]")
        browser.click("[name=scale][value='3']")
        names = browser.run("[...document.querySelector('#model').options].map(o => o.value)")
        assert names == ["espcn-x3", "edsr-x3"]

    def test_enhancing_redacts_first_unless_told_not_to_and_warns(self, browser, server, picture):
        server.answers = [DONE]
        choose(browser, server, picture)
        browser.click("[name=do][value=enhance]")
        browser.click("[name=format][value=jpeg]")
        assert "So that no face" in text(browser, "#first-hint")
        browser.click("#go")
        browser.until(f"{STATE} === 'done'")
        browser.click("#first")
        assert text(browser, ".warning").startswith("Faces are not looked for")
        browser.click("#go")
        browser.until(f"{STATE} === 'done' && document.querySelector('.alarm')")
        assert text(browser, "#fact-faces") == "Not looked for"
        way = "/v1/enhance?format=jpeg&scale=2&model=espcn-x2&redact="
        assert [asked.path for asked in server.asked] == [f"{way}true", f"{way}false"]

    def test_the_whole_way_by_keyboard(self, browser, server, picture):
        server.answers = [DONE]
        choose(browser, server, picture)
        browser.run("document.querySelector('[name=do]').focus()")
        browser.press("ArrowRight")  # Enhance
        for _ in range(10):
            browser.press("Tab")
            if browser.run("document.activeElement.id") == "first":
                break
        browser.press(" ")
        assert not browser.run("document.querySelector('#first').checked")
        while browser.run("document.activeElement.id") != "go":
            browser.press("Tab")
        browser.press("Enter")
        browser.until(f"{STATE} === 'done'")
        assert server.asked[0].path.endswith("&redact=false")


class TestProgress:
    def test_uploading_and_working_are_told_apart(self, browser, server, tmp_path):
        noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
        path = tmp_path / "noise.png"
        Pillow.fromarray(noise).save(path)
        go_on = threading.Event()
        server.answers = [Answer(200, RESULT, {}, go_on)]
        choose(browser, server, path)
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1}
        browser.call("Network.emulateNetworkConditions", **slow, uploadThroughput=150_000)
        try:
            browser.run(
                "window.parts = []; new MutationObserver(() => parts.push("
                "  document.querySelector('#doing').innerText + ' ' +"
                "  document.querySelector('#bar').position"
                ")).observe(document.querySelector('#bar'), {attributes: true})"
            )
            browser.click("#go")
            browser.until(f"{STATE} === 'working'")
            parts = browser.run("parts")
        finally:
            go_on.set()
            browser.call("Network.emulateNetworkConditions", **slow, uploadThroughput=-1)
        browser.until(f"{STATE} === 'done'")
        uploading = [float(part.split()[1]) for part in parts if part.startswith("Uploading")]
        assert uploading == sorted(uploading)
        assert any(0 < part < 1 for part in uploading)
        assert parts[-1] == "Working -1"  # nobody knows how far

    def test_it_can_be_cancelled(self, browser, server, picture):
        go_on = threading.Event()
        server.answers = [Answer(200, RESULT, {}, go_on)]
        choose(browser, server, picture)
        browser.click("#go")
        browser.until(f"{STATE} === 'working'")
        browser.click("#stop")
        assert browser.run(STATE) == "chosen"
        assert text(browser, "#status") == "Cancelled"
        assert not browser.run("document.querySelector('#go').disabled")
        go_on.set()

    @pytest.mark.parametrize("motion", ["reduce", "no-preference"])
    def test_nothing_moves_where_people_want_rest(self, browser, server, picture, motion):
        browser.prefer({"prefers-reduced-motion": motion})
        go_on = threading.Event()
        server.answers = [Answer(200, RESULT, {}, go_on)]
        choose(browser, server, picture)
        browser.click("#go")
        browser.until(f"{STATE} === 'working'")
        moves = browser.run("document.getAnimations().length")
        go_on.set()
        browser.until(f"{STATE} === 'done'")
        assert (moves > 0) == (motion == "no-preference")
