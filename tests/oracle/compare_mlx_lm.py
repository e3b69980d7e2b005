"""Does glimt convert what mlx_lm.convert converts, bit by bit, and does mlx-lm load what glimt makes?

compare_mlx_lm.py GLIMT MODEL     with mlx-lm 0.32.2 and mlx 0.32.4 on a CPU (`make oracle` installs them)
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import mlx.core as mx
import mlx_lm
from mlx_lm.utils import load_model

FORMATS = [("affine", bits, group) for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)]
FORMATS += [("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)]


def tensors(folder):
    found = {}
    for file in sorted(pathlib.Path(folder).glob("model*.safetensors")):
        found.update(mx.load(str(file)))
    return found


def compare(wanted, got, layers):
    """Differences of two folders; the MTP layer, which mlx-lm drops, must be there in ours."""
    problems = []
    theirs, ours = tensors(wanted), tensors(got)
    mtp = f"model.layers.{layers}."
    if not any(name.startswith(mtp) for name in ours):
        problems.append("the MTP layer is missing")
    ours = {name: value for name, value in ours.items() if not name.startswith(mtp)}
    problems += [f"{name}: only one of both has it" for name in sorted(theirs.keys() ^ ours.keys())]
    for name in sorted(theirs.keys() & ours.keys()):
        a, b = theirs[name], ours[name]
        if a.dtype != b.dtype or a.shape != b.shape:
            problems.append(f"{name}: {a.dtype} {a.shape} and {b.dtype} {b.shape}")
        elif not mx.array_equal(mx.view(a, mx.uint8), mx.view(b, mx.uint8)).item():
            problems.append(f"{name}: other bytes")
    a, b = (json.loads((pathlib.Path(f) / "config.json").read_text()) for f in (wanted, got))
    problems += [f"config.json: {key}: {a.get(key)} and {b.get(key)}" for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)]
    return problems


def logits(folder):
    model, _ = load_model(pathlib.Path(folder))
    model.set_dtype(mx.float32)  # on a CPU, MLX multiplies stacks of matrices in no other float type
    return model(mx.array([[1, 2, 3, 4, 5]]))


def check(glimt, model, layers, scratch, arguments, wanted=None):
    made = scratch / "glimt"
    subprocess.run([glimt, "convert", model, made, *arguments], check=True, capture_output=True)
    problems = compare(wanted, made, layers) if wanted else []
    try:
        if not mx.all(mx.isfinite(logits(made))).item():
            problems.append("mlx-lm computes logits that are not finite")
    except Exception as error:  # noqa: BLE001: whatever mlx-lm throws, it does not load it
        problems.append(f"mlx-lm does not load it: {error}")
    print(f"{' '.join(arguments):45} {'as mlx-lm' if wanted else 'loads'}" if not problems else f"{' '.join(arguments)}: {problems[:5]}", flush=True)
    shutil.rmtree(made)
    return not problems


def main():
    glimt, model = sys.argv[1:3]
    layers = json.loads((pathlib.Path(model) / "config.json").read_text())["num_hidden_layers"]
    mx.set_default_device(mx.cpu)
    good = True
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        for mode, bits, group in FORMATS:
            wanted = scratch / "mlx"
            mlx_lm.convert(model, str(wanted), quantize=True, q_group_size=group, q_bits=bits, q_mode=mode)
            arguments = ["--quantize", mode, "--bits", str(bits), "--group-size", str(group)]
            good &= check(glimt, model, layers, scratch, arguments, wanted)
            shutil.rmtree(wanted)
        for arguments in (["--recipe", "balanced"], ["--recipe", "small"], ["--recipe", "uniform4"], ["--dequantize"], ["--repack"]):
            good &= check(glimt, model, layers, scratch, arguments)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
