// Conversations to a file and back, and as Markdown for people.
import { quoted } from './attachments';
import { newId } from './ids';
import { settingsFrom } from './settings';
import { path } from './tree';
import type { Attachment, Conversation, Meta, Node, Role, Stats, ToolCall } from './types';

const FORMAT = 'glimt-conversations';

export function exportText(conversations: Conversation[]): string {
  const list = conversations.map(({ meta, nodes }) => ({ ...meta, deleted: undefined, nodes: [...nodes.values()] }));
  return JSON.stringify({ format: FORMAT, version: 1, conversations: list }, null, 1);
}

export class ImportError extends Error {}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);
const textOr = (v: unknown, other: string): string => (typeof v === 'string' ? v : other);
const timeOr = (v: unknown, other: number): number => (typeof v === 'number' && Number.isFinite(v) ? v : other);

// Every import makes new conversations: what is here already stays as it is. Throws ImportError that names the place.
export function importText(text: string, now = Date.now()): Conversation[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new ImportError(error instanceof Error ? error.message : String(error));
  }
  if (!isObject(file) || file['format'] !== FORMAT || !Array.isArray(file['conversations'])) {
    throw new ImportError(`format: "${FORMAT}" is wanted`);
  }
  return file['conversations'].map((c, i) => conversationFrom(c, `conversations[${i}]`, now));
}

function conversationFrom(value: unknown, where: string, now: number): Conversation {
  if (!isObject(value) || !Array.isArray(value['nodes'])) throw new ImportError(`${where}.nodes: an array is wanted`);
  const ids = new Map<string, string>();
  for (const node of value['nodes']) if (isObject(node) && typeof node['id'] === 'string') ids.set(node['id'], newId());
  const nodes = value['nodes'].map((n, i) => nodeFrom(n, ids, `${where}.nodes[${i}]`, now));
  const selected = Object.entries(isObject(value['selected']) ? value['selected'] : {}).flatMap(([from, to]) => {
    const child = ids.get(textOr(to, ''));
    const parent = from === '' ? '' : ids.get(from);
    return child !== undefined && parent !== undefined ? [[parent, child]] : [];
  });
  const meta: Meta = {
    id: newId(), title: textOr(value['title'], ''), renamed: value['renamed'] === true, pinned: value['pinned'] === true,
    created: timeOr(value['created'], now), updated: timeOr(value['updated'], now),
    selected: Object.fromEntries(selected), settings: settingsFrom(value['settings']),
  };
  return { meta, nodes: new Map(nodes.map((n) => [n.id, n])) };
}

const ROLES: readonly string[] = ['user', 'assistant', 'tool'];

function nodeFrom(value: unknown, ids: Map<string, string>, where: string, now: number): Node {
  if (!isObject(value) || typeof value['id'] !== 'string') throw new ImportError(`${where}.id: a text is wanted`);
  if (!ROLES.includes(textOr(value['role'], ''))) throw new ImportError(`${where}.role: user, assistant or tool is wanted`);
  if (typeof value['content'] !== 'string') throw new ImportError(`${where}.content: a text is wanted`);
  const parent = value['parent'] ?? null;
  if (parent !== null && !ids.has(textOr(parent, ''))) throw new ImportError(`${where}.parent: there is no such message`);
  const known = value as unknown as Node;
  return {
    ...optional(known),
    id: ids.get(value['id']) ?? newId(),
    parent: parent === null ? null : (ids.get(parent as string) ?? null),
    role: value['role'] as Role,
    created: timeOr(value['created'], now),
    content: value['content'],
  };
}

// The fields that a message need not have, each only in its type.
function optional(node: Node): Partial<Node> {
  const kept: Partial<Node> = {};
  if (typeof node.thinking === 'string') kept.thinking = node.thinking;
  if (typeof node.thinkingMs === 'number') kept.thinkingMs = node.thinkingMs;
  if (typeof node.model === 'string') kept.model = node.model;
  if (typeof node.callId === 'string') kept.callId = node.callId;
  if (typeof node.callName === 'string') kept.callName = node.callName;
  if (Array.isArray(node.calls)) kept.calls = node.calls.filter(isCall);
  if (Array.isArray(node.attachments)) kept.attachments = node.attachments.filter(isAttachment);
  if (Array.isArray(node.tokens) && node.tokens.every(isToken)) kept.tokens = node.tokens;
  if (isObject(node.stats) && typeof node.stats.answerTokens === 'number') kept.stats = statsFrom(node.stats);
  return kept;
}

function statsFrom(value: object): Stats {
  const numbers = Object.entries(value).filter(([, v]) => typeof v === 'number' && Number.isFinite(v));
  const zero: Stats = { promptTokens: 0, reusedTokens: 0, answerTokens: 0, thinkingTokens: 0, firstMs: 0, totalMs: 0 };
  const { end } = value as Stats;
  return { ...zero, ...Object.fromEntries(numbers), ...(typeof end === 'string' ? { end } : {}) };
}

const isCall = (v: unknown): v is ToolCall =>
  isObject(v) && typeof v['id'] === 'string' && typeof v['name'] === 'string' && typeof v['args'] === 'string';
const isAttachment = (v: unknown): v is Attachment =>
  isObject(v) && typeof v['name'] === 'string' && typeof v['text'] === 'string';
const isToken = (v: unknown): boolean =>
  Array.isArray(v) && typeof v[0] === 'string' && typeof v[1] === 'number' && Array.isArray(v[3]) &&
  v[3].every((o) => Array.isArray(o) && typeof o[0] === 'string' && typeof o[1] === 'number');

// The messages that are shown, for a document.
export function asMarkdown(conversation: Conversation): string {
  const { meta } = conversation;
  const parts = [`# ${meta.title}`];
  if (meta.settings.system.trim()) parts.push(`## System\n\n${meta.settings.system.trim()}`);
  for (const node of path(conversation)) parts.push(messageMarkdown(node));
  return `${parts.join('\n\n')}\n`;
}

function messageMarkdown(node: Node): string {
  if (node.role === 'tool') return `## Tool: ${node.callName ?? ''}\n\n${quoted({ name: 'result', text: node.content })}`;
  if (node.role === 'user') return ['## You', ...(node.attachments ?? []).map(quoted), node.content].join('\n\n');
  const thinking = node.thinking ? [node.thinking.trim().replace(/^/gm, '> ')] : [];
  const calls = (node.calls ?? []).map((c) => `\`${c.name}\`\n\n\`\`\`json\n${c.args}\n\`\`\``);
  return ['## Answer', ...thinking, node.content, ...calls].filter((t) => t !== '').join('\n\n');
}
