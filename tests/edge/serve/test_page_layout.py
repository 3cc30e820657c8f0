"""The page on small and large screens, by day and by night."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.edge.serve.page_acts import DONE, STATE, choose, finish, seen

SHIFTS = """
new Promise((done) => {
  let sum = 0;
  const add = (list) => list.forEach((entry) => {
    // As browsers count it: what moves because somebody did something is expected.
    sum += entry.hadRecentInput ? 0 : entry.value;
  });
  const observer = new PerformanceObserver((list) => add(list.getEntries()));
  observer.observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => setTimeout(() => { add(observer.takeRecords()); done(sum); }, 50));
})
"""
# Of text and what lies behind it, by WCAG 2's formula.
CONTRASTS = """
(() => {
  const channels = (css) => css.match(/[\\d.]+/g).map(Number);
  const light = (css) => {
    const [r, g, b] = channels(css).slice(0, 3).map((c) => c / 255)
      .map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if ((channels(c)[3] ?? 1) > .5) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility({visibilityProperty: true}) || e.closest("svg, .tag, script")
        || e.matches(":disabled")) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), e.tagName + " " + e.innerText]);
  }
  return found;
})()
"""


@pytest.mark.parametrize("width_px", [320, 360, 768, 960, 1600])
def test_there_is_nothing_beside_the_window(browser, server, picture, width_px):
    browser.resize(width_px, 800)
    finish(browser, server, picture)
    browser.click("[name=do][value=enhance]")
    browser.click("#first")
    for path in ("#go", "#download", "#at", "#stage"):
        left, right = browser.run(
            f"(b => [b.left, b.right])(document.querySelector('{path}').getBoundingClientRect())"
        )
        # The slider reaches over the picture by half its thumb, and is cut off there.
        beyond = 25 if path == "#at" else 0
        assert left >= -beyond
        assert right <= width_px + beyond
    assert browser.run("document.documentElement.scrollWidth") <= width_px


@pytest.mark.parametrize("size", [(360, 740), (1600, 1000)])
def test_nothing_moves_by_itself(browser, server, picture, size):
    browser.resize(*size)
    server.answers = [DONE]
    choose(browser, server, picture)
    assert browser.run(SHIFTS) == 0
    places = (
        "[...document.querySelectorAll('#stage, #go, #form, footer')]"
        ".map(e => e.offsetTop + ' ' + e.offsetHeight).join()"
    )
    before = browser.run(places)
    browser.click("#go")
    browser.until(f"{STATE} === 'done'")
    browser.click("[name=do][value=enhance]")
    browser.click("#first")
    assert browser.run(places) == before
    assert browser.run(SHIFTS) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(browser, server, picture, scheme):
    browser.prefer({"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"})
    finish(browser, server, picture)
    browser.click("[name=do][value=enhance]")
    browser.click("#first")
    found = browser.run(CONTRASTS)
    assert len(found) > 15
    assert [one for one in found if one[0] < 4.5] == []


def test_day_and_night_look_different_and_neither_is_blank(browser, server, picture, tmp_path):
    browser.prefer({"prefers-color-scheme": "light", "prefers-reduced-motion": "reduce"})
    finish(browser, server, picture)
    day = seen(browser, tmp_path / "day.png")
    browser.prefer({"prefers-color-scheme": "dark", "prefers-reduced-motion": "reduce"})
    night = seen(browser, tmp_path / "night.png")
    assert np.median(day) > 200
    assert np.median(night) < 60
    assert min(day.std(), night.std()) > 20


def test_every_control_has_a_name_and_shows_its_focus(browser, server, picture):
    server.answers = [DONE]
    choose(browser, server, picture)
    browser.run("document.querySelector('#go').focus()")
    browser.press("Enter")
    browser.until(f"{STATE} === 'done'")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = re.compile("button|radio|switch|slider|textbox|link|[Cc]ombo.*|Disclosure.*")
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node["ignored"]
        and roles.fullmatch(node["role"]["value"])
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    outlined = []
    browser.run("document.querySelector('#file').focus()")
    for _ in range(20):
        outlined.append(
            browser.run(
                "(e => [e.id || e.name || e.tagName, [e, e.nextElementSibling, e.parentElement,"
                " document.querySelector('.seam svg')].some(o => o &&"
                " getComputedStyle(o).outlineStyle === 'solid')])(document.activeElement)"
            )
        )
        browser.press("Tab")
        if browser.run("document.activeElement === document.body"):
            break
    assert {name for name, _ in outlined} >= {"file", "at", "closer", "download", "do", "go"}
    assert [name for name, shown in outlined if not shown] == []
