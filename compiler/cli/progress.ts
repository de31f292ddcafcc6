/**
 * Shows what the compiler is at. The compiler does not yield, so nothing turns by itself: the line is drawn anew as
 * each stage begins, once a second has gone by.
 */

import type { Writable } from "node:stream";
import type { WriteStream } from "node:tty";
import yoctoSpinner, { type Spinner } from "yocto-spinner";
import type { Output, Terminal } from "./terminal.js";

const quietMs = 1000;

export class Progress implements Disposable {
  private readonly started = performance.now();
  private readonly spinner: Spinner | undefined;

  constructor(
    private readonly terminal: Terminal,
    private readonly what: string,
  ) {
    const { io, flags } = terminal;
    if (isTerminal(io.stderr) && flags.quiet !== true && flags.verbose !== true) {
      // Signals are left alone: a listener would hold Ctrl-C back until the compiler is done.
      this.spinner = yoctoSpinner({ stream: withCursor(io.stderr), handleSignals: false });
    }
  }

  /** Called as a stage begins. */
  readonly stage = (name: string): void => {
    const elapsed = performance.now() - this.started;
    this.terminal.detail(`${(elapsed / 1000).toFixed(3).padStart(8)} s  ${name}`);
    if (this.spinner === undefined || elapsed < quietMs) return;
    const text = `${this.what}: ${name}`;
    if (this.spinner.isSpinning) this.spinner.text = text;
    else this.spinner.start(text);
  };

  /** Clears the line; to be called before anything else is written. */
  stop(): void {
    this.spinner?.stop();
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}

const isTerminal = (output: Output): output is WriteStream => output.isTTY === true && "cursorTo" in output;

const hideCursor = "\u001B[?25l";

/** The terminal, its cursor never hidden: a signal may end the process before the spinner would show it again. */
function withCursor(stream: WriteStream): Writable {
  const shown = {
    isTTY: true,
    get columns() {
      return stream.columns;
    },
    write: (text: string) => text === hideCursor || stream.write(text),
    cursorTo: (x: number) => stream.cursorTo(x),
    moveCursor: (x: number, y: number) => stream.moveCursor(x, y),
    clearLine: (direction: -1 | 0 | 1) => stream.clearLine(direction),
  };
  return shown as unknown as Writable;
}
