import type { Op, Script } from './script.ts';

/** Replays the scripts of one crate on the engine. One driver per file, registered in drivers.ts. */
export interface GoldenDriver {
  /** The `crate` of the vector files that it replays. */
  readonly crate: string;
  /** Prepares memory and allocator for a script; constructs nothing yet. */
  open(script: Script): GoldenSession;
}

/** One script being replayed. */
export interface GoldenSession {
  /**
   * Constructs the table.
   * @returns the value of the vector's `beginExpect.ok`
   * @throws whatever the engine throws
   */
  begin(): unknown;
  /**
   * Makes one call.
   * @returns the value of the vector's `ok`, in the vector's own form
   * @throws whatever the engine throws, or {@link ScriptError}
   */
  apply(op: Op): unknown;
  /** Physical address of the root table as a hex string, or null where the vectors have null. */
  root(): string | null;
  /** Every table page that is allocated now, ascending, with its 512 entries. */
  tables(): { readonly address: number; readonly entries: readonly bigint[] }[];
}

/** An error that the script's own machinery answers (poke), not the engine. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** A value as the vectors write it. */
export function hexString(value: bigint | number): string {
  return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
}
