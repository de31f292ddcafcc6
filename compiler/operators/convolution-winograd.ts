/** Where a convolution is computed by Winograd's filtering, by a model of its cost. */

import { type Dim, dimSymbols, evaluateDim, isStatic, printDim } from "../ir/dim.js";
import type { ConvolutionParameters } from "../kernels/convolution.js";
import {
  isStaged,
  type WinogradOperands,
  type WinogradParameters,
  winograd,
  winogradFlops,
  winogradRoom,
  winogradScratch,
  winogradStages,
} from "../kernels/winograd.js";
import { winogradWeights } from "../kernels/winograd-weights.js";
import type { Buffer } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { extentsName } from "../lowering/names.js";
import type { Border, Placement, Target } from "../lowering/scope.js";
import type { ConvolutionAttributes } from "./convolution-window.js";
import type { NodeView } from "./operator.js";

/** Weights grow by 16/9 or 36/9 in memory: by so many bytes for one layer whatever it saves, and by more where it pays. */
const smallGrowth = 2 * 1024 * 1024;

/**
 * Operations that a byte of larger growth has to save in a run. At the start it costs more than that: the weights are
 * computed, and written to pages that the system gives only then. A convolution of 256 to 256 channels at 14x14 saves 60
 * by F(2 x 2, 3 x 3) and another 1.5 by F(4 x 4, 3 x 3) in the place of that; one of 512 to 512 at 7x7 saves 9.
 */
const savedPerByte = 10;

/** Floating-point operations in the time in which one byte of weights comes from memory. */
const operationsPerByte = 4;

/** Operations of both transforms, of each element of a tile. */
const transformOperations = 12;

/** What a symbol is taken to be where the cost needs a number. */
const expectedSymbol = 256;

/** Fewer channels do not pay for the transforms. */
const fewestChannels = 16;

/** The size of an extent, as the cost sees it, where symbols have one that pictures often have. */
function expectedExtent(extent: Dim): number {
  const symbols = new Map([...dimSymbols(extent)].map((name) => [name, expectedSymbol]));
  return Math.max(1, evaluateDim(extent, symbols));
}

/** The node by Winograd's filtering, or null where the direct way is taken: by cost, or as measurement has it. */
export function winogradPlan(
  context: NodeView<ConvolutionAttributes>,
  p: ConvolutionParameters,
  target: Target,
): WinogradParameters | null {
  const { batch, out, inChannels, outChannels } = p;
  const fits =
    !target.strict &&
    p.groups === 1 &&
    p.kernel.join() === "3,3" &&
    [...p.strides, ...p.dilations].every((step) => step === 1) &&
    [inChannels, outChannels].every((channels) => channels >= fewestChannels && channels % 4 === 0) &&
    context.input(1).constant !== null;
  if (!fits) return null;
  const ways = waysOf(p).sort((a, b) => a.cost - b.cost);
  const chosen = target.choose({
    kind: "algorithm",
    key: `conv 3x3, ${inChannels} to ${outChannels}, ${[batch, ...out].map(printDim).join("x")}`,
    candidates: ways.map(({ name }) => name),
    nodes: context.node.source,
  });
  const { size } = ways.find(({ name }) => name === chosen)!;
  return size === null ? null : { size, batch, inChannels, outChannels, out: [out[0]!, out[1]!] };
}

interface Way {
  readonly name: string;
  readonly size: WinogradParameters["size"] | null;
  /** In floating-point operations. */
  readonly cost: number;
  /** Bytes of weights in memory. */
  readonly bytes: number;
}

/** The direct way, and those by Winograd's filtering that are worth their memory. */
function waysOf({ batch, out, inChannels, outChannels }: ConvolutionParameters): Way[] {
  const weightBytes = 4 * inChannels * outChannels;
  const images = isStatic(batch) ? batch : 1;
  const [rows, columns] = out.map(expectedExtent) as [number, number];
  const products = 2 * images * rows * columns * inChannels * outChannels;
  const transforms = transformOperations / 2 / inChannels + transformOperations / 2 / outChannels;
  const direct = { cost: 9 * (products + weightBytes * operationsPerByte), bytes: 9 * weightBytes };
  const ways: Way[] = [{ name: "direct", size: null, ...direct }];
  for (const size of [2, 4] as const) {
    const bytes = (size + 2) ** 2 * weightBytes;
    const flops = winogradFlops({ size, inChannels, outChannels, batch: images, out: [rows, columns] });
    const cost = flops * (1 + transforms) + bytes * operationsPerByte;
    const best = ways.reduce((a, b) => (b.cost < a.cost ? b : a));
    const pays = best.cost - cost >= savedPerByte * (bytes - best.bytes);
    if (bytes - direct.bytes <= smallGrowth || pays)
      ways.push({ name: `winograd ${size}x${size}`, size, cost, bytes });
  }
  return ways;
}

/** The border of the input, made longer at the ends so that tiles are whole. */
export function winogradBorder(p: WinogradParameters, border: Border): Border {
  const after = border.after.map((size, axis) =>
    axis < 2 ? size : size + winogradRoom(p.size, p.out[axis - 2]!),
  );
  return { before: border.before, after };
}

export function lowerWinograd(
  context: LoweringContext<ConvolutionAttributes>,
  p: WinogradParameters,
  input: Placement,
): void {
  const weights = context.input(1).constant!;
  const sizes = winogradScratch(p, context.target);
  const room = (name: string, elements: number): Placement =>
    context.scratch(name, { type: { dtype: "float32", shape: [elements] } });
  const name = `conv_winograd_${p.size}x${p.size}_${p.inChannels}to${p.outChannels}_${extentsName(p.out)}`;
  const places = {
    transformed: room("transformed", sizes.transformed),
    products: room("products", sizes.products),
  };
  const flops = winogradFlops(p);
  /** Of the kernel's parameters, those that it asks for. */
  const operands = (s: NodeScope, tile: () => Buffer): WinogradOperands => ({
    get input() {
      return s.view("x", input, "read");
    },
    get weights() {
      const packed = context.derived(weights, `winograd.${p.size}`, () => winogradWeights(p, weights));
      return s.view("w", packed, "read");
    },
    get transformed() {
      return s.view("v", places.transformed, "readwrite");
    },
    get products() {
      return s.view("m", places.products, "readwrite");
    },
    get tile() {
      return tile();
    },
    result: (value, n, channel, at) => s.result(value, [n, channel, ...at], { axis: 1, count: 4 }),
  });
  if (isStaged(p, context.target)) {
    for (const [stage, build] of Object.entries(winogradStages)) {
      context.kernel({ name: `${name}_${stage}`, flops: stage === "products" ? flops : 0 }, (s) => {
        let tile: Buffer | undefined;
        build(
          s,
          p,
          operands(s, () => {
            tile ??= s.tileMemory(sizes.tile);
            return tile;
          }),
        );
      });
    }
    return;
  }
  const tile = room("tile", sizes.tile);
  context.kernel({ name, flops }, (s) =>
    winograd(
      s,
      p,
      operands(s, () => s.view("t", tile, "readwrite").buffer),
    ),
  );
}
