/** Sound and the probability of speech, drawn over time. */

import { frameSize, sampleRate, segmentsOf, speechThreshold } from "./frames.js";

/** Loudness and probability of each frame so far. */
export interface Sound {
  readonly peaks: number[];
  readonly probabilities: number[];
}

/**
 * @param frames how many of the last frames to show; all where it is missing
 * @param cursor frame to mark
 */
export function drawPlot(canvas: HTMLCanvasElement, sound: Sound, frames?: number, cursor?: number): void {
  const scale = window.devicePixelRatio;
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d")!;
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const total = sound.peaks.length;
  const shown = frames ?? Math.max(total, 1);
  const first = Math.max(0, total - shown);
  const x = (frame: number) => ((frame - first) / shown) * width;
  const y = (value: number) => height * (0.96 - 0.92 * value);

  context.fillStyle = colour("--speech");
  context.globalAlpha = 0.16;
  for (const { start, end } of segmentsOf(sound.probabilities)) {
    const [from, to] = [start, end].map((seconds) => x((seconds * sampleRate) / frameSize));
    context.fillRect(from!, 0, to! - from!, height);
  }
  context.globalAlpha = 0.45;
  context.fillStyle = colour("--quiet");
  for (let frame = first; frame < total; frame++) {
    const bar = Math.min(1, sound.peaks[frame]!) * height * 0.46;
    context.fillRect(x(frame), height / 2 - bar, Math.max(1, width / shown - 0.5), 2 * bar);
  }
  context.globalAlpha = 1;
  context.strokeStyle = colour("--line");
  context.lineWidth = scale;
  context.setLineDash([4 * scale, 4 * scale]);
  line(context, [
    [0, y(speechThreshold)],
    [width, y(speechThreshold)],
  ]);
  context.setLineDash([]);
  context.strokeStyle = colour("--accent");
  context.lineWidth = 2 * scale;
  line(
    context,
    sound.probabilities.slice(first).map((value, i) => [x(first + i + 0.5), y(value)]),
  );
  if (cursor !== undefined) {
    context.strokeStyle = colour("--ink");
    context.lineWidth = scale;
    line(context, [
      [x(cursor), 0],
      [x(cursor), height],
    ]);
  }
}

function line(context: CanvasRenderingContext2D, points: readonly (readonly number[])[]): void {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x!, y!);
  context.stroke();
}
