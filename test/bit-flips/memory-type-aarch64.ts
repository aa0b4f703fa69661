/** A memory type in words to be compared (Arm ARM D8.6). */
export interface MemoryType {
  /** "device 0"; "normal write-back, write-through": outer and inner. */
  readonly attribute: string;
  readonly shareability: Shareability;
}

type Shareability = (typeof SHAREABILITIES)[number];
const SHAREABILITIES = ['non', 'reserved', 'outer', 'inner'] as const;

/** Kinds of Device memory from the strictest on: nGnRnE, nGnRE, nGRE, GRE. */
const DEVICE = 'device';
/** Cache policies from the one that wins a combination on. */
const POLICIES = ['non-cacheable', 'write-through', 'write-back'] as const;
type Policy = (typeof POLICIES)[number];

/** What an attribute byte of MAIR_ELx (D19.2.97) and SH say; allocation hints are left out. */
export function memoryTypeOfMair(byte: number, sh: number): MemoryType {
  if (byte >> 4 === 0) return device((byte >> 2) & 3);
  return normal(policyOfNibble(byte >> 4), policyOfNibble(byte & 15), sh);
}

/** What MemAttr and SH of stage 2 say (D8.6.6, without FEAT_S2FWB). */
export function memoryTypeOfStageTwo(memAttr: number, sh: number): MemoryType {
  const [outer, inner] = [memAttr >> 2, memAttr & 3];
  if (outer === 0) return device(inner);
  return normal(policyOfStageTwo(outer), policyOfStageTwo(inner), sh);
}

/** What both stages make of a location (D8.6.6): Device wins, then the weaker policy and the wider shareability. */
export function combined(one: MemoryType, two: MemoryType): MemoryType {
  const kinds = [one, two].map(({ attribute }) => attribute.split(' '));
  const devices = kinds.filter(([nature]) => nature === DEVICE).map(([, kind]) => Number(kind));
  if (devices.length > 0) return device(Math.min(...devices));
  const weaker = (at: number) =>
    POLICIES.find((policy) => kinds.some((words) => words[at] === policy)) ?? 'write-back';
  const wider = (['outer', 'reserved', 'inner', 'non'] as const).find((name) =>
    [one, two].some(({ shareability }) => shareability === name),
  );
  return normal(weaker(1), weaker(2), SHAREABILITIES.indexOf(wider ?? 'non'));
}

/** Device memory is outer shareable whatever SH says. */
function device(kind: number): MemoryType {
  return { attribute: `${DEVICE} ${kind}`, shareability: 'outer' };
}

/** So is memory that is non-cacheable throughout. */
function normal(outer: Policy, inner: Policy, sh: number): MemoryType {
  const isUncached = outer === 'non-cacheable' && inner === 'non-cacheable';
  const shareability = isUncached ? 'outer' : (SHAREABILITIES[sh] ?? 'non');
  return { attribute: `normal ${outer} ${inner}`, shareability };
}

/** 0b0100, 0b10RW and 0b11RW; transient policies are used by no layout. */
function policyOfNibble(nibble: number): Policy {
  if (nibble === 0b0100) return 'non-cacheable';
  return nibble >> 2 === 0b10 ? 'write-through' : 'write-back';
}

function policyOfStageTwo(bits: number): Policy {
  return POLICIES[bits - 1] ?? 'non-cacheable';
}
