"""What the page says when the server refuses, is busy, or is gone."""

from __future__ import annotations

import json

import pytest

from tests.edge.outputs.waiting import until
from tests.edge.serve.browser import Browser
from tests.edge.serve.page_acts import DONE, RESULT, STATE, choose, text
from tests.edge.serve.page_server import Answer, PageServer


def refusal(status: int, reason: str = "", **headers: str) -> Answer:
    return Answer(status, json.dumps({"error": reason}).encode(), headers)


def told(browser: Browser, words: str) -> None:
    browser.until(f"document.querySelector('#error').innerText.includes({json.dumps(words)})")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            refusal(400, "the picture ends too early"),
            "take this picture. The picture ends too early.",
        ),
        (refusal(413, "at most 20 MB"), "this large. At most 20 MB."),
        (refusal(415, "not a picture"), "take this picture. Not a picture."),
        (refusal(403, "only here"), "does not answer to this page. Only here."),
        (refusal(422, "no such model"), "cannot do that. No such model."),
        (refusal(500, "the model failed"), "gave no picture out. The model failed."),
        (Answer(502, b"<html>bad gateway</html>"), "gave no picture out."),
        (Answer(200, b"no picture"), "no picture that this browser can show"),
    ],
)
def test_a_refusal_is_told_in_words(browser, server, picture, answer, words):
    server.answers = [answer]
    choose(browser, server, picture)
    browser.click("#go")
    told(browser, words)
    assert browser.run(STATE) == "chosen"


def test_a_reason_is_text_and_never_part_of_the_page(browser, server, picture):
    server.answers = [refusal(400, "<b id=evil>x</b>")]
    choose(browser, server, picture)
    browser.click("#go")
    told(browser, "<b id=evil>")
    assert browser.run("document.querySelector('#evil')") is None


def test_a_failure_keeps_the_last_result_and_can_be_tried_again(browser, server, picture):
    server.answers = [DONE, refusal(500), DONE]
    choose(browser, server, picture)
    browser.click("#go")
    browser.until(f"{STATE} === 'done'")
    browser.click("#go")
    told(browser, "gave no picture out")
    assert browser.run(STATE) == "done"
    browser.click("#retry")
    browser.until(f"{STATE} === 'done' && document.querySelector('#error').innerText === ''")
    assert len(server.asked) == 3


def test_a_picture_too_large_is_not_even_sent(browser, picture):
    with PageServer(most_bytes=100) as server:
        choose(browser, server, picture)
        browser.click("#go")
        told(browser, "the server takes")
        assert server.asked == []


def test_a_busy_server_is_asked_again_after_the_wait_that_it_wants(browser, server, picture):
    server.answers = [refusal(429, **{"Retry-After": "1"}), DONE]
    choose(browser, server, picture)
    browser.click("#go")
    told(browser, "hands full")
    assert text(browser, "#retry") == "Again in 1 s"
    browser.until(f"{STATE} === 'done'")
    assert len(server.asked) == 2


def test_waiting_can_be_cut_short_or_ended(browser, server, picture):
    server.answers = [refusal(429, **{"Retry-After": "600"})]
    choose(browser, server, picture)
    browser.click("#go")
    browser.until("!document.querySelector('#again').hidden")
    browser.click("#retry")
    until(lambda: len(server.asked) == 2)
    browser.until("!document.querySelector('#again').hidden")
    browser.click("#rest")
    assert browser.run("document.querySelector('#again').hidden")
    assert text(browser, "#error") == ""


def test_a_server_that_is_gone(browser, picture):
    with PageServer() as server:
        choose(browser, server, picture)
    browser.click("#go")
    told(browser, "does not answer")
    assert not browser.run("document.querySelector('#again').hidden")


class TestToken:
    def test_it_is_asked_for_and_kept_for_the_tab_alone(self, browser, server, picture):
        server.answers = [refusal(401), DONE]
        choose(browser, server, picture)
        browser.click("#go")
        told(browser, "asks for an access token")
        assert browser.run("document.activeElement.id") == "token"
        browser.call("Input.insertText", text="s3cret")
        browser.press("Enter")
        browser.until(f"{STATE} === 'done'")
        assert server.asked[1].headers["Authorization"] == "Bearer s3cret"
        kept = "[JSON.stringify(localStorage), document.cookie, location.href].join()"
        assert "s3cret" not in browser.run(kept)
        choose(browser, server, picture)  # the page is loaded again
        assert browser.run("document.querySelector('#token').value") == "s3cret"

    def test_a_wrong_one_is_said_to_be_wrong(self, browser, server, picture):
        server.answers = [refusal(401)]
        choose(browser, server, picture)
        browser.run("document.querySelector('#access').open = true")
        browser.click("#token")
        browser.call("Input.insertText", text="wrong")
        browser.click("#go")
        told(browser, "does not know this access token")


def test_a_result_is_shown_once_however_often_the_button_is_pressed(browser, server, picture):
    server.answers = [Answer(200, RESULT)]
    choose(browser, server, picture)
    browser.run("for (let i = 0; i < 5; i++) document.querySelector('#go').click()")
    browser.until(f"{STATE} === 'done'")
    assert len(server.asked) == 1
