"""The report in a real browser: opens from a file, reaches nothing, runs nothing foreign, and can be searched."""

from __future__ import annotations

import pytest
from finished_screen import HOSTILE, write_finished_screen

from cinchona.pipelines.report import write_screen_report


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_screen_report(write_finished_screen(tmp_path_factory.mktemp("report") / "out").root).as_uri()


@pytest.fixture
def page(browser, address):
    browser.open(address)
    return browser


def shown(page):
    """Ids of the rows that can be seen, top to bottom."""
    return page.run(
        "return [...document.querySelectorAll('#hits tbody tr')].filter(r => r.offsetParent !== null)"
        ".map(r => r.querySelector('td.id bdi').textContent)"
    )


def type_into(page, selector, text):
    field = page.find(selector)
    field.clear()
    field.send_keys(text)


def test_it_opens_quietly_and_reaches_nothing(page):
    assert page.run("return document.title").startswith("Screen of library<i>.smi")
    assert page.messages() == []
    assert page.requests() == []


def test_foreign_names_run_nothing(page):
    assert shown(page)[0] == HOSTILE[0]
    assert page.run("return document.scripts.length") == 1
    page.run("const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)")
    assert page.run("return window.ran === undefined"), "the policy stops a script that was smuggled in"
    page.run(
        "window.refused = []; document.addEventListener('securitypolicyviolation', e => refused.push(e.blockedURI))"
    )
    page.run("const i = document.createElement('img'); i.src = 'https://example.org/x.png'; document.body.append(i)")
    page.wait(lambda: page.run("return refused") == ["https://example.org/x.png"], "the refusal", seconds=10)


def test_pages_of_25(page):
    assert len(shown(page)) == 25
    assert page.find("#status").text == "1–25 of 60"
    page.run("arguments[0].click()", page.find("#next"))
    page.run("arguments[0].click()", page.find("#next"))
    assert page.find("#status").text == "51–60 of 60"
    assert (len(shown(page)), page.find("#next").is_enabled()) == (10, False)


def test_search_by_name_smiles_and_flag(page):
    type_into(page, "#search", "QUININE")
    assert all("quinine" in name for name in shown(page))
    assert page.find("#status").text == "1–5 of 5 (60 without filter)"
    type_into(page, "#search", "cn1c(=o) salt_removed")
    assert len(shown(page)) == 0 or all("caffeine" in name for name in shown(page))
    type_into(page, "#search", "nothing like this")
    assert page.find("#status").text == "0–0 of 0 (60 without filter)"


def test_filters(page):
    page.find("#inside").click()
    assert page.find("#status").text.startswith("1–25 of 40 ")
    page.run("const f = document.getElementById('flag'); f.value = 'salt_removed'; f.dispatchEvent(new Event('input'))")
    assert page.find("#status").text.startswith("1–8 of 8 ")
    type_into(page, "#least", "8")
    scores = page.run(
        "return [...document.querySelectorAll('#hits tbody tr')].filter(r => r.offsetParent).map(r => +r.dataset.s)"
    )
    assert scores
    assert min(scores) >= 8


def test_sort_by_keyboard(page):
    button = next(b for b in page.all("th button") if b.text.startswith("id"))
    button.send_keys("\n")
    names = shown(page)
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    button.send_keys("\n")
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    assert shown(page)[0] != names[0]
    ranks = next(b for b in page.all("th button") if b.text.startswith("rank"))
    ranks.click()
    assert page.run(
        "return [...document.querySelectorAll('#hits tbody tr')].map(r => +r.cells[0].textContent)"
    ) == list(range(1, 61))


def test_cards_and_dark_pages(page):
    light = page.run("return getComputedStyle(document.body).backgroundColor")
    page.find("#cards").click()
    assert page.run("return getComputedStyle(document.querySelector('#hits tbody')).display") == "grid"
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    dark = page.run("return getComputedStyle(document.body).backgroundColor")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert dark != light
    assert page.messages() == []


def test_every_field_has_a_name(page):
    unnamed = page.run(
        "return [...document.querySelectorAll('input, select, button')]"
        ".filter(e => !e.textContent.trim() && !(e.labels && e.labels.length)).map(e => e.id)"
    )
    assert unnamed == []
    assert page.run("return document.documentElement.lang") == "en"


def test_printing_shows_all_hits(page):
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    count = len(shown(page))
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert count == 60


def test_a_thousand_hits_are_no_burden(browser, tmp_path):
    path = write_screen_report(write_finished_screen(tmp_path / "out", n_hits=1000).root, max_hits=1000)
    browser.open(path.as_uri())
    spent = browser.run(
        "const t = performance.now(); document.querySelectorAll('th button')[1].click(); return performance.now() - t"
    )
    assert browser.find("#status").text == "1–25 of 1000"
    assert spent < 2_000
