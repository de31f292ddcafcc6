/** Names of kernels. */

import { type Dim, isStatic } from "../ir/dim.js";

/** `64x56x56` as part of a kernel's name; extents that are known only at run time are all called n. */
export const extentsName = (dims: readonly Dim[]): string =>
  dims.map((dim) => (isStatic(dim) ? String(dim) : "n")).join("x");
