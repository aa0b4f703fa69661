/** Memory types for the reference: taken apart, combined, and put together again as PAR_EL1 shows them. */

export interface Location {
  /** PAR_EL1.ATTR; undefined: the architecture does not say. */
  attributes: bigint | undefined;
  /** PAR_EL1.SH; undefined as well. */
  shareability: bigint | undefined;
  /** What it is made of, where that is defined. */
  parts: Parts | undefined;
}

type Parts =
  | { device: 'nGnRnE' | 'nGnRE' | 'nGRE' | 'GRE'; shareability: bigint }
  | { device: undefined; inner: Policy; outer: Policy; tagged: boolean; shareability: bigint };

interface Policy {
  cache: 'NC' | 'WT' | 'WB';
  transient: boolean;
  hints: bigint;
}

const DEVICES = ['nGnRnE', 'nGnRE', 'nGRE', 'GRE'] as const;

/** A MAIR byte and SH, alone: stage 1 shows the byte as it is. */
export function locationOfMair(attribute: bigint, sh: bigint): Location {
  const parts = partsOfMair(attribute, sh);
  const always = attribute >> 4n === 0n || attribute === 0x44n;
  const shareability = always ? 2n : sh;
  return { attributes: attribute, shareability: shareability === 1n ? undefined : shareability, parts };
}

function partsOfMair(attribute: bigint, sh: bigint): Parts | undefined {
  if (attribute >> 4n === 0n) {
    if ((attribute & 3n) !== 0n) return undefined;
    return { device: DEVICES[Number(attribute >> 2n)] as 'GRE', shareability: 2n };
  }
  if (attribute === 0xf0n) {
    const policy: Policy = { cache: 'WB', transient: false, hints: 3n };
    return { device: undefined, inner: policy, outer: policy, tagged: true, shareability: sh };
  }
  const inner = policyOf(attribute & 15n);
  const outer = policyOf(attribute >> 4n);
  return inner && outer && { device: undefined, inner, outer, tagged: false, shareability: sh };
}

function policyOf(nibble: bigint): Policy | undefined {
  const hints = nibble & 3n;
  if (nibble === 0n) return undefined;
  if (nibble === 4n) return { cache: 'NC', transient: false, hints: 0n };
  const cache = (nibble & 4n) === 0n ? 'WT' : 'WB';
  return { cache, transient: (nibble & 8n) === 0n, hints };
}

/** MemAttr and SH of stage 2. */
export function locationOfStageTwo(memAttr: bigint, shareability: bigint): Location {
  const unknown = { attributes: undefined, shareability: undefined };
  if (memAttr < 4n) return { ...unknown, parts: { device: DEVICES[Number(memAttr)] as 'GRE', shareability } };
  const policy = (code: bigint): Policy | undefined =>
    code === 0n
      ? undefined
      : { cache: (['NC', 'WT', 'WB'] as const)[Number(code) - 1] as 'NC', transient: false, hints: 0n };
  const inner = policy(memAttr & 3n);
  const outer = policy(memAttr >> 2n);
  if (inner === undefined || outer === undefined) return { ...unknown, parts: undefined };
  return { ...unknown, parts: { device: undefined, inner, outer, tagged: false, shareability } };
}

/** S2CombineS1MemAttrs, and how PAR_EL1 shows the result. */
export function combineStages(one: Location, two: Location): Location {
  const nothing = { attributes: undefined, shareability: undefined, parts: undefined };
  const a = one.parts;
  const b = two.parts;
  if (a === undefined || b === undefined) return nothing;
  if (a.device !== undefined || b.device !== undefined) {
    const strictest = Math.min(
      a.device === undefined ? 3 : DEVICES.indexOf(a.device),
      b.device === undefined ? 3 : DEVICES.indexOf(b.device),
    );
    return { attributes: BigInt(strictest) << 2n, shareability: 2n, parts: undefined };
  }
  const inner = combinePolicies(a.inner, b.inner);
  const outer = combinePolicies(a.outer, b.outer);
  const tagged = a.tagged && inner.cache === 'WB' && outer.cache === 'WB';
  const attributes = tagged ? 0xf0n : (encode(outer) << 4n) | encode(inner);
  const both = [a.shareability, b.shareability];
  let shareability: bigint | undefined = 0n;
  if (both.includes(3n)) shareability = 3n;
  if (both.includes(1n)) shareability = undefined;
  if (both.includes(2n) || attributes === 0x44n) shareability = 2n;
  return { attributes, shareability, parts: undefined };
}

function combinePolicies(one: Policy, two: Policy): Policy {
  const caches = [one.cache, two.cache];
  if (caches.includes('NC')) return { cache: 'NC', transient: false, hints: 0n };
  return { ...one, cache: caches.includes('WT') ? 'WT' : 'WB' };
}

function encode({ cache, transient, hints }: Policy): bigint {
  if (cache === 'NC') return 4n;
  return (transient ? 0n : 8n) | (cache === 'WB' ? 4n : 0n) | hints;
}
