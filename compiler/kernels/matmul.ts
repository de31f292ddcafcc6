/**
 * Matrix product [rows, depth] x [depth, columns] of float32 on the register tile; other types have loops of their own.
 * The left operand is read element by element, so it may have any strides; the right one is packed at compile time where
 * it is constant, else read in place. Few rows, and a right one whose columns are not side by side but the depth is, have
 * a kernel of their own (`matmul-dot.ts`).
 */

import { invariant } from "../diagnostics.js";
import { type Dim, isStatic } from "../ir/dim.js";
import { type TensorData, tensor } from "../ir/tensor.js";
import { add, mul } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";
import { contract, packedWeights } from "./contraction.js";
import { directMatmul } from "./matmul-direct.js";
import { canMultiplyRows, multiplyRows } from "./matmul-dot.js";
import {
  type PackedPanels,
  type Panels,
  packedOffset,
  packPanels,
  panelsAtRunTime,
  panelsOf,
} from "./panels.js";
import { lanes, loadColumns } from "./tile.js";

export interface MatmulParameters {
  readonly rows: Dim;
  readonly depth: Dim;
  readonly columns: Dim;
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

/** Columns of a packed panel; tiles of one and two rows take several. */
const packedWidth = ({ rows }: Pick<MatmulParameters, "rows">): number => (rows === 3 ? 12 : 8);

/** Columns of a tile that reads the right operand in place: few rows leave registers for more of them. */
function widthInPlace(p: MatmulParameters): number {
  if (p.rows === 1) return 32;
  return p.rows === 2 ? 16 : packedWidth(p);
}

/** Tells apart the packed forms of one matrix. */
export const packedKey = (p: Pick<MatmulParameters, "rows">): string => `matmul.${packedWidth(p)}`;

interface FixedMatrix {
  readonly rows: Dim;
  readonly depth: number;
  readonly columns: number;
}

/** Packs each matrix of [...batch, depth, columns] in panels. */
export function packMatrix(p: FixedMatrix, matrix: TensorData): TensorData {
  const size = p.depth * p.columns;
  const count = size === 0 ? 0 : matrix.data.length / size;
  const data = matrix.data as Float32Array;
  const packed = packPanels(
    count,
    p.depth,
    p.columns,
    panelsOf(p.columns, packedWidth(p)),
    (batch, row, column) => data[batch * size + row * p.columns + column]!,
  );
  return tensor("float32", [...matrix.dims.slice(0, -2), packed.dims[1]!], packed.data);
}

function packedPanels({ rows, columns }: MatmulParameters): PackedPanels[] {
  invariant(isStatic(columns), "a packed matrix has a fixed shape");
  return panelsOf(columns, packedWidth({ rows }));
}

export function matmul(s: NodeScope, p: MatmulParameters, operands: MatmulOperands): void {
  const { left, right } = operands;
  if (right.dtype !== "float32") {
    directMatmul(s, p, operands);
    return;
  }
  if (!operands.packed && canMultiplyRows(p, left, right)) {
    multiplyRows(s, p, operands);
    return;
  }
  const packed = operands.packed ? packedPanels(p) : null;
  const panels: readonly Panels[] = packed ?? panelsAtRunTime(s, p.columns, widthInPlace(p));
  const packedAt = operands.packed ? right.index([...operands.rightBatch, 0]) : null;
  contract(
    s,
    { out: [p.rows], taps: [1], channels: p.depth, panels, joinsTaps: false },
    {
      buffer: left.buffer,
      rowStride: s.dim(left.stride(left.strided.shape.length - 2)),
      left: (places, _taps, channel) => left.index([...operands.leftBatch, places[0]!, channel]),
      panel: (stretch, panel) => {
        if (packed === null) return add(0, 0);
        const depth = p.depth as number;
        return add(
          packedAt!,
          add(packedOffset(packed, stretch, depth), mul(panel, depth * packed[stretch]!.packed)),
        );
      },
      isPacked: operands.packed,
      right:
        packedAt !== null
          ? (tile, at, vector) => s.load(right.buffer, packedWeights(tile, at.number, vector), lanes)
          : (tile, at, vector) => {
              const indices = [...operands.rightBatch, at.channel, add(tile.column, vector * lanes)];
              return loadColumns(right, indices, indices.length - 1, tile.columns - vector * lanes);
            },
      result: (value, places, column) => operands.result(value, places[0]!, column),
    },
  );
}
