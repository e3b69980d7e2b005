// Markdown to HTML, block by block: while an answer streams only the blocks at its end are made again. What comes out is
// sanitised, and nothing that was written as HTML is any.
import DOMPurify from 'dompurify';
import { Marked, type Token, type Tokens, type TokenizerAndRendererExtension } from 'marked';
import { codeBlock, escaped } from './code';
import { mathHtml } from './math';

function math(name: string, level: 'block' | 'inline', start: RegExp, rule: RegExp): TokenizerAndRendererExtension {
  return {
    name,
    level,
    start: (source) => source.match(start)?.index,
    tokenizer(source) {
      const found = rule.exec(source);
      return found ? { type: name, raw: found[0], text: found[1] ?? found[2] ?? '' } : undefined;
    },
    renderer: (token) => mathHtml(token['text'] as string, level === 'block'),
  };
}

// "[^1]" and "[^1]: text". A note stands where it is defined, which for answers is their end.
const footnoteMark: TokenizerAndRendererExtension = {
  name: 'footnoteMark',
  level: 'inline',
  start: (source) => source.indexOf('[^'),
  tokenizer(source) {
    const found = /^\[\^([^\]\s]{1,40})\](?!:)/.exec(source);
    return found ? { type: 'footnoteMark', raw: found[0], label: found[1] } : undefined;
  },
  renderer: (token) => `<sup class="note-mark">${escaped(token['label'] as string)}</sup>`,
};

const footnote: TokenizerAndRendererExtension = {
  name: 'footnote',
  level: 'block',
  start: (source) => source.match(/^\[\^/m)?.index,
  tokenizer(source) {
    const found = /^\[\^([^\]\s]{1,40})\]:[ \t]*([^\n]*(?:\n(?: {2,}|\t)[^\n]+)*)(?:\n|$)/.exec(source);
    if (!found) return undefined;
    const text = (found[2] ?? '').replace(/\n\s+/g, ' ');
    return { type: 'footnote', raw: found[0], label: found[1], tokens: this.lexer.inlineTokens(text) };
  },
  renderer(token) {
    const inner = this.parser.parseInline(token.tokens ?? []);
    return `<p class="note"><sup>${escaped(token['label'] as string)}</sup> ${inner}</p>`;
  },
};

const marked = new Marked({ gfm: true, breaks: false, async: false });
marked.use({
  extensions: [
    math('blockMath', 'block', /\$\$|\\\[/, /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])(?:\n|$)/),
    math('inlineMath', 'inline', /\$|\\\(/, /^(?:\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)|\\\(([^\n]+?)\\\))/),
    footnoteMark,
    footnote,
  ],
  renderer: {
    code: ({ text, lang }) => codeBlock(text, lang ?? ''),
    html: ({ text }) => escaped(text),
    // An image would be a request to somewhere else.
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
    checkbox: ({ checked }) => `<span class="task" role="img" aria-label="${checked ? '☑' : '☐'}">${checked ? '☑' : '☐'}</span> `,
    table(token: Tokens.Table) {
      const row = (cells: Tokens.TableCell[], tag: string) =>
        `<tr>${cells.map((c) => `<${tag}${c.align ? ` align="${c.align}"` : ''}>${this.parser.parseInline(c.tokens)}</${tag}>`).join('')}</tr>`;
      const body = token.rows.map((r) => row(r, 'td')).join('');
      return `<div class="table" tabindex="0" role="group"><table><thead>${row(token.header, 'th')}</thead><tbody>${body}</tbody></table></div>`;
    },
  },
});

DOMPurify.addHook('uponSanitizeAttribute', (_, attribute) => {
  if (/^(xlink:)?href$/.test(attribute.attrName)) attribute.keepAttr = /^(https?:|mailto:)/i.test(attribute.attrValue);
});
DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return;
  node.setAttribute('rel', 'noopener noreferrer nofollow');
  node.setAttribute('target', '_blank');
});

const RULES = {
  USE_PROFILES: { html: true, mathMl: true },
  FORBID_TAGS: ['style', 'form', 'input', 'textarea', 'select', 'img', 'iframe', 'video', 'audio', 'source', 'dialog'],
  FORBID_ATTR: ['style', 'id', 'name', 'srcset', 'src'],
  ADD_ATTR: ['target', 'data-do', 'tabindex'],
};

export function sanitised(html: string): string {
  return DOMPurify.sanitize(html, RULES);
}

function htmlOf(tokens: Token[]): string {
  return sanitised(marked.parser(tokens));
}

export function markdownHtml(text: string): string {
  return htmlOf(marked.lexer(text));
}

export interface Block {
  key: string; // the same as long as the block is
  html: string;
}

// The blocks of a text that grows. Those before the last two are final: nothing that comes later changes them, but for
// reference links, which finish() puts right.
export class MarkdownBlocks {
  #text = '';
  #settled: Block[] = [];
  #settledTo = 0; // characters of #text
  #made = new Map<string, string>(); // the open blocks' HTML by their source, of the last update

  update(text: string): Block[] {
    if (!text.startsWith(this.#text.slice(0, this.#settledTo))) this.#reset();
    this.#text = text;
    const tokens = marked.lexer(text.slice(this.#settledTo));
    const open = firstOpen(tokens);
    let from = this.#settledTo;
    const fresh: Block[] = [];
    const made = new Map<string, string>();
    for (const [i, token] of tokens.entries()) {
      const block = token.type === 'space' ? null : { key: String(from), html: this.#made.get(token.raw) ?? htmlOf([token]) };
      from += token.raw.length;
      if (block) made.set(token.raw, block.html);
      if (i < open && sameSource(text, from, token)) {
        if (block) this.#settled.push(block);
        this.#settledTo = from;
      } else if (block) {
        fresh.push(block);
      }
    }
    this.#made = made;
    return [...this.#settled, ...fresh];
  }

  // All blocks, made anew with the whole text in view.
  finish(text: string): Block[] {
    this.#reset();
    const blocks: Block[] = [];
    let from = 0;
    for (const token of marked.lexer(text)) {
      if (token.type !== 'space') blocks.push({ key: String(from), html: htmlOf([token]) });
      from += token.raw.length;
    }
    return blocks;
  }

  #reset(): void {
    this.#text = '';
    this.#settled = [];
    this.#settledTo = 0;
    this.#made.clear();
  }
}

// The first token that may still change: a list goes on behind what now looks like the paragraph after it.
function firstOpen(tokens: Token[]): number {
  let blocks = 0;
  for (let i = tokens.length - 1; i >= 0; i--) {
    if (tokens[i]?.type !== 'space') blocks++;
    if (blocks === 2) return i;
  }
  return 0;
}

// The lexer makes tabs and line ends its own, and then its lengths are not those of the text.
function sameSource(text: string, end: number, token: Token): boolean {
  return text.slice(end - token.raw.length, end) === token.raw;
}
