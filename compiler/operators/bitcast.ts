/** BitCast: the bits of elements taken for those of another type. */

import { type DType, dtypeFromOnnx, dtypes } from "../ir/dtype.js";
import { elementsOfBytes, tensor, tensorBytes } from "../ir/tensor.js";
import { op } from "../loop/builder.js";
import { loopsOver, memoryOrder } from "../lowering/loops.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";
import { booleanElement } from "./pointwise.js";

const attributes = { to: attribute.required("int") } as const;

function target(context: NodeView<typeof attributes>): DType {
  const { to } = context.attributes;
  return dtypeFromOnnx(to) ?? context.fail(`element type ${to} is not supported`, "E_UNSUPPORTED");
}

/** Integers of as many bits: moving them changes no NaN. */
const bitsTypes: Readonly<Record<number, DType>> = {
  2: "uint2",
  4: "uint4",
  8: "uint8",
  16: "uint16",
  32: "uint32",
  64: "uint64",
};

const BitCast = defineOperator({
  name: "BitCast",
  summary: "The bits of the elements taken for those of another type of the same size.",
  inputs: ["input"],
  attributes,
  versions: [{ since: 26 }],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const to = target(context);
    const [from, wanted] = [dtypes[dtype].bits, dtypes[to].bits];
    if (from !== wanted) context.fail(`takes ${from} bits of ${dtype} for ${wanted} of ${to}`);
    return [{ dtype: to, shape }];
  },
  lower: (context) => {
    const { dtype, shape } = context.input(0);
    const to = target(context);
    const bits = bitsTypes[dtypes[to].bits]!;
    const destination = context.output();
    context.kernel({ name: `bitcast_${dtype}_${to}`, flops: 0, inPlace: [0] }, (s) => {
      const x = s.view("x", context.placement(0), "read", bits);
      const y = s.view("y", destination, "write", bits);
      loopsOver(s, shape, memoryOrder(destination), (indices) => {
        const element = x.load(indices);
        // Code counts on 0 and 1 for the two bools.
        y.store(indices, to === "bool" ? booleanElement(op("ne", element, 0)) : element);
      });
    });
  },
  evaluate: (context) => {
    const x = context.input(0);
    const { dtype, dims } = context.outputs[0]!;
    const data = elementsOfBytes(dtype, x.data.length, tensorBytes(x));
    return [
      tensor(dtype, dims, dtype === "bool" ? (data as Uint8Array).map((bit) => Number(bit !== 0)) : data),
    ];
  },
});

export const bitcastOperators: readonly Operator[] = [BitCast];
