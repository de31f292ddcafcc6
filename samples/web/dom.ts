/** What the pages have in common. */

/** The element with this id, which the page has. */
export function byId<E extends Element>(id: string, type: new () => E): E {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} "${id}"`);
  return element;
}

/** An element that holds text or other elements. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
}

const status = (): HTMLElement => byId("status", HTMLElement);

/** Says what is going on, to eyes and to screen readers. */
export function say(text: string): void {
  status().textContent = text;
  status().classList.remove("bad");
}

export function sayError(error: unknown): void {
  status().textContent = error instanceof Error ? error.message : String(error);
  status().classList.add("bad");
}

/** Lets the page draw and react before the next long piece of work. */
export const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Files of this kind, chosen or dropped, go to the same place. */
export function takeFiles(kind: string, take: (file: File) => void): void {
  const input = byId("file", HTMLInputElement);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file !== undefined) take(file);
    input.value = ""; // so that the same file can be chosen again
  });
  const zone = byId("drop", HTMLElement);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  addEventListener("dragleave", () => zone.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const files = Array.from(event.dataTransfer?.files ?? []);
    const file = files.find(({ type }) => type.startsWith(kind)) ?? files[0];
    if (file !== undefined) take(file);
  });
}
