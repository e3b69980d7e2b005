"""Holds the grammars of JSON schemas against the JSON-Schema-Test-Suite of json-schema-org.

    python tests/oracle/schema_suite.py SUITE [--show wrong|rejected|refused]

SUITE is a checkout of it. For each schema: it is refused, or each of its instances is let through or not. A grammar has
one way to write a value, so an instance is written in many: keys in other orders and with escapes, 1.0 as 1. An invalid
one must not get through in any of them; a valid one is counted as accepted if it does in one. Prints a table; exit code
1 if an invalid instance was let through.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys

DRAFTS = {
    "draft4": "http://json-schema.org/draft-04/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}
MOST_SPELLINGS = 60


def spellings(value, floats_are_integers=True):
    """Texts of one value in one line: objects in every order of their keys, and with escapes in them."""
    if isinstance(value, dict):
        yield "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {next(spellings(v))}" for k, v in value.items()) + "}"
        yield "{" + ", ".join(f"{escaped(k)}: {next(spellings(v))}" for k, v in value.items()) + "}"
        for keys in itertools.permutations(value):
            for values in itertools.product(*(list(itertools.islice(spellings(value[k]), 6)) for k in keys)):
                pairs = (f"{json.dumps(k, ensure_ascii=False)}: {v}" for k, v in zip(keys, values))
                yield "{" + ", ".join(pairs) + "}"
    elif isinstance(value, list):
        for values in itertools.product(*(list(itertools.islice(spellings(v), 6)) for v in value)):
            yield "[" + ", ".join(values) + "]"
    else:
        yield json.dumps(value, ensure_ascii=False)
        if isinstance(value, float) and value == int(value) and abs(value) < 1e20 and floats_are_integers:
            yield str(int(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            yield f"{value}.0"


def escaped(key):
    """The key with an escape for its first character, which JSON takes for the same key."""
    if not key or ord(key[0]) > 0xFFFF:
        return json.dumps(key, ensure_ascii=False)
    return f'"\\u{ord(key[0]):04x}' + json.dumps(key[1:], ensure_ascii=False)[1:]


def texts_of(draft, instance):
    if draft == "draft4" and isinstance(instance, float):  # 1.0 is no integer there
        return list(spellings(instance, floats_are_integers=False))
    return [t for t in itertools.islice(spellings(instance), MOST_SPELLINGS) if is_text(t)]


def is_text(text):
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def cases(suite):
    for draft, dialect in DRAFTS.items():
        for path in sorted((suite / "tests" / draft).rglob("*.json")):
            for group in json.loads(path.read_text(encoding="utf-8")):
                schema = group["schema"]
                if isinstance(schema, dict) and "$schema" not in schema:
                    schema = {"$schema": dialect, **schema}
                name = f"{path.relative_to(suite / 'tests')}: {group['description']}"
                yield draft, name, schema, group["tests"]


def ask(program, lines):
    text = "\n".join(json.dumps(line) for line in lines) + "\n"
    done = subprocess.run([program], input=text, capture_output=True, encoding="utf-8", check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("suite", type=pathlib.Path)
    arguments.add_argument("--program", default="build/tests/grammar/grammar_check")
    arguments.add_argument("--show", action="append", default=[], choices=["wrong", "rejected", "refused"])
    a = arguments.parse_args()
    everything = list(cases(a.suite))
    answers = ask(a.program, [
        {"kind": "schema", "source": schema, "accept": [t for test in tests for t in texts_of(draft, test["data"])]}
        for draft, _, schema, tests in everything
    ])  # fmt: skip
    columns = ("schemas", "refused", "valid", "accepted", "invalid", "wrong")
    table = {draft: dict.fromkeys(columns, 0) for draft in DRAFTS}
    for (draft, name, _, tests), answer in zip(everything, answers, strict=True):
        row = table[draft]
        row["schemas"] += 1
        if "refused" in answer:
            row["refused"] += 1
            if "refused" in a.show:
                print(f"refused  {name}: {answer['refused']}")
            continue
        verdicts = iter(answer["accept"])
        for test in tests:
            texts = texts_of(draft, test["data"])
            through = [t for t in texts if next(verdicts)]
            row["valid" if test["valid"] else "invalid"] += 1
            if test["valid"] and through:
                row["accepted"] += 1
            elif test["valid"] and "rejected" in a.show:
                print(f"rejected {name}: {test['description']}: {json.dumps(test['data'], ensure_ascii=False)[:100]}")
            elif not test["valid"] and through:
                row["wrong"] += 1
                if "wrong" in a.show:
                    print(f"WRONG    {name}: {test['description']}: {through[0][:200]}")
    print("| draft | schemas | refused | valid instances | accepted | invalid instances | let through |")
    print("|---|---|---|---|---|---|---|")
    for draft, row in table.items():
        print(f"| {draft} | " + " | ".join(str(n) for n in row.values()) + " |")
    return 1 if any(row["wrong"] for row in table.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
