"""How files are broken: bytes lost, flipped, doubled; JSON with values that nobody expects."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

Damage = Callable[[bytes], bytes]

# Lengths, offsets and counts that parsers stumble over, little and big endian.
_NUMBERS = [
    number.to_bytes(size, order)
    for size in (2, 4, 8)
    for number in (0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1))
    for order in ("little", "big")
]
_share = st.floats(0, 1, exclude_max=True)
_early = st.floats(0, 1, exclude_max=True).map(lambda x: x**4)  # headers come first


def _truncate(share: float) -> Damage:
    return lambda content: content[: int(len(content) * share)]


def _overwrite(share: float, value: bytes) -> Damage:
    def damage(content: bytes) -> bytes:
        at = int(len(content) * share)
        return content[:at] + value + content[at + len(value) :]

    return damage


def _insert(share: float, value: bytes) -> Damage:
    def damage(content: bytes) -> bytes:
        at = int(len(content) * share)
        return content[:at] + value + content[at:]

    return damage


def _drop(share: float, length: int) -> Damage:
    def damage(content: bytes) -> bytes:
        at = int(len(content) * share)
        return content[:at] + content[at + length :]

    return damage


def _flip(share: float, bit: int) -> Damage:
    def damage(content: bytes) -> bytes:
        if not content:
            return content
        at = int(len(content) * share)
        return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]

    return damage


def _double(share: float, length: int) -> Damage:
    def damage(content: bytes) -> bytes:
        at = int(len(content) * share)
        return content[:at] + content[at : at + length] + content[at:]

    return damage


_place = st.one_of(_early, _share)
_one = st.one_of(
    st.builds(_truncate, _share),
    st.builds(_overwrite, _place, st.sampled_from(_NUMBERS)),
    st.builds(_overwrite, _place, st.binary(min_size=1, max_size=16)),
    st.builds(_insert, _place, st.binary(min_size=1, max_size=16)),
    st.builds(_drop, _place, st.integers(1, 64)),
    st.builds(_double, _place, st.integers(1, 64)),
    st.builds(_flip, _place, st.integers(0, 7)),
)


def _all_of(steps: list[Damage]) -> Damage:
    def damage(content: bytes) -> bytes:
        for step in steps:
            content = step(content)
        return content

    return damage


damages = st.lists(_one, min_size=1, max_size=3).map(_all_of)

ODD_PATHS = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    "C:\\x",
    "\\\\host\\x",
    "a/../../b",
    "a\0b",
    "con",
    "x" * 300,
    "é" * 200,
    "~",
    "file:///etc/passwd",
    "s3://bucket/x",
    "http://127.0.0.1:9/x",
    "-rf",
]
_DEEP: Any = []
for _ in range(200):
    _DEEP = [_DEEP]
odd_values = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            -1,
            1,
            2**31,
            2**63,
            2**200,
            -(2**63),
            0.5,
            1e308,
            -1e308,
            1e-308,
            float("nan"),
            float("inf"),
            float("-inf"),
            [],
            {},
            [[]],
            [0],
            [1e308] * 3,
            {"a": 1},
            "\ud800",
            "\u202e",
            "1",
            "NaN",
            "x" * 10_000,
            _DEEP,
        ]
    ),
    st.sampled_from(ODD_PATHS),
    st.text(max_size=8),
    st.integers(-5, 5000),
    st.floats(),
)


@st.composite
def broken_json(draw: Any, data: Any) -> bytes:
    """Return `data` with one to three of its values replaced, doubled or taken away, as JSON."""
    broken = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(broken))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "replace", "drop", "add"]))
        if how == "drop":
            del holder[key]
        elif how == "add":
            _add(holder, key, copy.deepcopy(draw(odd_values)))
        else:
            holder[key] = copy.deepcopy(draw(odd_values))
    return json.dumps(broken).encode()


def _add(holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[f"{key} too"] = value


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from _places(data[key])
