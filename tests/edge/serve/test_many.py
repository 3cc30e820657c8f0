"""Many clients at once: each gets its own picture or a refusal, and nothing is left behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from faceguard.edge.heat.reading import Survey
from faceguard.edge.redactor import Redactor
from faceguard.edge.serve.asking import Asking
from faceguard.edge.serve.counts import Counts
from faceguard.edge.serve.held import Held, Share
from faceguard.edge.serve.job import Job
from faceguard.edge.serve.pace import Pace, retry_s
from faceguard.edge.serve.still import decode
from faceguard.edge.serve.tools import Tools
from faceguard.edge.serve.waiting import Waiting
from faceguard.edge.serve.worker import Worker
from faceguard.engines.errors import InferenceError
from tests.edge.faces import Scripted, detections
from tests.edge.outputs.waiting import until
from tests.edge.serve.served import (
    PLAIN,
    Doubling,
    as_file,
    doubled,
    noise,
    pixels_of,
    raw,
    request,
    serving,
)

GOOD = as_file(noise())
# So that a network that is made to stand still is not taken for one that is slow a pixel.
LARGE = as_file(noise(400, 300))


def held_bytes(served):
    return served.value("held_bytes")


def test_64_clients_at_once_each_get_their_own_picture_or_are_told_when_to_come_back():
    with serving(queue=16, batch=4) as served:
        # So that pictures of one network are known to be small enough to go together.
        assert served.post("/v1/enhance", GOOD).status_code == 200
        start = threading.Barrier(64)

        def client(number):
            pixels = noise(20 + number % 5, 16, seed=number)
            path = "/v1/enhance" if number % 2 else "/v1/redact"
            wanted = doubled(pixels) if number % 2 else pixels
            with httpx.Client(base_url=served.service.url, **PLAIN) as own:
                start.wait(60)
                answer = own.post(path, content=as_file(pixels))
            if answer.status_code == 200:
                return np.array_equal(pixels_of(answer.content), wanted)
            assert answer.status_code == 429, answer.text
            assert 1 <= int(answer.headers["retry-after"]) <= 600
            return None

        with ThreadPoolExecutor(64) as pool:
            results = list(pool.map(client, range(64)))
        assert results.count(True) >= 16
        assert False not in results
        until(lambda: held_bytes(served) == 0)
        total = served.value("requests_total", route="/v1/enhance", status="200")
        assert total + served.value("requests_total", route="/v1/redact", status="200") == 1 + (
            results.count(True)
        )


@pytest.fixture
def shut():
    """A service whose network stands still with one picture in hand."""
    network = Doubling()
    with serving(network=network, queue=4, batch=3, deadline_s=50.0) as served:
        assert served.post("/v1/enhance", GOOD).status_code == 200
        network.began.clear()
        network.gate.clear()
        with ThreadPoolExecutor(16) as pool:
            served.pool = pool
            served.first = pool.submit(served.post, "/v1/enhance", LARGE)
            assert network.began.wait(30)
            yield served
            network.gate.set()


def waiting(served):
    return served.value("queue")


def test_a_full_queue_refuses_and_says_when_to_come_back(shut):
    others = []
    for count in range(1, 5):
        others.append(shut.pool.submit(shut.post, "/v1/enhance", GOOD))
        until(lambda count=count: waiting(shut) == count)
    answer = shut.post("/v1/enhance", GOOD)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "wait" in answer.json()["error"]
    assert shut.client.get("/healthz").json() == {"status": "ready", "queue": 4}
    shut.network.gate.set()
    assert [other.result(60).status_code for other in [shut.first, *others]] == [200] * 5
    # Four waited, and three fit into one batch.
    assert shut.network.batches == [1, 1, 3, 1]
    assert shut.value("batch_pictures_sum") == 6


def test_a_redaction_does_not_wait_for_an_enlargement(shut):
    answer = shut.post("/v1/redact", GOOD)
    assert answer.status_code == 200
    assert not shut.first.done()


def test_redactions_that_keep_coming_do_not_hold_up_an_enlargement():
    waited = []

    class Slow(Doubling):
        """Once four redactions wait: two tiles, noting how many wait after each."""

        def many(self, pictures, *, on_tile=None):
            self.began.set()
            until(lambda: waiting(served) == 4)
            for tile in range(2):
                on_tile(tile, 2)
                waited.append(waiting(served))
            return [doubled(picture) for picture in pictures]

    network = Slow()
    with serving(network=network) as served, ThreadPoolExecutor(8) as pool:
        first = pool.submit(served.post, "/v1/enhance", GOOD)
        assert network.began.wait(30)
        others = [pool.submit(served.post, "/v1/redact", GOOD) for _ in range(4)]
        assert first.result(60).status_code == 200
        assert [other.result(60).status_code for other in others] == [200] * 4
        assert waited == [3, 2]


def test_an_enlargement_is_left_while_a_redaction_is_done_between_its_tiles():
    network, go, begun = Doubling(), threading.Event(), threading.Event()
    network.gate.clear()
    looks = []

    def look():
        if looks:  # the enlargement's own comes first
            begun.set()
            go.wait(60)
        looks.append(1)
        return detections()

    held, queue = Held(1 << 20), Waiting(4)
    counts = Counts(queue=lambda: 0, held_bytes=lambda: 0, survey=Survey)
    tools = Tools(Redactor(finder=Scripted(look)), {"doubling-x2": network})
    worker = Worker(
        lambda _: tools, queue, counts, Pace(), batch=1, gather_s=0.0, on_change=lambda: None
    )
    asking = Asking({"doubling-x2": 2})
    picture = decode(GOOD, max_pixels=1000, admit=lambda _: None)
    jobs = [
        Job(wish, picture, Share(held)) for wish in (asking.enlargement([]), asking.redaction([]))
    ]
    with worker:
        worker.start()
        queue.put(jobs[0])
        assert network.began.wait(30)
        queue.put(jobs[1])
        assert begun.wait(30)
        assert worker.busy_s > 0
        worker.leave()
        assert [job.is_over for job in jobs] == [True, True]
        go.set()
        # The gate is still shut: it ends only because it was left.
        worker.close(30)
        assert not worker.is_alive
    assert network.ended == 0


def test_one_bad_picture_of_a_batch_does_not_take_the_others_with_it():
    class Picky(Doubling):
        """Fails for more than one at a time, and for what is twelve columns wide."""

        def many(self, pictures, *, on_tile=None):
            if len(pictures) > 1 or pictures[0].shape[1] == 12:
                self.batches.append(len(pictures))
                raise InferenceError("no")
            return super().many(pictures, on_tile=on_tile)

    network = Picky()
    with serving(network=network) as served, ThreadPoolExecutor(8) as pool:
        assert served.post("/v1/enhance", GOOD).status_code == 200
        network.began.clear()
        network.gate.clear()
        first = pool.submit(served.post, "/v1/enhance", LARGE)
        assert network.began.wait(30)
        good = pool.submit(served.post, "/v1/enhance", GOOD)
        bad = pool.submit(served.post, "/v1/enhance", as_file(noise(width=12)))
        until(lambda: waiting(served) == 2)
        network.gate.set()
        codes = [one.result(60).status_code for one in (first, good, bad)]
        assert codes == [200, 200, 500]
        assert 2 in network.batches


def test_a_client_that_goes_away_is_not_worked_for(shut):
    with raw(shut, request("/v1/enhance", GOOD)):
        until(lambda: waiting(shut) == 1)
    until(lambda: shut.value("requests_total", route="/v1/enhance", status="499") == 1)
    until(lambda: waiting(shut) == 0)
    ended = shut.network.ended
    shut.network.gate.set()
    assert shut.first.result(60).status_code == 200
    assert shut.post("/v1/redact", GOOD).status_code == 200
    assert shut.network.ended == ended + 1
    until(lambda: held_bytes(shut) == 0)


def test_work_is_left_between_tiles_when_its_client_goes_away():
    network = Doubling()
    with serving(network=network) as served:
        network.gate.clear()
        with raw(served, request("/v1/enhance", GOOD)):
            assert network.began.wait(30)
        # The gate is still shut: only leaving the work lets the next picture in.
        assert served.post("/v1/redact", GOOD).status_code == 200
        until(lambda: held_bytes(served) == 0)
        assert network.ended == 0


def test_a_deadline_that_passes_is_told_and_the_work_is_left():
    network = Doubling()
    with serving(network=network, deadline_s=0.5) as served:
        network.gate.clear()
        answer = served.post("/v1/enhance", GOOD)
        assert answer.status_code == 504
        assert "0.5 s" in answer.json()["error"]
        until(lambda: held_bytes(served) == 0)
        network.gate.set()
        until(lambda: served.post("/v1/enhance", GOOD).status_code == 200)


def test_pictures_that_wait_are_bounded_in_bytes_too():
    network = Doubling()
    # Half of it is for pictures: one of 1000x1000 enlarged takes 31 MB with its file.
    with serving(network=network, memory_limit_bytes=100 << 20) as served:
        network.gate.clear()
        large = as_file(np.zeros((1000, 1000, 3), np.uint8))
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(served.post, "/v1/enhance", large)
            assert network.began.wait(30)
            assert 31e6 < held_bytes(served) < 50e6
            answer = served.post("/v1/enhance", large)
            assert answer.status_code == 429
            assert "memory" in answer.json()["error"]
            assert served.post("/v1/redact", GOOD).status_code == 200
            network.gate.set()
            assert first.result(60).status_code == 200
        until(lambda: held_bytes(served) == 0)
        # What would never fit is not asked to come back.
        huge = as_file(np.zeros((2000, 2000, 3), np.uint8))
        assert served.post("/v1/enhance", huge).status_code == 413


def test_the_estimate_follows_what_was_measured():
    pace = Pace()
    assert pace.known_s("espcn-x2", 1000) is None
    pace.took("espcn-x2", 1000, 2.0)
    assert pace.known_s("espcn-x2", 500) == pytest.approx(1.0)
    pace.took("espcn-x2", 1000, 4.0)
    assert 2.0 < pace.known_s("espcn-x2", 1000) < 4.0
    assert [retry_s(s) for s in (0.0, 1.2, 1e9)] == [1, 2, 600]
