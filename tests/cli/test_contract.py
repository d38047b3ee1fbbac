"""The command line is a contract with scripts: names, options and exit codes stand in these tables."""

from __future__ import annotations

import importlib
import re

import pytest
import typer

from cinchona import errors
from cinchona.cli.lazy import load_command
from cinchona.cli.main import COMMANDS
from cinchona.errors import ExitCode

SHARED = {"--config", "--set", "--json", "--quiet", "--verbose", "--log-format", "--help"}
CONTRACT = {
    "demo": ([], {"--out", "--seed", "--library", "--limit"}),
    "train": (["TABLE"], {"--target", "--out", "--seed", "--model"}),
    "tune": (["TABLE"], {"--target", "--out", "--trials", "--seconds", "--seed"}),
    "pretrain": (["LIBRARY..."], {"--out", "--seed"}),
    "fewshot": (["ACTIVES..."], {"--background", "--sample", "--out", "--seed"}),
    "screen": (
        ["LIBRARY..."],
        {"--model", "--out", "--seed", "--objective", "--cascade", "--dry-run", "--profile", "--array"},
    ),
    "work": (["DIR"], {"--task", "--of", "--model"}),
    "resume": (["DIR"], {"--model", "--wait"}),
    "merge": (["RUN..."], {"--out"}),
    "status": (["DIR"], set()),
    "fsck": (["DIR"], {"--repair"}),
    "predict": (["LIBRARY..."], {"--model", "--out", "--seed", "--level"}),
    "explain": (["MODEL", "COMPOUNDS..."], {"--endpoint", "--out", "--seed"}),
    "evaluate": (["TABLE"], {"--model", "--target", "--training", "--out", "--seed"}),
    "calibrate": (["TABLE"], {"--model", "--target", "--level", "--out", "--seed"}),
    "domain": (["LIBRARY..."], {"--model", "--out", "--seed"}),
    "data list": ([], set()),
    "data check": (["FILE"], {"--target", "--limit"}),
    "data prepare": (["LIBRARY..."], {"--out", "--seed", "--descriptor"}),
    "models list": (["DIR"], {"--registered"}),
    "models show": (["MODEL"], set()),
    "models card": (["MODEL"], {"--out"}),
    "models register": (["SOURCE"], {"--name"}),
    "models promote": (["MODEL"], {"--test", "--target", "--unseen", "--margin"}),
    "models compare": (["MODEL", "OTHER"], {"--test", "--target"}),
    "models import": (["FILE"], {"--out", "--target", "--descriptors", "--compare"}),
    "models export": (["MODEL"], {"--out"}),
    "compare": (["RUN..."], {"--out", "--seed"}),
    "reproduce": (["RUN_ID"], {"--data", "--model", "--out", "--tolerance"}),
    "sync": ([], set()),
    "serve-ui": ([], {"--uri", "--port"}),
    "config show": ([], set()),
    "config schema": ([], set()),
    "doctor": ([], {"--profile"}),
}
"""Each command with its arguments and the options that are its own. Adding is allowed; nothing here may go."""
SIGNALS = {"ingest", "dedupe", "code", "info", "doctor", "count", "score", "rank", "report", "evaluate"}
"""Sub-commands of ``signals``."""


def _parameters(path):
    first, *rest = path.split()
    command = load_command(COMMANDS[first][0], first)
    for name in rest:
        command = command.commands[name]
    return command


class TestNames:
    def test_top_level_commands_are_frozen(self):
        assert set(COMMANDS) == {path.split()[0] for path in CONTRACT} | {"signals"}

    def test_groups_hold_what_they_promise(self):
        for group in ("data", "models", "config"):
            found = set(load_command(COMMANDS[group][0], group).commands)
            assert found == {path.split()[1] for path in CONTRACT if path.startswith(f"{group} ")}

    def test_signals_hold_what_they_promise(self):
        assert set(load_command(COMMANDS["signals"][0], "signals").commands) >= SIGNALS

    @pytest.mark.parametrize("path", CONTRACT)
    def test_options_and_arguments_are_frozen(self, path):
        arguments, own = CONTRACT[path]
        params = _parameters(path).params
        options = {name for p in params if p.param_type_name == "option" for name in p.opts}
        assert options | {"--help"} == own | SHARED
        given = [(p.metavar or p.name) for p in params if p.param_type_name == "argument"]
        assert given == arguments

    @pytest.mark.parametrize("path", CONTRACT)
    def test_no_option_is_a_switch_with_an_opposite(self, path):
        assert all(not p.secondary_opts for p in _parameters(path).params)

    @pytest.mark.parametrize("path", CONTRACT)
    def test_every_parameter_is_explained(self, path):
        command = _parameters(path)
        assert command.help
        assert all(getattr(p, "help", None) for p in command.params), [p.name for p in command.params]

    def test_required_options(self):
        required = {
            path: {
                name
                for p in _parameters(path).params
                if p.required and p.param_type_name == "option"
                for name in p.opts
            }
            for path in CONTRACT
        }
        assert {path: names for path, names in required.items() if names} == {
            "train": {"--target", "--out"}, "screen": {"--model", "--out"}, "predict": {"--model"},
            "evaluate": {"--model", "--target"}, "pretrain": {"--out"}, "fewshot": {"--out"}, "tune": {"--target", "--out"}, "data prepare": {"--out"}, "models register": {"--name"}, "models import": {"--out"}, "models export": {"--out"},
            "domain": {"--model"}, "calibrate": {"--model", "--out"},
            "work": {"--task", "--of"}, "merge": {"--out"},
        }  # fmt: skip

    @pytest.mark.parametrize(
        "path,name", [("train", "--target"), ("evaluate", "--target"), ("data check", "--target"), ("train", "--set")]
    )
    def test_repeatable_options(self, path, name):
        (option,) = [p for p in _parameters(path).params if name in p.opts]
        assert option.multiple


class TestHelp:
    def test_root_lists_all_commands_and_their_lines(self, cinchona):
        ran = cinchona("--help")
        assert ran.code == 0
        assert ran.err == ""
        listed = re.findall(r"^  ([a-z-]+) {2,}(\S.*)$", ran.out[ran.out.index("Commands:") :], re.M)
        assert [name for name, _ in listed] == list(COMMANDS)

    @pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"signals"}))
    def test_the_line_in_the_table_is_that_of_the_command(self, name):
        module, line = COMMANDS[name]
        assert importlib.import_module(module).app.info.help == line

    @pytest.mark.parametrize("path", [*CONTRACT, "data", "models", "config", "signals"])
    def test_every_command_has_help(self, cinchona, path):
        ran = cinchona(*path.split(), "--help")
        assert ran.code == 0
        assert ran.err == ""
        assert ran.out.startswith(f"Usage: cinchona {path} ")
        for name in CONTRACT.get(path, ([], set()))[1] | (SHARED if path in CONTRACT else set()):
            assert f" {name} " in ran.out.replace("\n", " \n")

    def test_help_keeps_square_brackets(self, cinchona):
        assert "\x1b[" not in cinchona("--help").out

    def test_version(self, cinchona):
        import cinchona as package

        assert cinchona("--version") == type(cinchona("--version"))(0, f"cinchona {package.__version__}\n", "")

    def test_nothing_at_all_shows_help_and_is_a_usage_error(self, cinchona):
        ran = cinchona()
        assert ran.code == 2
        assert "Commands:" in ran.out


class TestUsageErrors:
    @pytest.mark.parametrize("arguments,words", [
        (["nope"], "No such command 'nope'"),
        (["trian"], "No such command 'trian'"),
        (["--nope"], "--nope"),
        (["data"], "Missing command"),
        (["data", "nope"], "No such command 'nope'"),
        (["train"], "Missing argument"),
        (["train", "t.csv"], "--target"),
        (["train", "t.csv", "--target", "y"], "--out"),
        (["train", "t.csv", "--target"], "requires an argument"),
        (["train", "a", "b", "--target", "y", "--out", "o"], "unexpected extra argument"),
        (["screen", "--model", "m", "--out", "o"], "Missing argument"),
        (["screen", "l", "--out", "o"], "--model"),
        (["screen", "l", "--model", "m", "--out", "o", "--seed", "x"], "--seed"),
        (["screen", "l", "--model", "m", "--out", "o", "--seed", "-1"], "--seed"),
        (["screen", "l", "--model", "m", "--out", "o", "--seed", "4294967296"], "--seed"),
        (["status"], "Missing argument"),
        (["status", "x", "--log-format", "xml"], "--log-format"),
        (["serve-ui", "--port", "0"], "--port"),
        (["doctor", "--quiet", "--verbose"], "both given"),
        (["config", "show", "--set", "screen.topk=3"], "did you mean screen.top_k?"),
        (["config", "show", "--set", "nonsense"], "section.key=value"),
        (["config", "show", "--config", "missing.yaml"], "missing.yaml"),
    ])  # fmt: skip
    def test_message_remedy_and_code(self, cinchona, arguments, words):
        ran = cinchona(*arguments)
        assert ran.code == ExitCode.USAGE
        assert ran.out == ""
        assert words in ran.err
        assert ran.err.startswith("error: ") or "--verbose" in arguments
        assert ("Traceback" in ran.err) == ("--verbose" in arguments)


def _tree(kind=errors.CinchonaError):
    return [
        kind,
        *(below for child in kind.__subclasses__() for below in _tree(child) if child.__module__ == errors.__name__),
    ]


class TestEndings:
    """Every way in which a command can end, tried on ``status``."""

    @pytest.fixture
    def ending(self, cinchona, monkeypatch, tmp_path):
        import cinchona.pipelines.screen as pipeline

        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

        def run(error, *options):
            def fail(_folder):
                raise error

            monkeypatch.setattr(pipeline, "status", fail)
            return cinchona("status", "x", *options)

        return run

    @pytest.mark.parametrize("kind", _tree(), ids=lambda kind: kind.__name__)
    def test_our_errors_have_their_codes(self, ending, kind):
        ran = ending(kind("it went wrong", where="here", expected="better", remedy="mend it"))
        assert ran.code == kind.exit_code
        assert ran.out == ""
        for line in ("it went wrong", "where: here", "expected: better", "remedy: mend it"):
            assert line in ran.err
        assert "Traceback" not in ran.err

    @pytest.mark.parametrize("error,code,words", [
        (KeyboardInterrupt(), 130, "stopped: interrupted"),
        (EOFError(), 130, "stopped: interrupted"),
        (FileNotFoundError(2, "No such file or directory", "lib.smi"), 2, "lib.smi"),
        (PermissionError(13, "Permission denied", "/srv/x"), 2, "/srv/x"),
        (IsADirectoryError(21, "Is a directory", "x"), 2, "Is a directory"),
        (OSError(28, "No space left on device", "out"), 5, "No space left"),
        (OSError(5, "Input/output error"), 5, "Input/output"),
        (MemoryError(), 5, "out of memory"),
        (ModuleNotFoundError("no", name="rdkit.Chem"), 2, "pip install 'cinchona[screening]'"),
        (ModuleNotFoundError("no", name="vina"), 2, "pip install 'cinchona[dock]'"),
        (ModuleNotFoundError("no", name="cinchona.screening.docking"), 2, "not built yet"),
        (ModuleNotFoundError("no", name="who_knows"), 1, "defect"),
        (ValueError("a bug"), 1, "ValueError: a bug"),
        (OSError(99, "strange"), 1, "strange"),
        (AssertionError("a bug"), 1, "AssertionError: a bug"),
        (RecursionError("deep"), 1, "RecursionError"),
        (typer.Exit(3), 3, ""),
        (SystemExit(4), 4, ""),
        (SystemExit("text"), 1, ""),
    ], ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None)  # fmt: skip
    def test_foreign_errors_are_translated(self, ending, error, code, words):
        ran = ending(error)
        assert ran.code == code
        assert words in ran.err
        assert "Traceback" not in ran.err

    def test_a_defect_leaves_its_traceback_in_a_file(self, ending, tmp_path):
        ran = ending(ValueError("https://me:hunter2@host"), "--set", "tracking.token=hunter3")
        (log,) = tmp_path.glob("cinchona-*.log")
        assert str(log) in ran.err
        text = log.read_text()
        assert "Traceback" in text
        assert "ValueError" in text
        assert "tracking.token=***" in text
        assert "hunter" not in text + ran.err

    def test_a_defect_without_a_place_for_its_file_is_still_reported(self, ending, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
        ran = ending(ValueError("a bug"))
        assert ran.code == 1
        assert "a bug" in ran.err

    @pytest.mark.parametrize("error", [errors.InputError("bad file"), ValueError("a bug"), KeyboardInterrupt()])
    def test_verbose_shows_the_traceback(self, ending, error):
        ran = ending(error, "--verbose")
        assert "Traceback" in ran.err
        assert "in fail" in ran.err

    @pytest.mark.parametrize("how", ["option", "environment"])
    def test_json_logs_end_with_a_json_error(self, ending, monkeypatch, how):
        import json

        options = ["--log-format", "json"]
        if how == "environment":
            monkeypatch.setenv("CINCHONA_LOG_FORMAT", "json")
            options = []
        ran = ending(errors.LockedError("locked", where="out", remedy="wait"), *options)
        entry = json.loads(ran.err.splitlines()[-1])
        assert entry == {
            "level": "error", "error": "LockedError", "exit_code": 4, "what": "locked", "where": "out", "expected": "",
            "remedy": "wait",
        }  # fmt: skip

    def test_secrets_in_messages_are_masked(self, ending):
        assert "hunter2" not in ending(errors.ConfigError("store https://me:hunter2@host is away")).err

    def test_only_defects_write_files(self, ending, tmp_path):
        ending(errors.InputError("bad"))
        assert not list(tmp_path.glob("cinchona-*.log"))
