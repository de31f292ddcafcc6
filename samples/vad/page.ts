/** The page that says when somebody talks. */

import { load } from "onnx-kiln/runtime";
import { breathe, byId, element, say, sayError, takeFiles } from "../web/dom.js";
import {
  frameSize,
  SpeechDetector,
  sampleRate,
  segmentsOf,
  speechThreshold,
  type VadModel,
} from "./frames.js";
import { drawPlot, type Sound } from "./plot.js";

const microphone = byId("microphone", HTMLButtonElement);
const now = byId("now", HTMLElement);
const meter = byId("meter", HTMLMeterElement);
const plot = byId("plot", HTMLCanvasElement);
const player = element("audio");
const segmentList = byId("segments", HTMLOListElement);

/** Frames that the plot shows while the microphone is on: ten seconds. */
const liveFrames = Math.round((10 * sampleRate) / frameSize);

/** Files of more than this are cut: an hour of sound is 230 MB in memory. */
const longestSeconds = 600;

async function openDetector(): Promise<SpeechDetector> {
  const model = await load(fetch("/models/vad.wasm"));
  return new SpeechDetector(model as unknown as VadModel);
}

let sound: Sound = { peaks: [], probabilities: [] };

const peakOf = (frame: Float32Array): number => frame.reduce((peak, x) => Math.max(peak, Math.abs(x)), 0);

function showNow(probability: number): void {
  meter.value = probability;
  const isSpeech = probability >= speechThreshold;
  now.textContent = isSpeech ? "Speech" : "Silence";
  now.classList.toggle("speech", isSpeech);
}

function showSegments(): void {
  const segments = segmentsOf(sound.probabilities);
  const items = segments.map(({ start, end }) => {
    const times = `${start.toFixed(2)} s to ${end.toFixed(2)} s`;
    return element("li", element("span", times), element("small", `${(end - start).toFixed(2)} s`));
  });
  segmentList.replaceChildren(...items);
}

player.controls = true;
player.hidden = true;
player.setAttribute("aria-label", "The chosen sound");
byId("player-place", HTMLElement).append(player);

/** What is to end before something else begins. */
let stop: () => void = () => {};

async function hearFile(detector: SpeechDetector, file: File): Promise<void> {
  stop();
  let isStopped = false;
  stop = () => {
    isStopped = true;
  };
  say(`Reading ${file.name}`);
  const bytes = await file.arrayBuffer();
  const decoder = new OfflineAudioContext(1, 1, sampleRate);
  const decoded = await decoder.decodeAudioData(bytes).catch(() => {
    throw new Error(`${file.name} is not a sound file that this browser knows`);
  });
  if (isStopped) return;
  offerPlayer(file);
  detector.reset();
  sound = { peaks: [], probabilities: [] };
  const started = performance.now();
  const samples = mixed(decoded);
  for (let at = 0; at + frameSize <= samples.length; at += frameSize) {
    const frame = samples.subarray(at, at + frameSize);
    sound.peaks.push(peakOf(frame));
    sound.probabilities.push(detector.probability(frame));
    if (sound.peaks.length % 200 === 0) {
      drawPlot(plot, sound);
      await breathe();
      if (isStopped) return;
    }
  }
  showNow(Math.max(0, ...sound.probabilities.slice(-1)));
  drawPlot(plot, sound);
  showSegments();
  const speech = segmentsOf(sound.probabilities).reduce((sum, { start, end }) => sum + end - start, 0);
  const took = ((performance.now() - started) / 1000).toFixed(2);
  say(`${speech.toFixed(1)} s of speech in ${decoded.duration.toFixed(1)} s of ${file.name}, in ${took} s`);
}

/** One channel, the mean of all. */
function mixed(decoded: AudioBuffer): Float32Array {
  const length = Math.min(decoded.length, longestSeconds * sampleRate);
  const samples = new Float32Array(length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    const data = decoded.getChannelData(channel);
    for (let i = 0; i < length; i++) samples[i]! += data[i]! / decoded.numberOfChannels;
  }
  return samples;
}

function offerPlayer(file: File): void {
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(file);
  player.hidden = false;
}

async function hearMicrophone(detector: SpeechDetector): Promise<void> {
  stop();
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext({ sampleRate });
  await context.audioWorklet.addModule("/samples/vad/recorder.js");
  const recorder = new AudioWorkletNode(context, "recorder");
  context.createMediaStreamSource(stream).connect(recorder);
  detector.reset();
  sound = { peaks: [], probabilities: [] };
  player.hidden = true;
  segmentList.replaceChildren();
  let wasSpeech = false;
  recorder.port.onmessage = ({ data: frame }: MessageEvent<Float32Array>) => {
    const probability = detector.probability(frame);
    sound.peaks.push(peakOf(frame));
    sound.probabilities.push(probability);
    showNow(probability);
    drawPlot(plot, sound, liveFrames);
    const isSpeech = probability >= speechThreshold;
    if (wasSpeech && !isSpeech) showSegments();
    wasSpeech = isSpeech;
  };
  microphone.textContent = "Stop";
  say("Listening: speak");
  stop = () => {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
    microphone.textContent = "Use the microphone";
    showSegments();
    say("Stopped");
    stop = () => {};
  };
}

/** The player shows where it is. */
player.addEventListener("timeupdate", () => {
  const frame = Math.floor((player.currentTime * sampleRate) / frameSize);
  showNow(sound.probabilities[Math.min(frame, sound.probabilities.length - 1)] ?? 0);
  drawPlot(plot, sound, undefined, frame);
});

addEventListener("resize", () => drawPlot(plot, sound));

try {
  const detector = await openDetector();
  microphone.disabled = false;
  byId("file", HTMLInputElement).disabled = false;
  microphone.addEventListener("click", () => {
    if (microphone.textContent === "Stop") stop();
    else hearMicrophone(detector).catch(sayError);
  });
  takeFiles("audio/", (file) => void hearFile(detector, file).catch(sayError));
  drawPlot(plot, sound);
  say("Ready");
} catch (error) {
  sayError(error);
}
