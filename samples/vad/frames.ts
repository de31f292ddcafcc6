/** Sound in frames through Silero VAD v5, and what is speech in it. */

/** Samples per second that the network takes. */
export const sampleRate = 16000;

/** Samples of a frame: 32 ms. */
export const frameSize = 512;

/** Samples before the frame that the network sees again. */
const contextSize = 64;

export const frameInputShapes = { input: [1, contextSize + frameSize], state: [2, 1, 128] };

/** A module that keeps the network's state. */
export interface VadModel {
  runSync(feeds: {
    input: { type: "float32"; data: Float32Array; dims: number[] };
    sr: { type: "int64"; data: BigInt64Array; dims: number[] };
  }): Record<string, { data: unknown }>;
  reset(): void;
}

/** The probability of speech, frame by frame. */
export class SpeechDetector {
  private readonly input = new Float32Array(contextSize + frameSize);

  constructor(private readonly model: VadModel) {}

  /** Forgets what was heard. */
  reset(): void {
    this.model.reset();
    this.input.fill(0);
  }

  /** @param frame `frameSize` samples from -1 to 1 that follow those of the last call */
  probability(frame: Float32Array): number {
    this.input.copyWithin(0, frameSize);
    this.input.set(frame, contextSize);
    const results = this.model.runSync({
      input: { type: "float32", data: this.input, dims: [1, this.input.length] },
      sr: { type: "int64", data: BigInt64Array.of(BigInt(sampleRate)), dims: [] },
    });
    return (results.output!.data as Float32Array)[0]!;
  }
}

export interface Segment {
  /** Seconds. */
  readonly start: number;
  readonly end: number;
}

/** Speech begins above this, and ends where it has been below the lower one for some frames. */
export const speechThreshold = 0.5;
const silenceThreshold = 0.35;
const hangover = 8;

const frameSeconds = frameSize / sampleRate;

/** The stretches of speech in the probabilities of frames that follow one another. */
export function segmentsOf(probabilities: ArrayLike<number>): Segment[] {
  const segments: Segment[] = [];
  let start: number | null = null;
  let lastSpeech = 0;
  const close = (): void => {
    if (start !== null) segments.push({ start: start * frameSeconds, end: (lastSpeech + 1) * frameSeconds });
    start = null;
  };
  for (let frame = 0; frame < probabilities.length; frame++) {
    const probability = probabilities[frame]!;
    if (probability >= speechThreshold) start ??= frame;
    if (probability >= silenceThreshold) lastSpeech = frame;
    if (start !== null && frame - lastSpeech >= hangover) close();
  }
  close();
  return segments;
}
