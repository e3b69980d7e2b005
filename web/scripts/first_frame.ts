// Puts the program behind the first frame: the outline in index.html is painted before a script of 600 KB is compiled
// and run. The user's colours are set first, so that the outline has them.
import type { Plugin } from 'vite';

const BEFORE = `(() => {
'use strict';
try {
  const { theme } = JSON.parse(localStorage.getItem('glimt') ?? '{}');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {}
const program = () => {
`;
// A page that is opened in the background, or covered meanwhile, has no frames to wait for.
const AFTER = `
};
let runs = false;
const run = () => {
  if (!runs) program(runs = true);
};
if (document.visibilityState === 'visible') requestAnimationFrame(() => setTimeout(run));
setTimeout(run, document.visibilityState === 'visible' ? 500 : 0);
})();`;

// `html` has one script of the program, inline and as a module.
export function behindFirstFrame(html: string): string {
  const tag = /<script type="module"[^>]*>/.exec(html);
  const end = html.indexOf('</script>', tag?.index);
  const body = html.lastIndexOf('</body>');
  if (!tag || end < 0 || body < end) throw new Error('index.html: an inline module script before </body> is wanted');
  const program = html.slice(tag.index + tag[0].length, end).trim();
  if (program === '') throw new Error('index.html: the module script is empty');
  const without = html.slice(0, tag.index) + html.slice(end + '</script>'.length, body);
  return `${without}<script>${BEFORE}${program}${AFTER}</script>\n  ${html.slice(body)}`;
}

export function firstFrame(): Plugin {
  return {
    name: 'first-frame',
    enforce: 'post',
    generateBundle: {
      order: 'post', // behind the plugin that puts the script into the page
      handler(_, bundle) {
        for (const file of Object.values(bundle)) {
          if (file.type === 'asset' && file.fileName.endsWith('.html')) file.source = behindFirstFrame(String(file.source));
        }
      },
    },
  };
}
