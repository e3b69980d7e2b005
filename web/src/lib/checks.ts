// What is wrong with JSON that the user types: tools, a schema, a tool's arguments. The server checks more; this is what
// can be said while typing. Null: nothing is wrong.

export type Fault =
  | { what: 'json'; detail: string; line: number }
  | { what: 'not_array' }
  | { what: 'not_object' }
  | { what: 'tool_name'; index: number }
  | { what: 'tool_twice'; name: string }
  | { what: 'tool_parameters'; name: string }
  | { what: 'regex'; detail: string };

function parsed(text: string): { value: unknown } | { fault: Fault } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { fault: { what: 'json', detail, line: lineOf(text, detail) } };
  }
}

// Browsers say "at position N"; people count lines.
function lineOf(text: string, detail: string): number {
  const at = /position (\d+)/.exec(detail);
  const end = at ? Number(at[1]) : text.length;
  return text.slice(0, end).split('\n').length;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function toolsFault(text: string): Fault | null {
  if (text.trim() === '') return null;
  const result = parsed(text);
  if ('fault' in result) return result.fault;
  if (!Array.isArray(result.value)) return { what: 'not_array' };
  const names = new Set<string>();
  for (const [index, tool] of result.value.entries()) {
    const inner = isObject(tool) && isObject(tool['function']) ? tool['function'] : tool;
    if (!isObject(inner) || typeof inner['name'] !== 'string' || inner['name'] === '') return { what: 'tool_name', index };
    const name = inner['name'];
    if (names.has(name)) return { what: 'tool_twice', name };
    names.add(name);
    if (inner['parameters'] !== undefined && !isObject(inner['parameters'])) return { what: 'tool_parameters', name };
  }
  return null;
}

// In the form that the API takes, whichever form was typed. REQUIRES that toolsFault finds nothing.
export function toolsFrom(text: string): object[] {
  if (text.trim() === '') return [];
  return (JSON.parse(text) as Record<string, unknown>[]).map((tool) =>
    isObject(tool['function']) ? { type: 'function', function: tool['function'] } : { type: 'function', function: tool },
  );
}

export function schemaFault(text: string): Fault | null {
  const result = parsed(text);
  if ('fault' in result) return result.fault;
  return isObject(result.value) ? null : { what: 'not_object' };
}

// Rust's syntax is not JavaScript's, so this finds only what neither takes; the server has the last word.
export function regexFault(text: string): Fault | null {
  try {
    new RegExp(text.replace(/\(\?[imsxU-]+\)/g, '').replace(/\(\?P</g, '(?<'), 'u');
    return null;
  } catch (error) {
    return { what: 'regex', detail: error instanceof Error ? error.message : String(error) };
  }
}

// As it is, or set out over lines where it is JSON.
export function prettyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
