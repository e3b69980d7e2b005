// Ids that no other tab makes at the same time. crypto.randomUUID is missing where the page comes by plain HTTP from
// another machine, getRandomValues is not.
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}
