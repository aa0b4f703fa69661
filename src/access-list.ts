/**
 * Accesses in mass. The record is the probe record of guest-stubs/PROTOCOL.md, so that a list is written
 * once: the walker reads it, and a machine copies it into guest memory as it is.
 *
 * Record of 16 bytes, little endian:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 8 | virtual address |
 * | 8 | 1 | access: {@link Access} |
 * | 9 | 1 | privilege: {@link Privilege} |
 * | 10 | 1 | flags: {@link AccessFlag} |
 * | 11 | 1 | zero |
 * | 12 | 4 | PKRU for this access (x64, with {@link AccessFlag.ProtectionKeys}) |
 */
export const ACCESS_RECORD_BYTES = 16;
export const ACCESS_RECORD_WORDS = ACCESS_RECORD_BYTES / 4;

/** What an access does. */
export const Access = { Read: 0, Write: 1, Execute: 2 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** At which privilege: x64 CPL < 3 or CPL = 3; AArch64 the regime's own exception level or EL0. */
export const Privilege = { Supervisor: 0, User: 1 } as const;
export type Privilege = (typeof Privilege)[keyof typeof Privilege];

export const AccessFlag = {
  /** x64: with EFLAGS.AC set (SMAP, SDM Vol. 3A §4.6.1). */
  AlignmentCheck: 1,
  /** x64: with PKRU as in the record, else PKRU = 0 (SDM Vol. 3A §4.6.2). */
  ProtectionKeys: 2,
  /** Ask for the translation without touching the memory behind it, where the machine can (AArch64 `AT`). */
  TranslateOnly: 4,
  /**
   * x64: a data access through the stack segment: #SS instead of #GP where the address is not canonical. Only
   * the walker knows it; no stub performs such accesses.
   */
  Stack: 8,
} as const;

export const ACCESS_NAMES = ['read', 'write', 'execute'] as const;
export const PRIVILEGE_NAMES = ['supervisor', 'user'] as const;

/** A list of accesses over a typed array. */
export class AccessList {
  readonly length: number;
  /** Four words per record. */
  readonly words: Uint32Array;

  constructor(
    length: number,
    buffer: ArrayBufferLike = new ArrayBuffer(length * ACCESS_RECORD_BYTES),
    byteOffset = 0,
  ) {
    this.length = length;
    this.words = new Uint32Array(buffer, byteOffset, length * ACCESS_RECORD_WORDS);
  }

  /** Writes record `index`. The address is given as its two 32-bit halves. */
  set(
    index: number,
    low: number,
    high: number,
    access: Access,
    privilege: Privilege,
    flags = 0,
    pkru = 0,
  ): void {
    const at = index * ACCESS_RECORD_WORDS;
    this.words[at] = low;
    this.words[at + 1] = high;
    this.words[at + 2] = access | (privilege << 8) | (flags << 16);
    this.words[at + 3] = pkru;
  }

  address(index: number): bigint {
    const at = index * ACCESS_RECORD_WORDS;
    return (BigInt(this.words[at + 1] as number) << 32n) | BigInt(this.words[at] as number);
  }

  access(index: number): Access {
    return ((this.words[index * ACCESS_RECORD_WORDS + 2] as number) & 0xff) as Access;
  }

  privilege(index: number): Privilege {
    return (((this.words[index * ACCESS_RECORD_WORDS + 2] as number) >>> 8) & 0xff) as Privilege;
  }

  flags(index: number): number {
    return ((this.words[index * ACCESS_RECORD_WORDS + 2] as number) >>> 16) & 0xff;
  }

  pkru(index: number): number {
    return this.words[index * ACCESS_RECORD_WORDS + 3] as number;
  }

  /** The records [start, end) as a list over the same memory. */
  slice(start: number, end: number): AccessList {
    return new AccessList(
      end - start,
      this.words.buffer,
      this.words.byteOffset + start * ACCESS_RECORD_BYTES,
    );
  }
}
