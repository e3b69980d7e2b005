"""Makes tests/text/data/tokens.jsonl: hostile strings and what Python's `tokenizers` does with them.

    python tests/oracle/make_token_corpus.py        # needs tokenizers 0.23.3; the output is the same on every run

Lines, JSON arrays:
  [TEXT, REPEAT, PLAIN, RAW]   the string is TEXT * REPEAT; PLAIN and RAW are hashes of its ids without and with added
                               tokens recognised; RAW is left out where it is the same
  [IDS, SHOWN, SKIPPED]        IDS is an array; hashes of the decoded text without and with skip_special_tokens
A hash is FNV-1a, 32 bits, hexadecimal: of the ids as 4 little-endian bytes each, or of the UTF-8 of the text.
"""

import json
import random
import struct
from pathlib import Path

from tokenizers import Tokenizer

DATA = Path(__file__).resolve().parent.parent / "text" / "data"

# First and last code point of blocks of many scripts, symbols, controls, and everything that regexes trip over.
BLOCKS = [
    (0x00, 0x1F), (0x20, 0x7E), (0x7F, 0xA0), (0xA1, 0x24F), (0x250, 0x2AF), (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x4FF), (0x531, 0x58A), (0x591, 0x5F4), (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9FE), (0xB80, 0xBFA),
    (0xE01, 0xE5B), (0xF00, 0xFDA), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137C),
    (0x13A0, 0x13FD), (0x1680, 0x169C), (0x1780, 0x17F9), (0x1800, 0x180E), (0x1E00, 0x1FFE), (0x2000, 0x206F),
    (0x2070, 0x209C), (0x20A0, 0x20C0), (0x20D0, 0x20F0), (0x2100, 0x218B), (0x2190, 0x23FF), (0x2460, 0x24FF),
    (0x2500, 0x27BF), (0x2E80, 0x2FD5), (0x3000, 0x30FF), (0x3131, 0x318E), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xA000, 0xA48C), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xF900, 0xFAD9), (0xFB00, 0xFDFF), (0xFE00, 0xFEFF),
    (0xFF00, 0xFFFD), (0x10000, 0x100FA), (0x10330, 0x1034A), (0x12000, 0x12399), (0x13000, 0x1342E),
    (0x1D100, 0x1D1E8), (0x1D400, 0x1D7FF), (0x1F000, 0x1F02B), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F64F),
    (0x1F680, 0x1F6FC), (0x1F900, 0x1F9FF), (0x20000, 0x2A6D6), (0xE0001, 0xE007F), (0xF0000, 0xF00FF),
    (0x10FF00, 0x10FFFF),
]  # fmt: skip

WORDS = """the of don't it's we'll THEY'RE I'M 'S 'Ve hello world naïve café Straße ﬁancé ΣΊΣΥΦΟΣ привет 你好 日本語
안녕하세요 สวัสดี नमस्ते שלום مرحبا 1 12 123 1234 12345678 3.14 1e-10 0xFF ½ Ⅷ ٣٤٥ ४५६ user@example.org https://a.b/c?d=e&f#g
def return {} [] () => -> != <= :: // /* */ # $ % ^ & * _ __init__ a_b-c \\ ` ``` ~ | ¿ ¡ « » “ ” ‘ ’ … — –
👍 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇳🇴 1️⃣ ❤️ e\u0301 o\u0308\u0304 \u200b \u200d \u2060 \ufeff \u00ad \u2028 \u2029 \x85 \x00 \x1b[0m \x7f""".split()

SPACES = [" ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\u00a0", "\u3000", "\u2003", "\v", "\f", "\x1f", ""]

CODE = [
    'def f(x: int) -> str:\n    """doc"""\n\treturn f"{x!r:>{10}}"  # don\'t\n',
    "for (int i = 0; i < n; ++i) {\r\n  a[i] = b[i]*2;\r\n}\r\n",
    '{"a": [1, 2.5e-3, null], "b": {"c": "\\u00e9\\n"}}',
    "<div class='x'>&amp;<br/></div>\n<!-- -->",
    "SELECT * FROM t WHERE a = 'it''s' AND b IN (1,2,3);--\n",
    "\\frac{1}{2}\\sum_{i=0}^{n} x_i^2 \\le \\epsilon",
    "| a | b |\n|---|:-:|\n| 1 | **2** |\n\n1. x\n   - y\n",
    "$ ls -la | grep '^d' && echo \"$HOME\" > /dev/null 2>&1\n",
]


def fnv(data: bytes) -> str:
    h = 0x811C9DC5
    for byte in data:
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{h:08x}"


def hash_ids(ids) -> str:
    return fnv(struct.pack(f"<{len(ids)}I", *ids))


def character(rng) -> str:
    first, last = rng.choice(BLOCKS)
    code = rng.randint(first, last)
    return "x" if 0xD800 <= code <= 0xDFFF else chr(code)


def fragment(rng, added) -> str:
    token = rng.choice(added)
    a, b = sorted((rng.randint(0, len(token)), rng.randint(0, len(token))))
    return token[a:b]


def texts(rng, added):
    yield "", 1
    for first, last in BLOCKS:  # every block alone
        yield "".join(chr(c) for c in range(first, min(last + 1, first + 48))), 1
        for _ in range(12):
            yield "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 12))), 1
    for word in WORDS:
        for space in SPACES:
            yield space + word, 1
            yield word + space, 1
        yield word, 7
        yield word.upper() + word, 1
    for snippet in CODE:
        yield snippet, 1
        for _ in range(25):
            a, b = sorted((rng.randint(0, len(snippet)), rng.randint(0, len(snippet))))
            yield snippet[a:b], 1
    for unit in ["a", " ", "\n", "\r\n", "0", "7", "ab", "é", "日", "🙂", "\u0301", "-", "=", "<", "_", "\t", "'s", "\x00", "A ", "1,"]:
        for count in (2, 3, 4, 5, 8, 17, 100, 1023, 5000):
            yield unit, count
    for token in added:
        for text in (token, token * 3, " " + token, token + " ", "a" + token + "b", token[:-1], token[1:], token.upper(),
                     token[:3] + token, token + token[3:], "\n" + token + "\n", token[:-1] + "\u200b" + token[-1:]):  # fmt: skip
            yield text, 1
        for other in rng.sample(added, 8):
            yield token + other, 1
    for _ in range(1500):  # pieces of added tokens put together
        yield "".join(rng.choice([fragment(rng, added), rng.choice(added)]) for _ in range(rng.randint(2, 5))), 1
    for _ in range(2500):  # words and spaces
        yield "".join(rng.choice(WORDS) + rng.choice(SPACES) for _ in range(rng.randint(2, 7))), 1
    for _ in range(1800):  # digits, letters and punctuation close together
        yield "".join(rng.choice("aZé日1٣9.,' \n'sS-_/") for _ in range(rng.randint(1, 24))), 1
    for _ in range(1300):  # any characters
        yield "".join(character(rng) for _ in range(rng.randint(1, 10))), 1
    for _ in range(200):  # everything at once
        parts = [character(rng), rng.choice(WORDS), rng.choice(SPACES), rng.choice(added), fragment(rng, added), rng.choice(CODE)]
        yield "".join(rng.choice(parts) for _ in range(rng.randint(3, 10))), 1


def main():
    rng = random.Random(4713)
    source = json.loads((DATA / "tokenizer.json").read_text(encoding="utf-8"))
    raw = Tokenizer.from_str(json.dumps(source))
    added = [token["content"] for token in source["added_tokens"]]
    plain = Tokenizer.from_str(json.dumps(source | {"added_tokens": []}))
    seen = set()
    with (DATA / "tokens.jsonl").open("w", encoding="utf-8", newline="\n") as out:

        def write(row):
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")

        for text, repeat in texts(rng, added):
            if (text, repeat) in seen:
                continue
            seen.add((text, repeat))
            hashes = [hash_ids(t.encode(text * repeat, add_special_tokens=False).ids) for t in (plain, raw)]
            write([text, repeat, *hashes[: 1 if hashes[0] == hashes[1] else 2]])
        for _ in range(400):
            ids = [rng.randrange(raw.get_vocab_size()) for _ in range(rng.randint(1, 12))]
            shown, skipped = (raw.decode(ids, skip_special_tokens=skip) for skip in (False, True))
            write([ids, fnv(shown.encode()), fnv(skipped.encode())])
    print(len(seen), "texts")


if __name__ == "__main__":
    main()
