#!/usr/bin/env python3
"""Mutates small .safetensors files and compares who takes them: glimt and the Python package safetensors.

usage: compare_safetensors.py JUDGE [COUNT]    JUDGE: build/tests/checkpoint/safetensors_judge

Whatever glimt takes, the package must take. The other way round glimt is stricter on purpose: see the counts.
"""

import collections
import json
import random
import struct
import subprocess
import sys

from safetensors import SafetensorError, deserialize

TYPES = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8, "U8": 1, "U32": 4, "I64": 8, "BOOL": 1, "F8_E4M3": 1}
VALUES = [0, 1, -1, 2, 3, 7, 8, 2**31, 2**32, 2**63 - 1, 2**64 - 1, 1.5, "", "F32", "F9", None, True, [], {}, [0, 4], [4, 0]]


def base(rng):
    """Tensors that tile the data, perhaps with metadata."""
    header, at = {}, 0
    if rng.random() < 0.5:
        header["__metadata__"] = {"format": "mlx", "made_from": "x"}
    for i in range(rng.randrange(5)):
        dtype = rng.choice(list(TYPES))
        shape = [rng.randrange(4) for _ in range(rng.randrange(4))]
        size = TYPES[dtype]
        for dim in shape:
            size *= dim
        header[f"model.layers.{i}.weight"] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return header, at


def change_header(rng, header):
    """Another value at a random place of the header."""
    place = header
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.8:
            place = place[key]
            continue
        kind = rng.randrange(4)
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place[key], int):
            place[key] += rng.choice([-8, -4, -1, 1, 4, 8])
        elif kind == 2 and isinstance(place, dict):
            place[rng.choice(["dtype", "shape", "extra", "__metadata__", "model.layers.0.weight"])] = place.pop(key)
        else:
            place[key] = rng.choice(VALUES)
        return


def change_bytes(rng, content):
    """Bits, bytes, lengths: at the beginning more often."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(content)) if rng.random() < 0.5 else rng.randrange(min(len(content), 24))
        kind = rng.randrange(5)
        if kind == 0:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at] = rng.choice(b'{}[]",:0123456789-+.eE \\\n\t\0\xff')
        elif kind == 2:
            del content[at : at + rng.randrange(1, 9)]
        elif kind == 3:
            content[at:at] = content[at : at + rng.randrange(1, 9)]
        else:
            content[:8] = struct.pack("<Q", (struct.unpack("<Q", bytes(content[:8]).ljust(8, b"\0"))[0] + rng.choice([-8, -1, 1, 8, 2**40])) % 2**64)
        if not content:
            return


def mutated(rng):
    header, size = base(rng)
    kind = rng.randrange(8)
    for _ in range(rng.randrange(1, 3) if kind in (1, 2, 3, 4) else 0):
        change_header(rng, header)
    text = json.dumps(header, separators=rng.choice([(",", ":"), (", ", ": ")])).encode()
    text += b" " * rng.choice([0, 0, 1, 8, -len(text) % 8])
    content = bytearray(struct.pack("<Q", len(text)) + text + bytes(max(0, size + rng.choice([0, 0, 0, 0, -1, 1, 8]))))
    if kind > 4:
        change_bytes(rng, content)
    return bytes(content)


def takes(content):
    try:
        deserialize(content)
    except SafetensorError:
        return False
    return True


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    rng = random.Random(1)
    files = [mutated(rng) for _ in range(count)]
    judge = subprocess.run([sys.argv[1]], input=b"".join(struct.pack("<I", len(f)) + f for f in files), capture_output=True, check=True)
    verdicts = judge.stdout.decode(errors="replace").splitlines()
    assert len(verdicts) == count, (len(verdicts), count)
    results, stricter, wrong = collections.Counter(), collections.Counter(), []
    for content, verdict in zip(files, verdicts):
        ours, theirs = verdict == "ok", takes(content)
        results[("glimt takes" if ours else "glimt refuses", "safetensors takes" if theirs else "safetensors refuses")] += 1
        if ours and not theirs:
            wrong.append(content)
        if theirs and not ours:
            stricter[verdict.split("':")[-1].split(": ", 1)[-1][:60]] += 1
    for pair, number in sorted(results.items()):
        print(f"{number:7} {pair[0]}, {pair[1]}")
    for reason, number in stricter.most_common(12):
        print(f"{number:9} stricter: {reason}")
    for content in wrong[:5]:
        print("taken by glimt alone:", content)
    sys.exit(1 if wrong else 0)


main()
