/** NonMaxSuppression: the best boxes of each class that do not overlap. */

import { type Dim, isStatic, minDims, productOfDims } from "../ir/dim.js";
import { printType } from "../ir/graph.js";
import { suppress } from "../kernels/non-max-suppression.js";
import { add, constant, i32Constant, op, read } from "../loop/builder.js";
import { type Expr, f32 } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineExpansion, defineOperator, type NodeView, type Operator } from "./operator.js";
import { take } from "./selection.js";

const attributes = { center_point_box: attribute.int(0) } as const;
type BoxView = NodeView<typeof attributes>;

const inputs = [
  "boxes",
  "scores",
  "max_output_boxes_per_class?",
  "iou_threshold?",
  "score_threshold?",
] as const;

/** Batches, classes and boxes. */
function sizesOf(context: BoxView): [Dim, Dim, Dim] {
  const [boxes, scores] = [context.input(0), context.input(1)];
  for (const { dtype } of [boxes, scores]) {
    if (dtype !== "float32") context.fail(`takes float32, not ${dtype}`);
  }
  const [batches, count, four] = boxes.shape;
  const [sameBatches, classes, sameCount] = scores.shape;
  const reason = "takes boxes [batches, boxes, 4] and scores [batches, classes, boxes]";
  if (boxes.rank !== 3 || scores.rank !== 3) context.fail(reason, "E_SHAPE");
  context.requireEqual(four!, 4, reason);
  context.requireEqual(batches!, sameBatches!, reason);
  context.requireEqual(count!, sameCount!, reason);
  return [batches!, classes!, count!];
}

/** How many boxes of a class there can be in the result. */
function mostOfClass(context: BoxView, count: Dim): Dim {
  if (context.optional(2) === null) return 0;
  const [limit] = context.elements(2) ?? [];
  return limit !== undefined && isStatic(limit) ? minDims(Math.max(limit, 0), count) : count;
}

/** The one element of an optional input, or null. */
function scalar(s: NodeScope, context: BoxView, i: number): Expr | null {
  const value = context.optional(i);
  return value === null
    ? null
    : s.operand(
        i,
        value.shape.map(() => i32Constant(0)),
      );
}

function lower(context: LoweringContext<typeof attributes>): void {
  const [batches, classes, count] = sizesOf(context);
  const [keys, places, spare, kept] = ["keys", "places", "spare", "kept"].map((name) =>
    context.scratch(name, { type: { dtype: "int32", shape: [count] } }),
  );
  const isNothing = [batches, classes, mostOfClass(context, count)].includes(0);
  context.kernel({ name: `nonmaxsuppression_${count}`, flops: 0 }, (s) => {
    const found = s.variable("found", i32Constant(0));
    const buffer = (name: string, placement: typeof keys) => s.view(name, placement!, "readwrite").buffer;
    loopsInOrder(s, isNothing ? [0] : [batches, classes], ([batch, ofClass]) => {
      const [boxes, scores] = [0, 1].map((i) => s.view("x", context.placement(i), "read"));
      const rows = s.view("selected", context.output(0), "write");
      suppress(s, {
        count: s.dim(count),
        limit: limitOf(scalar(s, context, 2)!),
        score: (box) => scores!.load([batch!, ofClass!, box]),
        scoreThreshold: scalar(s, context, 4),
        overlapThreshold: scalar(s, context, 3) ?? constant(f32, 0),
        corners: (box) => [0, 1, 2, 3].map((i) => boxes!.load([batch!, box, i32Constant(i)])),
        centered: context.attributes.center_point_box !== 0,
        scratch: {
          keys: buffer("keys", keys),
          places: buffer("places", places),
          spare: buffer("spare", spare),
          kept: buffer("kept", kept),
        },
        keep: (box) => {
          [batch!, ofClass!, box].forEach((value, i) => {
            rows.store([read(found), i32Constant(i)], op("i32_to_i64_s", value));
          });
          s.assign(found, add(read(found), 1));
        },
      });
    });
    s.view("count", context.output(1), "write").store([], op("i32_to_i64_s", read(found)));
  });
}

/** No limit is larger than what fits an i32. */
const limitOf = (limit: Expr): Expr => op("i64_to_i32", op("min_s", limit, 2 ** 31 - 1));

const Selected = defineOperator<typeof attributes>({
  name: "SelectedBoxes",
  domain: "kiln",
  summary:
    "Batch, class and number of boxes that are kept, a row each, with room for all; and how many there are.",
  inputs,
  attributes,
  versions: [{ since: 1 }],
  infer: (context) => {
    const [batches, classes, count] = sizesOf(context);
    for (const i of [2, 3, 4]) {
      const value = context.optional(i);
      const dtype = i === 2 ? "int64" : "float32";
      if (value === null) continue;
      const reason = `${inputs[i]!.replace("?", "")} is ${printType(value.type)}, not one ${dtype}`;
      if (value.dtype !== dtype) context.fail(reason);
      context.requireEqual(productOfDims(value.shape), 1, reason);
    }
    return [
      { dtype: "int64", shape: [productOfDims([batches, classes, mostOfClass(context, count)]), 3] },
      { dtype: "int64", shape: [] },
    ];
  },
  lower,
  evaluate: evaluateByKernels(lower),
});

const NonMaxSuppression = defineExpansion({
  name: "NonMaxSuppression",
  summary: "The best boxes of each class, without those that overlap a better one.",
  inputs,
  types: ["float32"],
  attributes,
  versions: [{ since: 10 }, { since: 11 }],
  expand: (b, given, { attributes: own }) => {
    const [rows, count] = b.ops("kiln.SelectedBoxes", given, own, 2);
    return [take(b, rows!, count!)];
  },
});

export const suppressionOperators: readonly Operator[] = [Selected, NonMaxSuppression];
