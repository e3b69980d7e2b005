// Formulas as MathML, which browsers set without fonts or styles of ours.
import katex from 'katex';

export function mathHtml(source: string, display: boolean): string {
  const html = katex.renderToString(source, {
    displayMode: display, throwOnError: false, output: 'mathml', trust: false, strict: false, maxSize: 20, maxExpand: 200,
  });
  // The source as an annotation would be shown as text, since the sanitiser drops the element and keeps what is in it.
  return html.replace(/<annotation[\s\S]*?<\/annotation>/g, '').replace(/<\/?semantics>/g, '');
}
