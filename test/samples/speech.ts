/** Sound that is much like a voice: pulses of the vocal cords through the resonances of vowels, in syllables. */

const sampleRate = 16000;

/** First three resonances, in Hz, of a, e, i, o, u. */
const vowels = [
  [730, 1090, 2440],
  [530, 1840, 2480],
  [270, 2290, 3010],
  [570, 840, 2410],
  [300, 870, 2240],
] as const;

const bandwidths = [80, 100, 140] as const;

/** Samples of a voice that says meaningless syllables. */
export function voice(seconds: number): Float32Array {
  const samples = new Float32Array(seconds * sampleRate);
  const memory = bandwidths.map(() => [0, 0] as [number, number]);
  let phase = 0;
  for (let i = 0; i < samples.length; i++) {
    const time = i / sampleRate;
    const pitch = 125 + 20 * Math.sin(2 * Math.PI * 0.7 * time) + 4 * Math.sin(2 * Math.PI * 5 * time);
    phase += pitch / sampleRate;
    let sound = 0;
    if (phase >= 1) {
      phase -= 1;
      sound = 1;
    }
    const syllable = time / 0.22;
    const vowel = vowels[Math.floor(syllable) % vowels.length]!;
    memory.forEach((past, k) => {
      const radius = Math.exp((-Math.PI * bandwidths[k]!) / sampleRate);
      const next =
        sound * (1 - radius) * 4 + 2 * radius * Math.cos((2 * Math.PI * vowel[k]!) / sampleRate) * past[0];
      const filtered = next - radius * radius * past[1];
      past[1] = past[0];
      past[0] = filtered;
      sound = filtered;
    });
    samples[i] = sound * Math.sin(Math.PI * (syllable % 1)) ** 0.5;
  }
  const loudest = samples.reduce((peak, x) => Math.max(peak, Math.abs(x)), 0);
  return samples.map((x) => (0.6 * x) / loudest);
}

/** A wave file of 16 bits. */
export function waveFile(samples: Float32Array): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF");
  header.writeUInt32LE(36 + 2 * samples.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(2 * sampleRate, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(2 * samples.length, 40);
  const data = Int16Array.from(samples, (x) => Math.round(32767 * Math.max(-1, Math.min(1, x))));
  return Buffer.concat([header, Buffer.from(data.buffer)]);
}

/** One and a half seconds of silence, two of a voice, and silence again. */
export function speechBetweenSilence(): Float32Array {
  const samples = new Float32Array(5 * sampleRate);
  samples.set(voice(2), 1.5 * sampleRate);
  return samples;
}
