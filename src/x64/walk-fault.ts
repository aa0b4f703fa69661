import { isStructuralFault, x64ErrorCode, x64Vector } from '../outcome-list.ts';

/** Exception vectors of a failed translation (Intel SDM Vol. 3A §6.15). */
export const Vector = { StackFault: 12, GeneralProtection: 13, PageFault: 14 } as const;

/** Bits of the page-fault error code (SDM Vol. 3A §4.7, figure 4-12). */
export const PageFaultError = {
  /** P: 0 if an entry was not present, 1 if the entries forbid the access. */
  Present: 0x01,
  /** W/R: the access was a write. */
  Write: 0x02,
  /** U/S: the access was a user-mode access. */
  User: 0x04,
  /** RSVD: a reserved bit was set in an entry. */
  Reserved: 0x08,
  /** I/D: the access was an instruction fetch. */
  Fetch: 0x10,
  /** PK: a protection key forbids the access. */
  ProtectionKey: 0x20,
} as const;

const ERROR_NAMES: readonly (readonly [number, string])[] = [
  [PageFaultError.Present, 'P'],
  [PageFaultError.Write, 'W'],
  [PageFaultError.User, 'U'],
  [PageFaultError.Reserved, 'RSVD'],
  [PageFaultError.Fetch, 'I'],
  [PageFaultError.ProtectionKey, 'PK'],
];

/** The fields of an x64 fault; the flags are those of a page-fault error code and false for other vectors. */
export interface X64FaultFields {
  readonly architecture: 'x64';
  readonly vector: number;
  readonly errorCode: number;
  readonly present: boolean;
  readonly write: boolean;
  readonly user: boolean;
  readonly reserved: boolean;
  readonly fetch: boolean;
  readonly protectionKey: boolean;
}

export function decodeX64Fault(fault: number): X64FaultFields {
  const vector = x64Vector(fault);
  const errorCode = x64ErrorCode(fault);
  const has = (bit: number) => vector === Vector.PageFault && (errorCode & bit) !== 0;
  return {
    architecture: 'x64',
    vector,
    errorCode,
    present: has(PageFaultError.Present),
    write: has(PageFaultError.Write),
    user: has(PageFaultError.User),
    reserved: has(PageFaultError.Reserved),
    fetch: has(PageFaultError.Fetch),
    protectionKey: has(PageFaultError.ProtectionKey),
  };
}

/** "#PF error code 0x3 (P, W)", "#GP error code 0x0", "no fault" for 0, or "table outside memory". */
export function describeX64Fault(fault: number): string {
  if (fault === 0) return 'no fault';
  if (isStructuralFault(fault)) return 'table outside memory';
  const vector = x64Vector(fault);
  const errorCode = x64ErrorCode(fault);
  const text = `${vectorName(vector)} error code 0x${errorCode.toString(16)}`;
  if (vector !== Vector.PageFault) return text;
  const names = ERROR_NAMES.filter(([bit]) => (errorCode & bit) !== 0).map(([, name]) => name);
  return names.length === 0 ? text : `${text} (${names.join(', ')})`;
}

function vectorName(vector: number): string {
  switch (vector) {
    case Vector.StackFault:
      return '#SS';
    case Vector.GeneralProtection:
      return '#GP';
    case Vector.PageFault:
      return '#PF';
    default:
      return `vector ${vector}`;
  }
}

const MEMORY_TYPES = ['UC', 'WC', 'reserved 2', 'reserved 3', 'WT', 'WP', 'WB', 'UC-'] as const;

/** The name of a PAT memory type (SDM Vol. 3A table 11-10): "WB". */
export function x64MemoryTypeName(type: number): string {
  return MEMORY_TYPES[type] ?? `reserved ${type}`;
}
