// Server-sent events out of the pieces in which they come over the wire.

export interface SseEvent {
  type: string; // "message" where the stream says nothing
  data: string;
}

// push() returns the events that are complete now. Comments are skipped, except that they count as a sign of life, which
// is the caller's matter. Any line ending may be cut anywhere.
export class SseParser {
  #rest = '';
  #type = '';
  #data: string[] = [];

  push(piece: string): SseEvent[] {
    const events: SseEvent[] = [];
    this.#rest += piece;
    // A '\r' at the end may be the first half of "\r\n": it waits for the next piece.
    const usable = this.#rest.endsWith('\r') ? this.#rest.length - 1 : this.#rest.length;
    const lines = this.#rest.slice(0, usable).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? '') + this.#rest.slice(usable);
    for (const line of lines) this.#line(line, events);
    return events;
  }

  #line(line: string, events: SseEvent[]): void {
    if (line === '') {
      if (this.#data.length > 0) events.push({ type: this.#type || 'message', data: this.#data.join('\n') });
      this.#type = '';
      this.#data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    if (name === 'event') this.#type = value;
  }
}
