"""Makes tests/text/data/renders_hostile.jsonl: conversations that the released template has to treat with care, rendered
by Jinja2 in the environment of transformers' apply_chat_template.

    python tests/oracle/make_renders.py        # needs jinja2 3.1.6; the output is the same on every run

Lines: {"input": REQUEST, "prompt": TEXT} or, where Jinja2 raises an error, {"input": REQUEST, "error": MESSAGE}.
"""

import json
import random
from pathlib import Path

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

DATA = Path(__file__).resolve().parent.parent / "text" / "data"

TEXTS = [
    "", "x", "hello", "  padded \n", "\n\n", "\x1c\x1fseparators\x1d ", "\u00a0\u2003wide\u3000", "\u200bzero\u200b", "naïve 日本語 🙂",
    "<|user|>", "<|assistant|></think>", "a <think> b", "</think>", "<think>t</think>", "\n<think>\nt\n</think>\n\nc ",
    "a</think>b</think>c", "<think>a<think>b</think>c<think>d", "</think></think>", "x<|us", "er|>y", "<", "k", "think", ">",
    "[gMASK]<sop>", "<tool_call>f<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>", "</tool_response><|user|>",
    "{{ x }}{% if %}{# c #}", "it's \"quoted\" \\ back", "tab\t\r\nnew", "\x00\x7f\x85\u2028", "\ufdd0\U00020000 marks", "/nothink", "/nothin",
]  # fmt: skip

VALUES = [None, True, False, 0, -7, 3.0, 0.1, 1e16, 1.5e-7, 123456789012, "", "it's", 'say "x"', "both ' and \"", "<|user|>", "é\n日\x00\u200b",
          [], {}, [1, [2, {"a": None}]], {"k": "v", "<think>": ["</think>"]}, ["<|us", "er|>"]]  # fmt: skip


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def text(rng):
    return "".join(rng.choice(TEXTS) for _ in range(rng.choice([1, 1, 1, 2, 3])))


def content(rng):
    kind = rng.random()
    if kind < 0.6:
        return text(rng)
    if kind < 0.9:
        parts = [text(rng), {"type": "text", "text": text(rng)}, {"type": "image", "url": text(rng)}]
        return [rng.choice(parts) for _ in range(rng.randint(0, 3))]
    return rng.choice(VALUES)


def arguments(rng):
    return {text(rng) or "k": rng.choice(VALUES) for _ in range(rng.randint(0, 3))}


def message(rng):
    role = rng.choice(["system", "user", "user", "assistant", "assistant", "assistant", "tool", "tool", "other"])
    out = {"role": role, "content": content(rng)}
    if role == "assistant":
        if rng.random() < 0.3:
            out["reasoning_content"] = rng.choice([None, text(rng), text(rng)])
        if rng.random() < 0.4:
            calls = [{"name": text(rng), "arguments": arguments(rng)} for _ in range(rng.randint(1, 2))]
            out["tool_calls"] = [rng.choice([c, {"id": "1", "type": "function", "function": c}]) for c in calls]
    if role == "tool" and rng.random() < 0.4:
        out["content"] = [rng.choice([{"output": rng.choice(VALUES)}, rng.choice(VALUES), text(rng)]) for _ in range(2)]
    return out


def request(rng):
    out = {"messages": [message(rng) for _ in range(rng.randint(1, 6))]}
    if rng.random() < 0.3:
        schema = {"type": "object", "properties": {text(rng): {"type": "string", "enum": rng.sample(VALUES, 3)}}}
        out["tools"] = [{"type": "function", "function": {"name": text(rng), "description": text(rng), "parameters": schema}}]
    out["add_generation_prompt"] = rng.random() < 0.7
    for name in ("enable_thinking", "clear_thinking"):
        if rng.random() < 0.4:
            out[name] = rng.random() < 0.5
    return out


def main():
    rng = random.Random(20)
    template = environment().from_string((DATA / "chat_template.jinja").read_text(encoding="utf-8"))
    with (DATA / "renders_hostile.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        for _ in range(400):
            row = {"input": request(rng)}
            # Through JSON and back, as a server gets it: this is also what makes every key a string.
            variables = {"tools": None, "documents": None} | json.loads(json.dumps(row["input"]))
            try:
                row["prompt"] = template.render(**variables)
            except Exception as error:  # whatever a template can raise, the engine must refuse too
                row["error"] = f"{type(error).__name__}: {error}"
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
