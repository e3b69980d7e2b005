// What the server tells about itself. Every field may be missing: an older server knows less.

export interface ServerSetting {
  name: string; // as the engine calls it
  field: string; // as a request calls it
  type: 'number' | 'integer' | 'boolean' | 'text' | 'texts';
  min?: number;
  min_excluded?: boolean;
  max?: number;
  default: unknown;
  help?: string;
  group?: 'sampling' | 'answer';
}

export type Feature = 'continue_final_message' | 'glimt' | 'regex' | 'grammar' | 'thinking_budget' | 'unload';

export interface ServerSettings {
  model?: string;
  context_length?: number;
  settings: ServerSetting[];
  features?: Feature[];
}

export interface EngineNumbers {
  running?: number;
  waiting?: number;
  block_bytes?: number;
  blocks?: number;
  free_blocks?: number;
  cached_blocks?: number;
  evictable_blocks?: number;
  steps?: number;
  prompt_tokens?: number; // that were computed; those from the cache are beside them
  reused_tokens?: number;
  generated_tokens?: number;
  drafted?: number;
  accepted?: number;
  preemptions?: number;
  evicted_blocks?: number;
  decode_seconds?: number;
  plain_decode_seconds?: number;
  speculation_speedup?: number;
}

export interface StatusModel {
  name: string;
  state?: 'loaded' | 'loading' | 'unloading' | 'unloaded';
  progress?: number;
  memory?: number; // bytes; of a model that is not loaded those of its files
  context_length?: number;
  expires?: number | null;
  requests?: number; // that use it
  waiting?: number; // that wait for it
  healthy?: boolean;
  step_seconds?: number;
  metrics?: EngineNumbers;
}

export interface StatusReport {
  version?: string;
  device?: string; // that computes: "CPU, avx512, 2 threads"
  uptime_seconds?: number;
  models?: StatusModel[];
  requests?: { total?: number; failed?: number };
  errors?: { time: number; status: number; message: string; path?: string }[];
  history?: { seconds: number; generated: number[]; prompt?: number[] };
}

export interface Slot {
  model?: string;
  running?: number;
  waiting?: number;
  requests?: SlotRow[];
}

export interface SlotRow {
  id: string;
  model?: string;
  path?: string;
  phase?: string;
  place?: number | null;
  prompt_tokens?: number;
  prefilled_tokens?: number;
  generated_tokens?: number;
  tokens_per_second?: number;
  seconds?: number;
}
