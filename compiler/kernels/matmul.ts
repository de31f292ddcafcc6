/**
 * Matrix product [rows, depth] x [depth, columns] of float32 on the register tile; other types have loops of their own.
 * The left operand is read element by element, so it may have any strides; the right one is packed at compile time where
 * it is constant, else read in place.
 */

import { type TensorData, tensor } from "../ir/tensor.js";
import { add, mul } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";
import { contract } from "./contraction.js";
import { directMatmul } from "./matmul-direct.js";
import { lanes, loadColumns, type Panels, packedOffset, packPanels, panelsOf } from "./tile.js";

export interface MatmulParameters {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
}

export interface MatmulOperands {
  /** [...batch, rows, depth] */
  readonly left: TensorView;
  /** As `packMatrix` makes it where packed, else [...batch, depth, columns]. */
  readonly right: TensorView;
  readonly packed: boolean;
  /** Indices of the batch dims, for each operand. */
  readonly leftBatch: readonly Expr[];
  readonly rightBatch: readonly Expr[];
  readonly result: (value: Expr, row: Expr, column: Expr) => void;
}

/** Columns of a panel: few rows leave registers for more of them. */
function panelsFor(p: MatmulParameters): Panels[] {
  if (p.rows === 1) return panelsOf(p.columns, 32);
  if (p.rows === 2) return panelsOf(p.columns, 16);
  return panelsOf(p.columns, p.rows === 3 ? 12 : 8);
}

/** Packs each matrix of [...batch, depth, columns] in panels. */
export function packMatrix(p: MatmulParameters, matrix: TensorData): TensorData {
  const size = p.depth * p.columns;
  const count = size === 0 ? 0 : matrix.data.length / size;
  const data = matrix.data as Float32Array;
  const packed = packPanels(
    count,
    p.depth,
    p.columns,
    panelsFor(p),
    (batch, row, column) => data[batch * size + row * p.columns + column]!,
  );
  return tensor("float32", [...matrix.dims.slice(0, -2), packed.dims[1]!], packed.data);
}

export function matmul(s: NodeScope, p: MatmulParameters, operands: MatmulOperands): void {
  const { left, right } = operands;
  if (right.dtype !== "float32") {
    directMatmul(s, p, operands);
    return;
  }
  const panels = panelsFor(p);
  const packedAt = operands.packed ? right.index([...operands.rightBatch, 0]) : null;
  contract(
    s,
    { out: [p.rows], taps: [1], channels: p.depth, columns: p.columns, panels, joinsTaps: false },
    {
      buffer: left.buffer,
      rowStride: s.dim(left.stride(left.strided.shape.length - 2)),
      left: (places, _taps, channel) => left.index([...operands.leftBatch, places[0]!, channel]),
      panel: (stretch, panel) =>
        add(
          packedAt ?? 0,
          add(packedOffset(panels, stretch, p.depth), mul(panel, p.depth * panels[stretch]!.packed)),
        ),
      right:
        packedAt !== null
          ? (tile, at, vector) =>
              s.load(right.buffer, add(tile.panel, add(mul(at.number, tile.packed), vector * lanes)), lanes)
          : (tile, at, vector) => {
              const indices = [...operands.rightBatch, at.channel, add(tile.column, vector * lanes)];
              return loadColumns(right, indices, indices.length - 1, tile.columns - vector * lanes);
            },
      result: (value, places, column) => operands.result(value, places[0]!, column),
    },
  );
}
