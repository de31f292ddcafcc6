/** All operators, by the name that graph nodes use: `Conv`, `com.microsoft.FusedConv`, `kiln.Relayout`. */

import { activationOperators } from "./activation.js";
import { contribActivationOperators } from "./activation-contrib.js";
import { argExtremumOperators } from "./arg-extremum.js";
import { arithmeticOperators } from "./arithmetic.js";
import { clipOperators } from "./arithmetic-clip.js";
import { integerOperators } from "./arithmetic-integer.js";
import { powerOperators } from "./arithmetic-power.js";
import { unaryOperators } from "./arithmetic-unary.js";
import { assertOperators } from "./assert.js";
import { attentionOperators } from "./attention.js";
import { attentionCacheOperators } from "./attention-cache.js";
import { flexAttentionOperators } from "./attention-flex.js";
import { groupedAttentionOperators } from "./attention-grouped.js";
import { attentionMaskOperators } from "./attention-mask.js";
import { multiHeadAttentionOperators } from "./attention-multi-head.js";
import { projectedAttentionOperators } from "./attention-projected.js";
import { bitcastOperators } from "./bitcast.js";
import { castOperators } from "./cast.js";
import { cropOperators } from "./center-crop-pad.js";
import { unfoldingOperators } from "./col2im.js";
import { compareOperators } from "./compare.js";
import { concatOperators } from "./concat.js";
import { constantOperators } from "./constant.js";
import { contribGeneralOperators } from "./contrib-general.js";
import { controlOperators } from "./control.js";
import { convolutionOperators } from "./convolution.js";
import { causalConvolutionOperators } from "./convolution-causal.js";
import { contribConvolutionOperators } from "./convolution-contrib.js";
import { deformOperators } from "./convolution-deform.js";
import { convolutionTransposeOperators } from "./convolution-transpose.js";
import { cropAndResizeOperators } from "./crop-and-resize.js";
import { cumulativeOperators } from "./cumulative.js";
import { determinantOperators } from "./determinant.js";
import { diagonalOperators } from "./diagonal.js";
import { dropoutOperators } from "./dropout.js";
import { einsumOperators } from "./einsum.js";
import { fourierOperators } from "./fourier.js";
import { quantizedGatherOperators } from "./gather-quantized.js";
import { gemmOperators } from "./gemm.js";
import { gridOperators } from "./grid-sample.js";
import { indexingOperators } from "./indexing.js";
import { integerConvolutionOperators } from "./integer-convolution.js";
import { integerMatmulOperators } from "./integer-matmul.js";
import { internalOperators } from "./internal.js";
import { linearAttentionOperators } from "./linear-attention.js";
import { logicalOperators } from "./logical.js";
import { lossOperators } from "./loss.js";
import { mathOperators } from "./math.js";
import { matmulOperators } from "./matmul.js";
import { blockProductOperators } from "./matmul-nbits.js";
import { inverseOperators } from "./matrix-inverse.js";
import { featureOperators } from "./ml-features.js";
import { labelOperators } from "./ml-labels.js";
import { linearOperators } from "./ml-linear.js";
import { svmOperators } from "./ml-svm.js";
import { treeEnsembleOperators } from "./ml-tree-ensemble.js";
import { treeOperators } from "./ml-trees.js";
import { treeKernelOperators } from "./ml-trees-kernel.js";
import { movementOperators } from "./movement.js";
import { blockOperators } from "./movement-blocks.js";
import { padOperators } from "./movement-pad.js";
import { suppressionOperators } from "./non-max-suppression.js";
import { batchNormalizationOperators } from "./normalization-batch.js";
import { contribNormalizationOperators } from "./normalization-contrib.js";
import { meanNormalizationOperators } from "./normalization-expand-mean.js";
import type { Operator } from "./operator.js";
import { poolingOperators } from "./pooling.js";
import { globalPoolOperators } from "./pooling-global.js";
import { roiOperators } from "./pooling-roi.js";
import { quantizeOperators } from "./quantize.js";
import { quantizeElementOperators } from "./quantize-elements.js";
import { quantizeLinearOperators } from "./quantize-linear.js";
import { microsoftQuantizeOperators } from "./quantize-microsoft.js";
import { microsoftIntegerOperators } from "./quantize-microsoft-integer.js";
import { randomOperators } from "./random.js";
import { generatorOperators } from "./random-generators.js";
import { rangeOperators } from "./range.js";
import { recurrentOperators } from "./recurrent.js";
import { recurrentCells } from "./recurrent-cells.js";
import { quantizedRecurrentOperators } from "./recurrent-quantized.js";
import { reductionOperators } from "./reduction-reducers.js";
import { reshapeOperators } from "./reshape.js";
import { resizeOperators } from "./resize.js";
import { antialiasOperators } from "./resize-antialias.js";
import { upsampleOperators } from "./resize-versions.js";
import { rotaryOperators } from "./rotary.js";
import { scatterOperators } from "./scatter.js";
import { selectionOperators } from "./selection.js";
import { shapeOperators } from "./shape.js";
import { signalOperators } from "./signal.js";
import { sliceOperators } from "./slice.js";
import { softmaxOperators } from "./softmax.js";
import { splitOperators } from "./split.js";
import { tensorScatterOperators } from "./tensor-scatter.js";
import { tfidfOperators } from "./tfidf.js";
import { topKOperators } from "./top-k.js";
import { optimizerOperators } from "./training-optimizers.js";
import { uniqueOperators } from "./unique.js";

const all: readonly Operator[] = [
  ...controlOperators,
  ...meanNormalizationOperators,
  ...contribNormalizationOperators,
  ...blockOperators,
  ...padOperators,
  ...indexingOperators,
  ...quantizedGatherOperators,
  ...gridOperators,
  ...mathOperators,
  ...logicalOperators,
  ...integerOperators,
  ...compareOperators,
  ...softmaxOperators,
  ...reductionOperators,
  ...argExtremumOperators,
  ...topKOperators,
  ...rangeOperators,
  ...splitOperators,
  ...determinantOperators,
  ...inverseOperators,
  ...suppressionOperators,
  ...uniqueOperators,
  ...selectionOperators,
  ...scatterOperators,
  ...cumulativeOperators,
  ...poolingOperators,
  ...globalPoolOperators,
  ...contribConvolutionOperators,
  ...deformOperators,
  ...causalConvolutionOperators,
  ...cropOperators,
  ...cropAndResizeOperators,
  ...unfoldingOperators,
  ...roiOperators,
  ...matmulOperators,
  ...blockProductOperators,
  ...recurrentCells,
  ...recurrentOperators,
  ...quantizedRecurrentOperators,
  ...gemmOperators,
  ...contribGeneralOperators,
  ...einsumOperators,
  ...assertOperators,
  ...attentionOperators,
  ...attentionMaskOperators,
  ...attentionCacheOperators,
  ...multiHeadAttentionOperators,
  ...projectedAttentionOperators,
  ...groupedAttentionOperators,
  ...flexAttentionOperators,
  ...linearAttentionOperators,
  ...rotaryOperators,
  ...tensorScatterOperators,
  ...diagonalOperators,
  ...internalOperators,
  ...convolutionTransposeOperators,
  ...convolutionOperators,
  ...concatOperators,
  ...activationOperators,
  ...contribActivationOperators,
  ...arithmeticOperators,
  ...castOperators,
  ...bitcastOperators,
  ...clipOperators,
  ...constantOperators,
  ...movementOperators,
  ...powerOperators,
  ...reshapeOperators,
  ...resizeOperators,
  ...antialiasOperators,
  ...upsampleOperators,
  ...shapeOperators,
  ...sliceOperators,
  ...unaryOperators,
  ...lossOperators,
  ...optimizerOperators,
  ...randomOperators,
  ...generatorOperators,
  ...batchNormalizationOperators,
  ...dropoutOperators,
  ...treeKernelOperators,
  ...treeOperators,
  ...treeEnsembleOperators,
  ...featureOperators,
  ...labelOperators,
  ...linearOperators,
  ...svmOperators,
  ...quantizeElementOperators,
  ...quantizeOperators,
  ...integerMatmulOperators,
  ...integerConvolutionOperators,
  ...quantizeLinearOperators,
  ...microsoftQuantizeOperators,
  ...microsoftIntegerOperators,
  ...fourierOperators,
  ...signalOperators,
  ...tfidfOperators,
];

export const qualifiedName = (domain: string, name: string): string =>
  domain === "" ? name : `${domain}.${name}`;

const byName = new Map(all.map((operator) => [qualifiedName(operator.domain, operator.name), operator]));

export const findOperator = (name: string): Operator | undefined => byName.get(name);

export const allOperators = (): readonly Operator[] => all;
