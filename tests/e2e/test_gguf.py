"""glimt convert of GGUF files: made here of the demo model, as llama.cpp's converter names and stores things."""

import json
import pathlib
import struct

import mlx.core as mx
import pytest

F32, Q4_0, Q8_0, Q6_K = 0, 2, 8, 14
LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_a_proj": "attn_q_a",
    "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.q_b_proj": "attn_q_b", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp", "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
    "mlp.shared_experts.up_proj": "ffn_up_shexp", "mlp.shared_experts.down_proj": "ffn_down_shexp", "eh_proj": "nextn.eh_proj",
    "enorm": "nextn.enorm", "hnorm": "nextn.hnorm", "embed_tokens": "nextn.embed_tokens", "shared_head.norm": "nextn.shared_head_norm",
    "shared_head.head": "nextn.shared_head_head",
}  # fmt: skip


def demo_tensors(folder):
    """The demo model's tensors, float32, under the names of GGUF."""
    config = json.loads((folder / "config.json").read_text())
    stored = {name: value.astype(mx.float32) for name, value in mx.load(str(folder / "model.safetensors")).items()}
    tensors = {"token_embd.weight": stored["model.embed_tokens.weight"], "output_norm.weight": stored["model.norm.weight"], "output.weight": stored["lm_head.weight"]}
    heads, nope, v = config["num_attention_heads"], config["qk_nope_head_dim"], config["v_head_dim"]
    for layer in range(config["num_hidden_layers"] + 1):
        ours, theirs = f"model.layers.{layer}.", f"blk.{layer}."
        for name, gguf in LAYER.items():
            if ours + name + ".weight" in stored:
                tensors[theirs + gguf + ".weight"] = stored[ours + name + ".weight"]
        if ours + "mlp.gate.e_score_correction_bias" in stored:
            tensors[theirs + "exp_probs_b.bias"] = stored[ours + "mlp.gate.e_score_correction_bias"]
            for part in ("gate", "up", "down"):
                experts = [stored[f"{ours}mlp.experts.{e}.{part}_proj.weight"] for e in range(config["n_routed_experts"])]
                tensors[f"{theirs}ffn_{part}_exps.weight"] = mx.stack(experts)
        kv_b = stored[ours + "self_attn.kv_b_proj.weight"].reshape(heads, nope + v, -1)
        tensors[theirs + "attn_k_b.weight"] = kv_b[:, :nope].swapaxes(1, 2)
        tensors[theirs + "attn_v_b.weight"] = kv_b[:, nope:]
    return config, tensors


def raw(array):
    return bytes(mx.contiguous(array).view(mx.uint8).reshape(-1)) if array.dtype != mx.uint8 else bytes(mx.contiguous(array).reshape(-1))


def q8_0(values):
    groups = values.reshape(-1, 32)
    scale = (mx.max(mx.abs(groups), axis=1, keepdims=True) / 127).astype(mx.float16)
    divisor = mx.where(scale == 0, mx.array(1, mx.float16), scale).astype(mx.float32)
    codes = mx.clip(mx.round(groups / divisor), -128, 127).astype(mx.int8)
    return raw(mx.concatenate([scale.view(mx.uint8), codes.view(mx.uint8)], axis=1))


def q4_0(values):
    groups = values.reshape(-1, 32)
    scale = (mx.max(mx.abs(groups), axis=1, keepdims=True) / 7).astype(mx.float16)
    divisor = mx.where(scale == 0, mx.array(1, mx.float16), scale).astype(mx.float32)
    codes = (mx.clip(mx.round(groups / divisor), -8, 7) + 8).astype(mx.uint8)
    return raw(mx.concatenate([scale.view(mx.uint8), codes[:, :16] | (codes[:, 16:] << 4)], axis=1))


STORE = {F32: raw, Q4_0: q4_0, Q8_0: q8_0}


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def metadata_of(config, **changes):
    values = {
        "general.architecture": "deepseek2", "block_count": config["num_hidden_layers"] + 1, "nextn_predict_layers": 1,
        "context_length": config["max_position_embeddings"], "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"], "attention.head_count": config["num_attention_heads"],
        "attention.q_lora_rank": config["q_lora_rank"], "attention.kv_lora_rank": config["kv_lora_rank"],
        "attention.key_length_mla": config["qk_nope_head_dim"] + config["qk_rope_head_dim"],
        "attention.value_length_mla": config["v_head_dim"], "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.dimension_count": config["qk_rope_head_dim"], "rope.freq_base": config["rope_theta"],
        "expert_count": config["n_routed_experts"], "expert_used_count": config["num_experts_per_tok"],
        "expert_shared_count": config["n_shared_experts"], "expert_feed_forward_length": config["moe_intermediate_size"],
        "expert_weights_scale": config["routed_scaling_factor"], "expert_weights_norm": config["norm_topk_prob"],
        "expert_gating_func": 2, "leading_dense_block_count": config["first_k_dense_replace"],
        "tokenizer.ggml.eos_token_id": config["eos_token_id"][0], "tokenizer.ggml.eot_token_id": config["eos_token_id"][1],
        "tokenizer.ggml.eom_token_id": config["eos_token_id"][2],
    }  # fmt: skip
    values.update(changes)
    return {key if key.split(".")[0] in ("general", "tokenizer") else "deepseek2." + key: value for key, value in values.items() if value is not None}


def write_gguf(file, metadata, tensors, type_of):
    header, data = b"", b""
    for key, value in metadata.items():
        kind, bytes_ = (8, text(value)) if isinstance(value, str) else (7, bytes([value])) if isinstance(value, bool) else (6, struct.pack("<f", value)) if isinstance(value, float) else (4, struct.pack("<I", value))
        header += text(key) + struct.pack("<I", kind) + bytes_
    for name, value in tensors.items():
        kind = F32 if value.ndim == 1 or "ffn_gate_inp" in name else type_of(name)
        header += text(name) + struct.pack("<I", value.ndim) + struct.pack(f"<{value.ndim}Q", *reversed(value.shape)) + struct.pack("<IQ", kind, len(data))
        data += STORE[kind](value)
        data += bytes(-len(data) % 32)
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)) + header
    file.write_bytes(header + bytes(-len(header) % 32) + data)


@pytest.fixture
def make(demo, tmp_path):
    config, tensors = demo_tensors(pathlib.Path(demo))

    def call(type_of=lambda name: Q8_0, drop=(), name="demo.gguf", **changes):
        file = tmp_path / name
        kept = {key: value for key, value in tensors.items() if not key.startswith(tuple(drop))} if drop else tensors
        write_gguf(file, metadata_of(config, **changes), kept, type_of)
        return file

    return call


def refused(result, *words):
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("glimt: "), result.stderr
    for word in words:
        assert word in result.stderr


def test_a_file_becomes_a_model_that_answers(run, demo, make, tmp_path):
    file = make()
    made = run("convert", file, tmp_path / "made", "--tokenizer", demo)
    assert made.returncode == 0, made.stderr
    assert "Q8_0" in made.stdout and "code for code" in made.stdout
    shown = run("show", tmp_path / "made").stdout
    assert "affine 8 bits group 32" in shown and "MTP layer" in shown and "no MTP layer" not in shown and "demo.gguf" in shown
    answer = run("run", tmp_path / "made", "What is my name?", "--temperature", "0")
    assert answer.stdout == run("run", demo, "What is my name?", "--temperature", "0").stdout
    conversation = tmp_path / "text.jsonl"
    conversation.write_text(json.dumps({"messages": [{"role": "user", "content": "What is my name?"}]}) + "\n")
    report = json.loads(run("kl", demo, tmp_path / "made", "--text", conversation, "--json").stdout)
    assert 0 < report["kl"]["value"] < 0.01
    assert run("verify", tmp_path / "made").returncode == 0


def test_types_may_differ_and_are_counted(run, demo, make, tmp_path):
    file = make(lambda name: Q4_0 if "exps" in name else F32 if "attn" in name else Q8_0)
    made = run("convert", file, tmp_path / "made", "--tokenizer", demo)
    assert made.returncode == 0, made.stderr
    config = json.loads((tmp_path / "made" / "config.json").read_text())
    experts = config["quantization"].get("model.layers.1.mlp.switch_mlp.up_proj", config["quantization"])
    assert (experts["bits"], experts["group_size"], experts["mode"]) == (4, 32, "affine")
    assert "Q4_0" in made.stdout and "F32" in made.stdout
    assert run("run", tmp_path / "made", "hello", "--max-tokens", "5").returncode == 0


def test_a_recipe_makes_something_else_of_it(run, demo, make, tmp_path):
    made = run("convert", make(), tmp_path / "made", "--tokenizer", demo, "--recipe", "uniform4")
    assert made.returncode == 0, made.stderr
    assert "4 bits" in run("show", tmp_path / "made").stdout


def test_without_a_prediction_layer_there_is_none(run, demo, make, tmp_path):
    file = make(drop=["blk.4."], nextn_predict_layers=None, block_count=4)
    assert run("convert", file, tmp_path / "made", "--tokenizer", demo).returncode == 0
    assert "no MTP layer" in run("show", tmp_path / "made").stdout


def test_what_cannot_be_converted_is_named(run, demo, make, tmp_path):
    target, tokenizer = tmp_path / "made", ["--tokenizer", demo]
    refused(run("convert", make(expert_gating_func=None), target, *tokenizer), "expert_gating_func", "softmax")
    refused(run("convert", make(expert_gating_func=1), target, *tokenizer), "expert_gating_func", "softmax")
    refused(run("convert", make(**{"general.architecture": "llama"}), target, *tokenizer), "'llama'")
    refused(run("convert", make(drop=["blk.2.attn_output"]), target, *tokenizer), "model.layers.2.self_attn.o_proj.weight")
    refused(run("convert", make(embedding_length=224), target, *tokenizer), "token_embd.weight", "[3072, 224]")
    file = make()
    refused(run("convert", file, target), "--tokenizer")
    refused(run("convert", file, target, "--tokenizer", tmp_path), "tokenizer.json")
    refused(run("convert", demo, target, *tokenizer), "--tokenizer")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    refused(run("convert", file, target, *tokenizer), "demo.gguf", "truncated")
    assert not target.exists()


def test_other_commands_say_what_to_do_with_one(run, make):
    refused(run("run", make(), "hello"), "GGUF", "glimt convert")
