#!/usr/bin/env python3
"""full_shapes.py FOLDER [--layers 47] [--mtp]: a checkpoint with the shapes of GLM-4.7-Flash in bfloat16, laid out as
it is released (a tensor an expert, kv_b_proj whole), with noise for weights. Needs numpy, and 1.3 GB of disk a layer.

For the speed, memory and sizes of `glimt convert`: none depends on values. The tokenizer is the demo model's with names
for the other ids, so that `glimt bench` takes what comes out.
"""
import argparse, json, math, os, pathlib, shutil, struct

import numpy as np

DEMO = pathlib.Path(__file__).resolve().parents[1] / "models" / "demo"
HIDDEN, VOCABULARY, HEADS, Q_LORA, KV_LORA, NOPE, ROPE, V = 2048, 154880, 20, 768, 512, 192, 64, 256
DENSE, EXPERT, EXPERTS = 10240, 1536, 64
DEVIATION = 0.02
FILE_BYTES = 5 << 30
rng = np.random.default_rng(0)


def bf16(values):
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


NOISE = bf16(rng.standard_normal(1 << 25, np.float32) * DEVIATION)  # 64 MiB; every matrix begins somewhere in it


def config(layers, mtp):
    return {
        "architectures": ["Glm4MoeLiteForCausalLM"], "model_type": "glm4_moe_lite", "torch_dtype": "bfloat16",
        "attention_bias": False, "hidden_act": "silu", "hidden_size": HIDDEN, "intermediate_size": DENSE,
        "moe_intermediate_size": EXPERT, "num_hidden_layers": layers, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "q_lora_rank": Q_LORA, "kv_lora_rank": KV_LORA, "qk_nope_head_dim": NOPE,
        "qk_rope_head_dim": ROPE, "v_head_dim": V, "n_routed_experts": EXPERTS, "num_experts_per_tok": 4,
        "n_shared_experts": 1, "first_k_dense_replace": 1, "moe_layer_freq": 1, "n_group": 1, "topk_group": 1,
        "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True, "routed_scaling_factor": 1.8,
        "rope_theta": 1000000.0, "rope_scaling": None, "rope_interleave": True, "rms_norm_eps": 1e-05,
        "max_position_embeddings": 202752, "vocab_size": VOCABULARY, "tie_word_embeddings": False,
        "num_nextn_predict_layers": int(mtp), "eos_token_id": [154820, 154827, 154829], "pad_token_id": 154820,
    }


def noise(count):
    while count > 0:
        start = int(rng.integers(0, len(NOISE) // 2))
        piece = NOISE[start:start + count]
        yield piece
        count -= len(piece)


def matrix(name, rows, columns):
    return name + ".weight", "BF16", (rows, columns), lambda: noise(rows * columns)


def norm(name, size):
    return name + ".weight", "BF16", (size,), lambda: [bf16(np.ones(size))]


def swiglu(path, inner):
    yield matrix(path + ".gate_proj", inner, HIDDEN)
    yield matrix(path + ".up_proj", inner, HIDDEN)
    yield matrix(path + ".down_proj", HIDDEN, inner)


def layer(path, dense):
    attention, mlp = path + "self_attn.", path + "mlp"
    yield norm(path + "input_layernorm", HIDDEN)
    yield norm(path + "post_attention_layernorm", HIDDEN)
    yield norm(attention + "q_a_layernorm", Q_LORA)
    yield norm(attention + "kv_a_layernorm", KV_LORA)
    yield matrix(attention + "q_a_proj", Q_LORA, HIDDEN)
    yield matrix(attention + "q_b_proj", HEADS * (NOPE + ROPE), Q_LORA)
    yield matrix(attention + "kv_a_proj_with_mqa", KV_LORA + ROPE, HIDDEN)
    yield matrix(attention + "kv_b_proj", HEADS * (NOPE + V), KV_LORA)
    yield matrix(attention + "o_proj", HIDDEN, HEADS * V)
    if dense:
        return (yield from swiglu(mlp, DENSE))
    for expert in range(EXPERTS):
        yield from swiglu(f"{mlp}.experts.{expert}", EXPERT)
    yield from swiglu(mlp + ".shared_experts", EXPERT)
    yield matrix(mlp + ".gate", EXPERTS, HIDDEN)
    yield mlp + ".gate.e_score_correction_bias", "F32", (EXPERTS,), lambda: [np.zeros(EXPERTS, np.float32)]


def tensors(layers, mtp):
    yield matrix("model.embed_tokens", VOCABULARY, HIDDEN)
    for i in range(layers):
        yield from layer(f"model.layers.{i}.", dense=i == 0)
    if mtp:
        path = f"model.layers.{layers}."
        yield from layer(path, dense=False)
        yield from (norm(path + name, HIDDEN) for name in ("enorm", "hnorm", "shared_head.norm"))
        yield matrix(path + "eh_proj", HIDDEN, 2 * HIDDEN)
        yield matrix(path + "embed_tokens", VOCABULARY, HIDDEN)
        yield matrix(path + "shared_head.head", VOCABULARY, HIDDEN)
    yield norm("model.norm", HIDDEN)
    yield matrix("lm_head", VOCABULARY, HIDDEN)


def bytes_of(tensor):
    _, dtype, shape, _ = tensor
    return math.prod(shape) * {"BF16": 2, "F32": 4}[dtype]


def files_of(everything):
    files, size = [[]], 0
    for tensor in everything:
        if files[-1] and size + bytes_of(tensor) > FILE_BYTES:
            files.append([])
            size = 0
        files[-1].append(tensor)
        size += bytes_of(tensor)
    return files


def write(path, part):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for tensor in part:
        name, dtype, shape, _ = tensor
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + bytes_of(tensor)]}
        end += bytes_of(tensor)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, make in part:
            for piece in make():
                piece.tofile(file)
    print(path, f"{end / 1e9:.2f} GB", flush=True)


def write_tokenizer(folder):
    tokenizer = json.loads((DEMO / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    taken = set(words.values()) | {token["id"] for token in tokenizer["added_tokens"]}
    words.update({f"\u0120f{i}": i for i in range(VOCABULARY) if i not in taken})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    for name in ("tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        shutil.copy(DEMO / name, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=47)
    parser.add_argument("--mtp", action="store_true", help="with the layer that guesses ahead")
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    files = files_of(list(tensors(arguments.layers, arguments.mtp)))
    total, places = 0, {}
    for i, part in enumerate(files):
        name = f"model-{i + 1:05d}-of-{len(files):05d}.safetensors"
        write(arguments.folder / name, part)
        total += sum(map(bytes_of, part))
        places.update({tensor: name for tensor, *_ in part})
    (arguments.folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": places}))
    (arguments.folder / "config.json").write_text(json.dumps(config(arguments.layers, arguments.mtp), indent=2))
    write_tokenizer(arguments.folder)


if __name__ == "__main__":
    main()
