"""The report of a screen: complete, self-contained, and safe whatever the names in the library are."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest
from finished_screen import HOSTILE, LAYOUT, hits_table, write_finished_screen, write_model
from hypothesis import given
from hypothesis import strategies as st

from cinchona.errors import InputError
from cinchona.pipelines.report import Asset, write_screen_report
from cinchona.pipelines.report_hits import columns_of, hit_rows, printable
from cinchona.screening.layout import TableLayout

FETCHES = {
    "href",
    "src",
    "srcset",
    "xlink:href",
    "action",
    "formaction",
    "data",
    "poster",
    "background",
    "ping",
    "style",
}


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts, self.styles = [], [], [], []
        self.bdi, self._inside, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, k, v) for k, v in attrs]
        if tag in {"script", "style", "bdi"}:
            self._inside.append(tag)
            {"script": self.scripts, "style": self.styles, "bdi": self.bdi}[tag].append("")

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if self._inside:
            {"script": self.scripts, "style": self.styles, "bdi": self.bdi}[self._inside[-1]][-1] += data
        self.text += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_finished_screen(tmp_path_factory.mktemp("screen") / "out")


@pytest.fixture(scope="module")
def page(folder):
    return Page(write_screen_report(folder.root).read_text("utf-8"))


def test_counts_add_up_and_are_shown(page):
    for figure in ("310", "300", "10", "60"):
        assert figure in page.text
    assert "do not add up" not in page.text


def test_counts_that_do_not_add_up_are_told(tmp_path):
    folder = write_finished_screen(tmp_path / "out")
    manifest = json.loads(folder.manifest.read_text())
    manifest["counts"]["scored"] -= 1
    folder.manifest.write_text(json.dumps(manifest))
    assert "do not add up" in write_screen_report(folder.root).read_text()


def test_every_hit_has_a_row_with_a_picture(page):
    assert page.tags.count("svg") == 60 + 1, "60 structures and the histogram"
    assert sum(1 for tag, key, _ in page.attributes if (tag, key) == ("tr", "data-s")) == 60


def test_nothing_is_fetched(page):
    assert set(page.tags).isdisjoint(
        {"link", "img", "iframe", "object", "embed", "base", "form", "video", "audio", "image", "use"}
    )
    fetching = [(t, k, v) for t, k, v in page.attributes if k in FETCHES]
    assert fetching == [("a", "href", "#hits-title")]
    assert not [k for _, k, _ in page.attributes if k.startswith("on")]
    assert "http" not in "".join(page.scripts + page.styles)


def test_the_policy_allows_the_pages_own_script_and_style_only(page):
    policy = next(v for t, k, v in page.attributes if t == "meta" and k == "content" and "default-src" in v)

    def digest(text):
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy.split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{digest(page.styles[0])}'",
        f"script-src 'sha256-{digest(page.scripts[0])}'", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert (len(page.scripts), len(page.styles)) == (1, 1)


def test_hostile_names_are_text(page):
    for name in HOSTILE:
        assert printable(name) in page.bdi
    assert "library<i>.smi" in page.text
    assert "SMILES cannot be parsed: <b>bold</b>" in page.bdi
    assert "</script><script>alert(1)</script>" in page.text, "from the settings"
    assert set(page.tags).isdisjoint({"i", "img"})
    assert page.tags.count("b") == 7, "the key figures"


@given(st.text(alphabet=st.sampled_from("<>\"'&/ab=\\`{}\u202e\x00\n;-!"), max_size=30))
def test_any_name_stays_within_its_cell(name):
    hits = hits_table(1)
    hits = hits.set_column(hits.schema.get_field_index("compound_id"), "compound_id", [[name]])
    columns = columns_of(hits, LAYOUT)
    (hit,) = hit_rows(hits, columns, LAYOUT)
    cell = Page(str(hit.cells[2].html))
    assert cell.tags == ["bdi", "code"]
    # A parser turns control characters and line ends into others; what counts is that none was lost or taken as markup.
    assert cell.bdi == [printable(name) or "row 0"]


def test_one_endpoint_that_ranks_is_shown_once(folder):
    labels = [c.label for c in columns_of(hits_table(3), TableLayout.model_validate_json(_layout(folder)))]
    assert labels == [
        "rank", "structure", "id and SMILES", "pIC50 [log M]", "interval", "domain", "nearest in training",
        "MW", "logP", "TPSA", "flags",
    ]  # fmt: skip


def test_a_score_that_is_no_endpoint_has_its_own_column():
    hits = hits_table(3)
    hits = hits.set_column(hits.schema.get_field_index("score"), "score", [[1.0, 0.5, None]])
    assert [c.key for c in columns_of(hits, LAYOUT)][3:5] == ["score", "pIC50"]


def _layout(folder):
    return json.dumps(json.loads(folder.plan.read_text())["layout"])


def test_rejects_beyond_the_table_are_counted_by_stage(tmp_path):
    rejects = [("parse", f"reason {i}") for i in range(30)] + [("score", "same")] * 5
    text = Page(write_screen_report(write_finished_screen(tmp_path / "out", rejects=rejects).root).read_text()).text
    assert re.search(r"same\s*5", text)
    assert re.search(r"other reasons\s*19", text)


def test_one_fault_at_different_atoms_is_one_line(tmp_path):
    rejects = [("parse", f"Explicit valence for atom # {i} Al, 6, is greater than permitted") for i in range(4)]
    text = Page(write_screen_report(write_finished_screen(tmp_path / "out", rejects=rejects).root).read_text()).text
    assert re.search(r"atom # n Al, 6, is greater than permitted\s*4", text)


def test_no_hits_and_no_rejects_are_told(tmp_path):
    folder = write_finished_screen(tmp_path / "out", n_hits=3, rejects=[])
    pq.write_table(hits_table(3).slice(0, 0), folder.hits)
    text = write_screen_report(folder.root).read_text()
    assert "There are no hits." in text
    assert "No row was rejected." in text


def test_fewer_hits_than_there_are_is_told(folder):
    assert "The best 5 of 60 hits" in write_screen_report(folder.root, max_hits=5).read_text()


def test_an_unfinished_screen_is_refused_with_a_remedy(tmp_path):
    folder = write_finished_screen(tmp_path / "out")
    folder.hits.unlink()
    with pytest.raises(InputError, match=r"hits\.parquet is missing[\s\S]*cinchona resume"):
        write_screen_report(folder.root)


def test_the_models_metrics_stand_beside_the_baselines(tmp_path):
    fingerprint = write_model(tmp_path / "model")
    folder = write_finished_screen(tmp_path / "out", model_path=str(tmp_path / "model"), fingerprint=fingerprint)
    text = Page(write_screen_report(folder.root).read_text()).text
    assert re.search(r"graph network\s*0\.710\s*0\.610 to 0\.810\s*0\.760", text)
    assert "nav17<b>: 1,017 rows, 980 compounds" in text
    assert "scaffold, seed 7: 784 train, 98 valid, 98 test" in text


@pytest.mark.parametrize("harm", ["other model", "altered", "gone"])
def test_a_model_that_is_not_the_one_of_the_screen_tells_nothing(tmp_path, harm):
    fingerprint = write_model(tmp_path / "model")
    if harm == "altered":
        (tmp_path / "model" / "trust.json").write_text("{}")
    folder = write_finished_screen(
        tmp_path / "out",
        model_path=str(tmp_path / ("nowhere" if harm == "gone" else "model")),
        fingerprint="ab" * 32 if harm == "other model" else fingerprint,
    )
    assert "How far the model is right" not in write_screen_report(folder.root).read_text()


def test_two_hundred_hits_stay_small(tmp_path):
    path = write_screen_report(write_finished_screen(tmp_path / "out", n_hits=200).root)
    assert path.stat().st_size < 1_000_000


def test_an_asset_cannot_end_its_element():
    with pytest.raises(ValueError, match="must not contain"):
        Asset.of("a</script>")
