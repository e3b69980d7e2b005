// embed.mjs index.html out.cpp: the built page, compressed, as C++. Fails where it is larger than it may be.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { policyOf } from './policy.mjs';

const MAX_BYTES = 250_000;
const [from, to] = process.argv.slice(2);
const html = readFileSync(from, 'utf8');
const bytes = gzipSync(html, { level: 9 });
if (bytes.length > MAX_BYTES) throw new Error(`the page has ${bytes.length} bytes compressed, and may have ${MAX_BYTES}`);
const etag = createHash('sha256').update(bytes).digest('hex').slice(0, 32);

// A literal of octal escapes: unlike a list of numbers it compiles at once.
const escaped = (part) => Array.from(part, (b) => `\\${b.toString(8).padStart(3, '0')}`).join('');
const lines = [];
for (let at = 0; at < bytes.length; at += 64) lines.push(`    "${escaped(bytes.subarray(at, at + 64))}"`);
writeFileSync(
  to,
  `// Made by web/scripts/embed.mjs.
#include "server/web_page.h"

namespace glimt {
namespace {

constexpr char kBytes[] =
${lines.join('\n')};
constexpr WebPage kPage{{kBytes, sizeof kBytes - 1}, "\\"${etag}\\"", R"(${policyOf(html)})"};

}  // namespace

const WebPage* web_page() { return &kPage; }

}  // namespace glimt
`,
);
