// Keeps the focus near where the user works when the element that has it goes away or is switched off: a message that is
// deleted, a version that is stepped over, a form that was sent.

interface Place {
  element: HTMLElement;
  chain: { parent: Element; index: number }[]; // from the element up: where it, then each ancestor, stands
}

const FOCUSABLE = 'a[href], button:enabled, input:enabled:not([hidden]), select:enabled, textarea:enabled, summary, [tabindex="0"]';
const ROOMS = 'nav, dialog, form, header, [role="group"]'; // who works in one of these stays in it

// `fallback` takes the focus where nothing near is left. Returns what ends it.
export function keepFocus(fallback: () => void): () => void {
  let place: Place | null = null;
  const noted = (event: FocusEvent) => { place = event.target instanceof HTMLElement ? placeOf(event.target) : null; };
  const observer = new MutationObserver(() => {
    if (!place || !isLost(place.element)) return;
    const next = successorOf(place);
    place = null;
    if (next) next.focus();
    else fallback();
  });
  document.addEventListener('focusin', noted);
  observer.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ['disabled', 'hidden'] });
  return () => {
    document.removeEventListener('focusin', noted);
    observer.disconnect();
  };
}

function placeOf(element: HTMLElement): Place {
  const chain: Place['chain'] = [];
  for (let e: Element = element; e.parentElement; e = e.parentElement) {
    chain.push({ parent: e.parentElement, index: Array.prototype.indexOf.call(e.parentElement.children, e) });
  }
  return { element, chain };
}

// A user who clicks beside everything takes the focus away, too, but from an element that is still there.
function isLost(element: HTMLElement): boolean {
  if (element.isConnected && !element.matches(':disabled')) return false;
  const active = document.activeElement;
  return active === null || active === document.body || active === element;
}

function successorOf({ element, chain }: Place): HTMLElement | undefined {
  const left = chain.find((step) => step.parent.isConnected);
  if (!left) return undefined;
  const { children } = left.parent;
  const next = children[Math.min(left.index, children.length - 1)];
  const near = (next && again(element, next)) ?? (next && firstIn(next));
  if (near) return near;
  for (let room: Element | null = left.parent; room?.closest(ROOMS); room = room.parentElement) {
    const found = firstIn(room);
    if (found) return found;
  }
  return undefined;
}

// Buttons that are pressed several times in a row (data-again) are followed to where they stand now.
function again(element: HTMLElement, inside: Element): HTMLElement | undefined {
  if (!element.matches('[data-again]')) return undefined;
  const all = [...inside.querySelectorAll<HTMLElement>('[data-again]:enabled')];
  return all.find((e) => e.getAttribute('aria-label') === element.getAttribute('aria-label')) ?? all[0];
}

function firstIn(root: Element): HTMLElement | undefined {
  return [root, ...root.querySelectorAll(FOCUSABLE)].find((e): e is HTMLElement => e instanceof HTMLElement && e.matches(FOCUSABLE) && isSeen(e));
}

function isSeen(element: HTMLElement): boolean {
  return element.checkVisibility?.({ visibilityProperty: true }) ?? true; // jsdom has no layout
}
