/** Operators of ONNX that have no declaration, because the importer itself puts something else in their place. */

import { sequenceOperators } from "./import-sequences.js";

export interface ImportOperator {
  readonly name: string;
  readonly versions: readonly number[];
  readonly summary: string;
}

const versions = [1, 11, 13, 16, 19, 21, 23, 24, 25];

/** Operators with regions. */
const control: readonly ImportOperator[] = [
  { name: "If", versions, summary: "One of two graphs, by a condition; results may differ in shape." },
  {
    name: "Loop",
    versions,
    summary: "A graph again and again, by a number of passes, a condition, or both.",
  },
  {
    name: "Scan",
    versions: [9, ...versions.slice(1)],
    summary: "A graph for each part of its inputs along an axis.",
  },
];

const constant: ImportOperator = {
  name: "Constant",
  versions: [1, 9, 11, 12, 13, 19, 21, 23, 24, 25],
  summary: "A tensor that is an attribute of the node.",
};

export const importOperators: readonly ImportOperator[] = [constant, ...control, ...sequenceOperators];

const controlNames = new Set(control.map(({ name }) => name));

/** Whether the node has regions that are imported as such. */
export const isControlOperator = ({ domain, opType }: { domain: string; opType: string }): boolean =>
  domain === "" && controlNames.has(opType);
