#!/usr/bin/env python3
"""Asks the demo model the held-out questions (greedy) and counts what is exactly right.

    evaluate.py MODEL_DIR [--questions F.jsonl] [--n 100] [--tasks add,mul] [--bad 2]

Reads the checkpoint as released (config.json, model.safetensors, tokenizer.json, chat_template.jinja), so it also tests the export.
MTP: in every answer, how often the first choice of the MTP layer at a token is the token that the main model then picks.
"""
import argparse, json, os, re, sys, time
import torch, torch.nn.functional as F
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import train


def load(path):
    """The training model from a checkpoint in the released layout."""
    from safetensors.torch import load_file
    cfg = json.load(open(f"{path}/config.json")); c = {k: cfg[k] for k in train.CFG}; m = train.Glm(c).eval(); sd = load_file(f"{path}/model.safetensors"); n = c["num_hidden_layers"]; own = {}
    for k in m.state_dict():
        s = k.replace("mtp.", f"layers.{n}.") if k.startswith("mtp.") else k
        if k != "lm_head.weight": s = "model." + s
        if s.endswith("mlp.gate_up"):
            b = s[:-len("gate_up")]; own[k] = torch.stack([torch.cat([sd[f"{b}experts.{e}.{p}_proj.weight"] for p in ("gate", "up")]) for e in range(c["n_routed_experts"])])
        elif s.endswith("mlp.down"):
            b = s[:-len("down")]; own[k] = torch.stack([sd[f"{b}experts.{e}.down_proj.weight"] for e in range(c["n_routed_experts"])])
        else: own[k] = sd[s]
    m.load_state_dict({k: v.float() for k, v in own.items()}); return m, cfg


@torch.no_grad()
def generate(m, prompts, eos, limit):
    """Greedy, left-padded batch with a key/value cache."""
    B = len(prompts); L = max(map(len, prompts)); pad = torch.tensor([L - len(p) for p in prompts])
    ids = torch.tensor([[0] * (L - len(p)) + p for p in prompts]); out = [[] for _ in prompts]; done = torch.zeros(B, dtype=torch.bool)
    cache = [[] for _ in m.layers]; start = 0
    while True:
        n = start + ids.size(1); pos = (torch.arange(start, n)[None] - pad[:, None]).clamp(min=0); cos, sin = m.cos[pos][:, None], m.sin[pos][:, None]
        q, k = torch.arange(start, n), torch.arange(n)
        mask = (k[None, None] <= q[None, :, None]) & ((k[None, None] >= pad[:, None, None]) | (k[None, None] == q[None, :, None]))
        x = m.embed_tokens(ids)
        for l, c in zip(m.layers, cache): x = l(x, cos, sin, mask[:, None], c)
        t = m.lm_head(m.norm(x[:, -1])).argmax(-1)
        for i in range(B):
            if not done[i]: out[i].append(int(t[i])); done[i] = int(t[i]) in eos
        start = n; ids = t[:, None]
        if done.all() or len(out[0]) >= limit or max(map(len, out)) >= limit: return out


@torch.no_grad()
def mtp_agreement(m, prompts, outs):
    hit = n = 0
    for p, o in zip(prompts, outs):
        if len(o) < 3: continue
        ids = torch.tensor([p + o]); L = ids.size(1) - 2
        h = m.trunk(ids); y = m.mtp(h[:, :L], m.embed_tokens(ids[:, 1:L + 1]), m.cos[:L], m.sin[:L]); t = m.lm_head(y[0]).argmax(-1)
        s = len(p) - 1; hit += int((t[s:] == ids[0, 2 + s:]).sum()); n += L - s
    return hit, n


def parse_calls(s):
    out = []
    for n, b in re.findall(r"<tool_call>(.*?)((?:<arg_key>.*?)?)</tool_call>", s, re.S):
        out.append({"name": n, "arguments": dict(re.findall(r"<arg_key>(.*?)</arg_key><arg_value>(.*?)</arg_value>", b, re.S))})
    return out


def right(expect, content):
    if "tool_calls" in expect:
        want = [{"name": c["name"], "arguments": {k: v if isinstance(v, str) else json.dumps(v) for k, v in c["arguments"].items()}} for c in expect["tool_calls"]]
        return parse_calls(content) == want
    if "<tool_call>" in content: return False
    return content == expect["content"] if "content" in expect else all(x in content for x in expect["contains"])


def main():
    ap = argparse.ArgumentParser(); ap.add_argument("path"); ap.add_argument("--n", type=int, default=0); ap.add_argument("--tasks"); ap.add_argument("--bad", type=int, default=2); ap.add_argument("--show", type=int, default=0); ap.add_argument("--bs", type=int, default=50); ap.add_argument("--questions", default=train.QUESTIONS); ap.add_argument("--no-mtp", action="store_true"); ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args(); torch.set_num_threads(a.threads); t0 = time.time()
    from tokenizers import Tokenizer
    tok = Tokenizer.from_file(f"{a.path}/tokenizer.json"); m, cfg = load(a.path); tmpl = train.jinja_template(f"{a.path}/chat_template.jinja")
    qs = [json.loads(l) for l in open(a.questions)]
    if a.tasks: qs = [q for q in qs if q["task"] in a.tasks.split(",")]
    if a.n: qs = qs[::max(1, len(qs) // a.n)]
    for q in qs: q["ids"] = tok.encode(tmpl.render(messages=q["messages"], tools=q.get("tools"), add_generation_prompt=True, enable_thinking=q["enable_thinking"]), add_special_tokens=False).ids
    order = sorted(qs, key=lambda q: len(q["ids"])); eos = set(cfg["eos_token_id"]); hit = n = ntok = 0
    for b in range(0, len(order), a.bs):
        part = order[b:b + a.bs]; outs = generate(m, [q["ids"] for q in part], eos, 120)
        h, k = (0, 0) if a.no_mtp else mtp_agreement(m, [q["ids"] for q in part], outs); hit += h; n += k; ntok += sum(map(len, outs))
        for q, o in zip(part, outs):
            ended = o[-1] in eos; s = tok.decode(o[:-1] if ended else o, skip_special_tokens=False); q["got"] = s
            think_ok = ("</think>" in s) == q["enable_thinking"]; body = s.split("</think>", 1)[-1].strip()
            q["ok"] = ended and think_ok and right(q["expect"], body)
    res = {}
    for q in qs: res.setdefault(q["task"], []).append(q)
    for t, v in res.items():
        print(f"{t:14s} {sum(q['ok'] for q in v):3d} / {len(v):3d}")
        for q in [q for q in v if not q["ok"]][:a.bad]: print("    WRONG", repr(" / ".join(x["content"] for x in q["messages"])[-150:]), "\n      got ", repr(q["got"][-220:]), "\n      want", json.dumps(q["expect"])[:200])
        for q in [q for q in v if q["ok"]][:a.show]: print("    ", repr(q["messages"][-1]["content"][-150:]), "\n       ->", repr(q["got"][-300:]))
    ok = sum(q["ok"] for q in qs); tc = [q for q in qs if "tool_calls" in q["expect"]]
    print(f"all            {ok} / {len(qs)} = {ok / len(qs):.1%}; thinking {sum(q['ok'] for q in qs if q['enable_thinking'])} / {sum(q['enable_thinking'] for q in qs)}; tool calls {sum(q['ok'] for q in tc)} / {len(tc)}; "
          f"MTP's first choice is the main model's on {hit / max(1, n):.1%} of {n} tokens ({time.time() - t0:.0f} s)")


if __name__ == "__main__": main()
