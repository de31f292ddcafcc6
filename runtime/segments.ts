/** Data in a module's bytes: an engine would copy them, and keep the copy for as long as the module lives. */

/** Bytes, and where in memory they belong. */
export type Segment = readonly [address: number, bytes: Uint8Array];

const DATA_SECTION = 11;

/** The module without its data, and these; undefined where they are few, or other than active segments at constants. */
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
    const data: Segment[] = [];
    number();
    while (at < end) {
      if (module[at++] !== 0 || module[at++] !== 0x41) return;
      const address = number();
      // One in the upper half of memory is a negative constant.
      if (module[at - 1]! & 64 || module[at++] !== 0x0b) return;
      const length = number();
      data.push([address, module.subarray(at, at + length)]);
      at += length;
    }
    if (at !== end || end - start < 2 ** 20) return;
    const code = new Uint8Array(start + module.length - end);
    code.set(module.subarray(0, start));
    code.set(module.subarray(end), start);
    return { code, data };
  }
}
