/** How files of a kind begin. */

const signatures = {
  wasm: [0x00, 0x61, 0x73, 0x6d],
  npy: [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59],
  png: [0x89, 0x50, 0x4e, 0x47],
  jpeg: [0xff, 0xd8, 0xff],
} as const;

export const isFile = (kind: keyof typeof signatures, bytes: Uint8Array): boolean =>
  signatures[kind].every((byte, i) => bytes[i] === byte);
