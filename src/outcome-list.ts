/**
 * What becomes of accesses, in mass: the walker's prediction and a machine's observation have the same
 * columns, so that a verdict is a loop over two typed arrays.
 */

/**
 * The columns that hold an answer for a record. A machine leaves out what it cannot observe; the walker
 * knows everything.
 */
export const Known = {
  /** Whether the access completes or faults. */
  Completion: 0x01,
  /** Of a fault: the vector (x64) or exception class (AArch64 ESR.EC). */
  FaultClass: 0x02,
  /** Of a fault: the error code (x64) or the fault status with its level (AArch64 ESR.xFSC). */
  FaultStatus: 0x04,
  /** Of a fault: all of the syndrome (x64: as FaultStatus; AArch64: every defined bit of ESR). */
  Syndrome: 0x08,
  /** Of a fault: CR2, FAR. */
  FaultAddress: 0x10,
  /** Of a completed access: where it went. */
  PhysicalAddress: 0x20,
  /** Of a completed access: the memory type. */
  MemoryType: 0x40,
  /** Of a completed access: the shareability (AArch64). */
  Shareability: 0x80,
} as const;

/** All columns. */
export const KNOWN_ALL = 0xff;

/**
 * Outcomes that no architecture defines, because the walk left the memory that is there. They stand in the
 * `fault` column: as an x64 vector they would be 255, as an ESR the unallocated class 0x3f.
 */
export const StructuralFault = {
  /** A table pointer leads to memory that is not there; `physicalAddress` holds the missing entry's address. */
  TableOutsideMemory: 0xff00_0001,
} as const;

/** Whether a `fault` is one of {@link StructuralFault}. */
export function isStructuralFault(fault: number): boolean {
  return fault >>> 24 === 0xff;
}

/** The `fault` of an x64 exception: vector in bits 31:24, error code in bits 23:0. Never 0: no vector 0 occurs. */
export function x64Fault(vector: number, errorCode: number): number {
  return ((vector << 24) | errorCode) >>> 0;
}
export function x64Vector(fault: number): number {
  return fault >>> 24;
}
export function x64ErrorCode(fault: number): number {
  return fault & 0xff_ffff;
}

/** In the `hpfar` column: not a fault of stage 2. */
export const HPFAR_NONE = 2n ** 64n - 1n;
/** In the `hpfar` column: a fault of stage 2 for which the architecture leaves HPFAR_EL2 open, or nobody read it. */
export const HPFAR_OPEN = 2n ** 64n - 2n;

/** What of an observation an address translation instruction says (AArch64: `AT`), and not the access itself. */
export const Translated = {
  PhysicalAddress: 1,
  MemoryType: 2,
  FaultStatus: 4,
  /** All of it: no access was made. */
  Everything: 8,
} as const;

/** The columns of an {@link OutcomeList} alone, as another thread can take them over. */
export type OutcomeColumns = Pick<
  OutcomeList,
  'length' | 'known' | 'fault' | 'faultAddress' | 'physicalAddress' | 'memoryType' | 'hpfar' | 'translated'
>;

/** Columns for `length` accesses, 24 bytes each. */
export class OutcomeList {
  readonly length: number;
  /** Bits of {@link Known}. */
  readonly known: Uint8Array;
  /**
   * 0 = the access completes; x64: {@link x64Fault}; AArch64: ESR_ELx[31:0]; or a {@link StructuralFault}. The
   * instruction syndrome that stage 2 adds (ISS[24:14] with ISV) tells of the instruction: it is left out.
   */
  readonly fault: Uint32Array;
  /** CR2 / FAR of a fault; 0 otherwise (and for x64 #GP and #SS, which have none). */
  readonly faultAddress: BigUint64Array;
  /** The same as two words each, the low one first: reading them makes no bigint. */
  readonly faultAddressWords: Uint32Array;
  /**
   * Physical address of a completed access as a double (exact, ≤ 52 bits), −1 for a fault. A known −1 of a
   * completed access says that it landed elsewhere than expected, where the machine can name no address.
   */
  readonly physicalAddress: Float64Array;
  /**
   * Memory type of a completed access. x64: the PAT type (0 UC, 1 WC, 4 WT, 5 WP, 6 WB, 7 UC-).
   * AArch64: the MAIR byte in bits 7:0, the shareability (0 non, 2 outer, 3 inner) in bits 9:8.
   */
  readonly memoryType: Uint16Array;
  #hpfar: BigUint64Array | undefined;
  #translated: Uint8Array | undefined;

  constructor(length: number) {
    this.length = length;
    this.known = new Uint8Array(length);
    this.fault = new Uint32Array(length);
    this.faultAddress = new BigUint64Array(length);
    this.faultAddressWords = new Uint32Array(this.faultAddress.buffer);
    this.physicalAddress = new Float64Array(length).fill(-1);
    this.memoryType = new Uint16Array(length);
  }
  /**
   * HPFAR_EL2 of a fault of stage 2 (AArch64), {@link HPFAR_OPEN}, or {@link HPFAR_NONE} for every other outcome: so
   * it also tells faults that EL2 takes from those of EL1. Absent where nobody looked.
   */
  get hpfar(): BigUint64Array | undefined {
    return this.#hpfar;
  }

  /** The `hpfar` column, made of {@link HPFAR_NONE} if it is absent. */
  ensureHpfar(): BigUint64Array {
    this.#hpfar ??= new BigUint64Array(this.length).fill(HPFAR_NONE);
    return this.#hpfar;
  }

  /** Bits of {@link Translated}. Absent where accesses alone answered. */
  get translated(): Uint8Array | undefined {
    return this.#translated;
  }

  /** The `translated` column, made of zeros if it is absent. */
  ensureTranslated(): Uint8Array {
    this.#translated ??= new Uint8Array(this.length);
    return this.#translated;
  }

  /** Takes over all outcomes of a list, from index `start` of this one. @throws RangeError if they do not fit */
  setFrom(other: OutcomeColumns, start: number): void {
    this.known.set(other.known, start);
    this.fault.set(other.fault, start);
    this.faultAddress.set(other.faultAddress, start);
    this.physicalAddress.set(other.physicalAddress, start);
    this.memoryType.set(other.memoryType, start);
    if (other.hpfar !== undefined) this.ensureHpfar().set(other.hpfar, start);
    if (other.translated !== undefined) this.ensureTranslated().set(other.translated, start);
  }
}

/** Whether two lists have different fault addresses. */
export function faultAddressDiffers(left: OutcomeList, right: OutcomeList, index: number): boolean {
  const [a, b] = [left.faultAddressWords, right.faultAddressWords];
  return a[2 * index] !== b[2 * index] || a[2 * index + 1] !== b[2 * index + 1];
}

/** Whether two lists that both have the `hpfar` column contradict each other in it. */
export function hpfarDiffers(left: OutcomeList, right: OutcomeList, index: number): boolean {
  if (left.hpfar === undefined || right.hpfar === undefined) return false;
  const [a, b] = [left.hpfar[index], right.hpfar[index]];
  const isOpen = a === HPFAR_OPEN || b === HPFAR_OPEN;
  return isOpen ? a === HPFAR_NONE || b === HPFAR_NONE : a !== b;
}
