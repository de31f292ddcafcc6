/** Data in a module's bytes: an engine would copy them, and keep the copy for as long as the module lives. */

/** Bytes, and where in memory they belong; of a passive segment the metadata say that. */
export type Segment = readonly [address: number | undefined, bytes: Uint8Array];

const DATA_SECTION = 11;

const PASSIVE = 1;

/**
 * The module without its data, and these; undefined where they are few, or other than active segments at constants, or
 * passive ones, which the module keeps as empty ones.
 */
export function takeData(module: Uint8Array): { code: Uint8Array; data: Segment[] } | undefined {
  let at = 8;
  /** 32 bits in LEB128. */
  function number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++]!;
      value |= (byte & 127) << shift;
      if (!(byte & 128)) return value >>> 0;
    }
  }
  while (at < module.length) {
    const start = at;
    const id = module[at++];
    const end = number() + at;
    if (id !== DATA_SECTION) {
      at = end;
      continue;
    }
    if (end - start < 2 ** 20) return;
    const data: Segment[] = [];
    const head = at;
    number();
    const count = module.subarray(head, at);
    const kind = module[at]! & 127;
    while (at < end) {
      let address: number | undefined;
      if (number() !== kind) return;
      if (kind !== PASSIVE) {
        if (kind || module[at++] !== 0x41) return;
        address = number();
        // One in the upper half of memory is a negative constant.
        if (module[at - 1]! & 64 || module[at++] !== 0x0b) return;
      }
      const length = number();
      data.push([address, module.subarray(at, at + length)]);
      at += length;
    }
    if (at !== end) return;
    const left = kind ? emptied(count, data.length) : [];
    const code = new Uint8Array(start + left.length + module.length - end);
    code.set(module.subarray(0, start));
    code.set(left, start);
    code.set(module.subarray(end), start + left.length);
    return { code, data };
  }
}

/** A data section of passive segments without bytes; their count is encoded already. */
function emptied(count: Uint8Array, segments: number): number[] {
  const size = count.length + 2 * segments;
  // A number may have more bytes than it needs.
  const bytes = [size | 128, (size >> 7) | 128, (size >> 14) | 128, size >> 21];
  return [DATA_SECTION, ...bytes, ...count, ...Array.from({ length: segments }, () => [PASSIVE, 0]).flat()];
}
