# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeded damage: to bytes of whatever kind, and to the fields of the formats that have some."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

import numpy as np

Rng = np.random.Generator

# What a field of text, a cell or an option may be made of.
NASTY_TEXTS = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e400", "-1e308", "1e99999", "1e99999999", "0", "-1",
    "-0.0", "1/0", "0/1", "1/10000000", "25/1", "10" * 30, "9" * 400, "9" * 5000, "²", "٣", "½",
    "0x10", "1_0", "1,5", "1;5", '"', "'", "a\0b", "a\nb", "a\rb", "\x1b[31mred\x1b[0m",
    "\u202eabc", "\x85", "\u2028", "𝟙", "x" * 3000, "../../etc", "%s%n%d", "{0}", "True", "None",
    "[]",
)  # fmt: skip
NASTY_NUMBERS = (
    0, -1, 1, 2, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, -(2**31), 2**32, 2**63 - 1, 2**63,
    10**30, -(10**30), 0.5, -0.5, 1e20, -1e20, 1e300, 1e-300, float("inf"), float("-inf"),
    float("nan"),
)  # fmt: skip


def pick(rng: Rng, choices: Any) -> Any:
    """One of a sequence, as it is: NumPy would turn it into an array's scalar."""
    return choices[int(rng.integers(len(choices)))]


def damage(rng: Rng, data: bytes, other: bytes = b"") -> bytes:
    """One to three kinds of damage; `other` lends what is spliced in."""
    for _ in range(int(rng.integers(1, 4))):
        data = pick(rng, _DAMAGES)(rng, data, other)
    return data


def _truncated(rng: Rng, data: bytes, _other: bytes) -> bytes:
    return data[: int(rng.integers(len(data) + 1))]


def _flipped(rng: Rng, data: bytes, _other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 20))):
        if changed:
            changed[_place(rng, changed)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _spliced(rng: Rng, data: bytes, other: bytes) -> bytes:
    source = other or data
    start, at = int(rng.integers(len(source) + 1)), int(rng.integers(len(data) + 1))
    piece = source[start : start + int(rng.integers(1, 400))]
    return data[:at] + piece + data[at + (len(piece) if rng.random() < 0.5 else 0) :]


def _cut_out(rng: Rng, data: bytes, _other: bytes) -> bytes:
    at = int(rng.integers(len(data) + 1))
    return data[:at] + data[at + int(rng.integers(1, 300)) :]


def _number_set(rng: Rng, data: bytes, _other: bytes) -> bytes:
    """A length, a size or an offset somewhere becomes an extreme one."""
    if len(data) < 8:
        return data
    form = pick(rng, ("<H", ">H", "<L", ">L", "<Q", ">Q"))
    most = 256 ** struct.calcsize(form) - 1
    value = pick(rng, (0, 1, most, most // 2, most // 2 + 1, 65535, most - 1))
    at = _place(rng, data) if len(data) > 8 else 0
    packed = struct.pack(form, value & most)
    return data[:at] + packed + data[at + len(packed) :]


def _filled(rng: Rng, data: bytes, _other: bytes) -> bytes:
    at, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 200))
    return data[:at] + bytes([pick(rng, (0, 0xFF, 0x28, 0x20))]) * length + data[at + length :]


def _grown(rng: Rng, data: bytes, _other: bytes) -> bytes:
    return data + rng.bytes(int(rng.integers(1, 3000)))


_DAMAGES = (
    _truncated,
    _flipped,
    _flipped,
    _spliced,
    _cut_out,
    _number_set,
    _number_set,
    _filled,
    _grown,
)


def _place(rng: Rng, data: bytes | bytearray) -> int:
    """Heads are where the numbers are."""
    most = len(data) if rng.random() < 0.4 else min(len(data), 256)
    return int(rng.integers(most))


def nasty_value(rng: Rng, depth: int = 0) -> Any:
    """Any JSON value, mostly a wrong one."""
    kind = int(rng.integers(7 if depth < 3 else 5))
    if kind == 0:
        return pick(rng, NASTY_NUMBERS)
    if kind == 1:
        return pick(rng, NASTY_TEXTS)
    if kind == 2:
        return pick(rng, (True, False, None))
    if kind == 3:
        return pick(rng, ("\udcff", "a\ud800", "M\udcfcller.mp4", "/dev/null", "/dev/zero", "/"))
    if kind == 4:
        return int(rng.integers(-5, 50))
    if kind == 5:
        return [nasty_value(rng, depth + 1) for _ in range(int(rng.integers(5)))]
    return {pick(rng, NASTY_TEXTS): nasty_value(rng, depth + 1) for _ in range(2)}


def damaged_json(rng: Rng, content: dict[str, Any]) -> bytes:
    """A JSON object with a field changed, dropped or added, or its text damaged."""
    changed = dict(content)
    kind = int(rng.integers(8))
    key = pick(rng, list(changed))
    if kind <= 3:
        value = changed[key]
        if isinstance(value, list) and value and rng.random() < 0.5:
            changed[key] = [*value]
            changed[key][int(rng.integers(len(value)))] = nasty_value(rng)
        else:
            changed[key] = nasty_value(rng)
    elif kind == 4:
        del changed[key]
    elif kind == 5:
        changed[pick(rng, (*NASTY_TEXTS, "\udcff"))] = nasty_value(rng)
    elif kind == 6:
        sign = pick(rng, ("[", '{"a":'))
        return json.dumps(changed).encode().replace(b"}", b"," + b'"x":' + sign.encode() * 20_000)
    text = json.dumps(changed).encode()
    return damage(rng, text) if kind == 7 else text


def damaged_csv(rng: Rng, text: str) -> bytes:
    """A table with cells, rows or its divider changed, or its bytes damaged."""
    rows = [row.split(",") for row in text.splitlines()]
    for _ in range(int(rng.integers(1, 4))):
        row = int(rng.integers(len(rows))) if rng.random() < 0.6 else int(rng.integers(2))
        kind = int(rng.integers(8))
        cell = int(rng.integers(len(rows[row]))) if rows[row] else 0
        if kind <= 3 and rows[row]:
            said, dash, _ = rows[row][cell].partition(" ")
            value = str(pick(rng, NASTY_TEXTS) if kind < 3 else pick(rng, NASTY_NUMBERS))
            rows[row][cell] = f"{said} {value}" if dash and rng.random() < 0.7 else value
        elif kind == 4:
            del rows[row]
        elif kind == 5:
            rows.insert(row, list(rows[row]))
        elif kind == 6 and rows[row]:
            del rows[row][cell]
        else:
            rows[row].insert(cell, pick(rng, NASTY_TEXTS))
        rows = rows or [[""]]
    joined = pick(rng, (",", ",", ",", ";", "\t")).join
    data = "\n".join(joined(row) for row in rows).encode("utf-8", "surrogatepass")
    return damage(rng, data) if rng.random() < 0.2 else data


def damaged_npz(rng: Rng, arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz with a member changed in one of many ways, or its bytes damaged."""
    members = {name: npy(array) for name, array in arrays.items()}
    how = zipfile.ZIP_DEFLATED
    for _ in range(int(rng.integers(1, 3))):
        name = pick(rng, list(members))
        kind = int(rng.integers(10))
        if kind == 0:
            del members[name]
            members = members or {"a": b""}
        elif kind == 1:
            members[name] = lying_header(rng, arrays.get(name, np.zeros(3)))
        elif kind == 2:
            members[name] = damage(rng, members[name])
        elif kind == 3:
            how = pick(rng, (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED))
        elif kind == 4:
            members[name] = npy(
                pick(
                    rng,
                    (
                        np.array("x" * 5000),
                        np.array(["a\x1b[31m", "b"]),
                        np.array("\udcff a\nb"),
                        np.zeros(0),
                        np.array([2**63 - 1, 1]),
                        np.array([1, 10**18]),
                        np.array(np.nan),
                        np.zeros((3, 478, 3), np.float16),
                        np.zeros((6, 478, 3), ">f4"),
                        np.asfortranarray(np.ones((6, 478, 3), np.float32)),
                        np.ones(6, bool),
                    ),
                )
            )
        else:
            members[name] = npy(spoiled(rng, arrays.get(name, np.zeros(3))))
    data = zipped(members, how)
    return damage(rng, data) if rng.random() < 0.25 else data


def spoiled(rng: Rng, array: np.ndarray) -> np.ndarray:
    """The array with wrong values, another type, or another shape."""
    kind = int(rng.integers(7))
    if kind == 0 and array.ndim:
        return array[: int(rng.integers(len(array) + 1))]
    if kind == 2 and array.ndim:
        return np.concatenate([array, array])
    if array.dtype.kind in "OUSV":
        return np.array(pick(rng, NASTY_TEXTS))
    changed = np.array(array, copy=True)
    with np.errstate(all="ignore"):
        if kind == 1:
            return array.astype(pick(rng, ("f2", "f8", "i8", "u1", ">f4", "U9", "?")))
        if kind == 3:
            return (changed * pick(rng, (0, -1, 1e20, 1e-20, 1e6))).astype(changed.dtype)
        flat = changed.reshape(-1)
        for _ in range(int(rng.integers(1, 6))):
            if len(flat):
                value = np.float64(pick(rng, NASTY_NUMBERS))
                flat[int(rng.integers(len(flat)))] = value.astype(changed.dtype)
    return changed


def lying_header(rng: Rng, array: np.ndarray) -> bytes:
    """An .npy whose header says something else than its content, or nothing at all."""
    shape = pick(rng, (
        "(10000000, 478, 3)", "(99999999999999999999, 478, 3)", "(-1, 478, 3)", "(6, 478, 4)",
        "()", "(0,)", "(1.5, 478, 3)", "(" * 4000 + ")" * 4000, "'a'", "None", "(True, 478, 3)",
        "(6, 478, 3,)", "6", "[6]",
    ))  # fmt: skip
    kind = pick(
        rng, ("'<f4'", "'|O'", "'<U99999999'", "'f4,f4'", "'<M8[s]'", "7", "'<f4'", "'|b1'")
    )
    text = f"{{'descr': {kind}, 'fortran_order': {pick(rng, ('False', 'True', '3'))}, "
    text += f"'shape': {shape}, }}\n"
    length = len(text) if rng.random() < 0.8 else int(rng.integers(65536))
    head = b"\x93NUMPY" + bytes(pick(rng, ((1, 0), (1, 0), (2, 0), (3, 0), (9, 9))))
    size = struct.pack("<H" if head[6] == 1 else "<L", length & 0xFFFF)
    return head + size + text.encode() + array.tobytes()[:4000]


def npy(array: np.ndarray) -> bytes:
    """The array as an .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


def zipped(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An .npz of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()
