/** Softmax(Q K + mask) V as one kernel. */

import { isStatic, productOfDims, staticDim } from "../ir/dim.js";
import { elementCount } from "../ir/tensor.js";
import { matmul } from "../kernels/matmul.js";
import { softmaxRow } from "../kernels/softmax.js";
import { add, mul, op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import type { Lanes, Placement } from "../lowering/scope.js";
import { defineOperator, type NodeView } from "./operator.js";

type Empty = Record<never, never>;

/** Rows of a block at most: with its scores it stays in the caches. */
const largestBlock = 64;

/** Rows that have their scores in memory at the same time: a divisor of all, so that every block has one code. */
export function attentionBlock(rows: number): number {
  for (let block = largestBlock; block >= 16; block--) if (rows % block === 0) return block;
  return rows;
}

function sizesOf(context: NodeView) {
  const [q, k, v] = [0, 1, 2].map((i) => context.input(i).shape.map((dim) => staticDim(dim, "a dim")));
  const [rows, depth] = q!.slice(-2) as [number, number];
  return { batch: q!.slice(0, -2), rows, depth, columns: k!.at(-1)!, width: v!.at(-1)! };
}

/** The rows of [...batch, rows, depth] in blocks: [...batch, rows / block, block, depth]. */
function inBlocks({ buffer, strided }: Placement, block: number): Placement {
  const { shape, strides, offset } = strided;
  const [rows, depth] = shape.slice(-2) as [number, number];
  const [rowStride, stride] = strides.slice(-2) as [number, number];
  return {
    buffer,
    strided: {
      offset,
      shape: [...shape.slice(0, -2), rows / block, block, depth],
      strides: [...strides.slice(0, -2), rowStride * block, rowStride, stride],
    },
  };
}

function lowerAttention(context: LoweringContext): void {
  const { batch, rows, depth, columns, width } = sizesOf(context);
  const block = attentionBlock(rows);
  const extents = [...batch, rows / block];
  // Passes of the outermost loop have memory of their own, as threads may share them out; others use it again and again.
  const own = extents.findIndex((extent) => extent > 1) + 1;
  const shape = [...extents.slice(0, own), block, columns];
  const memory = context.scratch("scores", { type: { dtype: "float32", shape } });
  const flops = 2 * elementCount(batch) * rows * columns * (depth + width);
  context.kernel({ name: `attention_${rows}x${depth}x${columns}x${width}`, flops }, (s) => {
    const queries = s.view("q", inBlocks(context.placement(0), block), "read");
    const [keys, values] = [
      s.view("k", context.placement(1), "read"),
      s.view("v", context.placement(2), "read"),
    ];
    const scores = s.view("scores", memory, "readwrite");
    loopsInOrder(s, extents, (leftBatch) => {
      const place = leftBatch.slice(0, own);
      const rightBatch = leftBatch.slice(0, -1);
      const first = mul(leftBatch.at(-1)!, block);
      matmul(
        s,
        { rows: block, depth, columns },
        {
          left: queries,
          right: keys,
          packed: false,
          leftBatch,
          rightBatch,
          result: (value, row, column) => {
            const lanes: Lanes = { axis: batch.length + 1, count: value.type.lanes };
            const masked = withMask(s, context, value, [...rightBatch, add(first, row), column], lanes);
            scores.store([...place, row, column], masked);
          },
        },
      );
      s.for("row", 0, block, (row) => {
        softmaxRow(s, { log: false }, scores, scores, (name, body) => {
          s.for(name, 0, columns, (column) => body([...place, row, column]), { mode: "vectorize" });
        });
      });
      matmul(
        s,
        { rows: block, depth: columns, columns: width },
        {
          left: scores,
          right: values,
          packed: false,
          leftBatch: place,
          rightBatch,
          result: (value, row, column) => {
            const lanes: Lanes = { axis: batch.length + 1, count: value.type.lanes };
            s.result(value, [...rightBatch, add(first, row), column], lanes);
          },
        },
      );
    });
  });
}

/** The scores with the mask's elements added, which broadcasts to them. */
function withMask(
  s: NodeScope,
  context: LoweringContext,
  value: Expr,
  indices: readonly Expr[],
  { axis, count }: Lanes,
): Expr {
  const mask = context.optional(3);
  if (mask === null) return value;
  const view = s.view("mask", context.placement(3), "read");
  const lead = indices.length - mask.rank;
  const own = indices.slice(lead).map((index, i) => (mask.shape[i] === 1 ? 0 : index));
  const isAlong = axis >= lead && mask.shape[axis - lead] !== 1;
  const element = isAlong ? view.load(own, { axis: axis - lead, count }) : view.load(own);
  return op("add", value, element);
}

export const FusedAttention = defineOperator<Empty>({
  name: "Attention",
  domain: "kiln",
  summary: "Softmax(Q K + mask) V, in blocks of rows whose scores stay in the caches.",
  inputs: ["Q", "K", "V", "mask?"],
  types: ["float32"],
  attributes: {},
  versions: [{ since: 1 }],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    return [{ dtype, shape: [...shape.slice(0, -1), context.input(2).shape.at(-1)!] }];
  },
  flops: (context) => {
    const { shape } = context.input(0);
    const [columns, width] = [context.input(1).shape.at(-1)!, context.input(2).shape.at(-1)!];
    const scores = productOfDims([2, ...shape.slice(0, -1), columns]);
    return [scores, shape.at(-1)!, width].every(isStatic)
      ? (scores as number) * ((shape.at(-1) as number) + (width as number))
      : 0;
  },
  layout: () => ({ inputs: ["any", "row-major", "row-major", "any"], output: "row-major" }),
  epilogue: true,
  lower: lowerAttention,
});
