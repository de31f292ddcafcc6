import { describe, expect, test } from "vitest";
import { readAs, readNpy, writeNpy } from "../../compiler/cli/npy.js";
import { type DType, dtypes, storedBytes } from "../../compiler/ir/dtype.js";
import { elementCount, elementsOfBytes, tensor, tensorBytes, tensorOf } from "../../compiler/ir/tensor.js";

/** A file put together by hand. */
function npy(header: string, elements: readonly number[], version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length, 0, 0, 0];
  return Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, ...length, ...text, ...elements]);
}

const header = (descr: string, shape: string, fortran = "False"): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

const names = Object.keys(dtypes) as DType[];

describe("round trips", () => {
  test.each(names)("%s, of every rank", (dtype) => {
    for (const dims of [[], [3], [2, 3], [1, 2, 1, 3], [0, 4]]) {
      const count = elementCount(dims);
      const bytes = Uint8Array.from({ length: storedBytes(dtype, count) }, (_, i) => i * 37);
      const value = tensor(dtype, dims, elementsOfBytes(dtype, count, bytes));
      const file = writeNpy(value);
      expect(file.length % 64).toBe(value.data.byteLength % 64); // elements begin on a multiple of 64
      const read = readAs(dtype, readNpy(file, "x.npy"));
      expect([read.dtype, read.dims]).toEqual([dtype, dims]);
      expect(tensorBytes(read)).toEqual(tensorBytes(value));
    }
  });

  test("the bytes that NumPy 2.4 writes", () => {
    // np.save("x.npy", np.array([[1, 2, 3], [4, 5, 6]], np.int16))
    const dict = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
    const expected = npy(`${dict.padEnd(117)}\n`, [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]);
    expect(writeNpy(tensorOf("int16", [2, 3], [1, 2, 3, 4, 5, 6]))).toEqual(expected);
  });
});

describe("reading", () => {
  test("versions 1, 2 and 3, at any place in a buffer", () => {
    for (const version of [1, 2, 3]) {
      const file = npy(header("<f4", "(2,)"), [0, 0, 128, 63, 0, 0, 0, 192], version);
      const shifted = new Uint8Array([7, ...file]).subarray(1);
      expect(readNpy(shifted, "x.npy")).toEqual(tensorOf("float32", [2], [1, -2]));
    }
  });

  test("big-endian elements", () => {
    expect(readNpy(npy(header(">i4", "(2,)"), [0, 0, 1, 2, 255, 255, 255, 254]), "x.npy")).toEqual(
      tensorOf("int32", [2], [258, -2]),
    );
    const doubles = readNpy(npy(header(">f8", "()"), [0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), "x.npy");
    expect(doubles).toEqual(tensorOf("float64", [], [1.5]));
  });

  test("Fortran order", () => {
    // np.asfortranarray([[1, 2, 3], [4, 5, 6]])
    const file = npy(header("|i1", "(2, 3)", "True"), [1, 4, 2, 5, 3, 6]);
    expect(readNpy(file, "x.npy")).toEqual(tensorOf("int8", [2, 3], [1, 2, 3, 4, 5, 6]));
    const cube = npy(header("|u1", "(2, 1, 3)", "True"), [1, 4, 2, 5, 3, 6]);
    expect(readNpy(cube, "x.npy")).toEqual(tensorOf("uint8", [2, 1, 3], [1, 2, 3, 4, 5, 6]));
  });

  test("headers in other spellings", () => {
    const text = "{'shape': (1L, 2L), 'fortran_order': False, 'descr': '=u2'}   \n";
    expect(readNpy(npy(text, [1, 0, 2, 0]), "x.npy")).toEqual(tensorOf("uint16", [1, 2], [1, 2]));
  });

  test("refuses what it cannot read, naming the file", () => {
    const broken: [Uint8Array, RegExp][] = [
      [new TextEncoder().encode("not a file of NumPy"), /^cannot read dir\/x\.npy: not an \.npy file$/],
      [new Uint8Array(), /not an \.npy file/],
      [npy("", [], 4), /\.npy version 4 is not known/],
      [npy(header("<f4", "(2,)"), []).subarray(0, 9), /ends within its header/],
      [npy(header("<f4", "(2,)"), []).subarray(0, 40), /ends within its header/],
      [npy(header("<f4", "(2,)"), [1, 2, 3, 4]), /it ends after 4 of the 8 bytes/],
      [npy("{'descr': '<f4'}", []), /header is damaged/],
      [npy(header("<f4", "(-1,)"), []), /header is damaged/],
      [npy(header("<f4", "(9007199254740993, 9)"), []), /header is damaged/],
      [
        npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", []),
        /records are not supported/,
      ],
      [npy(header("<c8", "(1,)"), []), /element type "<c8" is not supported/],
      [npy(header("|O", "(1,)"), []), /element type "\|O" is not supported/],
      [npy(header("<U5", "(1,)"), []), /element type "<U5" is not supported/],
    ];
    for (const [file, message] of broken) expect(() => readNpy(file, "dir/x.npy")).toThrow(message);
  });
});
