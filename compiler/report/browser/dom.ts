/** Elements, made so that text is never read as HTML. */

type Child = Node | string;
type Properties = Readonly<Record<string, string | number | boolean | EventListener | undefined>>;

/** An element with attributes (`onclick` and the like are listeners), and children; strings become text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), properties, children);
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function filled<E extends Element>(made: E, properties: Properties, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/** A table with a head; the columns in `numeric` are set to the right. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly Child[])[],
  numeric: ReadonlySet<number>,
): HTMLTableElement {
  const cell = (tag: "td" | "th", child: Child, i: number) =>
    element(tag, numeric.has(i) ? { class: "number" } : {}, child);
  const head = element("tr", {}, ...heads.map((text, i) => cell("th", text, i)));
  const body = rows.map((row) => element("tr", {}, ...row.map((child, i) => cell("td", child, i))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}
