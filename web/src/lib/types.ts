// What a conversation is made of. Plain data, as it is stored and exported: dates are milliseconds since 1970.

export interface Attachment {
  name: string;
  text: string;
}

export interface ToolCall {
  id: string;
  name: string;
  args: string; // JSON text, as far as it has come
}

// One token of an answer: its text, its probability, whether it was guessed ahead and stood, and what else was likely.
// A tuple, since an answer has thousands: [text, probability, guessed, [[text, probability], …]].
export type Token = [text: string, p: number, guessed: 0 | 1, others: [text: string, p: number][]];

export type EndWord = 'stop' | 'length' | 'tool_calls' | 'stop_string' | 'context' | 'repetition' | 'stopped';

export interface Stats {
  promptTokens: number;
  reusedTokens: number;
  answerTokens: number; // the thinking included
  thinkingTokens: number;
  drafted?: number;
  accepted?: number;
  firstMs: number; // from the request to the first token
  totalMs: number; // from the request to the end
  perSecond?: number; // of the engine's own clock, where it tells
  context?: number; // most tokens of prompt and answer
  end?: EndWord;
  stopString?: string;
  cut?: { before: string; after: string }; // the prompt's text on both sides of where the cache ended
}

export type ProblemKind =
  | 'gone' // no connection, or it broke
  | 'busy' // 503: the queue is full
  | 'loading' // 503: the model is not there yet
  | 'key' // 401
  | 'too_long' // the prompt does not fit
  | 'refused' // any other 4xx
  | 'engine'; // 5xx, or an error in the stream

export interface ProblemData {
  kind: ProblemKind;
  message: string;
  retryAfter?: number; // seconds
}

export type Role = 'user' | 'assistant' | 'tool';

// A message. Never changed once it is complete: a new version is a new node beside it.
export interface Node {
  id: string;
  parent: string | null;
  role: Role;
  created: number;
  content: string;
  attachments?: Attachment[]; // of a user
  thinking?: string; // of an assistant, from here on
  thinkingMs?: number;
  calls?: ToolCall[];
  tokens?: Token[]; // of the content
  model?: string;
  stats?: Stats;
  problem?: ProblemData;
  partial?: boolean; // it is being written, or was when the page went
  callId?: string; // of a tool's result: whose it is
  callName?: string;
}

export type FormKind = 'free' | 'json' | 'schema' | 'regex';

// What can be set about answers. A value that is not here is the server's default.
export interface ChatSettings {
  model?: string;
  system: string;
  thinking: boolean;
  thinkingBudget: number; // tokens; 0: no limit
  numbers: Record<string, number>; // by the server's names: temperature, top_p, …
  stop: string[];
  form: FormKind;
  schema: string; // JSON text
  regex: string;
  tools: string; // JSON text of an array; empty: none
}

export interface Meta {
  id: string;
  title: string;
  renamed: boolean; // the title is the user's
  created: number;
  updated: number;
  pinned: boolean;
  deleted?: number; // when; it is gone for good some time later
  selected: Record<string, string>; // which child of a node is shown (key "" for the first message)
  settings: ChatSettings;
}

export interface Conversation {
  meta: Meta;
  nodes: Map<string, Node>;
}

export interface Preset {
  name: string;
  settings: ChatSettings;
}
