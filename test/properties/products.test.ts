/** Matrix products, Gemm and Einsum. */

import fc from "fast-check";
import { data, each, seeds, shapes, whole } from "./arbitrary.js";
import { type PropertyCase, property } from "./harness.js";

const matmuls: fc.Arbitrary<PropertyCase> = fc
  .record({
    seed: seeds,
    batch: shapes(0, 2, 3),
    m: whole(1, 9),
    k: whole(1, 17),
    n: whole(1, 17),
    form: fc.constantFrom("both", "both", "left batch", "right batch", "ones", "row", "column", "dot"),
    constants: fc.constantFrom([], [1], [0]),
  })
  .map(({ seed, batch, m, k, n, form, constants }) => {
    const ones = batch.map(() => 1);
    const a = form === "right batch" ? [] : form === "ones" ? ones : batch;
    const b = form === "left batch" ? [] : batch;
    const left = form === "row" || form === "dot" ? [k] : [...a, m, k];
    const right = form === "column" || form === "dot" ? [k] : [...b, k, n];
    return { op: "MatMul", inputs: [data(seed, left), data(seed + 1, right)], constants };
  });

const gemms: fc.Arbitrary<PropertyCase> = fc
  .record({
    seed: seeds,
    m: whole(1, 9),
    k: whole(1, 17),
    n: whole(1, 17),
    transA: whole(0, 1),
    transB: whole(0, 1),
    alpha: fc.constantFrom(1, 0.5, -2),
    beta: fc.constantFrom(1, 0.25, 0),
    bias: fc.constantFrom("none", "scalar", "row", "column", "full", "one row"),
    constants: fc.constantFrom([], [1], [1, 2], [2]),
  })
  .map(({ seed, m, k, n, transA, transB, alpha, beta, bias, constants }) => {
    const a = data(seed, transA ? [k, m] : [m, k]);
    const b = data(seed + 1, transB ? [n, k] : [k, n]);
    const c = { none: null, scalar: [], row: [n], column: [m, 1], full: [m, n], "one row": [1, n] }[bias]!;
    return {
      op: "Gemm",
      inputs: c === null ? [a, b] : [a, b, data(seed + 2, c)],
      constants,
      attributes: { transA, transB, alpha: { float: alpha }, beta: { float: beta } },
    };
  });

const equations = [
  "ij,jk->ik",
  "bij,bjk->bik",
  "bhid,bhjd->bhij",
  "ij->ji",
  "ij->",
  "ii->i",
  "ii",
  "ij,ij->",
  "i,j->ij",
  "...ij,...jk->...ik",
  "abc,cd->abd",
  "ab,bc,cd->ad",
  "abc->cb",
  "ij,jk",
];

const einsums: fc.Arbitrary<PropertyCase> = fc
  .record({ seed: seeds, equation: fc.constantFrom(...equations), sizes: each(26, whole(1, 4)) })
  .map(({ seed, equation, sizes }) => {
    const terms = equation.split("->")[0]!.split(",");
    const dims = terms.map((term) =>
      [...term.replace("...", "yz")].map((letter) => sizes[letter.charCodeAt(0) - 97]!),
    );
    return {
      op: "Einsum",
      inputs: dims.map((shape, i) => data(seed + i, shape)),
      attributes: { equation },
    };
  });

property("matrix products", { cases: matmuls });
property("Gemm", { cases: gemms });
property("Einsum", { cases: einsums });
