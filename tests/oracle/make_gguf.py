"""Writes tests/checkpoint/data/gguf_blocks.gguf: blocks of every type that glimt reads, and what gguf-py makes of them.

    python3 -m venv /tmp/gguf && /tmp/gguf/bin/pip install gguf==0.19.0 && /tmp/gguf/bin/python tests/oracle/make_gguf.py

For each type a tensor of its name, [2, 512], and NAME.values, float32 of the same shape.
"""

import pathlib

import gguf
import numpy as np
from gguf.quants import dequantize

OUT = pathlib.Path(__file__).resolve().parents[1] / "checkpoint" / "data" / "gguf_blocks.gguf"
SHAPE = (2, 512)

# Where the float16 numbers of a block are; all other bytes may be anything.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
    "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}


def blocks_of(kind, rng):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (SHAPE[0] * SHAPE[1] // elements, size), dtype=np.uint8)
    for at in HALVES[kind.name]:
        scales = (rng.standard_normal(len(blocks)) * 10.0 ** rng.integers(-4, 2, len(blocks))).astype(np.float16)
        scales[:3] = [0, 6e-8, -0.01]  # nothing, the smallest one, a negative one
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
    if kind.name == "MXFP4":
        blocks[:, 0] = rng.integers(90, 160, len(blocks))
        blocks[:4, 0] = [0, 1, 2, 250]
    return blocks.reshape(SHAPE[0], -1)


def main():
    rng = np.random.default_rng(20261126)
    writer = gguf.GGUFWriter(OUT, "none")
    writer.add_uint32("test.number", 7)
    writer.add_array("test.words", ["a", "bc"])
    for name in HALVES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = blocks_of(kind, rng)
        writer.add_tensor(name, blocks, raw_dtype=kind)
        writer.add_tensor(name + ".values", dequantize(blocks, kind).astype(np.float32).reshape(SHAPE))
    for name, kind in [("F16", np.float16), ("F32", np.float32)]:
        values = rng.standard_normal(SHAPE).astype(kind)
        writer.add_tensor(name, values)
        writer.add_tensor(name + ".values", values.astype(np.float32))
    values = rng.standard_normal(SHAPE).astype(np.float32)
    rounded = gguf.quants.quantize(values, gguf.GGMLQuantizationType.BF16)
    writer.add_tensor("BF16", rounded, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.add_tensor("BF16.values", dequantize(rounded, gguf.GGMLQuantizationType.BF16).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
