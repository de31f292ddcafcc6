/** Matrix products with weights of 2, 4 or 8 bits that share scales by blocks, as language models have them. */

import { type Dim, isStatic, printDim, productOfDims } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { TensorType, Value } from "../ir/graph.js";
import type { TensorData } from "../ir/tensor.js";
import {
  type BlockMatrix,
  blocksOf,
  matmulBlocks,
  matmulLooseBlocks,
  middleOf,
  packBlockNumbers,
  packIntegers,
  scaleSteps,
} from "../kernels/matmul-nbits.js";
import { add, div, f32Constant, mul, op, rem } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import type { Placement } from "../lowering/scope.js";
import type { GraphBuilder } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { asRows, lowerRows, type Rows } from "./joined-rows.js";
import { decodeElements, encodeElements } from "./numbers.js";
import {
  attribute,
  defineExpansion,
  defineOperator,
  type ImportedNode,
  type NodeView,
  type Operator,
} from "./operator.js";

const blockAttributes = {
  K: attribute.required("int"),
  N: attribute.required("int"),
  bits: attribute.int(4),
  block_size: attribute.required("int"),
} as const;

type BlockView = NodeView<typeof blockAttributes>;

/** Scales stay in the type that the model has them in, as they are many. */
const types: readonly DType[] = ["float32", "float16", "bfloat16"];

const matrixOf = ({ attributes }: Pick<BlockView, "attributes">): BlockMatrix => ({
  depth: attributes.K,
  columns: attributes.N,
  bits: attributes.bits,
  block: attributes.block_size,
});

/** Bytes of the zero points of a column. */
const zeroBytes = (m: BlockMatrix): number => Math.ceil((blocksOf(m) * m.bits) / 8);

function infer(context: BlockView): TensorType[] {
  const m = matrixOf(context);
  const { fail } = context;
  if (![2, 4, 8].includes(m.bits)) fail(`bits is ${m.bits}, not 2, 4 or 8`, "E_UNSUPPORTED");
  if (m.block < 16 || Math.log2(m.block) % 1 !== 0)
    fail(`block_size is ${m.block}, no power of two from 16 on`);
  if (m.depth < 1 || m.columns < 1) fail(`K is ${m.depth}, N is ${m.columns}`);
  const x = context.input(0);
  if (x.rank === 0) fail("takes no scalars", "E_SHAPE");
  context.requireEqual(
    x.shape.at(-1)!,
    m.depth,
    `rows of ${printDim(x.shape.at(-1)!)} elements for K ${m.depth}`,
  );
  const integers = context.input(1);
  if (integers.dtype !== "uint8") fail(`does not take weights of ${integers.dtype}`, "E_UNSUPPORTED");
  requireShape(context, integers, "weights", [m.columns, blocksOf(m), (m.block * m.bits) / 8]);
  const scales = context.input(2);
  if (!types.includes(scales.dtype)) fail(`does not take scales of ${scales.dtype}`, "E_UNSUPPORTED");
  requireShape(context, scales, "scales", [m.columns, blocksOf(m)]);
  const zeros = context.optional(3);
  if (zeros !== null) {
    const packed = zeros.dtype === "uint8";
    if (!packed && !types.includes(zeros.dtype))
      fail(`does not take zero points of ${zeros.dtype}`, "E_UNSUPPORTED");
    requireShape(context, zeros, "zero points", [m.columns, packed ? zeroBytes(m) : blocksOf(m)]);
  }
  return [{ dtype: "float32", shape: [...x.shape.slice(0, -1), m.columns] }];
}

function requireShape(context: BlockView, value: Value, what: string, shape: readonly Dim[]): void {
  const text = ({ shape }: Pick<Value, "shape">) => `[${shape.map(printDim).join(", ")}]`;
  const reason = `${what} of ${text(value)}, not ${text({ shape } as Value)}`;
  if (value.rank !== shape.length) context.fail(reason, "E_SHAPE");
  shape.forEach((dim, axis) => {
    context.requireEqual(value.shape[axis]!, dim, reason);
  });
}

type BlockContext = LoweringContext<typeof blockAttributes>;

function lower(context: BlockContext): void {
  const [integers, scales, zeros] = [context.input(1), context.input(2), context.optional(3)];
  const fixed = [integers, scales, ...(zeros === null ? [] : [zeros])].map(({ constant }) => constant);
  if (fixed.every((data) => data !== null)) {
    lowerPacked(context, fixed as [TensorData, TensorData, TensorData?]);
    return;
  }
  const m = matrixOf(context);
  lowerProduct(context, asRows(context.placement(0)), ({ s, rows, rowOf, place, result }) => {
    const view = s.view("a", place(asRows(context.placement(0)), m.depth), "read");
    matmulLooseBlocks(s, rows, m, {
      left: (row, k) => s.load(view.buffer, view.index([...rowOf(row), k])),
      ...looseOperands(s, context, m),
      result,
    });
  });
}

/** With weights that are known; what does not depend on the column is made of the left operand first. */
function lowerPacked(context: BlockContext, weights: [TensorData, TensorData, TensorData?]): void {
  const m = matrixOf(context);
  const [words, factors, points] = packedOperands(context, m, weights);
  const left = asRows(context.placement(0));
  const lead = left.strided.shape.slice(0, -1);
  const starts = blocksOf(m) * (points === null ? 1 : 2);
  const room = (name: string, length: number): Placement =>
    context.scratch(name, { type: { dtype: "float32", shape: [...lead, length] } });
  const made = { steps: room("steps", m.depth), starts: room("starts", starts) };
  context.kernel({ name: `scale_steps_${m.bits}bits${m.block}_${m.depth}`, flops: 0 }, (s) => {
    const view = s.view("a", left, "read");
    const [steps, sums] = [s.view("steps", made.steps, "write"), s.view("starts", made.starts, "write")];
    loopsInOrder(s, lead, (row) => {
      scaleSteps(s, m, {
        left: (k) => s.load(view.buffer, view.index([...row, k])),
        step: (k, value) => steps.store([...row, k], value),
        start: (block, value, perZero) => {
          sums.store([...row, block], value);
          if (points !== null) sums.store([...row, add(block, blocksOf(m))], perZero);
        },
      });
    });
  });
  lowerProduct(context, made.steps, ({ s, rows, rowOf, place, result }) => {
    const steps = s.view("steps", place(made.steps, m.depth), "read");
    const sums = s.view("starts", place(made.starts, starts), "read");
    matmulBlocks(s, rows, m, {
      steps: steps.buffer,
      stepAt: (row, k) => steps.index([...rowOf(row), k]),
      starts: sums.buffer,
      startAt: (row, block, of) =>
        sums.index([...rowOf(row), of === "sum" ? block : add(block, blocksOf(m))]),
      integers: s.view("w", words, "read").buffer,
      scales: s.view("scales", factors, "read").buffer,
      zeros: points === null ? null : s.view("zeros", points, "read").buffer,
      result,
    });
  });
}

function lowerProduct(context: BlockContext, left: Placement, build: (rows: Rows) => void): void {
  const m = matrixOf(context);
  const kind = `matmul_${m.bits}bits${m.block}`;
  lowerRows(context, { kind, depth: m.depth, columns: m.columns, left }, build);
}

function packedOperands(
  context: BlockContext,
  m: BlockMatrix,
  [integers, scales, zeros]: readonly [TensorData, TensorData, TensorData?],
): [integers: Placement, scales: Placement, zeros: Placement | null] {
  const key = `nbits.${m.bits}.${m.block}.${m.depth}`;
  const factors = decodeElements(scales);
  const taken = zeros === undefined ? null : zeroPoints(m, zeros);
  const isMiddle = taken === null || taken.every((zero) => zero === 0);
  return [
    context.packed(integers, key, () => packIntegers(m, integers)),
    context.packed(scales, `${key}.scales`, () => {
      const packed = packBlockNumbers(m, (column, block) => factors[column * blocksOf(m) + block]!);
      return encodeElements(scales.dtype, packed.dims, packed.data as Float32Array);
    }),
    isMiddle
      ? null
      : context.packed(zeros!, `${key}.zeros`, () => {
          const packed = packBlockNumbers(m, (column, block) => taken[column * blocksOf(m) + block]!);
          // Whole numbers, less the middle of their range, are bytes with a sign.
          return zeros!.dtype === "uint8"
            ? encodeElements("int8", packed.dims, packed.data as Float32Array)
            : packed;
        }),
  ];
}

/** The zero point of each block of each column, less the middle of the integers' range. */
function zeroPoints(m: BlockMatrix, zeros: TensorData): number[] {
  const stored = decodeElements(zeros);
  const point = (column: number, block: number): number => {
    if (zeros.dtype !== "uint8") return stored[column * blocksOf(m) + block]!;
    const bit = block * m.bits;
    const byte = stored[column * zeroBytes(m) + Math.floor(bit / 8)]!;
    return (byte >> (bit % 8)) & (2 ** m.bits - 1);
  };
  return Array.from({ length: m.columns * blocksOf(m) }, (_, i) => {
    return point(Math.floor(i / blocksOf(m)), i % blocksOf(m)) - middleOf(m);
  });
}

function looseOperands(s: NodeScope, context: BlockContext, m: BlockMatrix) {
  const view = (name: string, i: number) => s.view(name, context.placement(i), "read");
  const [integers, scales] = [view("w", 1), view("scales", 2)];
  const zeros = context.optional(3) === null ? null : view("zeros", 3);
  const perByte = 8 / m.bits;
  const ofByte = (byte: Expr, number: Expr): Expr =>
    op("and", op("shr_u", byte, mul(rem(number, perByte), m.bits)), 2 ** m.bits - 1);
  return {
    integer: (column: Expr, block: Expr, step: Expr) =>
      ofByte(integers.load([column, block, div(step, perByte)]), step),
    scale: (column: Expr, block: Expr) => scales.load([column, block]),
    zero: (column: Expr, block: Expr) => {
      if (zeros === null) return f32Constant(middleOf(m));
      if (zeros.dtype !== "uint8") return zeros.load([column, block]);
      return op("i32_to_f32_s", ofByte(zeros.load([column, div(block, perByte)]), block));
    },
  };
}

const BlockProduct = defineOperator({
  name: "MatMulNBits",
  domain: "kiln",
  summary: "Product of a float32 matrix and one of small integers with a scale and a zero for each block.",
  inputs: ["A", "B", "scales", "zero_points?"],
  attributes: blockAttributes,
  versions: [{ since: 1 }],
  infer,
  flops: (context) => {
    const count = productOfDims([2, context.attributes.N, ...context.input(0).shape]);
    return isStatic(count) ? count : 0;
  },
  layout: () => ({ inputs: ["any", "row-major", "row-major", "row-major"], output: "row-major" }),
  epilogue: true,
  lower,
  evaluate: evaluateByKernels(lower),
});

type Fail = Pick<ImportedNode, "fail">;

/** Which block each step of the depth belongs to: an order of its own is that of a format that is no longer made. */
function checkGroups(
  groups: Value,
  { K, block_size }: { K: number; block_size: number },
  { fail }: Fail,
): void {
  const { constant } = groups;
  const inOrder =
    constant !== null &&
    Array.from(decodeElements(constant))
      .slice(0, K)
      .every((group, k) => group === Math.floor(k / block_size));
  if (!inOrder) {
    fail(
      "g_idx in another order than that of the blocks is not supported",
      "E_UNSUPPORTED",
      "reorder the weights",
    );
  }
}

/** Numbers of blocks used to be vectors. */
const asTable = (b: GraphBuilder, value: Value, columns: number): Value =>
  value.rank === 1 ? b.op("Reshape", [value, b.ints([columns, -1])]) : value;

const MatMulNBits = defineExpansion({
  name: "MatMulNBits",
  domain: "com.microsoft",
  summary: "Matrix product with weights of 2, 4 or 8 bits, a scale and a zero for each block of a column.",
  inputs: ["A", "B", "scales", "zero_points?", "g_idx?", "bias?"],
  types,
  attributes: { ...blockAttributes, accuracy_level: attribute.int(0), weight_prepacked: attribute.int(0) },
  versions: [{ since: 1 }],
  expand: (b, [x, integers, scales, zeros, groups, bias], view) => {
    const { accuracy_level, weight_prepacked, ...attributes } = view.attributes;
    if (weight_prepacked !== 0) view.fail("weights in the order of a GPU are not supported", "E_UNSUPPORTED");
    if (groups != null) checkGroups(groups, attributes, view);
    const numbers = (value: Value): Value => {
      if (value.dtype !== x!.dtype) view.fail(`combines ${x!.dtype} and ${value.dtype}`);
      return asTable(b, value, attributes.N);
    };
    const points =
      zeros == null ? null : zeros.dtype === "uint8" ? asTable(b, zeros, attributes.N) : numbers(zeros);
    const operands = [b.cast(x!, "float32"), integers!, numbers(scales!), points];
    const product = b.op("kiln.MatMulNBits", operands, attributes);
    if (bias == null) return [b.cast(product, x!.dtype)];
    if (bias.rank !== 1) view.fail(`bias of ${bias.rank} dims`, "E_SHAPE");
    return [b.cast(b.op("Add", [product, b.cast(bias, "float32")]), x!.dtype)];
  },
});

export const blockProductOperators: readonly Operator[] = [BlockProduct, MatMulNBits];
