"""Settings: precedence, refusals that help, and YAML that means what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
import strategies
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from cinchona import yamltext
from cinchona.errors import ConfigError
from cinchona.settings import Config, load_settings, settings_schema, to_yaml
from cinchona.settings_errors import dotted_keys, nearest


class Screen(Config):
    """How a library is scored."""

    top_k: int = Field(1000, ge=1)
    """Compounds in the hit list."""
    kind: Literal["serial", "dask"] = "dask"
    note: str | None = None
    pattern: str = "*.smi"


class Target(Config):
    unit: str = "nM"
    weight: float = 1.0


class Network(Config):
    rate: float = 1e-4
    sizes: tuple[int, ...] = (3, 2)
    deterministic: bool = True
    folder: Path = Path("runs")
    targets: dict[str, Target] = Field(default_factory=dict)
    stages: list[Target] = Field(default_factory=list)


class Tracking(Config):
    uri: str | None = None
    token: str | None = None


class All(Config):
    screen: Screen = Field(default_factory=Screen)
    network: Network = Field(default_factory=Network)
    tracking: Tracking = Field(default_factory=Tracking)
    seed: int = 0


@pytest.fixture
def load(tmp_path):
    def loader(text=None, *overrides, **environ):
        file = None
        if text is not None:
            file = tmp_path / "settings.yaml"
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_settings(All, file=file, overrides=overrides, environ=environ)

    return loader


def refusal(load, *args, **environ) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(*args, **environ)
    return caught.value


class TestConfig:
    def test_frozen_strict_and_validated_defaults(self):
        with pytest.raises(ValidationError):
            Screen().top_k = 4
        with pytest.raises(ValidationError):
            Screen(top_n=4)

        class Bad(Config):
            rate: float = Field(2.0, lt=1)

        with pytest.raises(ValidationError):
            Bad()


class TestPrecedence:
    def test_defaults(self, load):
        assert load() == All()

    def test_file_then_environment_then_set(self, load):
        text = "screen: {top_k: 2, kind: serial, note: file}\nseed: 5\n"
        assert load(text).screen.top_k == 2
        both = load(text, CINCHONA_SCREEN__TOP_K="3", CINCHONA_SCREEN__NOTE="env")
        assert (both.screen.top_k, both.screen.kind, both.screen.note, both.seed) == (3, "serial", "env", 5)
        three = load(text, "screen.top_k=4", CINCHONA_SCREEN__TOP_K="3", CINCHONA_SCREEN__NOTE="env")
        assert (three.screen.top_k, three.screen.note) == (4, "env")

    def test_the_last_set_wins(self, load):
        assert load(None, "seed=1", "seed=2").seed == 2

    def test_a_section_may_be_set_whole_and_then_changed(self, load):
        found = load(None, "screen={top_k: 7, note: x}", "screen.top_k=8")
        assert (found.screen.top_k, found.screen.note) == (8, "x")

    def test_set_reaches_entries_of_mappings(self, load):
        assert load(None, "network.targets.pIC50.unit=uM").network.targets["pIC50"].unit == "uM"

    def test_an_empty_section_in_the_file_may_be_filled(self, load):
        assert load("screen:\n", "screen.top_k=3").screen.top_k == 3

    def test_the_process_environment_is_the_default(self, monkeypatch):
        monkeypatch.setenv("CINCHONA_SEED", "11")
        assert load_settings(All).seed == 11
        assert load_settings(All, environ={}).seed == 0

    def test_names_of_the_environment_ignore_case_of_keys(self, load):
        assert load(CINCHONA_Screen__Top_K="3").screen.top_k == 3

    def test_variables_that_are_no_settings_are_left_alone(self, load, caplog):
        assert (
            load(CINCHONA_DATA="/data", CINCHONA_ORACLES="x", CINCHONA_LOG_FORMAT="json", PATH="x", CINCHONAX="y")
            == All()
        )
        assert not caplog.records

    def test_a_foreign_section_of_the_environment_is_named_and_ignored(self, load, caplog):
        assert load(CINCHONA_SIGNALS__WINDOW="3") == All()
        assert "CINCHONA_SIGNALS__WINDOW" in caplog.text

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n", "{}"])
    def test_an_empty_file_changes_nothing(self, load, text):
        assert load(text) == All()

    def test_a_byte_order_mark_is_no_key(self, load):
        assert load(b"\xef\xbb\xbfseed: 4\n").seed == 4


class TestText:
    @pytest.mark.parametrize(
        "value", ["2026", "true", "1.5", "null-ish", "*.csv", "a: b", "[x", "'", "007", "~x", "@", "%d"]
    )
    def test_text_settings_take_any_text(self, load, value):
        assert load(None, f"screen.pattern={value}").screen.pattern == value
        assert load(CINCHONA_SCREEN__PATTERN=value).screen.pattern == value

    def test_bytes_that_are_no_text_reach_the_setting(self, load):
        assert load(None, "screen.pattern=a\udcff.smi").screen.pattern == "a\udcff.smi"

    def test_quotes_are_yaml(self, load):
        assert load(None, "screen.pattern='5'").screen.pattern == "5"

    def test_null_unsets_what_may_be_unset(self, load):
        assert load("screen: {note: x}", "screen.note=null").screen.note is None

    def test_equal_signs_belong_to_the_value(self, load):
        assert load(None, "tracking.uri=http://h/?a=b").tracking.uri == "http://h/?a=b"

    def test_lists_and_numbers(self, load):
        found = load(
            None, "network.sizes=[4, 5]", "network.rate=1e-5", "network.deterministic=false", "network.folder=a/b"
        )
        assert found.network.sizes == (4, 5)
        assert found.network.rate == 1e-5
        assert found.network.deterministic is False
        assert found.network.folder == Path("a/b")


class TestUnknownKeys:
    @pytest.mark.parametrize("text,guess,line", [
        ("screen:\n  topk: 3\n", "screen.top_k", 2),
        ("screen:\n  kind: dask\n  top-k: 3\n", "screen.top_k", 3),
        ("\n\nscren: {top_k: 3}\n", "screen", 3),
        ("top_k: 3\n", "screen.top_k", 1),
        ("network:\n  targets:\n    pIC50:\n      units: nM\n", "network.targets.pIC50.unit", 4),
    ])  # fmt: skip
    def test_names_the_nearest_and_the_line(self, load, text, guess, line):
        error = refusal(load, text)
        assert f"did you mean {guess}?" in error.what
        assert error.where.endswith(f"settings.yaml, line {line}")
        assert "config show" in error.remedy

    def test_entries_of_lists_are_looked_into(self, load):
        assert "did you mean network.stages.1.weight?" in refusal(load, "network: {stages: [{}, {wait: 2}]}").what

    def test_hopeless_keys_list_what_is_known(self, load):
        error = refusal(load, "screen: {zzzzzz: 1}")
        assert "did you mean" not in error.what
        assert error.expected == "one of kind, note, pattern, top_k"

    def test_set_and_environment_name_themselves(self, load):
        assert refusal(load, None, "screen.topk=3").where == "--set screen.topk"
        assert refusal(load, CINCHONA_SCREEN__TOPK="3").where == "environment variable CINCHONA_SCREEN__TOPK"
        assert "did you mean screen?" in refusal(load, CINCHONA_SCREEEN__TOP_K="3").what

    def test_all_faults_are_in_one_message(self, load):
        error = refusal(load, "screen: {topk: 1, kind: spark}\nseed: x\n")
        assert all(word in str(error) for word in ("topk", "screen.kind", "seed"))

    def test_many_faults_are_counted(self, load):
        assert "and 5 more" in refusal(load, "".join(f"k{i}: 1\n" for i in range(10))).what


class TestWrongValues:
    @pytest.mark.parametrize("override,words", [
        ("screen.top_k=many", ["screen.top_k", "'many'", "integer"]),
        ("screen.top_k=0", ["screen.top_k", "0", "greater than or equal to 1"]),
        ("screen.top_k=1.5", ["screen.top_k", "1.5", "integer"]),
        ("screen.top_k=", ["screen.top_k", "None", "integer"]),
        ("screen.kind=spark", ["screen.kind", "'spark'", "'serial' or 'dask'"]),
        ("network.sizes=[1, x]", ["network.sizes.1", "'x'", "integer"]),
        ("screen=3", ["screen", "3", "a section with keys among top_k, kind, note, pattern"]),
        ("network.targets=3", ["network.targets", "3", "dictionary"]),
    ])  # fmt: skip
    def test_what_where_expected_remedy(self, load, override, words):
        error = refusal(load, None, override)
        assert all(word in f"{error.what} {error.expected}" for word in words)
        assert error.where == f"--set {override.partition('=')[0]}"
        assert error.remedy

    def test_secrets_are_not_repeated(self, load):
        assert "hunter2" not in str(refusal(load, "tracking: {token: [hunter2]}"))

    def test_long_values_are_cut(self, load):
        assert len(str(refusal(load, None, f"screen.top_k={'x' * 5000}"))) < 500

    @pytest.mark.parametrize("text", ["x", "=3", "a..b=1", ".a=1", "a.=1", " =1", ""])
    def test_malformed_set(self, load, text):
        error = refusal(load, None, text)
        assert repr(text) in error.what
        assert "section.key=value" in error.expected

    def test_a_value_has_no_keys(self, load):
        error = refusal(load, "seed: 3", "seed.deep=4")
        assert "seed holds a int" in error.what
        assert error.where == "--set seed.deep"

    def test_missing_settings_are_named(self):
        class Needs(Config):
            target: str

        with pytest.raises(ConfigError, match="target is missing"):
            load_settings(Needs, environ={})

    def test_rules_between_settings_speak(self):
        from pydantic import model_validator

        class Pair(Config):
            low: int = 0
            high: int = 1

            @model_validator(mode="after")
            def _check(self):
                if self.low > self.high:
                    raise ValueError("low is above high")
                return self

        with pytest.raises(ConfigError, match="low is above high"):
            load_settings(Pair, overrides=["low=5"], environ={})


class TestHostileFiles:
    @pytest.mark.parametrize("text,words", [
        ("seed: 1\nseed: 2\n", "'seed' stands twice"),
        ("screen: {top_k: 1, top_k: 2}", "'top_k' stands twice"),
        ("seed: !!python/object/apply:os.system ['true']", "python/object"),
        ("seed: !!python/name:os.system", "python/name"),
        ("a: &a [*a]", "refers to itself"),
        ("a: &a {b: *a}", "refers to itself"),
        ("[" * 3000, "nested deeper"),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper"),
        ("- 1\n", "holds a list"),
        ("just text", "holds a str"),
        ("a: 1\n---\nb: 2\n", "document"),
        ("? [a]\n: 1\n", "not plain text"),
        ("? {a: 1}\n: 1\n", "not plain text"),
        ("a: [", "not plain YAML"),
        ("a: !!int x", "not plain YAML"),
        ("a: *unknown", "undefined alias"),
        ("<<: 3", "mapping"),
        (b"seed: \xff\xfe", "utf-8"),
        ("seed: \x00", "not plain YAML"),
        ("a: !!timestamp x", "not plain YAML"),
        ("a: !!set {x, y}\nseed: !!binary '%%%'", "not plain YAML"),
    ])  # fmt: skip
    def test_refused_with_a_reason(self, load, text, words):
        error = refusal(load, text)
        assert words in str(error)
        assert "settings.yaml" in error.where

    def test_a_bomb_of_aliases_is_refused_quickly(self, load):
        lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 30)]
        assert "more than 50000 values" in str(refusal(load, "\n".join(lines)))

    def test_a_bomb_of_merges_is_refused_quickly(self, load):
        lines = ["l0: &l0 {a: 1, b: 2}"]
        lines += [f"l{i}: &l{i} {{<<: [{', '.join([f'*l{i - 1}'] * 10)}]}}" for i in range(1, 30)]
        assert "more than 50000 values" in str(refusal(load, "\n".join(lines)))

    def test_honest_anchors_and_merges_work(self, load):
        text = "network:\n  targets:\n    a: &base {unit: uM, weight: 2.0}\n    b: *base\n    c: {<<: *base, weight: 3.0}\n"
        targets = load(text).network.targets
        assert targets["a"] == targets["b"]
        assert (targets["c"].unit, targets["c"].weight) == ("uM", 3.0)

    def test_size_is_capped_before_reading(self, load):
        assert "too large" in str(refusal(load, "#" * (yamltext.MAX_BYTES + 1)))

    def test_values_on_the_command_line_are_capped_too(self, load):
        assert (
            len(load(None, f"screen.pattern={'x' * (yamltext.MAX_BYTES + 1)}").screen.pattern) == yamltext.MAX_BYTES + 1
        )

    def test_files_that_are_none(self, tmp_path):
        for path, word in ((tmp_path, "directory"), (tmp_path / "missing.yaml", "No such file")):
            with pytest.raises(ConfigError, match=word) as caught:
                load_settings(All, file=path, environ={})
            assert str(path) in caught.value.where

    @settings(max_examples=150)
    @given(st.text(max_size=40) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
    def test_any_text_is_read_or_refused_by_our_own_error(self, tmp_path, text):
        (tmp_path / "s.yaml").write_text(text, encoding="utf-8", newline="", errors="surrogatepass")
        try:
            load_settings(All, file=tmp_path / "s.yaml", environ={})
        except ConfigError as error:
            assert str(error)


class TestYaml:
    @pytest.mark.parametrize("text,value", [
        ("1e-4", 1e-4), ("1E5", 1e5), ("-1.5e+3", -1500.0), (".5", 0.5), ("5.", 5.0), ("-3", -3), ("+3", 3), ("0", 0),
        ("1_000", 1000), ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("true", True), ("False", False),
        ("null", None), ("~", None), ("", None), ("12:30", "12:30"), ("2026-01-01", "2026-01-01"), ("0x1F", "0x1F"),
        ("007", "007"), ("0o7", "0o7"), ("1.2.3", "1.2.3"), ("1__0", "1__0"), ("_1", "_1"), (".", "."), ("1e", "1e"), ("=", "="),
        (".inf", float("inf")), ("-.inf", float("-inf")), ("c1ccccc1", "c1ccccc1"), ("C=O", "C=O"),
    ])  # fmt: skip
    def test_scalars_are_those_of_the_core_schema(self, text, value):
        found, _ = yamltext.parse(text)
        assert found == value
        assert type(found) is type(value)

    def test_keys_are_text(self):
        assert yamltext.parse("1: a\ntrue: b\nnull: c\n2.0: d")[0] == {"1": "a", "true": "b", "null": "c", "2.0": "d"}

    @settings(max_examples=100)
    @given(strategies.plain_data())
    def test_what_is_written_is_what_is_read(self, value):
        text = yamltext.dump(value)
        assert yamltext.parse(text)[0] == value
        assert repr(yamltext.parse(text)[0]) == repr(value)  # True is not 1

    @pytest.mark.parametrize("text", strategies.YAML_TEXTS)
    def test_text_stays_text(self, text):
        assert yamltext.parse(yamltext.dump({"k": text, "l": [text]}))[0] == {"k": text, "l": [text]}

    @settings(max_examples=50)
    @given(strategies.plain_data())
    def test_what_is_written_is_plain_yaml_for_others(self, value):
        yaml.safe_load(yamltext.dump(value))

    def test_lines_of_keys(self):
        _, lines = yamltext.parse("a:\n  b: 1\n\n  c: {d: 2}\nlist:\n  - x: 1\n")
        assert lines == {("a",): 1, ("a", "b"): 2, ("a", "c"): 4, ("a", "c", "d"): 4, ("list",): 5}

    def test_equal_values_are_written_out(self):
        shared = {"unit": "nM"}
        assert "&" not in yamltext.dump({"a": shared, "b": shared})


class TestRoundTrip:
    @settings(max_examples=60)
    @given(strategies.settings_dicts(All))
    def test_settings_written_are_settings_read(self, tmp_path, values):
        was = All.model_validate(values)
        (tmp_path / "s.yaml").write_text(to_yaml(was), encoding="utf-8", newline="")
        assert load_settings(All, file=tmp_path / "s.yaml", environ={}) == was

    @settings(max_examples=60)
    @given(strategies.settings_dicts(Screen))
    def test_set_takes_what_json_says(self, values):
        assume(all(str(value).isprintable() for value in values.values()))
        overrides = [f"screen.{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
        assert load_settings(All, overrides=overrides, environ={}).screen == Screen.model_validate(values)

    def test_masking(self):
        config = All(tracking=Tracking(uri="http://me:hunter2@host", token="hunter2"))
        assert "hunter2" not in to_yaml(config, mask=True)
        assert to_yaml(config).count("hunter2") == 2


class TestSchema:
    def test_describes_every_setting(self):
        schema = settings_schema(All)
        assert schema["$defs"]["Screen"]["properties"]["top_k"]["description"] == "Compounds in the hit list."
        assert schema["$defs"]["Screen"]["additionalProperties"] is False
        json.dumps(schema)

    def test_dotted_keys(self):
        keys = set(dotted_keys(All))
        assert {"screen", "screen.top_k", "network.targets.unit", "seed"} <= keys

    def test_nearest(self):
        assert nearest("Top-K", ["top_k", "kind"]) == "top_k"
        assert nearest("zzz", ["top_k"]) == ""
