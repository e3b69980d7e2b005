// Text files that go with a message.
import type { Attachment } from './types';

export const MAX_FILE_BYTES = 512 * 1024;
export const MAX_FILES = 20;

export type Refusal = { name: string; why: 'image' | 'binary' | 'large' | 'many' };

const IMAGE = /^image\//;
const NOT_TEXT = /^(audio|video|font)\/|^application\/(pdf|zip|gzip|x-tar|octet-stream|x-executable|vnd\.|msword)/;

// The text of a file, or why it is refused. An SVG is an image, whatever it is made of.
export async function readAttachment(file: File): Promise<Attachment | Refusal> {
  const { name } = file;
  if (IMAGE.test(file.type)) return { name, why: 'image' };
  if (NOT_TEXT.test(file.type)) return { name, why: 'binary' };
  if (file.size > MAX_FILE_BYTES) return { name, why: 'large' };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(await file.arrayBuffer()));
    if (text.includes('\0')) return { name, why: 'binary' };
    return { name, text: text.replace(/\r\n?/g, '\n') };
  } catch {
    return { name, why: 'binary' };
  }
}

export async function readAttachments(files: File[], present: number): Promise<{ read: Attachment[]; refused: Refusal[] }> {
  const read: Attachment[] = [];
  const refused: Refusal[] = [];
  for (const file of files) {
    if (present + read.length >= MAX_FILES) {
      refused.push({ name: file.name, why: 'many' });
      continue;
    }
    const result = await readAttachment(file);
    if ('why' in result) refused.push(result);
    else read.push(result);
  }
  return { read, refused };
}

// A quoted block with its name. The fence is longer than any in the text, so that the text cannot end it.
export function quoted(attachment: Attachment): string {
  const runs = attachment.text.match(/`{3,}/g) ?? [];
  const fence = '`'.repeat(Math.max(3, ...runs.map((r) => r.length + 1)));
  const kind = /\.([A-Za-z0-9]+)$/.exec(attachment.name)?.[1] ?? '';
  const name = attachment.name.replace(/[`\r\n]/g, ' ');
  return `File \`${name}\`:\n${fence}${kind}\n${attachment.text.replace(/\n$/, '')}\n${fence}`;
}
