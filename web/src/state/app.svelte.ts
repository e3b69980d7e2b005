// What the user can do, in one place: buttons and keys both call this.
import { newId } from '../lib/ids';
import { path, fork, newConversation, lastOf } from '../lib/tree';
import { titleOf } from '../lib/titles';
import { asMarkdown, exportText, importText, ImportError } from '../lib/transfer';
import type { Attachment, ChatSettings, Node } from '../lib/types';
import { library } from './library.svelte';
import { prefs } from './prefs.svelte';
import { branchAt, runs } from './runs.svelte';
import { server } from './server.svelte';

export type Dialog = 'settings' | 'help' | null;

export interface Toast {
  id: string;
  text: string;
  undo?: () => void | Promise<void>;
}

const TOAST_MS = 8000;

class App {
  view = $state<'chat' | 'status'>('chat');
  dialog = $state<Dialog>(null);
  sidebar = $state(false); // open over the page, on a phone
  inside = $state(false); // answers are shown token by token
  editing = $state<string | null>(null); // the message that is being edited
  toasts = $state.raw<Toast[]>([]);
  composerFocus = $state(0); // counted up: the composer takes the focus
  searchFocus = $state(0);

  // Of the open conversation, or of the next new one.
  readonly settings: ChatSettings = $derived(library.current?.meta.settings ?? prefs.defaults);

  async start(): Promise<void> {
    void server.refresh();
    await library.start();
    addEventListener('hashchange', () => void this.#route());
    await this.#route();
  }

  async #route(): Promise<void> {
    const [, view, id] = location.hash.split('/');
    this.view = view === 'status' ? 'status' : 'chat';
    if (view === 'c' && id && !(await library.open(id))) location.hash = '#/';
    if (!view && library.current) library.close(library.isPrivate);
    this.editing = null;
    this.sidebar = false;
  }

  newChat(isPrivate = false): void {
    library.close(isPrivate);
    this.view = 'chat';
    this.editing = null;
    this.sidebar = false;
    location.hash = '#/';
    this.composerFocus++;
  }

  async ask(text: string, attachments: Attachment[]): Promise<void> {
    const parent = library.shown.at(-1)?.id ?? null;
    await this.#say({ id: newId(), parent, role: 'user', created: Date.now(), content: text, ...(attachments.length > 0 ? { attachments } : {}) });
  }

  // A new version of what the user said, and an answer to it.
  async edit(node: Node, text: string): Promise<void> {
    this.editing = null;
    await this.#say({ ...node, id: newId(), created: Date.now(), content: text });
    this.composerFocus++;
  }

  async #say(node: Node): Promise<void> {
    if (!library.current) {
      library.adopt(newConversation(prefs.defaults));
      const fresh = library.current!;
      fresh.meta.title = titleOf(node.content) || node.attachments?.[0]?.name || '';
      history.replaceState(null, '', `#/c/${fresh.meta.id}`);
    }
    const { id } = library.current!.meta;
    void library.put(id, node);
    await runs.answer(id, node.id);
  }

  async regenerate(node: Node): Promise<void> {
    if (library.current && node.parent) await runs.answer(library.current.meta.id, node.parent);
  }

  async resume(node: Node): Promise<void> {
    if (library.current) await runs.resume(library.current.meta.id, node);
  }

  // A tool's result. The answer goes on when every call has one.
  async giveResult(answer: Node, callId: string, text: string): Promise<void> {
    const conversation = library.current;
    if (!conversation) return;
    const shown = path(conversation);
    const behind = shown.slice(shown.findIndex((n) => n.id === answer.id) + 1);
    const parent = behind.findLast((n) => n.role === 'tool') ?? answer;
    const name = answer.calls?.find((c) => c.id === callId)?.name ?? '';
    const node: Node = { id: newId(), parent: parent.id, role: 'tool', created: Date.now(), content: text, callId, callName: name };
    await library.put(conversation.meta.id, node);
    const given = new Set([...behind.map((n) => n.callId), callId]);
    if ((answer.calls ?? []).every((c) => given.has(c.id))) await runs.answer(conversation.meta.id, node.id);
  }

  async branch(node: Node, index: number, alternative: [string, number]): Promise<void> {
    if (!library.current || !node.parent || !node.tokens) return;
    await runs.answer(library.current.meta.id, node.parent, branchAt(node, node.tokens, index, alternative));
  }

  stop(): boolean {
    const run = runs.of(library.current?.meta.id);
    run?.stop();
    return run !== undefined;
  }

  async forkFrom(node: Node): Promise<void> {
    if (!library.current) return;
    const copy = fork(library.current, node.id);
    await library.add(copy, true);
    location.hash = `#/c/${copy.meta.id}`;
    this.toast(prefs.words.forked);
  }

  async removeMessage(node: Node): Promise<void> {
    const undo = await library.removeMessage(node.id);
    this.toast(prefs.words.messageDeleted, undo);
  }

  async removeConversation(id: string): Promise<void> {
    const open = library.current?.meta.id === id;
    for (const run of runs.byNode.values()) if (run.conversation === id) run.stop();
    const undo = await library.remove(id);
    if (open) location.hash = '#/';
    this.toast(prefs.words.conversationDeleted, undo);
  }

  toggleThinking(): void {
    this.changeSettings({ ...this.settings, thinking: !this.settings.thinking });
  }

  // Going on from another token needs a server that continues an answer.
  get canBranch(): boolean {
    return server.has('continue_final_message') && !runs.of(library.current?.meta.id);
  }

  changeSettings(settings: ChatSettings): void {
    if (library.current) void library.patch(library.current.meta.id, { settings });
    if (library.current && library.isPrivate) return;
    prefs.defaults = settings; // of the next conversation
    if (!library.isPrivate) prefs.save();
  }

  async copy(text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.toast(prefs.words.copied);
    } catch {
      this.toast(prefs.words.copyFailed);
    }
  }

  async copyLast(): Promise<void> {
    const last = lastOf(library.shown, 'assistant');
    if (last) await this.copy(last.content);
  }

  editLast(): void {
    this.editing = lastOf(library.shown, 'user')?.id ?? null;
  }

  // The conversation above or below in the list.
  neighbour(by: number): void {
    const at = library.metas.findIndex((m) => m.id === library.current?.meta.id);
    const next = library.metas[at < 0 ? 0 : at + by];
    if (next) location.hash = `#/c/${next.id}`;
  }

  async exportAll(): Promise<void> {
    download('glimt-conversations.json', exportText(await library.all()));
  }

  exportOne(): void {
    if (library.current) download(`${fileName(library.current.meta.title)}.json`, exportText([library.current]));
  }

  async copyMarkdown(): Promise<void> {
    if (library.current) await this.copy(asMarkdown(library.current));
  }

  async importFile(file: File): Promise<void> {
    try {
      const found = importText(await file.text());
      for (const conversation of found) await library.add(conversation, false);
      this.toast(prefs.words.imported.replace('{n}', String(found.length)));
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      this.toast(`${prefs.words.importFailed} ${error.message}`);
    }
  }

  toast(text: string, undo?: () => void | Promise<void>): void {
    const id = newId();
    this.toasts = [...this.toasts.slice(-2), { id, text, undo }];
    setTimeout(() => this.dismiss(id), TOAST_MS);
  }

  dismiss(id: string): void {
    this.toasts = this.toasts.filter((t) => t.id !== id);
  }
}

function fileName(title: string): string {
  return title.replace(/[^\p{L}\p{N} _-]+/gu, '').trim().slice(0, 60) || 'conversation';
}

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export const app = new App();
