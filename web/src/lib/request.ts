// The body of a request for an answer.
import { quoted } from './attachments';
import { toolsFrom } from './checks';
import type { Feature, ServerSettings } from './server_types';
import type { ChatSettings, Node } from './types';

type Message = Record<string, unknown>;

// With its files in front: a question behind a long text is read with the text in mind.
export function userText(node: Node): string {
  return [...(node.attachments ?? []).map(quoted), node.content].filter((t) => t !== '').join('\n\n');
}

function messageOf(node: Node): Message {
  if (node.role === 'user') return { role: 'user', content: userText(node) };
  if (node.role === 'tool') return { role: 'tool', tool_call_id: node.callId ?? '', content: node.content };
  const calls = (node.calls ?? []).filter((c) => c.name !== '');
  return {
    role: 'assistant',
    content: node.content,
    ...(node.thinking ? { reasoning_content: node.thinking } : {}),
    ...(calls.length > 0
      ? { tool_calls: calls.map((c) => ({ id: c.id, type: 'function', function: { name: c.name, arguments: c.args || '{}' } })) }
      : {}),
  };
}

// An answer of which nothing came has nothing to say to the model either.
function saysSomething(node: Node): boolean {
  return node.role !== 'assistant' || node.content !== '' || (node.calls ?? []).length > 0;
}

export interface RequestOptions {
  settings: ChatSettings;
  server: ServerSettings;
  model?: string;
  details: boolean; // ask for the probabilities of tokens
  continues?: boolean; // the last message is the beginning of the answer
}

function formatOf(settings: ChatSettings, has: (f: Feature) => boolean): object {
  if (settings.form === 'json') return { response_format: { type: 'json_object' } };
  if (settings.form === 'schema') {
    const schema = JSON.parse(settings.schema) as object;
    return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } } };
  }
  if (settings.form === 'regex' && has('regex')) return { response_format: { type: 'regex', pattern: settings.regex } };
  return {};
}

function numbersOf(settings: ChatSettings, server: ServerSettings): object {
  const known = server.settings.filter((s) => settings.numbers[s.name] !== undefined);
  return Object.fromEntries(known.map((s) => [s.field, settings.numbers[s.name]]));
}

// The messages that lead to the answer are `shown`, the system message not among them.
export function requestBody(shown: Node[], options: RequestOptions): object {
  const { settings, server } = options;
  const has = (feature: Feature) => (server.features ?? []).includes(feature);
  const last = shown.at(-1);
  const said = shown.filter((node) => saysSomething(node) || (options.continues && node === last));
  const system: Message[] = settings.system.trim() ? [{ role: 'system', content: settings.system }] : [];
  const tools = toolsFrom(settings.tools);
  return {
    ...(options.model ? { model: options.model } : {}),
    messages: [...system, ...said.map(messageOf)],
    stream: true,
    stream_options: { include_usage: true },
    ...numbersOf(settings, server),
    ...(settings.stop.length > 0 ? { stop: settings.stop } : {}),
    ...(tools.length > 0 ? { tools } : {}),
    ...formatOf(settings, has),
    chat_template_kwargs: { enable_thinking: settings.thinking },
    ...(settings.thinking && settings.thinkingBudget > 0 && has('thinking_budget') ? { thinking: { type: 'enabled', budget_tokens: settings.thinkingBudget } } : {}),
    ...(options.details ? { logprobs: true, top_logprobs: 5 } : {}),
    ...(has('glimt') ? { glimt: true } : {}),
    ...(options.continues ? { continue_final_message: true } : {}),
  };
}
