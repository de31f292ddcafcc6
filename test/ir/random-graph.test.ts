/** Random graphs through printer, parser, verifier and comparison. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equalGraphs } from "../../compiler/ir/compare.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { graphResources, printGraph } from "../../compiler/ir/print.js";
import { verifyGraph } from "../../compiler/ir/verify.js";
import { randomGraph } from "./random-graph.js";

const options = fc.record({ elideLargerThan: fc.constantFrom(0, 8, 1000) });

describe("random graphs", () => {
  test("are valid, and read back from their text as equal graphs of equal text", () => {
    fc.assert(
      fc.property(randomGraph(), options, (graph, options) => {
        verifyGraph(graph);
        const text = printGraph(graph, options);
        const parsed = parseGraph(text, graphResources(graph, options));
        verifyGraph(parsed);
        expect(printGraph(parsed, options)).toBe(text);
        expect(equalGraphs(graph, parsed)).toBeNull();
        expect([...graphResources(parsed, options).keys()]).toEqual([
          ...graphResources(graph, options).keys(),
        ]);
      }),
      { numRuns: 200 },
    );
  });
});
