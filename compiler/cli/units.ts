/** Numbers as people read them. */

const prefixes = ["", "k", "M", "G", "T", "P"];

/** `12`, `1.23 k`, `8.21 G`: three significant digits. */
export function formatCount(value: number): string {
  let scaled = value;
  let prefix = 0;
  // 999.5 and more would round to 1000.
  while (Math.abs(scaled) >= 999.5 && prefix < prefixes.length - 1) {
    scaled /= 1000;
    prefix++;
  }
  if (prefix === 0) return String(value);
  const digits = Math.abs(scaled) >= 99.95 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2;
  return `${scaled.toFixed(digits)} ${prefixes[prefix]}`;
}

/** `512 B`, `4.95 MB`: decimal units. */
export function formatBytes(bytes: number): string {
  const text = formatCount(bytes);
  return text.includes(" ") ? `${text}B` : `${text} B`;
}

/** `0.12 ms`, `34.5 ms`, `1.20 s`. */
export function formatTime(ms: number): string {
  if (ms >= 999.5) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms >= 99.95 ? 0 : ms >= 9.995 ? 1 : 2)} ms`;
}

/** A number of a tensor: as short as it can be at six significant digits. */
export function formatNumber(value: number | bigint): string {
  if (typeof value === "bigint" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

/** `1 node`, `2 nodes`. */
export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
