/**
 * `If` nodes whose arms do not agree, so that the graph behind them cannot be given types.
 *
 * Exporters write `If` for things like "squeeze this dim where it is 1". Its results then have another rank in each
 * arm, and what follows is mostly made for one of them. So both are tried: the nodes behind the `If` are imported with
 * the one arm in its place, then with the other. Where only one of them fits, that one is taken, and the run checks
 * that the condition is as it must be. Where both fit, the result takes the larger rank, with ones in front
 * (`EitherRank`), which only operators that broadcast can tell nothing of.
 */

import { KilnError } from "../diagnostics.js";

type Arm = "then" | "else";

/** What stands in the place of an `If` whose condition is known only at run time. */
export type Choice =
  /** Its results in the larger rank. */
  | { readonly arm: "either" }
  /** That arm alone; why the other does not fit. */
  | { readonly arm: Arm; readonly because: string };

/** Raised where an `If` cannot be imported before a choice is made. */
export class ChoiceNeeded extends Error {
  constructor(
    /** Number of the `If` among those of its graph or region. */
    readonly occurrence: number,
    /** The only arm that fits, where that is known already. */
    readonly only?: Choice,
  ) {
    super("a choice is needed");
  }
}

/** Most imports of one region again with other choices. */
const mostAttempts = 200;

export interface ChoiceHost {
  /** A point to go back to: names and reports made since are forgotten when `rewind` is called. */
  mark(): () => void;
}

/** Keeps the choices of the graph or region that is being imported. */
export class Choices {
  private current: ReadonlyMap<number, Choice> = new Map();
  private occurrence = 0;
  private attempts = 0;
  /** Regions around the nodes at hand. */
  private depth = 0;
  /** The depth at which an error was raised: one in a region says nothing of the graph around it. */
  private readonly depths = new WeakMap<KilnError, number>();

  constructor(private readonly host: ChoiceHost) {}

  /** The number of the next `If`, and what is chosen for it. */
  next(): { occurrence: number; choice: Choice | undefined } {
    const occurrence = this.occurrence++;
    return { occurrence, choice: this.current.get(occurrence) };
  }

  /** Builds a graph or region, again and again until its choices are made. */
  region<T>(build: () => T): T {
    const { current, occurrence } = this;
    const rewind = this.host.mark();
    this.depth++;
    try {
      return this.solve(new Map(), build, rewind);
    } catch (error) {
      if (error instanceof KilnError && !this.depths.has(error)) this.depths.set(error, this.depth);
      throw error;
    } finally {
      this.depth--;
      this.current = current;
      this.occurrence = occurrence;
    }
  }

  /** True where the error says that the shapes of a region just left can never fit. */
  isContradiction(error: unknown): error is KilnError {
    return (
      error instanceof KilnError && error.code === "E_SHAPE" && this.depths.get(error) === this.depth + 1
    );
  }

  private solve<T>(choices: ReadonlyMap<number, Choice>, build: () => T, rewind: () => void): T {
    if (choices.size > 0) rewind();
    if (choices.size > 0 && ++this.attempts > mostAttempts) {
      throw new KilnError("E_LIMIT", "the model has too many If nodes whose arms differ in rank", {
        hint: "bind the dims that their conditions depend on with --dim or --input-shape",
      });
    }
    this.current = choices;
    this.occurrence = 0;
    try {
      return build();
    } catch (needed) {
      if (!(needed instanceof ChoiceNeeded)) throw needed;
      const withChoice = (choice: Choice) => new Map([...choices, [needed.occurrence, choice]]);
      const attempt = (arm: Arm) => this.solve(withChoice({ arm, because: "" }), build, rewind);
      return this.solve(withChoice(needed.only ?? this.choose(attempt)), build, rewind);
    }
  }

  /** Tries the nodes behind an `If` with each arm. Where neither fits, the first one's error is raised. */
  private choose(attempt: (arm: Arm) => void): Choice {
    const [withThen, withElse] = (["then", "else"] as const).map((arm) => this.misfit(() => attempt(arm)));
    if (withThen === null && withElse === null) return { arm: "either" };
    if (withThen && withElse) throw withThen;
    return withThen
      ? { arm: "else", because: firstLine(withThen) }
      : { arm: "then", because: firstLine(withElse!) };
  }

  /** The error of shapes that do not fit, null where they do. */
  private misfit(attempt: () => void): KilnError | null {
    try {
      attempt();
      return null;
    } catch (error) {
      if (!this.isMisfit(error)) throw error;
      return error;
    }
  }

  private isMisfit(error: unknown): error is KilnError {
    if (!(error instanceof KilnError) || this.depths.has(error)) return false;
    return error.code === "E_SHAPE" || error.code === "E_MODEL";
  }
}

/** The first line of what an error says. */
export const firstLine = (error: KilnError): string => error.message.split("\n")[0]!;
