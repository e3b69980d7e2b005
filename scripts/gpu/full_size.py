#!/usr/bin/env python3
"""full_size.py FOLDER [--layers 47]: a checkpoint with the shapes of GLM-4.7-Flash, 4 bits in groups of 64, and noise.

Its text is noise too; its speed and memory are those of the real model, because no kernel depends on values. Needs numpy.
"""
import argparse, json, math, os, struct

import numpy as np

HIDDEN, VOCABULARY, HEADS, Q_LORA, KV_LORA, NOPE, ROPE, V = 2048, 154880, 20, 768, 512, 192, 64, 256
DENSE, EXPERT, EXPERTS, TOP_K, GROUP, BITS = 10240, 1536, 64, 4, 64, 4
rng = np.random.default_rng(0)
NOISE = rng.integers(0, 1 << 32, size=1 << 24, dtype=np.uint32)


def config(layers):
    quantization = {"group_size": GROUP, "bits": BITS, "mode": "affine"}
    return {
        "architectures": ["Glm4MoeLiteForCausalLM"], "model_type": "glm4_moe_lite", "torch_dtype": "bfloat16",
        "attention_bias": False, "hidden_act": "silu", "hidden_size": HIDDEN, "intermediate_size": DENSE,
        "moe_intermediate_size": EXPERT, "num_hidden_layers": layers, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "q_lora_rank": Q_LORA, "kv_lora_rank": KV_LORA, "qk_nope_head_dim": NOPE,
        "qk_rope_head_dim": ROPE, "v_head_dim": V, "n_routed_experts": EXPERTS, "num_experts_per_tok": TOP_K,
        "n_shared_experts": 1, "first_k_dense_replace": 1, "moe_layer_freq": 1, "n_group": 1, "topk_group": 1,
        "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True, "routed_scaling_factor": 1.8,
        "rope_theta": 1000000.0, "rope_scaling": None, "rope_interleave": True, "rms_norm_eps": 1e-05,
        "max_position_embeddings": 202752, "vocab_size": VOCABULARY, "tie_word_embeddings": False,
        "num_nextn_predict_layers": 0, "eos_token_id": [154820, 154827, 154829], "pad_token_id": 154820,
        "quantization": quantization, "quantization_config": quantization,
    }


def bf16(values):
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def noise(count):
    parts = []
    while count > 0:
        start = int(rng.integers(0, len(NOISE) // 2))
        parts.append(NOISE[start:start + count])
        count -= len(parts[-1])
    return np.concatenate(parts)


def quantized(name, *shape):
    """(name, dtype, shape, what makes the values) of a matrix or stack [.., rows, columns]."""
    *lead, columns = shape
    packed, groups = (*lead, columns * BITS // 32), (*lead, columns // GROUP)
    scale = 2.0 / 15 / math.sqrt(columns)
    yield name + ".weight", "U32", packed, lambda: noise(math.prod(packed))
    yield name + ".scales", "BF16", groups, lambda: np.full(math.prod(groups), bf16(scale), np.uint16)
    yield name + ".biases", "BF16", groups, lambda: np.full(math.prod(groups), bf16(-7.5 * scale), np.uint16)


def swiglu(path, inner, *stack):
    yield from quantized(path + ".gate_proj", *stack, inner, HIDDEN)
    yield from quantized(path + ".up_proj", *stack, inner, HIDDEN)
    yield from quantized(path + ".down_proj", *stack, HIDDEN, inner)


def norm(name, size):
    return name + ".weight", "BF16", (size,), lambda: bf16(np.ones(size))


def tensors(layers):
    yield from quantized("model.embed_tokens", VOCABULARY, HIDDEN)
    for i in range(layers):
        path = f"model.layers.{i}."
        attention, mlp = path + "self_attn.", path + "mlp"
        yield norm(path + "input_layernorm", HIDDEN)
        yield norm(path + "post_attention_layernorm", HIDDEN)
        yield norm(attention + "q_a_layernorm", Q_LORA)
        yield norm(attention + "kv_a_layernorm", KV_LORA)
        yield from quantized(attention + "q_a_proj", Q_LORA, HIDDEN)
        yield from quantized(attention + "q_b_proj", HEADS * (NOPE + ROPE), Q_LORA)
        yield from quantized(attention + "kv_a_proj_with_mqa", KV_LORA + ROPE, HIDDEN)
        yield from quantized(attention + "embed_q", HEADS, KV_LORA, NOPE)
        yield from quantized(attention + "unembed_out", HEADS, V, KV_LORA)
        yield from quantized(attention + "o_proj", HIDDEN, HEADS * V)
        if i == 0:
            yield from swiglu(mlp, DENSE)
            continue
        yield from swiglu(mlp + ".switch_mlp", EXPERT, EXPERTS)
        yield from swiglu(mlp + ".shared_experts", EXPERT)
        yield (mlp + ".gate.weight", "BF16", (EXPERTS, HIDDEN),
               lambda: bf16(rng.standard_normal(EXPERTS * HIDDEN) / math.sqrt(HIDDEN)))
        yield mlp + ".gate.e_score_correction_bias", "F32", (EXPERTS,), lambda: np.zeros(EXPERTS, np.float32)
    yield norm("model.norm", HIDDEN)
    yield from quantized("lm_head", VOCABULARY, HIDDEN)


def write(path, part):
    header, end = {"__metadata__": {"format": "mlx"}}, 0
    for name, dtype, shape, _ in part:
        size = math.prod(shape) * {"U32": 4, "BF16": 2, "F32": 4}[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, make in part:
            make().tofile(file)
    print(path, f"{end / 1e9:.2f} GB", flush=True)
    return end


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--layers", type=int, default=47)
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    everything = list(tensors(arguments.layers))
    files = max(1, arguments.layers // 12)
    each = -(-len(everything) // files)
    total, places = 0, {}
    for i in range(files):
        name = f"model-{i + 1:05d}-of-{files:05d}.safetensors"
        part = everything[i * each:(i + 1) * each]
        total += write(os.path.join(arguments.folder, name), part)
        places.update({tensor: name for tensor, *_ in part})
    with open(os.path.join(arguments.folder, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {"total_size": total}, "weight_map": places}, file)
    with open(os.path.join(arguments.folder, "config.json"), "w") as file:
        json.dump(config(arguments.layers), file, indent=2)


if __name__ == "__main__":
    main()
