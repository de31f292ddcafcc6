/** What the engine that this runs in can do. */

/** A function of one `f32x4.relaxed_madd`. */
const relaxedModule = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0], // type: nothing to nothing
  ...[3, 2, 1, 0], // one function of it
  ...[10, 20, 1, 18, 0], // its code, without locals
  ...[0x41, 0, 0xfd, 0x0f], // i32.const 0, i8x16.splat
  ...[0x41, 0, 0xfd, 0x0f],
  ...[0x41, 0, 0xfd, 0x0f],
  ...[0xfd, 0x85, 0x02], // f32x4.relaxed_madd
  ...[0x1a, 0x0b], // drop, end
]);

/** Whether the engine takes relaxed SIMD: it refuses whole modules that use what it does not know. */
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(relaxedModule);
