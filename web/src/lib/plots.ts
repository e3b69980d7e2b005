// Numbers over time for the status view.
import type { StatusReport } from './server_types';

export interface Sample {
  at: number; // ms
  generated: number; // counters of all models together
  prompt: number;
  steps: number;
  stepSeconds: number; // that these steps took
}

export function sampleOf(report: StatusReport, at: number): Sample {
  const sum = (name: 'generated_tokens' | 'prompt_tokens' | 'steps' | 'decode_seconds') =>
    (report.models ?? []).reduce((all, model) => all + (model.metrics?.[name] ?? 0), 0);
  return { at, generated: sum('generated_tokens'), prompt: sum('prompt_tokens'), steps: sum('steps'), stepSeconds: sum('decode_seconds') };
}

const WINDOW_MS = 10 * 60_000;

// What the page saw itself, the last ten minutes and the sample before them.
export class History {
  #samples: Sample[] = [];

  push(sample: Sample): void {
    this.#samples.push(sample);
    while (this.#samples[1] && this.#samples[1].at < sample.at - WINDOW_MS) this.#samples.shift();
  }

  // Tokens a second in each of `slots` equal parts of the ten minutes; null where nothing was seen. Between two samples,
  // however far apart, the rate was their mean. A counter that fell belongs to a model that was unloaded: that step counts
  // as nothing. The parts begin at round times, so that what is drawn moves but keeps its shape.
  rates(name: 'generated' | 'prompt', now: number, slots: number): (number | null)[] {
    const width = WINDOW_MS / slots;
    const first = Math.ceil(now / width) * width - WINDOW_MS;
    const tokens = new Array<number>(slots).fill(0);
    const seen = new Array<number>(slots).fill(0); // ms
    for (let i = 1; i < this.#samples.length; i++) {
      const [before, after] = [this.#samples[i - 1]!, this.#samples[i]!];
      const perMs = Math.max(0, after[name] - before[name]) / Math.max(1, after.at - before.at);
      for (let slot = Math.max(0, Math.floor((before.at - first) / width)); slot < slots && first + slot * width < after.at; slot++) {
        const from = first + slot * width;
        const ms = Math.min(after.at, from + width) - Math.max(before.at, from);
        tokens[slot]! += perMs * ms;
        seen[slot]! += ms;
      }
    }
    return tokens.map((t, i) => (seen[i]! > 0 ? (t / seen[i]!) * 1000 : null));
  }

  // Milliseconds a step took: between the last two samples, or since the engine began; null where there was none.
  stepMs(): number | null {
    const after = this.#samples.at(-1);
    const before = this.#samples.at(-2) ?? { steps: 0, stepSeconds: 0 };
    if (!after || after.steps <= before.steps || after.stepSeconds <= before.stepSeconds) return null;
    return ((after.stepSeconds - before.stepSeconds) * 1000) / (after.steps - before.steps);
  }
}

// An SVG path through the values in a box, with gaps where there is none.
export function linePath(values: (number | null)[], max: number, width: number, height: number): string {
  const step = values.length > 1 ? width / (values.length - 1) : width;
  let path = '';
  let pen = false;
  for (const [i, value] of values.entries()) {
    if (value === null) {
      pen = false;
      continue;
    }
    const y = max > 0 ? height - (value / max) * height : height;
    path += `${pen ? 'L' : 'M'}${(i * step).toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
  }
  return path;
}

// The same, closed along the bottom: what is below the line.
export function areaPath(values: (number | null)[], max: number, width: number, height: number): string {
  return linePath(values, max, width, height)
    .split(/(?=M)/)
    .filter((line) => line.includes('L'))
    .map((line) => `${line}L${line.slice(line.lastIndexOf('L') + 1).split(' ')[0]} ${height}L${line.slice(1).split(' ')[0]} ${height}Z`)
    .join('');
}

// The next round number above, for the axis.
export function niceMax(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return ([1, 1.5, 2, 3, 4, 5, 6, 8].find((n) => lead <= n) ?? 10) * power;
}
