#!/usr/bin/env python3
"""GLM4-MoE-Lite a second time, in numpy and float64, written from the formulas and not from src/.

It checks the golden files, and makes the cases that tests/golden/oracle_* hold. Not part of `make test`; needs numpy only.

    python tests/oracle/reference.py verify            # every float case of tests/golden against this program
    python tests/oracle/reference.py make              # writes tests/golden/oracle_* and bf16_exact_frequencies again

The largest differences that `verify` prints are those of the float32 arithmetic that made the files, about 1e-5.
`make` draws everything from fixed seeds and asserts that each case shows what it is for: that the fault it guards
against picks other experts, and that no pick is so close that float32 could tip it.

Formulas: DeepSeek-V2 (arXiv 2405.04434, MLA), DeepSeek-V3 (2412.19437, gate and MTP), RoFormer (2104.09864), YaRN
(2309.00071).
"""

import json
import pathlib
import struct
import sys

import numpy as np

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
FLOAT_CASES = ["base", "no_q_lora", "groups", "yarn", "plain_scores", "two_dense", "bf16", "mtp"]


# ---------------------------------------------------------------------------------------------------------------------
# safetensors


def round_to_bf16(x):
    """Nearest bfloat16, ties to even, as float64."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in info["data_offsets"])
        raw = data[begin:end]
        if info["dtype"] == "BF16":
            value = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            value = np.frombuffer(raw, {"F32": np.float32, "I32": np.int32, "U32": np.uint32, "U8": np.uint8}[info["dtype"]])
        tensors[name] = value.reshape(info["shape"])
    return tensors


def write_safetensors(path, tensors):
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        value = tensors[name]
        dtype = {"float32": "F32", "int32": "I32"}[str(value.dtype)]
        blob = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


# ---------------------------------------------------------------------------------------------------------------------
# The model


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def yarn_mscale(factor, mscale):
    return 0.1 * mscale * np.log(factor) + 1 if factor > 1 else 1.0


class Model:
    """`exact_frequencies` false rounds the rotary frequencies to bfloat16; `faults` names deliberate errors."""

    def __init__(self, config, weights, round_frequencies=False, faults=()):
        self.c = config
        self.w = {name: value.astype(np.float64) for name, value in weights.items()}
        self.round_frequencies = round_frequencies
        self.faults = set(faults)
        self.margins = []  # distance between the last expert picked and the first left out
        rope = config.get("rope_parameters") or {}
        self.theta = rope.get("rope_theta", config.get("rope_theta"))
        self.yarn = config.get("rope_scaling") or (rope if rope.get("rope_type") == "yarn" else None)
        layers, dense = config["num_hidden_layers"], config.get("first_k_dense_replace", 0)
        self.kinds = config.get("mlp_layer_types") or ["dense" if i < dense else "sparse" for i in range(layers)]

    def rms(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.c["rms_norm_eps"]) * self.w[name]

    def linear(self, x, name):
        y = x @ self.w[name + ".weight"].T
        return y + self.w[name + ".bias"] if name + ".bias" in self.w else y

    def frequencies(self):
        dims = self.c["qk_rope_head_dim"]
        plain = self.theta ** (-np.arange(0, dims, 2) / dims)
        if not self.yarn:
            result = plain
        else:
            original, factor = self.yarn["original_max_position_embeddings"], self.yarn["factor"]

            def pair_that_turns(times):
                return dims * np.log(original / (times * 2 * np.pi)) / (2 * np.log(self.theta))

            low = max(np.floor(pair_that_turns(self.yarn.get("beta_fast", 32))), 0)
            high = min(np.ceil(pair_that_turns(self.yarn.get("beta_slow", 1))), dims - 1)
            ramp = np.clip((np.arange(dims // 2) - low) / max(high - low, 0.001), 0, 1)
            result = plain / factor * ramp + plain * (1 - ramp)
        return round_to_bf16(result) if self.round_frequencies else result

    def rotary(self, x):
        """x [B, H, L, dims]; position i turns pair j by i * frequency j."""
        angle = np.arange(x.shape[2])[:, None] * self.frequencies()
        magnitude = 1.0
        if self.yarn:
            factor = self.yarn["factor"]
            magnitude = yarn_mscale(factor, self.yarn.get("mscale", 1)) / yarn_mscale(factor, self.yarn.get("mscale_all_dim", 0))
        cos, sin = np.cos(angle) * magnitude, np.sin(angle) * magnitude
        half = x.shape[-1] // 2
        interleave = self.c.get("rope_interleave", True) != ("pairing" in self.faults)
        if interleave:
            a, b = x[..., 0::2], x[..., 1::2]
            out = np.empty_like(x)
            out[..., 0::2], out[..., 1::2] = a * cos - b * sin, a * sin + b * cos
            return out
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], -1)

    def attention(self, x, path):
        c = self.c
        heads, nope, rope, v, lora = (c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"],
                                      c["kv_lora_rank"])
        batch, length, _ = x.shape
        if c.get("q_lora_rank"):
            latent_q = self.rms(self.linear(x, path + ".q_a_proj"), path + ".q_a_layernorm.weight")
            q = self.linear(latent_q, path + ".q_b_proj")
        else:
            q = self.linear(x, path + ".q_proj")
        q = q.reshape(batch, length, heads, nope + rope).transpose(0, 2, 1, 3)
        q = np.concatenate([q[..., :nope], self.rotary(q[..., nope:])], -1)
        rows = self.linear(x, path + ".kv_a_proj_with_mqa")
        latent = self.rms(rows[..., :lora], path + ".kv_a_layernorm.weight")
        k_pe = self.rotary(rows[:, None, :, lora:])
        kv = self.linear(latent, path + ".kv_b_proj").reshape(batch, length, heads, nope + v).transpose(0, 2, 1, 3)
        k = np.concatenate([kv[..., :nope], np.repeat(k_pe, heads, 1)], -1)
        scale = (nope + rope) ** -0.5
        if self.yarn and self.yarn.get("mscale_all_dim"):
            scale *= yarn_mscale(self.yarn["factor"], self.yarn["mscale_all_dim"]) ** 2
        scores = q @ k.transpose(0, 1, 3, 2) * scale
        scores = np.where(np.triu(np.ones((length, length), bool), 1), -np.inf, scores)
        y = softmax(scores) @ kv[..., nope:]
        return self.linear(y.transpose(0, 2, 1, 3).reshape(batch, length, heads * v), path + ".o_proj")

    def gate(self, x, path):
        """x [T, hidden] -> expert numbers in ascending order [T, k], their weights [T, k]."""
        c = self.c
        logits = x @ self.w[path + ".weight"].T
        scores = softmax(logits) if "softmax" in self.faults else sigmoid(logits)
        bias = self.w[path + ".e_score_correction_bias"]
        if "rounded_bias" in self.faults:
            bias = round_to_bf16(bias)
        choice = scores if "no_bias" in self.faults else scores + bias
        groups, kept = c.get("n_group", 1), c.get("topk_group", 1)
        if groups > 1:
            by_group = choice.reshape(len(x), groups, -1)
            worth = np.sort(by_group, -1)[..., -2:].sum(-1)
            order = np.argsort(-worth, -1, kind="stable")
            self.note_margin(np.take_along_axis(worth, order, -1), kept)
            excluded = np.ones((len(x), groups), bool)
            np.put_along_axis(excluded, order[:, :kept], False, -1)
            fill = 0.0 if "zero_excluded" in self.faults else -np.inf
            choice = np.where(excluded[..., None], fill, by_group).reshape(len(x), -1)
        k = c["num_experts_per_tok"]
        order = np.argsort(-choice, -1, kind="stable")
        self.note_margin(np.take_along_axis(choice, order, -1), k)
        picks = np.sort(order[:, :k], -1)
        weights = np.take_along_axis(scores, picks, -1)
        if c.get("norm_topk_prob", True) and k > 1:
            weights = weights / (weights.sum(-1, keepdims=True) + 1e-20)
        return picks, weights * c.get("routed_scaling_factor", 1.0)

    def note_margin(self, ranked, kept):
        if kept < ranked.shape[-1]:
            self.margins.append((ranked[:, kept - 1] - ranked[:, kept]).min())

    def mlp(self, x, path):
        return self.linear(silu(self.linear(x, path + ".gate_proj")) * self.linear(x, path + ".up_proj"), path + ".down_proj")

    def experts(self, x, path, record):
        flat = x.reshape(-1, x.shape[-1])
        picks, weights = self.gate(flat, path + ".gate")
        record("gate.inds", picks.reshape(*x.shape[:2], -1))
        record("gate.scores", weights.reshape(*x.shape[:2], -1))
        y = np.zeros_like(flat)
        for t in range(len(flat)):
            for e, weight in zip(picks[t], weights[t]):
                y[t] += weight * self.mlp(flat[t], f"{path}.experts.{e}")
        if self.c.get("n_shared_experts"):
            y = y + self.mlp(flat, path + ".shared_experts")
        return y.reshape(x.shape)

    def layer(self, x, path, kind, record):
        attention = self.attention(self.rms(x, path + ".input_layernorm.weight"), path + ".self_attn")
        record("self_attn", attention)
        h = x + attention
        normed = self.rms(h, path + ".post_attention_layernorm.weight")
        y = h + (self.mlp(normed, path + ".mlp") if kind == "dense" else self.experts(normed, path + ".mlp", record))
        record("output", y)
        return y

    def head(self):
        return self.w["model.embed_tokens.weight" if self.c.get("tie_word_embeddings") else "lm_head.weight"]

    def forward(self, ids):
        """ids [B, L] -> every tensor that a golden file may hold, except `greedy`."""
        out = {}
        x = self.w["model.embed_tokens.weight"][ids]
        for i, kind in enumerate(self.kinds):
            x = self.layer(x, f"model.layers.{i}", kind, lambda name, value, i=i: out.update({f"layers.{i}.{name}": value}))
        out["hidden"] = self.rms(x, "model.norm.weight")
        out["logits"] = out["hidden"] @ self.head().T
        mtp = f"model.layers.{self.c['num_hidden_layers']}"
        if mtp + ".eh_proj.weight" in self.w and ids.shape[1] > 1:
            table = self.w.get(mtp + ".embed_tokens.weight", self.w["model.embed_tokens.weight"])
            x = np.concatenate([self.rms(table[ids[:, 1:]], mtp + ".enorm.weight"),
                                self.rms(out["hidden"][:, :-1], mtp + ".hnorm.weight")], -1)
            y = self.layer(self.linear(x, mtp + ".eh_proj"), mtp, "sparse", lambda name, value: None)
            out["mtp.hidden"] = self.rms(y, mtp + ".shared_head.norm.weight")
            out["mtp.logits"] = out["mtp.hidden"] @ self.w.get(mtp + ".shared_head.head.weight", self.head()).T
        return out

    def greedy(self, ids, count):
        for _ in range(count):
            last = self.forward(ids)["logits"][:, -1]
            ranked = np.sort(last, -1)
            self.margins.append((ranked[:, -1] - ranked[:, -2]).min())
            ids = np.concatenate([ids, last.argmax(-1)[:, None]], 1)
        return ids[:, -count:]


# ---------------------------------------------------------------------------------------------------------------------
# verify


def read_case(name):
    folder = GOLDEN / name
    return json.loads((folder / "config.json").read_text()), read_safetensors(folder / "model.safetensors")


def differences(got, wanted):
    """Worst absolute difference; for integers the number of values that differ."""
    result = {}
    for name, value in wanted.items():
        if name in got:
            exact = np.issubdtype(value.dtype, np.integer)
            result[name] = int((got[name] != value).sum()) if exact else float(np.abs(got[name] - value).max())
    return result


def verify():
    for name in FLOAT_CASES + sorted(path.name for path in GOLDEN.glob("oracle_*")):
        config, weights = read_case(name)
        golden = read_safetensors(GOLDEN / name / "golden.safetensors")
        for rounded in [False, True] if name == "bf16" else [False]:
            model = Model(config, weights, round_frequencies=rounded)
            got = model.forward(golden["input_ids"])
            got["greedy"] = model.greedy(golden["input_ids"], golden["greedy"].shape[1])
            missing = set(golden) - set(got) - {"input_ids"}
            worst = differences(got, golden)
            integers = sum(v for v in worst.values() if isinstance(v, int))
            floats = max(v for v in worst.values() if isinstance(v, float))
            print(f"{name:24} {'frequencies rounded to bfloat16 ' if rounded else ''}worst {floats:.1e} (logits {worst['logits']:.1e}),"
                  f" picks and tokens that differ: {integers}{', not computed: ' + str(missing) if missing else ''}")


# ---------------------------------------------------------------------------------------------------------------------
# make

BASE_CONFIG = {
    "architectures": ["Glm4MoeLiteForCausalLM"], "model_type": "glm4_moe_lite", "hidden_size": 32, "intermediate_size": 48,
    "moe_intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "q_lora_rank": 24, "kv_lora_rank": 16,
    "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 20, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.8,
    "rms_norm_eps": 1e-5, "vocab_size": 96, "max_position_embeddings": 256, "first_k_dense_replace": 1, "rope_theta": 10000.0,
    "rope_interleave": True, "eos_token_id": [2], "torch_dtype": "float32",
}  # fmt: skip


def random_weights(c, rng, mtp=False):
    w = {}

    def matrix(name, rows, columns):
        w[name + ".weight"] = rng.standard_normal((rows, columns)) / np.sqrt(columns)

    def norm(name, size):
        w[name + ".weight"] = 1 + 0.2 * rng.standard_normal(size)

    def mlp(path, inner):
        for projection in ("gate_proj", "up_proj"):
            matrix(f"{path}.{projection}", inner, hidden)
        matrix(path + ".down_proj", hidden, inner)

    hidden, heads, nope, rope = c["hidden_size"], c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"]

    def layer(path, kind):
        attention = path + ".self_attn"
        matrix(attention + ".q_a_proj", c["q_lora_rank"], hidden)
        norm(attention + ".q_a_layernorm", c["q_lora_rank"])
        matrix(attention + ".q_b_proj", heads * (nope + rope), c["q_lora_rank"])
        matrix(attention + ".kv_a_proj_with_mqa", c["kv_lora_rank"] + rope, hidden)
        norm(attention + ".kv_a_layernorm", c["kv_lora_rank"])
        matrix(attention + ".kv_b_proj", heads * (nope + c["v_head_dim"]), c["kv_lora_rank"])
        matrix(attention + ".o_proj", hidden, heads * c["v_head_dim"])
        norm(path + ".input_layernorm", hidden)
        norm(path + ".post_attention_layernorm", hidden)
        if kind == "dense":
            return mlp(path + ".mlp", c["intermediate_size"])
        matrix(path + ".mlp.gate", c["n_routed_experts"], hidden)
        w[path + ".mlp.gate.e_score_correction_bias"] = 0.1 * rng.standard_normal(c["n_routed_experts"])
        for e in range(c["n_routed_experts"]):
            mlp(f"{path}.mlp.experts.{e}", c["moe_intermediate_size"])
        mlp(path + ".mlp.shared_experts", c["moe_intermediate_size"] * c["n_shared_experts"])

    matrix("model.embed_tokens", c["vocab_size"], hidden)
    w["model.embed_tokens.weight"] *= np.sqrt(hidden)
    kinds = c.get("mlp_layer_types") or ["dense" if i < c["first_k_dense_replace"] else "sparse" for i in range(c["num_hidden_layers"])]
    for i, kind in enumerate(kinds):
        layer(f"model.layers.{i}", kind)
    norm("model.norm", hidden)
    matrix("lm_head", c["vocab_size"], hidden)
    w["lm_head.weight"] *= 1.5
    if mtp:
        path = f"model.layers.{c['num_hidden_layers']}"
        layer(path, "sparse")
        norm(path + ".enorm", hidden)
        norm(path + ".hnorm", hidden)
        matrix(path + ".eh_proj", hidden, 2 * hidden)
        norm(path + ".shared_head.norm", hidden)
    return {name: value.astype(np.float32) for name, value in w.items()}


def picks_of(model, ids):
    return {name: value for name, value in model.forward(ids).items() if name.endswith("gate.inds")}


def write_case(name, seed, changes, adjust=None, mtp=False, must_differ=()):
    """`adjust(weights, rng)` edits the weights in place; each fault in `must_differ` has to pick other experts. Seeds are
    tried from `seed` on until no pick and no greedy token is a near tie."""
    config = {**BASE_CONFIG, **changes}
    while True:
        rng = np.random.default_rng(seed)
        weights = random_weights(config, rng, mtp)
        if adjust:
            adjust(weights, rng)
            weights = {key: value.astype(np.float32) for key, value in weights.items()}
        ids = rng.integers(3, config["vocab_size"], (2, 19)).astype(np.int32)
        model = Model(config, weights)
        out = model.forward(ids)
        out["greedy"] = model.greedy(ids, 8)
        if min(model.margins) > 1e-4:
            break
        seed += 1000
    for fault in must_differ:
        other = picks_of(Model(config, weights, faults=[fault]), ids)
        changed = sum(int((value != out[key]).any(-1).sum()) for key, value in other.items())
        assert changed > 10, (name, fault, changed)
    folder = GOLDEN / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_safetensors(folder / "model.safetensors", weights)
    out = {key: value.astype(np.int32 if np.issubdtype(value.dtype, np.integer) else np.float32) for key, value in out.items()}
    write_safetensors(folder / "golden.safetensors", {"input_ids": ids, **out})
    print(f"{name}: seed {seed}, smallest margin {min(model.margins):.1e}, logits std {out['logits'].std():.2f}")


def for_each_bias(weights, change):
    for key in weights:
        if key.endswith("e_score_correction_bias"):
            weights[key] = change(weights[key])


def make():
    # All choices are below zero, so an excluded group set to 0 instead of -inf would win.
    write_case("oracle_negative_bias", 1, {"n_routed_experts": 16, "num_experts_per_tok": 4, "n_group": 4, "topk_group": 2},
               lambda w, rng: for_each_bias(w, lambda b: b - 3), must_differ=["zero_excluded", "no_bias"])
    # Sigmoid and softmax rank alike; only together with biases of the size of the scores do the picks part.
    write_case("oracle_sigmoid_gate", 2, {}, lambda w, rng: for_each_bias(w, lambda b: rng.uniform(-0.5, 0.5, b.shape)),
               must_differ=["softmax", "no_bias"])
    # At 8 a bfloat16 step is 1/16: rounding the bias, or adding it in bfloat16, loses the order.
    write_case("oracle_large_bias", 3, {}, lambda w, rng: for_each_bias(w, lambda b: 8 + rng.uniform(0, 0.25, b.shape)),
               must_differ=["rounded_bias", "no_bias"])
    # The newer spellings of the configuration, rotary halves instead of pairs, a dense layer in the middle.
    write_case("oracle_half_rope", 4,
               {"rope_interleave": False, "rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
                "mlp_layer_types": ["sparse", "dense", "sparse"], "first_k_dense_replace": None})
    # YaRN whose magnitude is not 1 (mscale differs from mscale_all_dim), under rope_parameters; an MTP layer that
    # shares the trunk's embedding and head.
    write_case("oracle_yarn_mtp", 5,
               {"rope_theta": None, "num_nextn_predict_layers": 1,
                "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0, "mscale": 1.0, "mscale_all_dim": 0.5,
                                    "beta_fast": 32, "beta_slow": 1, "original_max_position_embeddings": 32}}, mtp=True)

    # The weights of `bf16` with exact rotary frequencies, which is what glimt computes unless told otherwise.
    config, weights = read_case("bf16")
    ids = read_safetensors(GOLDEN / "bf16" / "golden.safetensors")["input_ids"]
    model = Model(config, weights)
    out = model.forward(ids)
    print(f"bf16_exact_frequencies: smallest margin {min(model.margins):.1e}")
    out = {key: value.astype(np.int32 if np.issubdtype(value.dtype, np.integer) else np.float32) for key, value in out.items()}
    (GOLDEN / "bf16_exact_frequencies").mkdir(exist_ok=True)
    write_safetensors(GOLDEN / "bf16_exact_frequencies" / "golden.safetensors", {"input_ids": ids, **out})


if __name__ == "__main__":
    if sys.argv[1:] == ["verify"]:
        verify()
    elif sys.argv[1:] == ["make"]:
        make()
    else:
        sys.exit(__doc__)
