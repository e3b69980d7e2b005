// What is known of the server: whether it is there, its models, and what can be set.
import { Api, type Health, type ModelRow } from '../lib/api';
import { Problem } from '../lib/problems';
import type { Feature, ServerSettings } from '../lib/server_types';
import { PLAIN_SETTINGS } from '../lib/settings';
import { prefs } from './prefs.svelte';

const RETRY_MS = 2000;

export class Server {
  readonly api = new Api();
  health = $state<Health | 'unknown'>('unknown');
  needsKey = $state(false);
  keyWasWrong = $state(false);
  models = $state.raw<ModelRow[]>([]);
  settings = $state.raw<ServerSettings>(PLAIN_SETTINGS);
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.api.key = prefs.key;
  }

  has(feature: Feature): boolean {
    return (this.settings.features ?? []).includes(feature);
  }

  // The model that a conversation asks for; nothing lets the server choose.
  modelName(wanted: string | undefined): string | undefined {
    return wanted && this.models.some((m) => m.id === wanted) ? wanted : this.settings.model ?? this.models[0]?.id;
  }

  contextOf(model: string | undefined): number | undefined {
    return this.models.find((m) => m.id === model)?.context_length ?? this.settings.context_length;
  }

  // Asks what can be asked, and again in a while where the server is not there.
  async refresh(): Promise<void> {
    clearTimeout(this.#retry);
    this.health = await this.api.health();
    if (this.health === 'gone') return this.#later();
    try {
      const [models, settings] = await Promise.all([this.api.models(), this.api.settings()]);
      this.models = models;
      this.settings = settings ?? PLAIN_SETTINGS;
      this.needsKey = false;
      this.keyWasWrong = false;
    } catch (error) {
      if (error instanceof Problem && error.kind === 'key') this.#askForKey();
      else this.#later();
    }
    if (this.health === 'loading') this.#later();
  }

  // After loading or unloading. Settings are not asked for: the server would load a model to tell them.
  async refreshModels(): Promise<void> {
    this.models = await this.api.models().catch(() => this.models);
  }

  // A request has failed: what does that say about the server?
  noteProblem(problem: Problem): void {
    if (problem.kind === 'key') this.#askForKey();
    if (problem.kind === 'gone' || problem.kind === 'loading') void this.refresh();
  }

  async useKey(key: string, keep: boolean): Promise<void> {
    this.api.key = key.trim();
    prefs.key = keep ? this.api.key : '';
    prefs.save();
    await this.refresh();
  }

  #askForKey(): void {
    this.keyWasWrong = this.api.key !== '';
    this.needsKey = true;
  }

  #later(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.refresh(), RETRY_MS);
  }
}

export const server = new Server();
