"""Makes tests/text/data/renders_jinja.jsonl: what Jinja2 makes of small templates, in the environment of transformers'
apply_chat_template. They go through filters, tests, operators, methods and statements, whether or not GLM's own template
uses them: a model's folder may bring any template.

    python tests/oracle/make_jinja.py        # needs jinja2 3.1.6; the output is the same on every run

Lines: {"template": TEXT, "prompt": TEXT} or, where Jinja2 raises an error, {"template": TEXT, "error": MESSAGE}; the first
line has the variables of all of them, {"variables": {...}}.
"""

import itertools
import json

from make_renders import DATA, environment

VARIABLES = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo\n"}, {"role": "user", "content": ""}],
    "s": " Hello, World \n", "t": "it's <b>\"q\" & 'r'</b>", "u": "straße İ ǅ ß naïve 日本 🙂", "w": "one two\n\nthree\n", "p": "%s and %d",
    "i": 7, "n": -3, "z": 0, "big": 10**22, "huge": 10**50, "f": 1e22, "g": 2.0, "h": -0.5, "tiny": 1e-7, "third": 1 / 3,
    "yes": True, "no": False, "nil": None, "e": [], "l": [3, 1, 2], "m": ["b", "A", "c"], "x": [1, "a", None, 2.5, True, [1], {"k": 1}],
    "d": {"b": 1, "A": 2.0, "c": None}, "o": {"name": "n", "items": [1], "get": 5, "nested": {"a": [1, {"b": "deep"}]}},
    "r": [{"k": "x", "v": 2}, {"k": "y", "v": 1}, {"k": "x", "v": 3}], "q": "a-b-c", "blank": "   ", "lines": "a\r\nb\n\n  c\n",
    "a": "abc",
}  # fmt: skip

NAMES = [name for name in VARIABLES if name != "messages"]

EXPRESSIONS = """
s|capitalize; u|upper; u|lower; u|title; t|title; s|trim; s|trim(' \\n'); a|center(9)|tojson; a|center(8)|tojson; s|length; l|count; e|length; missing|length
t|e; t|escape; t|forceescape; t|e|e; t|e|length; t|safe; t|safe|e; [t]|e; i|e; nil|e; t|striptags; (t|e) ~ '<'; t|e|upper; t|escape|replace('&', '+')
missing|default('d'); ''|default('d'); ''|default('d', true); nil|default('d'); no|d('x', boolean=true); missing|d
d|dictsort; d|dictsort(true); d|dictsort(false, 'value'); r[0]|dictsort(reverse=true); d|items|list; d|list; d|length; d|first; d|last
l|first; e|first; e|last; l|last; a|first; a|last; l|max; l|min; m|max; m|min; m|max(case_sensitive=true); r|max(attribute='v'); e|max
'12'|int; '12.7'|int; 'x'|int; 'x'|int(5); '0x1f'|int(0, 16); '0b11'|int(base=2); g|int; h|int; yes|int; nil|int; '1e3'|float; 'x'|float(1.5); i|float; big|float; '  7 '|int
'%s-%s'|format(1, 'b'); '%(k)s'|format(k=2); '%05.1f'|format(third); '%r'|format(a); '%x'|format(255); '%-5d|'|format(3); '%e'|format(f); '%%'|format
p % (1, 2); '%s' % a; '%d%%' % 5; '%s' % nil; '%s' % l
r|groupby('k'); r|groupby('k')|list|length; r|map(attribute='k')|list; r|map(attribute='q', default='-')|list; m|map('upper')|list; m|map('replace', 'b', 'z')|list; x|map('string')|list
r|selectattr('v', 'gt', 1)|list; r|rejectattr('k', 'equalto', 'x')|list; r|selectattr('v')|map(attribute='v')|list; x|select|list; x|reject('string')|list; l|select('odd')|list; x|select('none')|list
l|join; l|join(', '); m|join('|'); r|join('+', attribute='k'); x|join('/'); e|join(','); a|join('.'); d|join(','); [f, g]|join(' ')
l|sort; l|sort(reverse=true); m|sort; m|sort(case_sensitive=true); r|sort(attribute='v'); r|sort(attribute='k,v'); l|unique|list; ['a','A']|unique|list; ['a','A']|unique(true)|list; l|reverse|list; a|reverse
l|sum; l|sum(start=10); r|sum(attribute='v'); e|sum; [g, h]|sum; l|batch(2)|list; l|batch(2, 'x')|list; l|slice(2)|list; range(7)|slice(3, 'z')|list
third|round; third|round(2); third|round(1, 'ceil'); third|round(1, 'floor'); 2.5|round; 3.5|round; i|round; i|round(-1); f|round; h|abs; n|abs; third|round(20)
a|replace('b', 'X'); a|replace('', '-'); 'aaa'|replace('a', 'b', 2); s|replace('\\n', '')|tojson; l|list; a|list; d|items; d.items()|list; d.keys()|list; d.values()|list
s|wordcount; w|wordcount; t|urlencode; 'a b/c?d=é'|urlencode; {'a': 1, 'b': 'x y'}|urlencode; l|string; d|string; nil|string; f|string; a|string; yes|string
w|truncate(5); w|truncate(9, true); w|truncate(6, true, '..'); w|truncate(8, leeway=0); 'one two three four'|wordwrap(7); 123456|filesizeformat; 1000|filesizeformat; 1536|filesizeformat(true)
{'class': 'a', 'id': nil}|xmlattr; r|attr('x'); o|attr('name'); d|pprint; a|pprint; l|random is number; a|upper|lower; nil|tojson; x|tojson; huge|tojson; [big, huge]|tojson(indent=1); d|tojson(indent=2); {}|tojson(indent=2); t|tojson; u|tojson(ensure_ascii=true)
d|tojson(sort_keys=true); d|tojson(separators=(',', ':')); d.items()|list|tojson; (1, 2)|tojson; d|tojson(false, 3); e|tojson(indent=4); x|tojson(indent=0); x|tojson(indent='--')
w|indent; w|indent(2); w|indent(2, true); w|indent(2, true, true); w|indent(2, false, true); w|indent('> '); w|indent(width='--', first=true); w|indent(first=true); lines|indent(3)|tojson; ''|indent(first=true)|tojson; '\\n'|indent(2, true)|tojson; '\\n\\n'|indent(2, true, true)|tojson; 'a'|indent(2, first=true); 'a\\n'|indent(2)|tojson; 'a\\x0bb\\x0cc\\u2028d\\x85e'|indent(2)|tojson; w|indent(0, true)|tojson; w|indent(blank=true)|tojson
'' ~ f; '' ~ g; '' ~ tiny; '' ~ h; f ~ g; 1 ~ 2; nil ~ yes; '' ~ l; '' ~ x; '' ~ d; a ~ f + g; 1 + 2 ~ 3; 2 * f ~ 'k'; -f ~ ''; (f) ~ (g); f|int ~ ''; '' ~ (f, g); ('' ~ f)|upper; [1 ~ f]; {'k': f ~ ''}; missing ~ 'a'; huge ~ big; a ~ (f if yes else g) ~ a; '' ~ f if yes else g; not '' ~ f; a ~ f == a ~ f; 'x' ~ d['A'] ~ 'y'; d.A ~ l[0] ~ '~'; f ~ '' in '1e+22'; [f][0] ~ ''; 1 ~ -f; '~' ~ f; f**2 ~ ''; '' ~ third; '' ~ 1e400; '' ~ -0.0
i / 2; 6 / 2; i // 2; n // 2; i % 3; n % 5; i % -3; -7 // 2; 7.5 // 2; 2 ** 3; 2 ** -1; 2 ** 0.5; 10 ** 20; 2 ** 100; i * 1.5; a * 3; l * 2; 3 * a; '=' * 4 ~ '|'; a + 'd'; l + [4]; (1,) + (2,); 1 + 2.0; yes + 1; i + a; a + i; big + 1; huge + 1; 1 / 0; 7 - 3 - 2; 2 ** 3 ** 2; -2 ** 2; 1 < 2 < 3; 3 > 2 > 2; 1 == 1.0; 'a' < 'b'; 1 == yes; nil == none; [1] == [1.0]; (1,2) == [1,2]; {'a':1} == {'a':1.0}
f; g; tiny; h; third; big; huge; 1e16; 1e15; 123456789.123; 1.0; -0.0; 0.1 + 0.2; 1e-4; 1e-5; 5e-324; 1e308 * 10; -1e308 * 10; 100000000000000000000; 1_000; 0x1F; 0b11; 0o17; 1.5e3; 12345678901234567890123456789012345678901234567890
i is odd; i is even; i is divisibleby 7; i is divisibleby(2); nil is none; missing is defined; missing is undefined; a is string; i is number; g is float; i is float; i is integer; g is integer; yes is boolean; i is boolean; yes is number; yes is integer; l is sequence; d is sequence; a is sequence; d is mapping; l is mapping; l is iterable; a is iterable; i is iterable; nil is iterable; missing is iterable; d.items() is iterable; (1,2) is sequence; range(2) is sequence
i is callable; range is callable; a is lower; a is upper; 'A'|lower is lower; a is sameas a; i is eq 7; i is ne 7; i is gt 3; i is ge(7); i is lt 3; i is le 7; i is in [7]; i is not in [7]; a is in 'xabcx'; t is escaped; t|e is escaped; yes is true; 1 is true; no is false; 0 is false; i is not odd; 'upper' is filter; 'nope' is filter; 'odd' is test; i is not none; not i is none; a is string and i is number
1 in l; 'b' in a; 'b' in d; 'z' in d; 5 not in l; nil in x; 1.0 in l; '' in a; 1 in (1, 2); 'k' in r[0]; a in missing; not 1 in l
l[0]; l[-1]; l[5]; l[1:]; l[:1]; l[::-1]; l[::2]; l[-2:]; a[0]; a[-1]; a[1:]; a[::-1]; a[5]; a[1:100]; u[8:14]; d['b']; d.b; d['q']; d.q; o.items; o['items']; o.get; o.nested.a[1].b; o.nested.a[9]; o.nope.x; d.items; l.0; l[i]; (1, 2)[1]; (1,2,3)[1:]; a[0:2:1]; a[2:0:-1]; l[1]|string ~ 'x'; missing[0]; missing.x
s.strip(); s.lstrip()|tojson; s.rstrip()|tojson; 'xxaxx'.strip('x'); 'xyaxy'.lstrip('xy'); 'xyaxy'.rstrip('yx'); q.split('-'); q.split('-', 1); ' a  b '.split(); ' a  b '.split(' '); 'a,b'.split(','); ''.split(); ''.split(','); q.rsplit('-', 1); q.rsplit('-'); ' a b '.rsplit(); 'a b c'.split(none, 1); 'a b  c'.rsplit(none, 1); q.split('-', -1); q.split(sep='-'); q.split('-', maxsplit=1)
lines.splitlines(); lines.splitlines(true); 'a\\x0bb\\x1cc\\x85d\\u2028e'.splitlines(); ''.splitlines(); '\\n'.splitlines(); q.partition('-'); q.rpartition('-'); q.partition('z'); q.rpartition('z'); a.startswith('a'); a.startswith(('x', 'a')); a.endswith('c'); a.endswith(('x', 'c')); a.startswith('b', 1); a.endswith('b', 0, 2); a.startswith('')
a.find('c'); a.find('z'); a.rfind('a'); 'abab'.rfind('ab'); a.find('a', 1); a.index('c'); a.index('z'); 'abab'.count('ab'); 'aaa'.count('aa'); a.count(''); a.replace('b', ''); 'aaa'.replace('a', 'b', 1); a.replace('', '-'); ','.join(m); ''.join(a); '-'.join(['x']); '-'.join(l); ','.join(d)
u.upper(); u.lower(); u.title(); u.capitalize(); u.casefold(); u.swapcase(); 'hello world'.title(); "it's a dog".title(); 'HELLO'.capitalize(); ''.capitalize(); 'aBc'.swapcase(); a.center(7, '*'); a.ljust(5, '.'); a.rjust(5); a.zfill(5); '-5'.zfill(4); '+5'.zfill(4); 'a\\tb'.expandtabs(4); a.removeprefix('a'); a.removesuffix('c'); a.removeprefix('z')
'12'.isdigit(); '²'.isdigit(); '½'.isnumeric(); '12'.isdecimal(); 'ab1'.isalnum(); 'ab'.isalpha(); 'a b'.isalpha(); ' '.isspace(); ''.isspace(); 'aB'.isupper(); 'ab1'.islower(); '12'.islower(); 'Ab Cd'.istitle(); 'a_1'.isidentifier(); 'é'.isascii(); ''.isdigit(); 'a\\n'.isprintable(); blank.isspace()
'{} {}'.format(1, 'b'); '{0}{1}{0}'.format('a', 'b'); '{k}'.format(k=3); '{:>5}'.format(a); '{:.2f}'.format(third); '{:,}'.format(1234567); '{!r}'.format(a); '{:05d}'.format(42); '{}'.format(l); '{}'.format(nil); '{:%}'.format(0.25); '{{}}'.format(); '{:x}'.format(255); '{a[0]}'.format(a=l); '{:^7}'.format(a); '{:e}'.format(f)
d.get('b'); d.get('q'); d.get('q', 5); d.get('q', none); d.keys()|join(','); d.values()|join(','); d.copy(); l.index(1); l.count(3); l.copy(); (1,2).count(1); (1,2).index(2); l.index(9); d.items()|map('first')|list; d.items()|sort|list; d.pop('b'); l.append(4); i.bit_length(); g.is_integer(); a.encode('utf-8'); l.sort()
d.items(); d.keys(); d.values(); range(3); range(1, 7, 2)|list; range(3, 0, -1)|list; range(0)|list; range(5)[1]; range(3)|length; dict(a=1, b=2); dict(d, z=9); (1,); (); (1, (2, 'a')); [(1, 'x')]; {'t': (1,)}; {1: 'a', none: 'b', true: 'c'}; {1.5: 1}; {(1, 2): 3}; [none, true, 1.0, 'a\\'b', "q\\"'"]; [[]]; {'a': {}}; ['\\n\\t\\\\', '\\x00', 'é', '\\u200b', '\\x7f', '\\xa0']
yes; no; nil; none; None; true; True; missing; l; m; x; d; o; r; 'it'; "it's"; 'a' 'b'; not yes; yes and a; no and a; a or i; '' or 'd'; e or nil; no or 0; yes if no else 3; yes if no; a if a is string else i; (yes or no) and 5; nil is none or missing.x; [1, 2][0] if l else 2; -i; +i; --i; - -i; not not a; -(-i)|abs; -i|abs; l|length > 2 and a; a|length == 3; (a|length) + 1; a|length + 1; i > 3 == yes
cycler('a', 'b').next(); joiner(', ')(); namespace(a=1).a; caller is defined; loop is defined; raise_exception is defined; missing is sequence; 'x'|float; 'x'|float|string
raise_exception('no'); a.nope(); nope(1); a|nope; i is nope; i(); l.x.y; 1 + nil; nil + 'a'; nil|length; i|length; [1] + 'a'; 'a' + [1]; 'a' * 'b'; l < a; a > 1; d < d; -a; {}['x']; nil.x; nil['x']; a.b.c; i.real; a.__class__; ''.__class__.__mro__; range(999999)
"""

STATEMENTS = [
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}{% for c in a %}[{{ c }}]{% endfor %}",
    "{% for x in e %}x{% else %}none{% endfor %}{% for x in missing %}x{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('odd', 'even') }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.changed(x > 1) }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}",
    "{% for t in [(1, f), (2, 'x')] %}{{ t }}{{ t[1] ~ '!' }}{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
    "{% set v = 1 %}{% for x in l %}{% set v = x %}{% endfor %}{{ v }}",
    "{% set ns = namespace(v=0, f=f) %}{% for x in l %}{% set ns.v = ns.v + x %}{% endfor %}{{ ns.v }}{{ ns.f ~ '' }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = (1, 2) %}{{ c }}{% set c = 1, %}{{ c }}",
    "{% set x %}in {{ a }}\n{% endset %}[{{ x }}]{% set x | upper %}b{% endset %}{{ x }}",
    "{% macro m(a, b=2, c='x' ~ g) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=1, a=f) }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, k=3) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}|{{ m.name }}|{{ m.arguments }}",
    "{% macro m() %}<{{ caller('z') }}>{% endmacro %}{% call(v) m() %}{{ v }}{% endcall %}",
    "{% macro m(x) %}{{ x }}{% endmacro %}{{ m('<') ~ f }}{{ m(1) + 'a' }}{{ m(2)|length }}{{ m(' a ').strip() }}{{ m(1) is string }}",
    "{% filter upper %}abc{{ a }}{% endfilter %}{% filter indent(2, true) %}x\ny\n{% endfilter %}|",
    "{% with z = 5, y = f ~ '' %}{{ z }}{{ y }}{% endwith %}{{ z }}",
    "{% if missing %}a{% elif l %}b{% else %}c{% endif %}{% if e %}a{% elif no %}b{% else %}c{% endif %}{% if 0.0 %}x{% endif %}{% if '' ~ f %}y{% endif %}",
    "  {% if yes %}\n  x\n  {% endif %}\n  y\n", "a\n  {%- if yes -%}\n b \n{%- endif %}\n c", "{{ a -}}   \n  x   {{- a }}", "{%+ if yes %} x{% endif +%}\ny",
    "{# c #}\nx{# c -#}  \n y", "{% raw %}{{ a }}{% if %}{# x #} ~ {% endraw %}{{ a }}", "{% raw -%}  x  {%- endraw %}", "x\n", "x\n\n", "\n\nx", "{{ a }}\n", "{{ '{{' }}{{ '%}' }}",
    "{% do l %}x", "{% set l2 = l + [9] %}{{ l2 }}{% set d2 = dict(d, **{'n': 1}) %}{{ d2 }}", "{{ '\\u00e9\\n\\'\\x41' }}|{{ \"a\\\"b\" }}", "{% set s = 'a' 'b' %}{{ s }}",
    "{% autoescape true %}{{ t }}{{ t ~ 'x' }}{% endautoescape %}", "{% block b %}in{{ a }}{% endblock %}{{ self.b() }}", "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}",
    "{% set ns = namespace() %}{% set ns.x = [1] %}{{ ns.x }}{{ ns.y is defined }}", "{% set l.x = 1 %}", "{{ a if yes }}{{ a if no }}|{{ (a if no) is defined }}",
    "{% for m in messages[1:] %}{{ m.role }}{% endfor %}{{ messages[-1]['content'] == '' }}{{ messages[0]['nope'] is defined }}{{ messages|length }}",
    "{% for m in messages|selectattr('role', 'equalto', 'user')|list %}{{ m.content }};{% endfor %}{{ messages|map(attribute='role')|list }}",
    "{% set parts = a ~ ' ' ~ f ~ ' ' ~ (g * 2 ~ 'x') ~ l[0] %}{{ parts }}{% if a ~ g == 'abc2.0' %}same{% endif %}{{ [a ~ f, {'k': g ~ a}] }}{{ d.get('A' ~ '') }}",
    "{% for k, v in o.nested.items() %}{{ k ~ '=' ~ v }}{% endfor %}{{ 'a' ~ f | string | length }}{{ ('a' ~ f)|length }}",
    "{%- set x = 'it' ~ \"'~\" ~ tiny -%}{{ x }}{{ '%s~%s' % (f ~ '', 1) }}{# ~ f #}{{ a[1:2] ~ l[0:1] ~ {'q': 1}['q'] }}", "{{ missing.x.y }}", "{{ f.x }}|{{ a.x }}|{{ l.x }}|{{ i.x }}",
]  # fmt: skip

PRINTED = ["{{{{ {0} }}}}", "{{{{ [{0}] }}}}", "{{{{ {0}|tojson }}}}", "{{{{ {0}|string|length }}}}", "{{{{ '' ~ {0} ~ '' }}}}", "{{{{ {0} is defined and {0}|length }}}}"]  # fmt: skip


def templates():
    for name, form in itertools.product(NAMES, PRINTED):
        yield form.format(name)
    for line in EXPRESSIONS.strip().splitlines():
        for expression in line.split("; "):
            yield "{{ " + expression.strip() + " }}"
    yield from STATEMENTS


def main():
    env = environment()
    with (DATA / "renders_jinja.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps({"variables": VARIABLES}, ensure_ascii=False) + "\n")
        for template in dict.fromkeys(templates()):
            row = {"template": template}
            try:
                row["prompt"] = env.from_string(template).render(**json.loads(json.dumps(VARIABLES)))
            except Exception as error:  # whatever a template can raise
                row["error"] = f"{type(error).__name__}: {error}"
            if " at 0x" in row.get("prompt", ""):
                continue  # an object of Python, printed with its address
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
