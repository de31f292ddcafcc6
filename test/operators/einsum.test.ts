/** Einsum: equations of all kinds, against a sum over every label. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import { forEachIndex } from "../../compiler/ir/tensor.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import { evaluate, expectResults, expectTensor, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

/** Whole numbers from -2 to 3, so that sums are exact in any order; from 0 to 5 where there is no sign. */
function operands(dtype: DType, shapes: readonly (readonly number[])[]) {
  const random = randomNumbers(7);
  const low = dtype.startsWith("u") ? 0 : -2;
  return shapes.map((dims) =>
    of(
      dtype,
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => low + Math.floor(random() * 6)),
    ),
  );
}

/** Terms without ellipsis; the result's labels are given. */
function expected(
  terms: readonly string[],
  result: string,
  dtype: DType,
  shapes: readonly (readonly number[])[],
) {
  const labels = [...new Set([...result, ...terms.join("")])];
  const sizes = labels.map((label) =>
    Math.max(...terms.map((term, i) => (term.includes(label) ? shapes[i]![term.indexOf(label)]! : 0))),
  );
  const tensors = operands(dtype, shapes);
  const dims = sizes.slice(0, result.length);
  const sums = new Array<number>(dims.reduce((a, b) => a * b, 1)).fill(0);
  const place = (names: string, own: readonly number[], indices: readonly number[]) =>
    [...names].reduce((at, label, axis) => {
      const index = indices[labels.indexOf(label)]!;
      return at * own[axis]! + (own[axis] === 1 ? 0 : index);
    }, 0);
  forEachIndex(sizes, (indices) => {
    const product = tensors.reduce(
      (value, tensor, i) => value * decodeElements(tensor)[place(terms[i]!, tensor.dims, indices)]!,
      1,
    );
    sums[place(result, dims, indices)]! += product;
  });
  return of(dtype, dims, sums);
}

const cases: [equation: string, shapes: number[][]][] = [
  ["i->", [[4]]],
  ["ij->ji", [[2, 3]]],
  ["ij->i", [[2, 3]]],
  ["ii->i", [[3, 3]]],
  ["ii->", [[3, 3]]],
  ["iii->i", [[3, 3, 3]]],
  ["iijj->ij", [[2, 2, 3, 3]]],
  ["bii->bi", [[2, 3, 3]]],
  ["i,i->", [[4], [4]]],
  ["i,j->ij", [[2], [3]]],
  ["i,j->ji", [[2], [3]]],
  [",ij->ij", [[], [2, 3]]],
  [
    "ij,ij->ij",
    [
      [2, 3],
      [2, 3],
    ],
  ],
  [
    "ij,ji->ij",
    [
      [2, 3],
      [3, 2],
    ],
  ],
  [
    "ij,jk->ik",
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    "ij,jk->ki",
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    "ij,kj->ik",
    [
      [2, 3],
      [4, 3],
    ],
  ],
  [
    "ij,jk->",
    [
      [2, 3],
      [3, 4],
    ],
  ],
  ["ij,j->i", [[2, 3], [3]]],
  [
    "bij,bjk->bik",
    [
      [2, 2, 3],
      [2, 3, 4],
    ],
  ],
  [
    "bhqd,bhkd->bhqk",
    [
      [2, 3, 2, 4],
      [2, 3, 5, 4],
    ],
  ],
  [
    "bqhd,bkhd->bhqk",
    [
      [2, 2, 3, 4],
      [2, 5, 3, 4],
    ],
  ],
  [
    "bsd,dhk->bshk",
    [
      [2, 3, 4],
      [4, 2, 3],
    ],
  ],
  [
    "bshk,hkd->bsd",
    [
      [2, 3, 2, 3],
      [2, 3, 4],
    ],
  ],
  [
    "abc,cba->",
    [
      [2, 3, 4],
      [4, 3, 2],
    ],
  ],
  [
    "abcd,bdef->acef",
    [
      [2, 2, 3, 2],
      [2, 2, 2, 3],
    ],
  ],
  [
    "ab,bc,cd->ad",
    [
      [2, 3],
      [3, 4],
      [4, 2],
    ],
  ],
  ["a,b,c->cab", [[2], [3], [2]]],
  [
    "ab,ab,ab->b",
    [
      [2, 3],
      [2, 3],
      [2, 3],
    ],
  ],
  [
    "ij,kj->ik",
    [
      [2, 3],
      [4, 1],
    ],
  ],
  [
    "ij,ik->ijk",
    [
      [1, 3],
      [2, 2],
    ],
  ],
  [
    "iij,jk->ik",
    [
      [2, 2, 3],
      [3, 2],
    ],
  ],
];

describe("equations", () => {
  for (const [equation, shapes] of cases) {
    test(`${equation} of ${shapes.map((dims) => `[${dims}]`).join(" ")}`, async () => {
      const [terms, result] = equation.split("->") as [string, string];
      const node = { op: "Einsum", inputs: operands("float32", shapes), attributes: { equation } };
      const results = [expected(terms.split(","), result, "float32", shapes)];
      await expectResults(node, results);
      if (shapes.flat().includes(1)) return;
      await expectResults({ ...node, open: shapes.map((_, i) => i) }, results);
    });
  }

  const ellipses: [equation: string, shapes: number[][], as: string][] = [
    ["...ij->...ji", [[2, 3, 4]], "aij->aji"],
    ["...ii->...i", [[2, 2, 3, 3]], "abii->abi"],
    [
      "...ij,...jk->...ik",
      [
        [2, 2, 3],
        [2, 3, 2],
      ],
      "aij,ajk->aik",
    ],
    [
      "i...,j...->ij...",
      [
        [2, 3],
        [4, 3],
      ],
      "ia,ja->ija",
    ],
    [
      "...,...->...",
      [
        [2, 3],
        [2, 3],
      ],
      "ab,ab->ab",
    ],
    [
      "...ij,jk->...ik",
      [
        [2, 2, 3],
        [3, 2],
      ],
      "aij,jk->aik",
    ],
    [
      "ij...,jk...->ik...",
      [
        [2, 3, 1],
        [3, 2, 4],
      ],
      "ija,jkb->ikb",
    ],
    ["...i,i", [[2, 3], [3]], "ai,i->a"],
    ["ba", [[2, 3]], "ba->ab"],
    [
      "cij,jc",
      [
        [2, 2, 3],
        [3, 2],
      ],
      "cij,jc->i",
    ],
    [
      "i j , j k -> i k",
      [
        [2, 3],
        [3, 2],
      ],
      "ij,jk->ik",
    ],
  ];
  for (const [equation, shapes, as] of ellipses) {
    test(`${equation} of ${shapes.map((dims) => `[${dims}]`).join(" ")}`, async () => {
      const [terms, result] = as.split("->") as [string, string];
      const node = { op: "Einsum", inputs: operands("float32", shapes), attributes: { equation } };
      await expectResults(node, [expected(terms.split(","), result, "float32", shapes)]);
    });
  }

  test("agree with onnxruntime-web", async () => {
    for (const [equation, shapes] of [...cases, ...ellipses]) {
      if (equation === "iii->i" || equation === "iijj->ij") continue;
      const node = { op: "Einsum", inputs: operands("float32", shapes), attributes: { equation } };
      const [rival] = await rivalResults(node);
      const [own] = await evaluate(node);
      expectTensor(own!, rival!);
    }
  });
});

test("every type", async () => {
  const shapes = [
    [2, 3],
    [3, 4],
  ];
  const types: readonly DType[] = ["float64", "float16", "bfloat16", "int8", "int16", "int32", "int64"];
  for (const dtype of [...types, "uint8", "uint16", "uint32", "uint64"] as const) {
    await expectResults(
      { op: "Einsum", inputs: operands(dtype, shapes), attributes: { equation: "ij,jk->ki" } },
      [expected(["ij", "jk"], "ki", dtype, shapes)],
    );
  }
});

test("narrow integers wrap", async () => {
  const inputs = [of("int8", [2], [100, 100]), of("int8", [2], [2, 3])];
  await expectResults({ op: "Einsum", inputs, attributes: { equation: "i,i->" } }, [of("int8", [], [-12])]);
});

describe("wrong equations are errors", () => {
  const bad: [equation: string, shapes: number[][], message: string][] = [
    ["ij->i->j", [[2, 2]], "more than one arrow"],
    ["ij,jk->ik", [[2, 2]], "2 terms for 1 inputs"],
    ["ijk->i", [[2, 2]], "does not name 2 dims"],
    ["i->i", [[2, 2]], "does not name 2 dims"],
    ["ij->ik", [[2, 2]], '"k" is in the result only'],
    ["ij->ii", [[2, 2]], "names a dim twice"],
    ["i1->i", [[2, 2]], '"1" is no label'],
    ["...i...->i", [[2, 2]], "more than one ellipsis"],
    [
      "ij,jk->ik",
      [
        [2, 3],
        [2, 3],
      ],
      '"j" is 3 and 2',
    ],
    ["ii->i", [[2, 3]], '"i" is 2 and 3'],
  ];
  for (const [equation, shapes, message] of bad) {
    test(equation, () =>
      expect(
        evaluate({ op: "Einsum", inputs: operands("float32", shapes), attributes: { equation } }),
      ).rejects.toThrow(message),
    );
  }
});
