/**
 * Linear attention: for each head of keys a state [key size, value size] that every token decays, corrects and adds to
 * before its queries read it.
 *
 *   S = e^decay * S                  where the rule is gated
 *   v = beta * (v - S^T k)           where it is the delta rule
 *   S = S + k v^T
 *   o = scale * S^T q                for each head of queries that shares the head of keys
 *
 * Two walks through the state for each token, or one without the delta rule: down the columns, as many of them side by
 * side as vectors have lanes, so that sums along a column stay in registers.
 */

import { type Dim, equalDims } from "../ir/dim.js";
import { add, constant, minIndex, mul, op, read, sub } from "../loop/builder.js";
import { type Expr, registerTypes, type Variable } from "../loop/ir.js";
import type { KernelScope, TensorView } from "../lowering/scope.js";
import * as math from "./math.js";

export interface LinearAttention {
  readonly batch: Dim;
  readonly length: Dim;
  readonly keyHeads: number;
  /** Heads of queries for each head of keys. */
  readonly group: number;
  readonly keySize: Dim;
  readonly valueSize: Dim;
  /** Factors of a token for each head: one, or one for each element of its key. */
  readonly decays: Dim;
  /** 0 stands for 1 / sqrt(key size). */
  readonly scale: number;
}

export interface LinearAttentionTensors {
  /** [batch, length, heads * size] */
  readonly query: TensorView;
  readonly key: TensorView;
  readonly value: TensorView;
  /** [batch, length, key heads * decays] */
  readonly decay: TensorView | null;
  /** [batch, length, key heads], or 1 in place of these. */
  readonly beta: TensorView | null;
  readonly past: TensorView | null;
  /** [batch, key heads, key size, value size] */
  readonly state: TensorView;
  /** Memory of [batch, key size] for the factors of a token, and of [batch, value size] for what it writes. */
  readonly factors: TensorView;
  readonly written: TensorView;
  readonly result: (value: Expr, indices: readonly Expr[]) => void;
}

/** Heads of queries that read the state in one walk: each has its own sum in registers. */
const mostReaders = 4;

export function linearAttention(s: KernelScope, p: LinearAttention, tensors: LinearAttentionTensors): void {
  const head = (n: Expr, h: Expr): void => new Head(s, p, tensors, n, h).run();
  s.for("n", 0, s.dim(p.batch), (n) => s.for("h", 0, p.keyHeads, (h) => head(n, h)), { mode: "parallel" });
}

class Head {
  private readonly type;
  private readonly keySize: Expr;

  constructor(
    private readonly s: KernelScope,
    private readonly p: LinearAttention,
    private readonly tensors: LinearAttentionTensors,
    private readonly n: Expr,
    private readonly h: Expr,
  ) {
    this.type = { scalar: registerTypes[tensors.state.dtype], lanes: 1 } as const;
    this.keySize = s.dim(p.keySize);
  }

  run(): void {
    const { s, p, tensors, n, h } = this;
    const { past, state } = tensors;
    s.for("d", 0, this.keySize, (d) => {
      this.columns((m) => {
        const at = [n, h, d, m];
        state.store(at, past?.load(at) ?? this.number(0));
      });
    });
    s.for("t", 0, s.dim(p.length), (t) => {
      if (tensors.decay !== null) this.findFactors(tensors.decay, t);
      if (tensors.beta !== null) this.correct(tensors.beta, t);
      for (let first = 0; first < p.group; first += mostReaders) {
        this.update(t, first, Math.min(first + mostReaders, p.group));
      }
    });
  }

  private number(value: number): Expr {
    return constant(this.type, value);
  }

  private columns(body: (m: Expr) => void): void {
    this.s.for("m", 0, this.s.dim(this.p.valueSize), body, { mode: "vectorize" });
  }

  private key(t: Expr, d: Expr): Expr {
    return this.tensors.key.load([this.n, t, add(mul(this.h, this.keySize), d)]);
  }

  private value(t: Expr, m: Expr): Expr {
    return this.tensors.value.load([this.n, t, add(mul(this.h, this.s.dim(this.p.valueSize)), m)]);
  }

  /** The index of something that there is once for each of `all`, or once for all of them. */
  private shared(index: Expr, all: Dim, count: Dim): Expr {
    return equalDims(all, count) ? index : minIndex(index, sub(this.s.dim(count), 1));
  }

  private findFactors(decay: TensorView, t: Expr): void {
    const { s, p, n, h } = this;
    const count = s.dim(p.decays);
    const { factors } = this.tensors;
    s.for("d", 0, count, (d) => factors.store([n, d], math.exp(decay.load([n, t, add(mul(h, count), d)]))), {
      mode: "vectorize",
    });
  }

  /** An element of the state once it has decayed for this token. */
  private decayed(d: Expr, m: Expr): Expr {
    const { p, n, h } = this;
    const element = this.tensors.state.load([n, h, d, m]);
    if (this.tensors.decay === null) return element;
    return op("mul", element, this.tensors.factors.load([n, this.shared(d, p.keySize, p.decays)]));
  }

  /** What the delta rule writes: the part of the value that the state does not give for the key already. */
  private correct(beta: TensorView, t: Expr): void {
    const { s, n, h } = this;
    const place = this.shared(h, this.p.keyHeads, beta.strided.shape[2]!);
    const rate = s.let("rate", beta.load([n, t, place]));
    this.columns((m) => {
      const known = s.variable("known", this.number(0));
      s.for("d", 0, this.keySize, (d) =>
        s.assign(known, op("fma", this.decayed(d, m), this.key(t, d), read(known))),
      );
      this.tensors.written.store([this.n, m], op("mul", rate, op("sub", this.value(t, m), read(known))));
    });
  }

  /** Brings the state up to date, unless readers before have, and lets some heads of queries read it. */
  private update(t: Expr, first: number, end: number): void {
    const { s, p, n, h } = this;
    const { beta, state, written, query } = this.tensors;
    const readers = Array.from({ length: end - first }, (_, i) => add(mul(h, p.group), first + i));
    const scale = this.scale();
    this.columns((m) => {
      const sums: Variable[] = readers.map(() => s.variable("sum", this.number(0)));
      const write =
        first > 0 ? null : s.let("write", beta === null ? this.value(t, m) : written.load([n, m]));
      s.for("d", 0, this.keySize, (d) => {
        const at = [n, h, d, m];
        const element =
          write === null
            ? s.let("element", state.load(at))
            : s.let("element", op("fma", this.key(t, d), write, this.decayed(d, m)));
        if (write !== null) state.store(at, element);
        for (const [i, reader] of readers.entries()) {
          const wanted = query.load([n, t, add(mul(reader, this.keySize), d)]);
          s.assign(sums[i]!, op("fma", wanted, element, read(sums[i]!)));
        }
      });
      for (const [i, reader] of readers.entries()) {
        const place = add(mul(reader, s.dim(p.valueSize)), m);
        this.tensors.result(op("mul", read(sums[i]!), scale), [n, t, place]);
      }
    });
  }

  private scale(): Expr {
    const { s, p } = this;
    if (p.scale !== 0) return this.number(p.scale);
    if (typeof p.keySize === "number") return this.number(1 / Math.sqrt(p.keySize));
    const size = op(this.type.scalar === "f64" ? "i32_to_f64_s" : "i32_to_f32_s", this.keySize);
    return s.let("scale", op("div", this.number(1), op("sqrt", size)));
  }
}
