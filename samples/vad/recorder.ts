/** Runs beside the page's thread: gathers the microphone's samples to frames. */

import { frameSize } from "./frames.js";

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, type: new () => AudioWorkletProcessor): void;

class Recorder extends AudioWorkletProcessor {
  private frame = new Float32Array(frameSize);
  private filled = 0;

  /** Called with 128 samples at a time; true keeps it alive. */
  process([channels]: Float32Array[][]): boolean {
    for (const sample of channels?.[0] ?? []) {
      this.frame[this.filled++] = sample;
      if (this.filled < frameSize) continue;
      this.port.postMessage(this.frame, [this.frame.buffer]);
      this.frame = new Float32Array(frameSize);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
