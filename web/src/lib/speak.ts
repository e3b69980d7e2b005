// What a screen reader is told of an answer that streams: whole sentences, as they end, and without markup.

const END = /[.!?。！？…:]["'”’)\]]*(?=\s)|\n/g;

export class SentenceReader {
  #said = 0;

  // The sentences that are complete now and were not returned yet.
  next(text: string, finished: boolean): string {
    if (text.length < this.#said) this.#said = 0;
    let end = this.#said;
    if (finished) {
      end = text.length;
    } else {
      END.lastIndex = this.#said;
      for (let found = END.exec(text); found; found = END.exec(text)) end = END.lastIndex;
    }
    const piece = text.slice(this.#said, end);
    this.#said = end;
    return spoken(piece);
  }
}

function spoken(text: string): string {
  return text.replace(/[#*_`|>~]+/g, ' ').replace(/\s+/g, ' ').trim();
}
