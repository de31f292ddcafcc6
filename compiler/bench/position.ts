/** Where kernels stand against the roofline: what the machine could do at most with their work and their bytes. */

import type { KernelProfile, Profile } from "../../runtime/profile.js";
import type { Roofline } from "./roofline.js";

export interface Position {
  /** What ends first as the kernel gets faster: the arithmetic, or the memory. */
  readonly bound: "compute" | "memory";
  /** FLOPs for each byte. */
  readonly intensity: number;
  /**
   * The roof's time over the kernel's. More than 1 where data lay in caches, which are faster than the memory that the
   * roof is made of, or where an algorithm such as Winograd's takes fewer operations than are counted.
   */
  readonly ofRoof: number;
}

export interface PositionedKernel extends KernelProfile, Position {}

/** A profile with the roofline of the machine that it was measured on. */
export interface PositionedProfile extends Omit<Profile, "kernels"> {
  readonly kernels: readonly PositionedKernel[];
  readonly roofline: Roofline;
  /** What kernels are measured against: the inner loop with these features on as many threads, and the memory. */
  readonly roof: { readonly gflops: number; readonly gigabytesPerSecond: number };
}

export function positionProfile(
  profile: Profile,
  roofline: Roofline,
  { relaxedSimd, threads }: { readonly relaxedSimd: boolean; readonly threads: number },
): PositionedProfile {
  const { plainGflops, relaxedGflops, copyGBs } = roofline;
  const gflops = threads * ((relaxedSimd ? relaxedGflops : plainGflops) ?? plainGflops);
  const kernels = profile.kernels.map((kernel): PositionedKernel => {
    const computeMs = kernel.flops / gflops / 1e6;
    const memoryMs = kernel.bytes / copyGBs / 1e6;
    return {
      ...kernel,
      bound: computeMs >= memoryMs ? "compute" : "memory",
      intensity: kernel.bytes === 0 ? 0 : kernel.flops / kernel.bytes,
      ofRoof: kernel.ms === 0 ? 0 : Math.max(computeMs, memoryMs) / kernel.ms,
    };
  });
  return { ...profile, kernels, roofline, roof: { gflops, gigabytesPerSecond: copyGBs } };
}
