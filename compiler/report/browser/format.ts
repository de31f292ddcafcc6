/** Numbers as people read them. */

export function count(value: number): string {
  const prefixes = ["", " k", " M", " G", " T", " P"];
  let scaled = value;
  let prefix = 0;
  while (Math.abs(scaled) >= 999.5 && prefix < prefixes.length - 1) {
    scaled /= 1000;
    prefix++;
  }
  if (prefix === 0) return String(value);
  return `${scaled.toPrecision(3)}${prefixes[prefix]}`;
}

export const bytes = (value: number): string => {
  const text = count(value);
  return text.includes(" ") ? `${text}B` : `${text} B`;
};

export const time = (ms: number): string =>
  ms >= 1000
    ? `${(ms / 1000).toFixed(2)} s`
    : ms >= 0.1
      ? `${ms.toPrecision(3)} ms`
      : `${(ms * 1000).toFixed(1)} µs`;

export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
