// The Content-Security-Policy of the built page: its own script and style by their hashes, and nothing else.
import { createHash } from 'node:crypto';

// The contents of inline elements in the order of the document. What looks like a tag inside of another's text is none.
function inlined(html) {
  const found = { script: [], style: [] };
  const open = /<(script|style)\b[^>]*>/g;
  for (let tag = open.exec(html); tag; tag = open.exec(html)) {
    const end = html.indexOf(`</${tag[1]}>`, open.lastIndex);
    if (end < 0) throw new Error(`index.html: <${tag[1]}> has no end`);
    found[tag[1]].push(html.slice(open.lastIndex, end));
    open.lastIndex = end;
  }
  return found;
}

export function policyOf(html) {
  const { script, style } = inlined(html);
  const hashes = (texts) => texts.map((t) => `'sha256-${createHash('sha256').update(t).digest('base64')}'`).join(' ');
  return [
    "default-src 'none'", `script-src ${hashes(script)}`, `style-src ${hashes(style)}`, 'img-src data:', "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  ].join('; ');
}
