/** Operators of ONNX that have no declaration, because the importer itself puts something else in their place. */

interface ImportOperator {
  readonly name: string;
  readonly versions: readonly number[];
  readonly summary: string;
}

const at = (name: string, versions: readonly number[], summary: string): ImportOperator => ({
  name,
  versions,
  summary,
});

const control = [1, 11, 13, 16, 19, 21, 23, 24, 25];

export const importOperators: readonly ImportOperator[] = [
  at("Constant", [1, 9, 11, 12, 13, 19, 21, 23, 24, 25], "A tensor that is an attribute of the node."),
  at("If", control, "One of two graphs, by a condition; results may differ in shape."),
  at("Loop", control, "A graph again and again, by a number of passes, a condition, or both."),
  at("Scan", [9, ...control.slice(1)], "A graph for each part of its inputs along an axis."),
  at("Optional", [15], "A value that may be absent, where the model says which."),
  at("OptionalGetElement", [15, 18], "The value of an optional."),
  at("OptionalHasElement", [15, 18], "Whether an optional has a value."),
  at("SequenceConstruct", [11], "A sequence of tensors, whose length is known when the model is compiled."),
  at("SequenceEmpty", [11], "A sequence without tensors."),
  at("SequenceInsert", [11], "A sequence with one more tensor, at a known place."),
  at("SequenceErase", [11], "A sequence without the tensor at a known place."),
  at("SequenceAt", [11], "The tensor at a known place."),
  at("SequenceLength", [11], "How many tensors a sequence has."),
  at("SequenceMap", [17], "A graph for each tensor of a sequence."),
  at("SplitToSequence", [11, 24], "The parts of a tensor, where their number is known."),
  at("ConcatFromSequence", [11], "The tensors of a sequence, joined along an axis."),
];
