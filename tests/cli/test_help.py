"""What the help of the commands promises."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from napari_medrefine.cli import build_parser, main

README = Path(__file__).parents[2] / "README.md"


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every sub-command with its parser."""
    parts = build_parser()._actions
    return dict(next(one for one in parts if isinstance(one, argparse._SubParsersAction)).choices)


def examples() -> list[str]:
    """All examples of README and of the commands' help."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    texts = blocks + [str(command.epilog) for command in commands().values()]
    return [
        line.strip()
        for text in texts
        for line in text.splitlines()
        if line.strip().startswith("medrefine ")
    ]


def words(example: str) -> list[str]:
    """The arguments of an example, without what is said about it."""
    return shlex.split(re.sub(r"\s{2,}\(.*\)$", "", example), comments=True)[1:]


@pytest.mark.parametrize("example", examples())
def test_every_example_is_a_command_line_that_the_program_takes(example: str) -> None:
    build_parser().parse_args(words(example))


def test_examples_magnify_photos_with_the_weights_for_photos() -> None:
    given = [
        build_parser().parse_args(words(example)) for example in examples() if "_4x.jpg" in example
    ]
    models = [one.model for one in given if "scale" in one]
    assert "photo-faithful" in models
    assert None not in models  # else learned weights


@pytest.mark.parametrize("command", commands())
def test_the_help_tells_what_an_option_is_that_is_left_out(command: str) -> None:
    silent = [
        option.option_strings[0]
        for option in commands()[command]._actions
        if option.default not in (None, False, [], argparse.SUPPRESS)
        and option.option_strings
        and "default" not in str(option.help)
    ]
    assert silent == []


def test_import_offers_what_it_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["import", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "csv" not in said
    assert ".ome.zarr (a scene)" in said


def test_demo_says_what_it_does_not_replace_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    assert "that no demo made" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("command", "named"), [("magnify", True), ("sharpen", False)])
def test_only_what_takes_the_weights_for_photos_names_them(
    command: str, named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert ("photo-faithful" in capsys.readouterr().out) == named
