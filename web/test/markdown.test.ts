// @vitest-environment jsdom
import { describe, expect, it } from 'vitest';
import { codeBlock, codeClick } from '../src/lib/code';
import { MarkdownBlocks, markdownHtml, sanitised } from '../src/lib/markdown';

function dom(html: string): HTMLElement {
  const box = document.createElement('div');
  box.innerHTML = html;
  return box;
}

describe('Markdown', () => {
  it('has tables, lists, tasks, code, formulas and notes', () => {
    const box = dom(markdownHtml('| a | b |\n|---|:-:|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n\n```python\nprint(1)\n```\n\n$a^2$ and \\(c\\)\n\n\\[\\frac12\\]\n\nSee[^1].\n\n[^1]: The *note*.\n'));
    expect(box.querySelectorAll('td')).toHaveLength(2);
    expect(box.querySelectorAll('td')[1]?.getAttribute('align')).toBe('center');
    expect([...box.querySelectorAll('.task')].map((t) => t.textContent)).toEqual(['☑', '☐']);
    expect(box.querySelector('.hljs-built_in')?.textContent).toBe('print');
    expect(box.querySelectorAll('math')).toHaveLength(3);
    expect(box.querySelector('math')?.textContent).toBe('a2');
    expect(box.querySelector('.note em')?.textContent).toBe('note');
    expect(box.querySelector('.note-mark')?.textContent).toBe('1');
  });
  it.each([
    '<script>window.bad=1</script>',
    '<img src=x onerror="window.bad=1">',
    '<svg onload="window.bad=1"><a href="javascript:window.bad=1">x</a></svg>',
    '[x](javascript:window.bad=1)',
    '[x](JaVaScRiPt:window.bad=1)',
    '[x](data:text/html,<script>1</script>)',
    '![x](https://elsewhere.example/p.png)',
    '<iframe src="https://elsewhere.example"></iframe>',
    '```"><script>window.bad=1</script>\nx\n```',
    '$\\href{javascript:window.bad=1}{x}$',
    '$\\includegraphics{https://elsewhere.example/p.png}$',
    '[^<img src=x onerror=1>]: x',
    '<button data-do="copy" style="position:fixed">x</button>',
    '| <b onclick=1>x</b> |\n|---|\n| <style>*{}</style> |',
    '<a href="https://e.example" id="app" name="body">x</a>',
  ])('runs and loads nothing of %s', (text) => {
    const box = dom(markdownHtml(text));
    expect(box.querySelector('script, img, iframe, svg, style, form, input, object, embed')).toBeNull();
    for (const element of box.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^on|^style$|^src$|^id$/);
        expect(value).not.toMatch(/^\s*(javascript|data):/i);
      }
    }
    expect((window as unknown as { bad?: number }).bad).toBeUndefined();
  });
  it('shows markup as the text that it is', () => {
    expect(dom(markdownHtml('a <b>c</b> d')).textContent?.trim()).toBe('a <b>c</b> d');
  });
  it('opens links apart', () => {
    const link = dom(markdownHtml('[x](https://e.example/?a=1&b=2)')).querySelector('a');
    expect(link?.getAttribute('rel')).toContain('noopener');
    expect(link?.getAttribute('target')).toBe('_blank');
    expect(link?.getAttribute('href')).toBe('https://e.example/?a=1&b=2');
  });
  it('turns an image into a link', () => {
    expect(dom(markdownHtml('![cat](https://e.example/c.png)')).querySelector('a')?.textContent).toBe('cat');
  });
  it('does not take prices for formulas', () => {
    expect(dom(markdownHtml('It costs $5 and $6 today.')).querySelector('math')).toBeNull();
  });
  it('shows a formula that is wrong, and endless macros end', () => {
    expect(dom(markdownHtml('$\\frac{1}$')).textContent).toContain('frac');
    const from = performance.now();
    markdownHtml('$\\def\\x{\\x\\x}\\x$');
    expect(performance.now() - from).toBeLessThan(2000);
  });
  it('sanitises on its own', () => {
    expect(sanitised('<a href="javascript:1">x</a>')).not.toContain('javascript');
  });
});

const LONG = Array.from({ length: 10 }, (_, i) => (i % 5 === 0 ? `## Part ${i}\n\n` : `Paragraph *${i}* with \`code\`.\n\n`)).join('') +
  '```js\nlet a = 1;\n\nlet b = 2;\n```\n\n1. one\n\n2. two\n\n> quote\n\n| a |\n|---|\n| 1 |\n\nlast';

describe('Markdown by blocks', () => {
  it('ends with what the whole text gives, however it came', () => {
    const whole = new MarkdownBlocks().finish(LONG).map((b) => b.html);
    for (const size of [1, 3, 20]) {
      const blocks = new MarkdownBlocks();
      let last = blocks.update('');
      for (let i = 0; i < LONG.length; i += size) last = blocks.update(LONG.slice(0, i + size));
      expect(last.map((b) => b.html), `pieces of ${size}`).toEqual(whole);
    }
  });
  it('leaves settled blocks alone', () => {
    const blocks = new MarkdownBlocks();
    const before = blocks.update('one\n\ntwo\n\nthree\n\nfo');
    const after = blocks.update('one\n\ntwo\n\nthree\n\nfour\n\nfi');
    expect(after[0]).toBe(before[0]);
    expect(new Set(after.map((b) => b.key)).size).toBe(after.length);
  });
  it('starts over for another text', () => {
    const blocks = new MarkdownBlocks();
    blocks.update('one\n\ntwo\n\nthree\n\nfour');
    expect(dom(blocks.update('other').map((b) => b.html).join('')).textContent?.trim()).toBe('other');
  });
  it('keeps up with a long answer', () => {
    const blocks = new MarkdownBlocks();
    const text = 'Some words of a paragraph. '.repeat(3) + '\n\n';
    let all = '';
    const from = performance.now();
    for (let i = 0; i < 400; i++) blocks.update((all += text));
    expect(performance.now() - from).toBeLessThan(6000); // jsdom; minutes, if each update made everything anew
  });
  it('copes with tabs and foreign line ends', () => {
    const text = 'a\r\n\r\n\tcode\r\n\r\nb\r\n\r\nc\r\n\r\nd';
    const blocks = new MarkdownBlocks();
    let last = blocks.update('');
    for (let i = 1; i <= text.length; i++) last = blocks.update(text.slice(0, i));
    expect(last.map((b) => b.html).join('')).toBe(new MarkdownBlocks().finish(text).map((b) => b.html).join(''));
  });
});

describe('code blocks', () => {
  it('fold when they are long, wrap and copy', async () => {
    document.body.innerHTML = codeBlock('x\n'.repeat(60), 'js');
    const block = document.querySelector('.code')!;
    const press = async (action: string) => {
      const button = block.querySelector<HTMLElement>(`[data-do="${action}"]`)!;
      let result: string | null = null;
      button.addEventListener('click', async (e) => { result = await codeClick(e); }, { once: true });
      button.click();
      await Promise.resolve();
      return result;
    };
    expect(block.classList.contains('folded')).toBe(true);
    await press('unfold');
    expect(block.classList.contains('folded')).toBe(false);
    await press('wrap');
    expect(block.querySelector('[data-do="wrap"]')?.getAttribute('aria-pressed')).toBe('true');
    expect(await press('copy')).toBe('x\n'.repeat(60));
  });
  it('do not colour what is very long or unknown', () => {
    expect(codeBlock('let a;'.repeat(5000), 'js')).not.toContain('hljs-keyword');
    expect(codeBlock('<b>', 'nolang')).toContain('&lt;b&gt;');
  });
});
